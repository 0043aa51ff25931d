//! What event log and `[notify]` count, and how long failovers took.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::counters::Counter;
use super::durations::Durations;
use crate::units::Nanos;

/// What became of events. Each counter has one writer, a thread of its own.
#[derive(Debug, Default)]
pub struct TellingCounters {
    /// Events in the event log.
    pub written: Counter,
    /// Events that are in no log.
    pub lost: Counter,
    /// What the program of `[notify]` was told.
    pub exec: Delivered,
    /// What the server of `[notify]` was told.
    pub webhook: Delivered,
    /// Events that `[notify]` left out.
    pub suppressed: Counter,
    /// Not of events, but of the ISP states that they tell.
    pub failovers: Failovers,
}

/// What one addressee of `[notify]` was told.
#[derive(Debug, Default)]
pub struct Delivered {
    /// Events that it took.
    pub sent: Counter,
    /// Events that it did not.
    pub failed: Counter,
}

/// What can take an ISP out: the words of the events that say so.
const CAUSES: [&str; 4] = ["carrier", "next-hop", "probes", "drill"];

/// Bounds of the buckets: 1 ms and the next 16 doublings, up to 66 s.
const BOUNDS: [Nanos; 17] = {
    let mut bounds = [Nanos(0); 17];
    let mut k = 0;
    while k < bounds.len() {
        bounds[k] = Nanos(1_000_000 << k);
        k += 1;
    }
    bounds
};

/// Times from the last sign of life by an ISP until another one had sent the first packet in its place.
#[derive(Debug)]
pub struct Failovers(Mutex<BTreeMap<&'static str, Durations>>);

impl Default for Failovers {
    fn default() -> Self {
        Self(Mutex::new(CAUSES.map(|cause| (cause, Durations::new(&BOUNDS))).into()))
    }
}

impl Failovers {
    /// Counts one.
    pub fn record(&self, cause: &'static str, duration: Nanos) {
        self.by_cause().entry(cause).or_insert_with(|| Durations::new(&BOUNDS)).record(duration);
    }

    /// Shows those of each cause to `show`.
    pub fn each(&self, mut show: impl FnMut(&str, &Durations)) {
        self.by_cause().iter().for_each(|(cause, durations)| show(cause, durations));
    }

    fn by_cause(&self) -> MutexGuard<'_, BTreeMap<&'static str, Durations>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
