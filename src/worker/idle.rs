//! What a worker does when nothing arrives.

use std::os::fd::RawFd;

use crate::limits::{SLEEP_MS, SPIN};
use crate::os::{Doorbell, PollSet};
use crate::units::Nanos;

/// The choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Spins for ever: the lowest latency, for a whole core.
    Busy,
    /// Spins for [`SPIN`], then sleeps until a frame or control wakes it.
    Adaptive,
}

/// Sleeps when there is nothing to do.
#[derive(Debug)]
pub(super) struct Sleeper {
    policy: IdlePolicy,
    set: PollSet,
    last_found: Nanos,
}

impl Sleeper {
    /// A sleeper that nothing wakes yet but the clock.
    pub(super) fn new(policy: IdlePolicy) -> Self {
        Self { policy, set: PollSet::default(), last_found: Nanos::default() }
    }

    /// From now on these descriptors end a sleep.
    pub(super) fn watch(&mut self, fds: impl IntoIterator<Item = RawFd>) {
        self.set = PollSet::new(fds);
    }

    /// Called after every turn that found `found` frames.
    ///
    /// Wakes at least every [`SLEEP_MS`] milliseconds, so that histograms are published and the
    /// heartbeat goes on, and every millisecond while frames `wait` for a neighbour's answer or for
    /// a place in a ring: neither wakes a descriptor.
    pub(super) fn idle(&mut self, found: usize, wait: bool, now: Nanos, doorbell: &Doorbell) {
        if found > 0 {
            self.last_found = now;
            return;
        }
        match self.policy {
            IdlePolicy::Adaptive if now.since(self.last_found) >= SPIN => {
                self.set.wait(if wait { 1 } else { SLEEP_MS });
                doorbell.silence();
            }
            _ => std::hint::spin_loop(),
        }
    }
}
