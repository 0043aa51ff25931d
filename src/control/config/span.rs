//! Times as they are written in the file: `"2h4m"`, `"90s"`.

use crate::units::Nanos;

/// Shortest time that a key takes: below it, the grain of flow memory's clock would show.
pub const SHORTEST: Nanos = Nanos(5 * SECOND);

const SECOND: u64 = 1_000_000_000;
/// Units with their seconds, in the order in which they are written.
const UNITS: [(char, u64); 3] = [('h', 3600), ('m', 60), ('s', 1)];

/// The time in `text`: whole hours, minutes and seconds in this order, each at most once.
pub fn parse(text: &str) -> Option<Nanos> {
    let (mut rest, mut seconds) = (text, 0_u64);
    for (unit, size) in UNITS {
        let Some((number, behind)) = rest.split_once(unit) else { continue };
        if number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(size)?)?;
        rest = behind;
    }
    if text.is_empty() || !rest.is_empty() { None } else { Some(Nanos(seconds.checked_mul(SECOND)?)) }
}

/// `span` in whole seconds, as the file would have it.
pub fn show(span: Nanos) -> String {
    let mut seconds = span.0 / SECOND;
    let mut text = String::new();
    for (unit, size) in UNITS {
        if seconds >= size {
            text += &format!("{}{unit}", seconds / size);
            seconds %= size;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("2h4m", 7440, "2h4m"),
            ("90s", 90, "1m30s"),
            ("5m", 300, "5m"),
            ("60s", 60, "1m"),
            ("12h0m1s", 43_201, "12h1s"),
        ] {
            assert_eq!(parse(text), Some(Nanos(seconds * SECOND)), "{text}");
            assert_eq!(show(Nanos(seconds * SECOND)), shown);
        }
        assert_eq!(show(Nanos(0)), "0s");
    }

    #[test]
    fn what_is_no_time_is_none() {
        let overflow = format!("{}h", u64::MAX);
        for text in ["", "5", "h", "m5", "4m2h", "5 m", "-5m", "1.5h", "5m5m", "5min", "1d", "5ms", "+5s", &overflow] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
