//! What the tests of the packet path share: a site, a rig that runs frames through the path,
//! packets as text, and the translation as slow arithmetic of its own.
//!
//! The judge is never the code under test: packets are built and read by etherparse, and
//! [`slow`] knows RFC 6296 on its own.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod explained;
pub mod packet;
pub mod read;
pub mod site;
pub mod slow;
pub mod text;
pub mod write;

use sixways::datapath::{self, Path, State, held, unsolicited};
use sixways::flow::{Evicted, FlowStore, FragmentTable, HeapFlows};
use sixways::observe::counters::WorkerCounters;
use sixways::port::memory::HeapMemory;
use sixways::port::{Frame, FrameMemory};
use sixways::units::{Direction, EdgeId, Nanos, UplinkId};
use sixways::verdict::DropReason;

use site::Site;

/// A worker's packet path without a worker: frames in, frames out.
pub struct Rig {
    pub site: Site,
    pub counters: WorkerCounters,
    pub memory: HeapMemory,
    pub state: State,
    pub flows: HeapFlows,
    pub fragments: FragmentTable,
    pub now: Nanos,
    batch: Vec<Frame>,
}

/// A frame that the path would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub edge: EdgeId,
    pub origin: EdgeId,
    pub bytes: Vec<u8>,
}

/// Flows that are remembered unless a test wants fewer.
const FLOWS: u64 = 4096;
/// Octets of a buffer; more than any frame of these tests.
const FRAME: usize = 4096;

impl Rig {
    pub fn new(site: Site) -> Self {
        Self::with_frames(site, 2048)
    }

    pub fn with_frames(site: Site, frames: u32) -> Self {
        Self {
            site,
            counters: WorkerCounters::default(),
            memory: HeapMemory::new(frames, FRAME),
            state: State::new(),
            flows: HeapFlows::new(FLOWS),
            fragments: FragmentTable::new(),
            now: Nanos::from_millis(1_000_000),
            batch: Vec::with_capacity(256),
        }
    }

    /// Takes `frames`, received by `edge`, through the path as one batch.
    pub fn send<B: AsRef<[u8]>>(&mut self, edge: EdgeId, frames: impl IntoIterator<Item = B>) -> Vec<Sent> {
        let mut octets = 0;
        for bytes in frames {
            octets += bytes.as_ref().len() as u64;
            let mut bytes = bytes.as_ref().to_vec();
            self.site.snapshot.mark(edge, &mut bytes);
            self.batch.push(self.memory.receive(&bytes).expect("a free frame"));
        }
        let before = self.counters.edge(edge).read_bytes.get();
        let port = self.site.snapshot.edges[edge.index()].port;
        let mut batch = std::mem::take(&mut self.batch);
        datapath::process_batch(&mut self.path(), port, &mut batch);
        assert!(batch.is_empty(), "every frame of a batch meets its verdict");
        self.batch = batch;
        assert_eq!(self.counters.edge(edge).read_bytes.get() - before, octets);
        self.collect()
    }

    /// One frame in.
    pub fn send_one(&mut self, edge: EdgeId, frame: &[u8]) -> Vec<Sent> {
        self.send(edge, [frame])
    }

    /// Sends or gives up the frames that wait for a neighbour.
    pub fn release(&mut self) -> Vec<Sent> {
        held::release_held(&mut self.path());
        if self.state.unsolicited.is_due(self.now) {
            unsolicited::answer_unsolicited(&mut self.path());
        }
        self.collect()
    }

    /// Lets time pass.
    pub fn wait(&mut self, span: Nanos) {
        self.now = self.now.plus(span);
    }

