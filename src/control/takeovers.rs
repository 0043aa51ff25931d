//! How long failovers take: from the last sign of life by an ISP until another one had sent the first packet
//! that would have been its own. Pure: told the time.

use super::events::IspState;
use super::health::{Cause, Change};
use crate::limits::{FAILOVER_PATIENCE, MAX_UPLINKS};
use crate::units::{Nanos, UplinkId};

/// ISPs that are lost, and who has taken over.
#[derive(Debug, Default)]
pub struct Takeovers {
    uplinks: [Since; MAX_UPLINKS],
    /// Outages in which nobody has taken over yet.
    open: Vec<Open>,
}

/// What came since an ISP could last carry packets.
#[derive(Clone, Copy, Debug, Default)]
struct Since {
    /// The latest generation that was seen in which it could.
    usable: u64,
    /// When another one had sent the first packet in its place.
    taken: Option<Nanos>,
}

#[derive(Debug)]
struct Open {
    isp: String,
    uplink: UplinkId,
    cause: Cause,
    last_good: Nanos,
    until: Nanos,
}

/// Other ISPs carry the packets of one that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failover {
    /// Which is down.
    pub isp: String,
    /// What told.
    pub cause: Cause,
    /// From its last sign of life until the first of those packets had left.
    pub took: Nanos,
}

impl Takeovers {
    /// `usable`, bits by uplink, may carry packets in this generation.
    pub fn see(&mut self, usable: u16, generation: u64) {
        let is_usable = |uplink: usize| usable & 1 << uplink != 0;
        for (_, since) in self.uplinks.iter_mut().enumerate().filter(|(uplink, _)| is_usable(*uplink)) {
            *since = Since { usable: generation, taken: None };
        }
        self.open.retain(|open| !is_usable(open.uplink.index()));
    }

    /// An ISP has changed, and `usable` may carry packets from now on. One that never gave a sign of life, and
    /// one that is kept because no other is well, has no failover. One that was down already, as in a
    /// rehearsal, has no other one.
    pub fn hear(&mut self, change: &Change, usable: u16, now: Nanos) {
        if (change.from, change.to) == (IspState::Down, IspState::Down) {
            return;
        }
        self.open.retain(|open| open.uplink != change.uplink);
        if let (IspState::Down, Some(last_good), 0) = (change.to, change.last_good, usable & 1 << change.uplink.0) {
            let (isp, uplink, cause) = (change.isp.clone(), change.uplink, change.cause);
            self.open.push(Open { isp, uplink, cause, last_good, until: now.plus(FAILOVER_PATIENCE) });
        }
    }

    /// A packet that would have been that of `lost` in this generation had been sent by another ISP at `at`.
    pub fn took_over(&mut self, lost: UplinkId, generation: u64, at: Nanos) {
        let since = &mut self.uplinks[lost.index()];
        if generation > since.usable {
            since.taken = Some(since.taken.map_or(at, |taken| taken.min(at)));
        }
    }

