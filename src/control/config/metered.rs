//! ISPs that are paid for by what they carry.

use std::fmt;

use crate::units::Nanos;

/// `[[isp]] metered = true` and what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// How long flows stay after an ISP that is not metered is back.
    pub max_stay: Nanos,
    /// What it may carry; `None`: anything.
    pub quota: Option<Quota>,
}

/// `max_stay` unless the file says otherwise.
pub const MAX_STAY: Nanos = Nanos::from_millis(15 * 60_000);

/// Octets a calendar month, UTC, both ways together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota(pub u64);

/// Units with their octets, the smallest first.
const UNITS: [(&str, u64); 6] = [
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];
const PERIOD: &str = "/month";

impl Quota {
    /// The smallest that makes sense.
    pub const LEAST: Self = Self(1_000_000);
    /// More than any line carries in a month.
    pub const MOST: Self = Self(1_000_000_000_000_000);

    /// The quota in `text`: a whole number, a unit, and `/month`.
    pub fn parse(text: &str) -> Option<Self> {
        let amount = text.strip_suffix(PERIOD)?;
        let (number, unit) = amount.split_at(amount.find(|c: char| !c.is_ascii_digit())?);
        let (_, octets) = UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*octets).map(Self)
    }
}

impl fmt::Display for Quota {
    /// In the largest unit that shows it whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().rev().find(|(_, octets)| self.0.is_multiple_of(*octets) && self.0 > 0) {
            Some((unit, octets)) => write!(f, "{}{unit}{PERIOD}", self.0 / octets),
            None => write!(f, "{} octets{PERIOD}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_shown() {
        for (text, octets, shown) in [
            ("50GB/month", 50_000_000_000, "50GB/month"),
            ("500MB/month", 500_000_000, "500MB/month"),
            ("1500MB/month", 1_500_000_000, "1500MB/month"),
            ("2000MB/month", 2_000_000_000, "2GB/month"),
            ("50GiB/month", 50 << 30, "50GiB/month"),
            ("1TB/month", 1_000_000_000_000, "1TB/month"),
            ("1024GiB/month", 1 << 40, "1TiB/month"),
        ] {
            assert_eq!(Quota::parse(text), Some(Quota(octets)), "{text}");
            assert_eq!(Quota(octets).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_quota_is_none() {
        let overflow = format!("{}TB/month", u64::MAX);
        for text in [
            "",
            "50",
            "50GB",
            "GB/month",
            "50 GB/month",
            "50gb/month",
            "1.5GB/month",
            "50GB/day",
            "-1GB/month",
            &overflow,
        ] {
            assert_eq!(Quota::parse(text), None, "{text}");
        }
    }
}
