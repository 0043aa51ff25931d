//! What the event log and `[notify]` count.

use super::counters::Counter;

/// What became of events. Each counter has one writer, a thread of its own.
#[derive(Debug, Default)]
pub struct TellingCounters {
    /// Events in the event log.
    pub written: Counter,
    /// Events that are in no log.
    pub lost: Counter,
}
