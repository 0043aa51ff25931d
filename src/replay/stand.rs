//! A worker's packet path without a worker: one frame in, what leaves comes out.

use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::datapath::{self, Path, State, held, unsolicited};
use crate::flow::{FlowStore, FragmentTable, HeapFlows};
use crate::limits::{HELD_PER_WORKER, MAX_BATCH, MAX_PORTS, NEIGHBOUR_SLOTS};
use crate::observe::counters::WorkerCounters;
use crate::port::memory::{HEADROOM, HeapMemory};
use crate::port::{Frame, FrameMemory, Ledger};
use crate::snapshot::{NeighbourState, NeighbourTable, Snapshot};
use crate::units::{EdgeId, Nanos, PortId};

/// Frames: every held one with an error about it, and a batch.
const FRAMES: u32 = (2 * HELD_PER_WORKER + MAX_BATCH) as u32;

/// The packet path with memory of its own, on the heap.
#[derive(Debug)]
pub struct Stand {
    /// Flow memory.
    pub flows: HeapFlows,
    /// The fragment table.
    pub fragments: FragmentTable,
    /// Who has which MAC.
    pub neighbours: NeighbourTable,
    /// What a worker counts.
    pub counters: Arc<WorkerCounters>,
    /// What a worker keeps between batches.
    pub state: State,
    memory: HeapMemory,
    batch: Vec<Frame>,
}

impl Stand {
    /// With flow memory for `capacity` flows and a packet buffer whose frames take `max_frame` octets.
    pub fn new(capacity: u64, max_frame: usize, counters: Arc<WorkerCounters>) -> Self {
        Self {
            flows: HeapFlows::new(capacity),
            fragments: FragmentTable::new(),
            neighbours: NeighbourTable::new(NEIGHBOUR_SLOTS),
            counters,
            state: State::new(),
            memory: HeapMemory::new(FRAMES, max_frame + HEADROOM),
            batch: Vec::with_capacity(1),
        }
    }

    /// Takes `frame`, untagged, which came in by `edge`, through the path. Returns `false` when no
    /// buffer is free or it is longer than one.
    pub fn receive(&mut self, snapshot: &Snapshot, now: Nanos, edge: EdgeId, frame: &[u8]) -> bool {
        let Some(mut frame) = self.memory.receive(frame) else { return false };
        snapshot.mark(edge, self.memory.bytes_mut(&mut frame));
        let port = snapshot.edges[edge.index()].port;
        self.batch.push(frame);
        let (mut path, batch) = self.path(snapshot, now);
        datapath::process_batch(&mut path, port, batch);
        true
    }

    /// Every neighbour that was asked for answers, with the MAC that `mac` gives it, and what waits
    /// for it goes on.
    pub fn resolve(&mut self, snapshot: &Snapshot, now: Nanos, mac: impl Fn(EdgeId, Ipv6Addr) -> NeighbourState) {
        let wanted: Vec<_> = self.state.wanted.drain().collect();
        for (edge, address) in wanted {
            let state = mac(edge, address);
            if self.neighbours.set(edge, address, state).is_err() {
                // Whoever is forgotten is asked for again.
                self.neighbours = NeighbourTable::new(NEIGHBOUR_SLOTS);
                self.neighbours.set(edge, address, state).unwrap_or_default();
            }
        }
        held::release_held(&mut self.path(snapshot, now).0);
    }

    /// Answers the refused connections whose time has come.
    pub fn answer_unsolicited(&mut self, snapshot: &Snapshot, now: Nanos) {
        unsolicited::answer_unsolicited(&mut self.path(snapshot, now).0);
    }

    /// Hands every frame that leaves to `sink`, with the edge that it leaves by, and counts it as a
    /// worker does.
    pub fn collect(&mut self, mut sink: impl FnMut(EdgeId, &[u8])) {
        for port in (0..MAX_PORTS).map(|port| PortId(port as u8)) {
            let staged = self.state.staging.port(port);
            staged.taken_over.clear();
            for (frame, edge) in staged.frames.drain(..).zip(staged.edges.drain(..)) {
                let counters = self.counters.edge(frame.origin);
                counters.sent[edge.index()].add(1);
                counters.sent_bytes[edge.index()].add(u64::from(frame.len));
                sink(edge, self.memory.bytes(&frame));
                self.memory.free(frame);
            }
        }
    }

    /// Where the frames are.
    pub fn ledger(&self) -> Ledger {
        self.memory.ledger()
    }

    fn path<'a>(&'a mut self, snapshot: &'a Snapshot, now: Nanos) -> (Path<'a, HeapMemory>, &'a mut Vec<Frame>) {
        let path = Path {
            snapshot,
            neighbours: &self.neighbours,
            flows: self.flows.flows(),
            fragments: &self.fragments,
            counters: &self.counters,
            memory: &mut self.memory,
            state: &mut self.state,
            now,
        };
        (path, &mut self.batch)
    }
}