    pub fn path(&mut self) -> Path<'_, HeapMemory> {
        Path {
            snapshot: &self.site.snapshot,
            neighbours: &self.site.neighbours,
            flows: self.flows.flows(),
            fragments: &self.fragments,
            counters: &self.counters,
            memory: &mut self.memory,
            state: &mut self.state,
            now: self.now,
        }
    }

    /// Takes what is staged, counts it as the worker does, and checks that every frame and every
    /// packet is where it should be.
    fn collect(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        let ports: Vec<_> = self.site.snapshot.edges.iter().map(|edge| edge.port).collect();
        for port in ports {
            let staged = self.state.staging.port(port);
            assert_eq!(staged.frames.len(), staged.edges.len());
            for (frame, edge) in staged.frames.drain(..).zip(staged.edges.drain(..)) {
                self.counters.edge(frame.origin).sent[edge.index()].add(1);
                sent.push((edge, frame));
            }
        }
        assert_eq!(self.memory.ledger().in_hand, sent.len() as u64 + self.held(), "frames in use: staged and held");
        let sent = sent
            .into_iter()
            .map(|(edge, frame)| {
                let bytes = self.memory.bytes(&frame).to_vec();
                let origin = frame.origin;
                self.memory.free(frame);
                Sent { edge, origin, bytes }
            })
            .collect();
        self.assert_accounts();
        sent
    }

    /// DESIGN: `read + originated + resets = sent + dropped + held`, per edge.
    pub fn assert_accounts(&self) {
        for edge in self.site.edge_ids() {
            let counters = self.counters.edge(edge);
            let sent: u64 = counters.sent.iter().map(|counter| counter.get()).sum();
            let dropped: u64 = counters.dropped.iter().map(|counter| counter.get()).sum();
            let name = self.site.edge_name(edge);
            let came = counters.read.get() + counters.originated.get() + counters.resets.get();
            assert_eq!(came, sent + dropped + counters.held.get(), "accounts of {name}");
        }
    }

    pub fn held(&self) -> u64 {
        self.site.edge_ids().map(|edge| self.counters.edge(edge).held.get()).sum()
    }

    pub fn dropped(&self, edge: EdgeId, reason: DropReason) -> u64 {
        self.counters.edge(edge).dropped[reason.index()].get()
    }

    /// Every counter that is not zero, as `NAME VALUE`; octets are checked elsewhere.
    pub fn counts(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = |name: String, value: u64| {
            if value > 0 {
                lines.push(format!("{name} {value}"));
            }
        };
        for edge in self.site.edge_ids() {
            let counters = self.counters.edge(edge);
            let name = self.site.edge_name(edge);
            line(format!("{name} read"), counters.read.get());
            line(format!("{name} originated"), counters.originated.get());
            line(format!("{name} resets"), counters.resets.get());
            line(format!("{name} errors-suppressed"), counters.errors_suppressed.get());
            line(format!("{name} held"), counters.held.get());
            for to in self.site.edge_ids() {
                line(format!("{name} sent {}", self.site.edge_name(to)), counters.sent[to.index()].get());
            }
            for reason in DropReason::ALL {
                line(format!("{name} dropped {}", reason.label()), counters.dropped[reason.index()].get());
            }
        }
        let flows = &self.counters.flows;
        line("flows inserted".to_owned(), flows.inserted.get());
        for kind in Evicted::ALL {
            line(format!("flows evicted {}", kind.label()), flows.evicted[kind.index()].get());
        }
        line("flows refused".to_owned(), flows.refused.get());
        line("flows moved".to_owned(), flows.moved.get());
        line("flows repinned".to_owned(), flows.repinned.get());
        line("fragments inserted".to_owned(), flows.fragments_inserted.get());
        line("fragments found".to_owned(), flows.fragments_found.get());
        line("fragments evicted".to_owned(), flows.fragments_evicted.get());
        for (id, uplink) in self.site.snapshot.uplinks.iter().enumerate() {
            for direction in Direction::ALL {
                let translated = self.counters.translated(UplinkId(id as u8), direction).get();
                line(format!("{} translated {}", uplink.name, direction.label()), translated);
            }
        }
        lines
    }
}
