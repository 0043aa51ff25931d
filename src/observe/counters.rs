//! Counters with one writer each: a worker adds, anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::atomic::AtomicCell;
use crossbeam::utils::CachePadded;

use crate::flow::Evicted;
use crate::limits::{MAX_EDGES, MAX_UPLINKS};
use crate::port::Ledger;
use crate::units::{Direction, EdgeId, UplinkId};
use crate::verdict::DropReason;

/// A number that one thread raises and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker calls this: a plain load and store, no locked
    /// instruction.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Replaces the value: for gauges.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker counts about packets that came in by one edge.
///
/// When quiet: `read + injected + originated + resets = Σ sent + Σ dropped + punted + held`.
#[derive(Debug)]
pub struct EdgeCounters {
    /// Frames taken from the receive ring.
    pub read: Counter,
    /// Their octets.
    pub read_bytes: Counter,
    /// `CLOCK_MONOTONIC` nanoseconds of the latest batch with a frame from here.
    pub arrived: Counter,
    /// Packets that control handed over to be sent.
    pub injected: Counter,
    /// ICMPv6 errors that the gateway made about packets of this edge.
    pub originated: Counter,
    /// TCP resets that the gateway made about packets of this edge.
    pub resets: Counter,
    /// Packets handed to control for good.
    pub punted: Counter,
    /// Frames that wait for a neighbour now (a gauge).
    pub held: Counter,
    /// Frames handed to the transmit ring, by the edge they left by.
    pub sent: [Counter; MAX_EDGES],
    /// Their octets.
    pub sent_bytes: [Counter; MAX_EDGES],
    /// Frames dropped.
    pub dropped: [Counter; DropReason::COUNT],
    /// ICMPv6 errors that were due but exceeded the rate limit.
    pub errors_suppressed: Counter,
}

/// What one worker counts about flow memory and fragment table.
#[derive(Debug, Default)]
pub struct FlowCounters {
    /// Records made.
    pub inserted: Counter,
    /// Records that gave way to others, by [`Evicted::index`].
    pub evicted: [Counter; Evicted::COUNT],
    /// Packets of flows that went without a record because established ones had every place.
    pub refused: Counter,
    /// By ISP: connections asked for from inside.
    pub opened: [Counter; MAX_UPLINKS],
    /// By ISP: such connections that were answered.
    pub answered: [Counter; MAX_UPLINKS],
    /// Flows opened from inside that got another ISP: theirs was lost or left, or they came back (docs/steering.md).
    pub moved: Counter,
    /// Flows opened from outside that came in by another ISP than before, and stayed with it.
    pub repinned: Counter,
    /// Fragmented datagrams whose mapping was noted.
    pub fragments_inserted: Counter,
    /// Fragments whose mapping was found.
    pub fragments_found: Counter,
    /// Fragmented datagrams that gave way to others before their time was over.
    pub fragments_evicted: Counter,
}

/// What one worker counts.
#[derive(Debug)]
pub struct WorkerCounters {
    edges: Box<[CachePadded<EdgeCounters>]>,
    translated: Box<[[Counter; 2]]>,
    /// Flow memory.
    pub flows: FlowCounters,
    /// Turns of the loop.
    pub iterations: Counter,
    /// Turns of the loop that found frames.
    pub busy_iterations: Counter,
    /// `CLOCK_MONOTONIC` nanoseconds of the latest turn.
    pub heartbeat: Counter,
    /// Where the worker's frames were, a second ago at most.
    pub ledger: AtomicCell<Ledger>,
}

impl Default for EdgeCounters {
    fn default() -> Self {
        Self {
            read: Counter::default(),
            read_bytes: Counter::default(),
            arrived: Counter::default(),
            injected: Counter::default(),
            originated: Counter::default(),
            resets: Counter::default(),
            punted: Counter::default(),
            held: Counter::default(),
            sent: std::array::from_fn(|_| Counter::default()),
            sent_bytes: std::array::from_fn(|_| Counter::default()),
            dropped: std::array::from_fn(|_| Counter::default()),
            errors_suppressed: Counter::default(),
        }
    }
}

impl Default for WorkerCounters {
    fn default() -> Self {
        Self {
            edges: (0..MAX_EDGES).map(|_| CachePadded::default()).collect(),
            translated: (0..MAX_UPLINKS).map(|_| Default::default()).collect(),
            flows: FlowCounters::default(),
            iterations: Counter::default(),
            busy_iterations: Counter::default(),
            heartbeat: Counter::default(),
            ledger: AtomicCell::default(),
        }
    }
}

impl WorkerCounters {
    /// The counters of one edge.
    pub fn edge(&self, edge: EdgeId) -> &EdgeCounters {
        &self.edges[edge.index()]
    }

    /// Packets translated by one ISP's mappings in one direction.
    pub fn translated(&self, uplink: UplinkId, direction: Direction) -> &Counter {
        &self.translated[uplink.index()][direction.index()]
    }
}
