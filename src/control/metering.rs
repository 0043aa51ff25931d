//! Metered ISPs of a running gateway: counted, and held against their quotas.

use time::OffsetDateTime;

use super::Control;
use super::config::{Config, Quota};
use super::quotas::{Carried, Spent};
use super::state::StateDir;
use crate::observe::report::QuotaUse;

impl Control {
    /// Each ISP has carried so many octets more. Returns the quotas that this has reached.
    pub fn count(&mut self, carried: &[(String, u64)], now: OffsetDateTime) -> Vec<Spent> {
        carried.iter().for_each(|(isp, more)| self.quotas.count(isp, *more, now));
        self.quotas.judge(quotas(&self.config))
    }

    /// What all ISPs have carried.
    pub const fn carried(&self) -> &Carried {
        self.quotas.carried()
    }

    /// How much of each quota is used.
    pub(super) fn quota_uses(&self) -> Vec<QuotaUse> {
        let used =
            |(isp, quota): (&str, Quota)| QuotaUse { isp: isp.to_owned(), quota: quota.0, used: self.quotas.used(isp) };
        quotas(&self.config).map(used).collect()
    }

    /// Where what must outlast a restart is kept.
    pub fn state(&self) -> StateDir {
        self.state.clone()
    }
}

/// The ISPs that have one.
pub(super) fn quotas(config: &Config) -> impl Iterator<Item = (&str, Quota)> {
    config.isps.iter().filter_map(|isp| Some((isp.name.as_str(), isp.metered?.quota?)))
}
