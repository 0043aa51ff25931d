//! What the ISPs have carried this month, and whose quota that is. Pure: told what was counted, and the
//! time of day.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, UtcOffset};

use super::config::Quota;
use crate::limits::QUOTA_MONTHS;

/// Octets by month, like `2026-11`, and by ISP: what outlasts a restart.
///
/// Months that are over are kept for a while: a clock that was wrong for an hour does not forget what
/// was carried in the right one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried(BTreeMap<String, BTreeMap<String, u64>>);

/// All ISPs.
#[derive(Clone, Debug, Default)]
pub struct Quotas {
    carried: Carried,
    month: String,
    spent: BTreeSet<String>,
}

/// A quota that has been reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose.
    pub isp: String,
    /// The quota.
    pub quota: Quota,
    /// Octets that the ISP has carried this month.
    pub used: u64,
}

impl Quotas {
    /// Goes on with what was `carried` before this run.
    pub fn of(carried: Carried, now: OffsetDateTime) -> Self {
        Self { carried, month: month(now), ..Self::default() }
    }

    /// What is to be kept.
    pub const fn carried(&self) -> &Carried {
        &self.carried
    }

    /// `isp` has carried `more` octets.
    pub fn count(&mut self, isp: &str, more: u64, now: OffsetDateTime) {
        self.month = month(now);
        let of_month = self.carried.0.entry(self.month.clone()).or_default();
        *of_month.entry(isp.to_owned()).or_default() += more;
        while self.carried.0.len() > QUOTA_MONTHS {
            let oldest = self.carried.0.keys().find(|month| **month != self.month).cloned();
            oldest.and_then(|month| self.carried.0.remove(&month));
        }
    }

    /// Octets that `isp` has carried this month.
    pub fn used(&self, isp: &str) -> u64 {
        self.carried.0.get(&self.month).and_then(|isps| isps.get(isp)).copied().unwrap_or(0)
    }

    /// Compares with the quotas of those that have one. Returns those that have reached it since the last
    /// time.
    pub fn judge<'a>(&mut self, quotas: impl Iterator<Item = (&'a str, Quota)>) -> Vec<Spent> {
        let used = quotas.map(|(isp, quota)| Spent { isp: isp.to_owned(), quota, used: self.used(isp) });
        let spent: Vec<Spent> = used.filter(|spent| spent.used >= spent.quota.0).collect();
        let before = std::mem::replace(&mut self.spent, spent.iter().map(|spent| spent.isp.clone()).collect());
        spent.into_iter().filter(|spent| !before.contains(&spent.isp)).collect()
    }

    /// Whether `isp` has reached its quota.
    pub fn is_spent(&self, isp: &str) -> bool {
        self.spent.contains(isp)
    }
}

/// That of UTC.
fn month(now: OffsetDateTime) -> String {
    let now = now.to_offset(UtcOffset::UTC);
    format!("{:04}-{:02}", now.year(), u8::from(now.month()))
}

#[cfg(test)]
mod tests {
    use time::format_description::well_known::Rfc3339;

    use super::*;

    const NOVEMBER: &str = "2026-11-30T23:59:59Z";
    const QUOTA: Quota = Quota(1000);

    fn count(quotas: &mut Quotas, more: u64, now: &str) {
        quotas.count("lte", more, OffsetDateTime::parse(now, &Rfc3339).unwrap());
    }

    fn judge(quotas: &mut Quotas) -> Vec<u64> {
        quotas.judge([("lte", QUOTA)].into_iter()).iter().map(|spent| spent.used).collect()
    }

    #[test]
    fn a_quota_is_reached_once_a_month() {
        let mut quotas = Quotas::default();
        count(&mut quotas, 999, NOVEMBER);
        quotas.count("fiber", 5000, OffsetDateTime::UNIX_EPOCH);
        assert_eq!((judge(&mut quotas), quotas.is_spent("lte")), (vec![], false));
        count(&mut quotas, 2, NOVEMBER);
        assert_eq!((judge(&mut quotas), quotas.is_spent("lte")), (vec![1001], true));
        count(&mut quotas, 4, NOVEMBER);
        assert_eq!((judge(&mut quotas), quotas.is_spent("lte")), (vec![], true), "told once");
        count(&mut quotas, 5, "2026-12-01T00:00:00Z");
        assert_eq!((judge(&mut quotas), quotas.is_spent("lte"), quotas.used("lte")), (vec![], false, 5));
        assert!(!quotas.is_spent("fiber"), "it has none");
    }

    #[test]
    fn a_month_ends_in_utc() {
        let mut quotas = Quotas::default();
        count(&mut quotas, 10, "2026-12-01T00:30:00+01:00");
        count(&mut quotas, 5, "2026-11-30T22:30:00-02:00");
        assert_eq!(quotas.used("lte"), 5, "that was December");
    }

    #[test]
    fn a_restart_goes_on_where_it_was() {
        let mut quotas = Quotas::default();
        count(&mut quotas, 700, NOVEMBER);
        let text = serde_json::to_string(quotas.carried()).unwrap();
        assert_eq!(text, r#"{"2026-11":{"lte":700}}"#);
        let at = OffsetDateTime::parse(NOVEMBER, &Rfc3339).unwrap();
        let mut again = Quotas::of(serde_json::from_str(&text).unwrap(), at);
        assert_eq!(again.used("lte"), 700, "before anything is counted");
        count(&mut again, 300, NOVEMBER);
        assert_eq!((judge(&mut again), again.used("lte")), (vec![1000], 1000));
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_forgets_nothing() {
        let mut quotas = Quotas::default();
        count(&mut quotas, 100, NOVEMBER);
        count(&mut quotas, 30, "1970-01-01T00:00:00Z");
        assert_eq!(quotas.used("lte"), 30);
        count(&mut quotas, 20, NOVEMBER);
        assert_eq!(quotas.used("lte"), 120);
        for month in ["2027-01", "2027-02", "2027-03", "2027-04"] {
            count(&mut quotas, 20, &format!("{month}-01T00:00:00Z"));
        }
        let kept: Vec<&String> = quotas.carried().0.keys().collect();
        assert_eq!(kept, ["2027-02", "2027-03", "2027-04"]);
    }
}
