//! Times as they are written in the file: `"2h4m"`, `"90s"`, `"400ms"`.

use crate::units::Nanos;

/// Shortest time for flow memory: below it, the grain of its clock would show.
pub const SHORTEST: Nanos = Nanos(5 * SECOND);

const SECOND: u64 = 1_000_000_000;
/// Units with their nanoseconds, in the order in which they are written.
const UNITS: [(&str, u64); 4] = [("h", 3600 * SECOND), ("m", 60 * SECOND), ("s", SECOND), ("ms", SECOND / 1000)];

/// The time in `text`: whole hours, minutes, seconds and milliseconds in this order, each at most once.
pub fn parse(text: &str) -> Option<Nanos> {
    let (mut rest, mut nanos, mut units) = (text, 0_u64, &UNITS[..]);
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, behind) = behind.split_at(behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len()));
        let at = units.iter().position(|(name, _)| *name == unit)?;
        nanos = nanos.checked_add(number.parse::<u64>().ok()?.checked_mul(units[at].1)?)?;
        (rest, units) = (behind, &units[at + 1..]);
    }
    (!text.is_empty()).then_some(Nanos(nanos))
}

/// `span` in whole milliseconds, as the file would have it.
pub fn show(span: Nanos) -> String {
    let (mut rest, mut text) = (span.0, String::new());
    for (unit, size) in UNITS {
        if rest >= size {
            text += &format!("{}{unit}", rest / size);
            rest %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (text, millis, shown) in [
            ("2h4m", 7_440_000, "2h4m"),
            ("90s", 90_000, "1m30s"),
            ("5m", 300_000, "5m"),
            ("60s", 60_000, "1m"),
            ("12h0m1s", 43_201_000, "12h1s"),
            ("400ms", 400, "400ms"),
            ("1s500ms", 1500, "1s500ms"),
            ("2m1500ms", 121_500, "2m1s500ms"),
            ("0s", 0, "0s"),
        ] {
            assert_eq!(parse(text), Some(Nanos::from_millis(millis)), "{text}");
            assert_eq!(show(Nanos::from_millis(millis)), shown);
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let overflow = format!("{}h", u64::MAX);
        for text in ["", "5", "h", "m5", "4m2h", "5 m", "-5m", "1.5h", "5m5m", "5min", "1d", "5ms3s", "+5s", &overflow]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
