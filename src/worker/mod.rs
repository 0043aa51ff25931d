//! A worker: one thread on one core that owns its queues on every port, and takes frames from
//! them to the packet path and back.
//!
//! Generic over [`Port`]: rings, sockets and their descriptors stay below. The loop makes one
//! or two clock reads a turn, no allocation, and a system call only to send or to sleep.

mod channel;
mod idle;
mod ports;
mod send;
mod spawn;

use std::os::fd::AsRawFd;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

pub use channel::{Channel, Inject, Life, Punt, World};
pub use idle::IdlePolicy;
use idle::Sleeper;
pub use ports::PortOrders;
pub use spawn::{Exit, Thread, spawn, thread_name};

use crate::datapath::{self, Path, held, probe, unsolicited};
use crate::limits::{DRAIN_TURNS, MAX_PORTS, MAX_UPLINKS};
use crate::observe::latency::LatencyRecorder;
use crate::os;
use crate::port::{Flush, Frame, FrameMemory, Ledger, Port};
use crate::snapshot::Snapshot;
use crate::units::{EdgeId, Nanos, PortId};

const SECOND: Nanos = Nanos::from_millis(1000);

/// One worker, before and while it runs.
pub struct Worker<P: Port> {
    memory: P::Memory,
    /// By [`PortId`].
    ports: Box<[Option<Served<P>>]>,
    world: World,
    snapshot: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    channel: Arc<Channel>,
    orders: Arc<PortOrders<P>>,
    state: datapath::State,
    latency: LatencyRecorder,
    sleeper: Sleeper,
    /// When the ledger was last published.
    counted: Nanos,
    batch: Vec<Frame>,
    /// Origin, egress edge and length of the frames about to be handed to a ring.
    outgoing: Vec<(EdgeId, EdgeId, u16)>,
    /// By ISP: the generation in which control was last told that others carry its packets.
    told: [u64; MAX_UPLINKS],
}

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Frames taken from one port before the next one is served.
    pub batch: usize,
    /// What to do when nothing arrives.
    pub idle: IdlePolicy,
}

/// A port and what the worker remembers of it.
struct Served<P> {
    port: P,
    /// Frames wait in the transmit ring for another kick.
    pending: bool,
    /// No carrier: nothing is sent here before this time.
    down_until: Option<Nanos>,
}

impl<P> Served<P> {
    const fn new(port: P) -> Self {
        Self { port, pending: false, down_until: None }
    }
}

impl<P: Port> std::fmt::Debug for Worker<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("ports", &self.ports.iter().flatten().count()).finish_non_exhaustive()
    }
}

impl<P: Port> Worker<P> {
    /// A worker that serves `ports`, whose frames lie in `memory`.
    pub fn new(
        memory: P::Memory,
        ports: Vec<(PortId, P)>,
        world: World,
        channel: Arc<Channel>,
        latency: LatencyRecorder,
        options: Options,
    ) -> Self {
        let mut by_id: Box<[_]> = (0..MAX_PORTS).map(|_| None).collect();
        for (id, port) in ports {
            by_id[id.index()] = Some(Served::new(port));
        }
        Self {
            memory,
            ports: by_id,
            snapshot: Cache::new(Arc::clone(&world.snapshot)),
            world,
            channel,
            orders: Arc::new(PortOrders::new()),
            state: datapath::State::new(),
            latency,
            sleeper: Sleeper::new(options.idle),
            counted: Nanos::default(),
            batch: Vec::with_capacity(options.batch),
            outgoing: Vec::with_capacity(datapath::egress::STAGED_PER_PORT),
            told: [0; MAX_UPLINKS],
        }
    }

    /// Where it is told to open and close ports while it runs.
    pub fn orders(&self) -> Arc<PortOrders<P>> {
        Arc::clone(&self.orders)
    }

