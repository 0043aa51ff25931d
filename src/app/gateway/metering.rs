//! What the ISPs carry, against the quotas of those that are metered.

use time::OffsetDateTime;

use super::Gateway;
use crate::control::events::Event;
use crate::control::quotas::Spent;
use crate::os::now;

impl Gateway {
    /// Counts what the ISPs have carried by the latest report, and says whose quota that was.
    pub(super) fn meter(&mut self) {
        let sample = self.around.observed.sample();
        let carried = sample
            .topology
            .isps
            .iter()
            .map(|isp| (isp.name.as_str(), sample.edge(isp.edge).read_bytes + sample.left_by(isp.edge).1));
        for Spent { isp, quota, used } in self.control.count(carried, OffsetDateTime::now_utc()) {
            tracing::warn!(%isp, %quota, used, "the quota of this month is spent: new flows avoid the ISP");
            self.events.tell(Event::QuotaReached { isp, quota_bytes: quota.0, used_bytes: used });
        }
        self.carried.keep(self.control.carried(), now());
    }
}
