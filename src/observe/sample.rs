//! All numbers of the gateway at one moment, as plain data: what `/metrics`, `status` and the
//! accounting are computed from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::counters::{EdgeCounters, FlowCounters, WorkerCounters};
use super::latency::Latency;
use super::nd_proxy::NdCounts;
use super::report::{GateCounts, GuardCounts, PortReport, Report, SocketCounts};
use super::topology::{NamedEdge, NamedIsp, Topology};
use crate::flow::Evicted;
use crate::limits::{MAX_EDGES, MAX_UPLINKS};
use crate::port::Ledger;
use crate::units::{Direction, EdgeId, Nanos, PortId, UplinkId};
use crate::verdict::DropReason;

/// What all workers together have counted about the packets that came in by one edge. The
/// fields are those of [`EdgeCounters`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the same as in EdgeCounters")]
pub struct EdgeCounts {
    pub read: u64,
    pub read_bytes: u64,
    pub injected: u64,
    pub originated: u64,
    pub resets: u64,
    pub punted: u64,
    pub held: u64,
    pub sent: [u64; MAX_EDGES],
    pub sent_bytes: [u64; MAX_EDGES],
    pub dropped: [u64; DropReason::COUNT],
    pub errors_suppressed: u64,
}

impl Default for EdgeCounts {
    fn default() -> Self {
        Self {
            read: 0,
            read_bytes: 0,
            injected: 0,
            originated: 0,
            resets: 0,
            punted: 0,
            held: 0,
            sent: [0; MAX_EDGES],
            sent_bytes: [0; MAX_EDGES],
            dropped: [0; DropReason::COUNT],
            errors_suppressed: 0,
        }
    }
}

impl EdgeCounts {
    /// Adds one worker's share. What became of a packet is read before where it came from, so
    /// that a packet on its way shows as one in flight and never as one too many.
    fn add(&mut self, counters: &EdgeCounters) {
        for (sum, counter) in self.sent.iter_mut().zip(&counters.sent) {
            *sum += counter.get();
        }
        for (sum, counter) in self.sent_bytes.iter_mut().zip(&counters.sent_bytes) {
            *sum += counter.get();
        }
        for (sum, counter) in self.dropped.iter_mut().zip(&counters.dropped) {
            *sum += counter.get();
        }
        self.errors_suppressed += counters.errors_suppressed.get();
        self.punted += counters.punted.get();
        self.held += counters.held.get();
        self.originated += counters.originated.get();
        self.resets += counters.resets.get();
        self.injected += counters.injected.get();
        self.read_bytes += counters.read_bytes.get();
        self.read += counters.read.get();
    }

    /// Packets that the gateway has made about those of this edge.
    pub const fn made(&self) -> u64 {
        self.originated + self.resets
    }

    /// Packets of this edge that the packet path has dropped.
    pub fn dropped_on_path(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

/// What all workers together have counted about flow memory and fragment table. The fields are
/// those of [`FlowCounters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the same as in FlowCounters")]
pub struct FlowCounts {
    pub inserted: u64,
    pub evicted: [u64; Evicted::COUNT],
    pub refused: u64,
    pub moved: u64,
    pub repinned: u64,
    pub fragments_inserted: u64,
    pub fragments_found: u64,
    pub fragments_evicted: u64,
}

impl FlowCounts {
    fn add(&mut self, counters: &FlowCounters) {
        self.inserted += counters.inserted.get();
        for (sum, counter) in self.evicted.iter_mut().zip(&counters.evicted) {
            *sum += counter.get();
        }
        self.refused += counters.refused.get();
        self.moved += counters.moved.get();
        self.repinned += counters.repinned.get();
        self.fragments_inserted += counters.fragments_inserted.get();
        self.fragments_found += counters.fragments_found.get();
        self.fragments_evicted += counters.fragments_evicted.get();
    }
}

/// How one worker fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerCounts {
    /// Turns of the loop.
    pub iterations: u64,
    /// Turns that found frames.
    pub busy_iterations: u64,
    /// When its latest turn began.
    pub heartbeat: Nanos,
    /// Where its frames are.
    pub ledger: Ledger,
}

/// All numbers at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The moment.
    pub at: Nanos,
    /// Edges and ISPs.
    pub topology: Arc<Topology>,
    /// By [`EdgeId`], all workers together.
    pub edges: Vec<EdgeCounts>,
    /// By [`UplinkId`] and direction, all workers together.
    pub translated: Vec<[u64; 2]>,
    /// All workers together.
    pub flows: FlowCounts,
    /// By worker, those that run.
    pub workers: Vec<WorkerCounts>,
    /// By direction, all workers together since the start.
    pub latency: [Latency; 2],
    /// Read after the workers.
    pub report: Report,
    /// Neighbor Solicitations of every ISP that the ND proxy listens to.
    pub nd_proxy: Vec<(UplinkId, NdCounts)>,
    /// By port and queue: what the sockets have counted, those that are closed by now included.
    pub sockets: BTreeMap<(PortId, usize), SocketCounts>,
    /// By [`EdgeId`]: the gate's latest counts, even if it has no gate now.
    pub gates: [GateCounts; MAX_EDGES],
    /// By [`EdgeId`]: the guard's latest counts, even if it has no guard now.
    pub guards: [GuardCounts; MAX_EDGES],
    /// By [`EdgeId`]: what the gate had redirected less what became of it, when the sockets
    /// were last opened.
    pub baseline: [i64; MAX_EDGES],
}