    /// Serves the ports until control says stop, and then what is left in the receive rings.
    /// At the end every frame goes back: the ledger that is returned shows all of them free.
    pub fn run(mut self) -> Ledger {
        self.watch();
        while !self.channel.stopping() {
            self.obey();
            let now = os::now();
            let found = self.turn(now);
            self.report(now, found);
            let wait = !self.state.held.is_empty() || self.ports.iter().flatten().any(|served| served.pending);
            self.sleeper.idle(found, wait, now, &self.channel.doorbell);
        }
        for _ in 0..DRAIN_TURNS {
            if self.turn(os::now()) == 0 {
                break;
            }
        }
        held::drop_held(&mut self.path(os::now()).0);
        for served in self.ports.iter_mut().filter_map(Option::take) {
            served.port.close(&mut self.memory);
        }
        self.memory.ledger()
    }

    /// Serves every port once; returns how many frames were found.
    pub fn turn(&mut self, now: Nanos) -> usize {
        self.send_injected(now);
        let mut found = 0;
        for port in 0..MAX_PORTS {
            found += self.serve(PortId(port as u8), now);
        }
        if !self.state.held.is_empty() {
            held::release_held(&mut self.path(now).0);
            self.send_staged(now);
        }
        if self.state.unsolicited.is_due(now) {
            unsolicited::answer_unsolicited(&mut self.path(now).0);
            self.send_staged(now);
        }
        found
    }

    /// Takes one batch from one port all the way to the rings of the others.
    fn serve(&mut self, id: PortId, turn: Nanos) -> usize {
        let Some(served) = &mut self.ports[id.index()] else { return 0 };
        let max = self.batch.capacity();
        let found = served.port.receive(&mut self.memory, max, &mut self.batch);
        if found > 0 {
            // Read after the frames were taken, so that no arrival stamp lies in the future.
            let now = os::now();
            let (mut path, batch) = self.path(now);
            datapath::process_batch(&mut path, id, batch);
            self.send_staged(now);
        } else if served.pending && served.down_until.is_none_or(|until| turn >= until) {
            served.pending = served.port.flush(&mut self.memory) == Flush::Pending;
        }
        found
    }

    fn path(&mut self, now: Nanos) -> (Path<'_, P::Memory>, &mut Vec<Frame>) {
        let path = Path {
            snapshot: self.snapshot.load(),
            neighbours: &self.world.neighbours,
            flows: self.world.flows.flows(),
            fragments: &self.world.fragments,
            counters: &self.channel.counters,
            memory: &mut self.memory,
            state: &mut self.state,
            now,
        };
        (path, &mut self.batch)
    }

    /// Lets the ports' descriptors and the doorbell end a sleep.
    fn watch(&mut self) {
        let ports = self.ports.iter().flatten().flat_map(|served| served.port.descriptors());
        self.sleeper.watch(ports.chain([self.channel.doorbell.as_raw_fd()]));
    }

    /// Sends the probes that control has injected.
    fn send_injected(&mut self, now: Nanos) {
        while let Some(Inject { uplink, packet }) = self.channel.next_inject() {
            probe::send_probe(&mut self.path(now).0, uplink, &packet);
            self.send_staged(now);
        }
    }

    /// Tells control what it should know, once a turn.
    fn report(&mut self, now: Nanos, found: usize) {
        for (edge, address) in self.state.wanted.drain() {
            self.channel.tell(Punt::NeighbourWanted { edge, address });
        }
        for answer in self.state.answers.drain(..) {
            self.channel.tell(Punt::Answer(answer));
        }
        self.channel.wake_control();
        self.channel.saw(self.snapshot.load().generation);
        self.latency.publish_if_due(now);
        if now.since(self.counted) >= SECOND {
            self.counted = now;
            self.channel.counters.ledger.store(self.memory.ledger());
        }
        let counters = &self.channel.counters;
        counters.iterations.add(1);
        counters.busy_iterations.add(u64::from(found > 0));
        counters.heartbeat.set(now.0);
    }
}