    /// The failovers that have come to their end. In an outage in which nobody sends anything there is none.
    pub fn settle(&mut self, now: Nanos) -> Vec<Failover> {
        let taken = |open: &Open| self.uplinks[open.uplink.index()].taken;
        let settled = self.open.extract_if(.., |open| taken(open).is_some() || now >= open.until);
        let failover = |open: Open| {
            // An ISP that others stood in for already, as without a prefix, had nothing left to lose.
            let at = taken(&open).filter(|at| *at >= open.last_good && *at < open.until)?;
            Some(Failover { isp: open.isp, cause: open.cause, took: at.since(open.last_good) })
        };
        settled.filter_map(failover).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIBER: UplinkId = UplinkId(0);
    const BOTH: u16 = 0b11;
    const WITHOUT_FIBER: u16 = 0b10;

    const fn at(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    fn change(to: IspState, last_good: Option<u64>) -> Change {
        let (from, after) = (IspState::Up, Nanos(0));
        let (cause, last_good) = (Cause::Carrier, last_good.map(at));
        Change { isp: "fiber".to_owned(), uplink: FIBER, from, to, cause, after, last_good }
    }

    fn took(failovers: &[Failover]) -> Vec<u64> {
        failovers.iter().map(|failover| failover.took.0 / 1_000_000).collect()
    }

    /// Fiber was usable until generation 4, and is lost at 1000 ms.
    fn lost() -> Takeovers {
        let mut takeovers = Takeovers::default();
        takeovers.see(BOTH, 4);
        takeovers.hear(&change(IspState::Down, Some(700)), WITHOUT_FIBER, at(1000));
        takeovers
    }

    #[test]
    fn a_failover_ends_with_the_first_packet_by_another_isp() {
        let mut takeovers = lost();
        takeovers.see(WITHOUT_FIBER, 5);
        assert_eq!(takeovers.settle(at(1020)), []);
        // Two workers, and one of them again in the next generation.
        takeovers.took_over(FIBER, 5, at(1034));
        takeovers.took_over(FIBER, 5, at(1033));
        takeovers.took_over(FIBER, 6, at(1050));
        let failover = Failover { isp: "fiber".to_owned(), cause: Cause::Carrier, took: at(333) };
        assert_eq!(takeovers.settle(at(1060)), [failover]);
        takeovers.took_over(FIBER, 7, at(1070));
        assert_eq!(takeovers.settle(at(1080)), [], "told once");
    }

    #[test]
    fn an_outage_in_which_nobody_sends_is_no_endless_failover() {
        let mut takeovers = lost();
        assert_eq!(takeovers.settle(at(1000).plus(FAILOVER_PATIENCE)), []);
        takeovers.took_over(FIBER, 5, at(60_000));
        assert_eq!(takeovers.settle(at(60_010)), []);
        let mut takeovers = lost();
        takeovers.took_over(FIBER, 5, at(60_000));
        assert_eq!(takeovers.settle(at(60_010)), [], "nor if nobody looked in between");
    }

    #[test]
    fn what_the_kernel_told_first_counts_from_the_first_packet_as_well() {
        let mut takeovers = Takeovers::default();
        takeovers.see(BOTH, 4);
        takeovers.see(WITHOUT_FIBER, 5);
        takeovers.took_over(FIBER, 5, at(990));
        takeovers.took_over(FIBER, 6, at(1010));
        takeovers.hear(&change(IspState::Down, Some(700)), WITHOUT_FIBER, at(1000));
        assert_eq!(took(&takeovers.settle(at(1020))), [290]);
    }

    #[test]
    fn packets_of_a_former_outage_end_no_other_one() {
        let mut takeovers = lost();
        takeovers.took_over(FIBER, 5, at(1030));
        assert_eq!(took(&takeovers.settle(at(1040))), [330]);
        takeovers.hear(&change(IspState::Up, None), BOTH, at(4000));
        takeovers.see(BOTH, 6);
        takeovers.hear(&change(IspState::Down, Some(4400)), WITHOUT_FIBER, at(4500));
        takeovers.took_over(FIBER, 5, at(4510));
        assert_eq!(takeovers.settle(at(4520)), []);
        takeovers.took_over(FIBER, 7, at(4530));
        assert_eq!(took(&takeovers.settle(at(4540))), [130]);
    }

    #[test]
    fn nothing_is_lost_with_an_isp_that_is_kept_was_never_there_or_is_stood_in_for() {
        let mut takeovers = Takeovers::default();
        takeovers.see(BOTH, 4);
        takeovers.hear(&change(IspState::Down, Some(700)), BOTH, at(1000));
        takeovers.took_over(FIBER, 5, at(1010));
        assert_eq!(takeovers.settle(at(1020)), [], "kept");
        takeovers.hear(&change(IspState::Down, None), WITHOUT_FIBER, at(2000));
        takeovers.took_over(FIBER, 6, at(2010));
        assert_eq!(takeovers.settle(at(2020)), [], "never there");
        takeovers.hear(&change(IspState::Down, Some(3000)), WITHOUT_FIBER, at(3000));
        assert_eq!(takeovers.settle(at(3020)), [], "stood in for since 1010 ms");
    }

    #[test]
    fn a_rehearsal_that_becomes_an_outage_has_the_failover_of_the_rehearsal() {
        let mut takeovers = lost();
        let fault = Change { from: IspState::Down, cause: Cause::NextHop, ..change(IspState::Down, Some(1500)) };
        takeovers.hear(&fault, WITHOUT_FIBER, at(2000));
        takeovers.took_over(FIBER, 5, at(2500));
        let failover = Failover { isp: "fiber".to_owned(), cause: Cause::Carrier, took: at(1800) };
        assert_eq!(takeovers.settle(at(2510)), [failover]);
    }

    #[test]
    fn an_isp_that_is_back_is_waited_for_no_longer() {
        let mut takeovers = lost();
        takeovers.see(BOTH, 6);
        takeovers.took_over(FIBER, 5, at(1030));
        assert_eq!(takeovers.settle(at(1040)), []);
    }
}
