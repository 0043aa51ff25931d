//! What follows `--since`.

use std::str::FromStr;

use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, OffsetDateTime, Time};

/// A date, or a time before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    At(OffsetDateTime),
    Ago(Duration),
}

impl Since {
    /// The moment itself.
    pub fn before(self, now: OffsetDateTime) -> OffsetDateTime {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => now.checked_sub(span).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let moment = || OffsetDateTime::parse(text, &Rfc3339).ok().map(Self::At);
        ago(text).map(Self::Ago).or_else(|| day(text).map(Self::At)).or_else(moment).ok_or_else(|| {
            "write a month (2026-11), a day (2026-11-24), a moment (2026-11-24T19:40:00Z), or a time before now \
             (30d, 12h, 45m)"
                .to_owned()
        })
    }
}

/// `30d`, `12h` or `45m`.
fn ago(text: &str) -> Option<Duration> {
    let unit = match text.chars().next_back()? {
        'd' => 86_400,
        'h' => 3600,
        'm' => 60,
        _ => return None,
    };
    let number: u32 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::seconds(i64::from(number) * unit))
}

/// The first moment of a day or of a month.
fn day(text: &str) -> Option<OffsetDateTime> {
    let mut parts = text.split('-');
    let (year, month) = (parts.next()?, parts.next()?);
    let day = parts.next().unwrap_or("01");
    if parts.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    Some(date.with_time(Time::MIDNIGHT).assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_spans_are_read_and_nothing_else() {
        let now = OffsetDateTime::parse("2026-11-24T19:40:00Z", &Rfc3339).unwrap();
        for (text, meant) in [
            ("2026-11", "2026-11-01T00:00:00Z"),
            ("2026-02-28", "2026-02-28T00:00:00Z"),
            ("2026-11-24T01:00:00+01:00", "2026-11-24T00:00:00Z"),
            ("1d", "2026-11-23T19:40:00Z"),
            ("12h", "2026-11-24T07:40:00Z"),
            ("40m", "2026-11-24T19:00:00Z"),
        ] {
            let meant = OffsetDateTime::parse(meant, &Rfc3339).unwrap();
            assert_eq!(text.parse::<Since>().map(|since| since.before(now)), Ok(meant), "{text}");
        }
        for wrong in ["", "d", "-1d", "2026", "2026-13", "2026-02-30", "26-11-24", "yesterday", "5 d", "5s", "1é"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}
