//! What the ISPs carry, against the quotas of those that are metered.

use time::OffsetDateTime;

use super::Gateway;
use crate::control::config::{Config, Isp};
use crate::control::events::Event;
use crate::control::quotas::Spent;
use crate::os::now;

impl Gateway {
    /// Counts what the ISPs have carried by the latest report, and says whose quota that was.
    pub(super) fn meter(&mut self) {
        let carried = self.traffic.count(&self.around.observed.sample());
        for Spent { isp, quota, used } in self.control.count(&carried, OffsetDateTime::now_utc()) {
            tracing::warn!(%isp, %quota, used, "the quota of this month is spent: new flows avoid the ISP");
            self.events.tell(Event::QuotaReached { isp, quota_bytes: quota.0, used_bytes: used });
        }
        self.carried.keep(self.control.carried(), now());
    }

    /// Counts what the ISPs have carried before they get the interfaces of `next`, and tells it where one goes.
    pub(super) fn settle_traffic(&mut self, next: &Config) {
        self.report();
        self.meter();
        let stays = |isp: &Isp| next.isps.iter().any(|other| other.name == isp.name);
        if !self.control.config().isps.iter().all(stays) {
            self.events.tell(self.traffic.take(now()));
        }
    }

    /// Tells once an hour what the ISPs have carried, and keeps it more often.
    pub(super) fn tell_hourly_traffic(&mut self) {
        if let Some(event) = self.traffic.hourly(OffsetDateTime::now_utc(), now()) {
            self.events.tell(event);
        } else if let Some(event) = self.traffic.draft(now()) {
            self.events.draft(event);
        }
    }

    /// Tells and keeps what the ISPs have carried up to the end, whatever that came of.
    pub(super) async fn close_books(&mut self) {
        self.report();
        self.meter();
        self.events.tell(self.traffic.take(now()));
        self.control.keep_intents();
        self.carried.finish(self.control.carried()).await;
    }
}