impl Sample {
    /// The sample before anything was counted.
    pub fn empty() -> Self {
        Self::of_workers(&[], 0)
    }

    /// What the workers have counted, of whom the first `running` run; the rest is empty.
    pub(super) fn of_workers(workers: &[Arc<WorkerCounters>], running: usize) -> Self {
        let mut edges = vec![EdgeCounts::default(); MAX_EDGES];
        let mut translated = vec![[0; 2]; MAX_UPLINKS];
        let mut flows = FlowCounts::default();
        for worker in workers {
            flows.add(&worker.flows);
            for (id, edge) in edges.iter_mut().enumerate() {
                edge.add(worker.edge(EdgeId(id as u8)));
            }
            for (id, sums) in translated.iter_mut().enumerate() {
                for direction in Direction::ALL {
                    sums[direction.index()] += worker.translated(UplinkId(id as u8), direction).get();
                }
            }
        }
        let workers = workers
            .iter()
            .take(running)
            .map(|worker| WorkerCounts {
                iterations: worker.iterations.get(),
                busy_iterations: worker.busy_iterations.get(),
                heartbeat: Nanos(worker.heartbeat.get()),
                ledger: worker.ledger.load(),
            })
            .collect();
        Self {
            at: Nanos::default(),
            topology: Arc::default(),
            edges,
            translated,
            flows,
            workers,
            latency: [Latency::default(), Latency::default()],
            report: Report::default(),
            nd_proxy: Vec::new(),
            sockets: BTreeMap::new(),
            gates: [GateCounts::default(); MAX_EDGES],
            guards: [GuardCounts::default(); MAX_EDGES],
            baseline: [0; MAX_EDGES],
        }
    }

    /// What the workers have counted about `edge`.
    pub fn edge(&self, edge: EdgeId) -> &EdgeCounts {
        &self.edges[edge.index()]
    }

    /// What the gate has counted at `edge`.
    pub fn gate(&self, edge: EdgeId) -> GateCounts {
        self.gates[edge.index()]
    }

    /// Whether `edge` has a gate now.
    pub fn has_gate(&self, edge: EdgeId) -> bool {
        self.report.gates.iter().any(|(id, _)| *id == edge)
    }

    /// What the guard of `edge` has counted.
    pub fn guard(&self, edge: EdgeId) -> GuardCounts {
        self.guards[edge.index()]
    }

    /// The device `port`; `None` while it is absent.
    pub fn port(&self, port: PortId) -> Option<&PortReport> {
        self.report.ports.iter().find(|report| report.port == port)
    }

    /// All sockets of the device of `edge` together. On the first edge of the device only, so
    /// that the sum over the edges is right.
    pub fn sockets(&self, edge: &NamedEdge) -> SocketCounts {
        if self.topology.first_on(edge.port).is_none_or(|first| first.id != edge.id) {
            return SocketCounts::default();
        }
        let sockets = self.sockets.iter().filter(|((port, _), _)| *port == edge.port);
        sockets.map(|(_, counts)| *counts).fold(SocketCounts::default(), SocketCounts::plus)
    }

    /// Packets that came in by `edge` (a guard's: that the kernel wanted to send there) and
    /// were dropped for `reason`, whoever dropped them.
    pub fn dropped(&self, edge: &NamedEdge, reason: DropReason) -> u64 {
        let gate = self.gate(edge.id);
        let guard = self.guard(edge.id);
        match reason {
            DropReason::GateTransit => gate.transit,
            DropReason::GateOwnElsewhere => gate.own_elsewhere,
            DropReason::GateNoSocket => gate.no_socket,
            DropReason::GateOversize => gate.oversize,
            DropReason::GuardForwarded => guard.forwarded,
            DropReason::GuardForeignSource => guard.foreign_source,
            DropReason::RxRingFull => self.sockets(edge).rx_ring_full,
            // Not `fill_ring_empty`: a driver in zero-copy mode counts there its own attempts
            // to refill, which are no frames.
            DropReason::FillRingEmpty => self.sockets(edge).rx_dropped,
            _ => self.edge(edge.id).dropped[reason.index()],
        }
    }

    /// Packets that all workers together have translated by the mappings of `isp`.
    pub fn translated(&self, isp: UplinkId, direction: Direction) -> u64 {
        self.translated[isp.index()][direction.index()]
    }

    /// What became of the Neighbor Solicitations of `isp`; `None` if nobody listens to them.
    pub fn nd_proxy(&self, isp: UplinkId) -> Option<&NdCounts> {
        self.nd_proxy.iter().find(|(id, _)| *id == isp).map(|(_, counts)| counts)
    }

    /// Flows with a mapping of `isp`.
    pub fn flows_of(&self, isp: &NamedIsp) -> u64 {
        isp.mappings.iter().filter_map(|mapping| self.report.memory.by_mapping.get(mapping.index())).sum()
    }

    /// Packets and octets that left by `edge`.
    pub fn left_by(&self, edge: EdgeId) -> (u64, u64) {
        let to = edge.index();
        self.edges.iter().fold((0, 0), |(packets, bytes), from| (packets + from.sent[to], bytes + from.sent_bytes[to]))
    }
}
