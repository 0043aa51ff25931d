//! The gateway on a clock that goes by the captures: gate, path, control's sweep, delayed answers.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::stand::Stand;
use super::world::neighbour_mac;
use crate::control::config::Config;
use crate::flow::{FlowStore, Sweeper, Tick, octets};
use crate::limits::{FLOW_SWEEP_STEPS, MAX_EDGES, UNSOLICITED_WAIT};
use crate::observe::report::{GateCounts, MemoryReport, Report};
use crate::observe::sample::Sample;
use crate::observe::view::Observed;
use crate::port::memory::HEADROOM;
use crate::snapshot::{GateJudgement, GateVerdict, Generation, NeighbourState, Snapshot};
use crate::units::{EdgeId, Nanos, PortId};

/// A frame that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// By which edge.
    pub edge: EdgeId,
    /// When the packet came that caused it, or when it was due: nanoseconds since the Unix epoch.
    pub at: Nanos,
    /// The whole frame.
    pub bytes: Vec<u8>,
}

const SECOND: Nanos = Nanos::from_millis(1000);
/// The first packet comes at this time of the path's clock, which starts long after zero.
const START: Nanos = Nanos::from_millis(1_000_000);
/// A silence longer than this is swept over in whole rounds, so that it costs little.
const LONG_SILENCE: Nanos = Nanos::from_millis(64_000);
/// Time between two such rounds: far less than a tick's round.
const ROUND: Nanos = Nanos::from_millis(600_000);

/// The gateway in a made-up world.
#[derive(Debug)]
pub struct Engine {
    generation: Generation,
    stand: Stand,
    observed: Observed,
    gates: [GateCounts; MAX_EDGES],
    sweeper: Sweeper,
    capacity: u64,
    max_frame: usize,
    /// Time-stamp of the first packet.
    first: Option<Nanos>,
    /// The path's clock.
    now: Nanos,
    swept: Nanos,
}

impl Engine {
    /// The gateway of `config` in the world `generation`, before the first packet.
    pub fn new(config: &Config, generation: Generation) -> Self {
        let observed = Observed::new(Arc::new(ArcSwap::from_pointee(generation.snapshot.clone())));
        let (counters, _) = observed.start_workers(1).remove(0);
        let capacity = config.flows.capacity;
        let max_frame = config.dataplane.frame_size as usize - HEADROOM;
        Self {
            generation,
            stand: Stand::new(capacity, max_frame, counters),
            observed,
            gates: [GateCounts::default(); MAX_EDGES],
            sweeper: Sweeper::new(),
            capacity,
            max_frame,
            first: None,
            now: START,
            swept: START,
        }
    }

    /// The gateway meets `frame` at `port`, which has the time-stamp `at`; what leaves is added to
    /// `out`. Time never goes back: a packet that is older than the one before comes at the same time.
    pub fn receive(&mut self, port: PortId, at: Nanos, frame: &[u8], out: &mut Vec<Sent>) {
        self.advance_to(at, out);
        let Some((judged, edge)) = self.judge(port, frame) else { return };
        let counts = &mut self.gates[edge.index()];
        match judged.verdict {
            GateVerdict::Passed => counts.passed += 1,
            GateVerdict::Transit => counts.transit += 1,
            GateVerdict::OwnElsewhere => counts.own_elsewhere += 1,
            GateVerdict::Oversize => counts.oversize += 1,
            GateVerdict::Redirected => {
                counts.redirected += 1;
                let untagged = untagged(frame, &judged);
                self.stand.receive(&self.generation.snapshot, self.now, edge, &untagged);
                let mac = |edge, address| NeighbourState::Resolved(neighbour_mac(edge, address));
                self.stand.resolve(&self.generation.snapshot, self.now, mac);
                self.collect(out);
            }
        }
    }

    /// The gate's verdict, and the edge at which it counts.
    pub fn judge(&self, port: PortId, frame: &[u8]) -> Option<(GateJudgement, EdgeId)> {
        let gate = self.generation.gate.ports.iter().find(|gate| gate.port == port)?;
        let judged = gate.judge(&self.generation.gate.own, self.max_frame, frame);
        Some((judged, judged.edge?))
    }

    /// Lets the time come of all answers that are due later.
    pub fn finish(&mut self, out: &mut Vec<Sent>) {
        self.advance(self.now.plus(UNSOLICITED_WAIT), out);
    }

    /// Lets the clock go to the time-stamp `at`, and whatever is due by then happen in its time.
    pub fn advance_to(&mut self, at: Nanos, out: &mut Vec<Sent>) {
        let first = *self.first.get_or_insert(at);
        self.advance(START.plus(at.since(first)), out);
    }

    fn advance(&mut self, to: Nanos, out: &mut Vec<Sent>) {
        let to = to.max(self.now);
        loop {
            let answers = self.stand.state.unsolicited.next_due();
            let sweep = if to.since(self.swept) > LONG_SILENCE { ROUND } else { SECOND };
            let sweep = self.swept.plus(sweep).min(to.max(self.swept.plus(SECOND)));
            if answers.min(sweep) > to {
                break;
            }
            if answers <= sweep {
                self.now = self.now.max(answers);
                self.stand.answer_unsolicited(&self.generation.snapshot, self.now);
                self.collect(out);
            } else {
                let steps = if sweep.since(self.swept) > SECOND { FLOW_SWEEP_STEPS } else { 1 };
                (self.now, self.swept) = (sweep.max(self.now), sweep);
                self.sweep(steps);
            }
        }
        self.now = to;
    }

    fn sweep(&mut self, steps: usize) {
        let timeouts = &self.generation.snapshot.timeouts;
        for _ in 0..steps {
            self.sweeper.step(&self.stand.flows.flows(), Tick::at(self.now), timeouts);
        }
        self.stand.fragments.sweep(self.now);
    }

    fn collect(&mut self, out: &mut Vec<Sent>) {
        let at = self.first.unwrap_or_default().plus(self.now.since(START));
        self.stand.collect(|edge, bytes| out.push(Sent { edge, at, bytes: bytes.to_vec() }));
    }

    /// All counters now, in the form in which the running gateway shows its own.
    pub fn sample(&mut self) -> Arc<Sample> {
        // A whole round, so that what flow memory holds is counted.
        self.sweep(2 * FLOW_SWEEP_STEPS);
        self.stand.counters.ledger.store(self.stand.ledger());
        let totals = self.sweeper.totals();
        let memory = MemoryReport {
            capacity: self.capacity,
            octets: octets(self.capacity),
            by_state: totals.by_state,
            by_mapping: totals.by_mapping.to_vec(),
        };
        let gates = (0u8..).map(EdgeId).zip(self.gates).take(self.generation.snapshot.edges.len());
        let report = Report { gates: gates.collect(), memory, ..Report::default() };
        self.observed.refresh(self.now, || report);
        self.observed.sample()
    }

    /// The world.
    pub const fn generation(&self) -> &Generation {
        &self.generation
    }

    /// What the packet path works with.
    pub const fn stand(&self) -> &Stand {
        &self.stand
    }

    /// The path's clock.
    pub const fn now(&self) -> Nanos {
        self.now
    }

    /// Longest frame that the gate lets through to a worker.
    pub const fn max_frame(&self) -> usize {
        self.max_frame
    }

    /// The snapshot of the world.
    pub const fn snapshot(&self) -> &Snapshot {
        &self.generation.snapshot
    }
}

/// The frame as a worker gets it.
pub(crate) fn untagged(frame: &[u8], judged: &GateJudgement) -> Vec<u8> {
    [&frame[..12], &frame[12 + judged.tag..]].concat()
}
