//! Interfaces that could not be opened while the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::app::GatewayError;
use crate::limits::{REOPEN_MAX_NANOS, REOPEN_NANOS};
use crate::snapshot::GatePort;
use crate::units::PortId;

/// Which ones, and when each is tried again.
#[derive(Debug, Default)]
pub(in crate::app) struct LeftOut(BTreeMap<PortId, Wait>);

#[derive(Debug)]
struct Wait {
    ifindex: u32,
    reason: String,
    tried: Instant,
    pause: Duration,
}

impl LeftOut {
    /// Whether `port` was left out at the latest attempt, and is still the same device.
    pub(in crate::app) fn has(&self, port: &GatePort) -> bool {
        self.wait(port).is_some()
    }

    fn wait(&self, port: &GatePort) -> Option<&Wait> {
        self.0.get(&port.port).filter(|wait| wait.ifindex == port.ifindex)
    }

    /// Whether `port` is to be tried at `now`: its pause is over, or it is new.
    pub(super) fn is_due(&self, port: &GatePort, now: Instant) -> bool {
        self.wait(port).is_none_or(|wait| wait.is_over(now))
    }

    /// Whether one of them is to be tried at `now`.
    pub(in crate::app) fn is_any_due(&self, now: Instant) -> bool {
        self.0.values().any(|wait| wait.is_over(now))
    }

    /// Leaves `port` out for a while, twice as long as the last time; not where it only is down, which may be over at
    /// any moment. Returns whether that is news.
    pub(in crate::app) fn add(&mut self, port: &GatePort, error: &GatewayError, now: Instant) -> bool {
        let first = Duration::from_nanos(REOPEN_NANOS);
        let former = self.wait(port);
        let is_down = matches!(error, GatewayError::Socket(error) if error.is_down());
        let longer = former.filter(|_| !is_down).map(|wait| wait.pause * 2);
        let pause = longer.unwrap_or(first).min(Duration::from_nanos(REOPEN_MAX_NANOS));
        let reason = error.to_string();
        let is_news = former.is_none_or(|wait| wait.reason != reason);
        self.0.insert(port.port, Wait { ifindex: port.ifindex, reason, tried: now, pause });
        is_news
    }

    /// Keeps only those of `ports` that are not open.
    pub(in crate::app) fn retain(&mut self, ports: &[GatePort], is_open: impl Fn(&GatePort) -> bool) {
        self.0.retain(|id, _| ports.iter().any(|port| port.port == *id && !is_open(port)));
    }

    pub(in crate::app) fn ids(&self) -> BTreeSet<PortId> {
        self.0.keys().copied().collect()
    }
}

impl Wait {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.tried) >= self.pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::SocketError;

    fn port(ifindex: u32) -> GatePort {
        let (edges, routes) = (Vec::new(), Vec::new());
        GatePort { port: PortId(3), interface: "wan1".to_owned(), ifindex, generic: false, edges, routes }
    }

    fn bound(code: i32) -> GatewayError {
        let error = std::io::Error::from_raw_os_error(code);
        SocketError::Bind { interface: "wan1".to_owned(), queue: 0, error }.into()
    }

    #[test]
    fn each_pause_is_longer_and_another_device_waits_for_none() {
        let mut left_out = LeftOut::default();
        let (start, first) = (Instant::now(), Duration::from_nanos(REOPEN_NANOS));
        assert!(left_out.is_due(&port(7), start) && !left_out.is_any_due(start));
        assert!(left_out.add(&port(7), &bound(libc::EBUSY), start));
        assert!(left_out.has(&port(7)) && !left_out.is_due(&port(7), start));
        assert!(left_out.is_due(&port(7), start + first) && left_out.is_any_due(start + first));
        assert!(!left_out.add(&port(7), &bound(libc::EBUSY), start + first));
        assert!(!left_out.is_due(&port(7), start + 2 * first) && left_out.is_due(&port(7), start + 3 * first));
        assert!(!left_out.has(&port(8)) && left_out.is_due(&port(8), start + first));
        assert!(left_out.add(&port(8), &bound(libc::EBUSY), start));
        assert!(left_out.is_due(&port(8), start + first), "its first pause");
        for _ in 0..20 {
            assert!(!left_out.add(&port(8), &bound(libc::EBUSY), start));
        }
        assert!(left_out.add(&port(8), &bound(libc::ENETDOWN), start), "another reason");
        assert!(left_out.is_due(&port(8), start + first));
        left_out.add(&port(8), &bound(libc::EBUSY), start);
        assert!(left_out.is_due(&port(8), start + Duration::from_nanos(REOPEN_MAX_NANOS)));
        left_out.retain(&[port(8)], |_| true);
        assert!(left_out.ids().is_empty());
    }
}
