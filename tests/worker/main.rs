//! The worker's loop over ports in memory: what it sends, tells, holds, drops, and how it ends.

mod takeovers;

use std::net::Ipv6Addr;
use std::os::fd::RawFd;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use etherparse::{IcmpEchoHeader, Icmpv6Type};
use sixways::control::compile::{Ingredients, compile, steering_of};
use sixways::control::config::{self, ProbeKind};
use sixways::control::health::probe;
use sixways::control::ids::Ids;
use sixways::control::kernel::{Address, Hop, KernelState, Link, Preference, Route, RouteKind, TABLE_MAIN};
use sixways::flow::HeapFlows;
use sixways::hash::{HashKey, KEY_WORDS};
use sixways::limits::LINK_RETRY;
use sixways::observe::counters::WorkerCounters;
use sixways::observe::latency::LatencyCollector;
use sixways::os;
use sixways::port::memory::{HeapMemory, MemoryPort};
use sixways::port::{Flush, Frame, FrameMemory, Port};
use sixways::snapshot::{Judgement, NeighbourState, NeighbourTable, ProbePoint, Snapshot};
use sixways::units::{EdgeId, MacAddr, PortId, UplinkId};
use sixways::verdict::DropReason;
use sixways::worker::{Channel, Exit, IdlePolicy, Inject, Options, Punt, Worker, World, spawn};
use tokio::sync::Notify;

const LAN: PortId = PortId(0);
const LAN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 9, 1]);
const HOST: &str = "fd12:3456:789a:10::5";

/// What a test port does with what it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Behaviour {
    #[default]
    Good,
    /// Takes frames, and says there is no carrier.
    NoCarrier,
    /// Its ring takes nothing.
    Full,
    /// A bug.
    Panics,
}

/// The port, what it does, its flushes, and the frame that was sent last.
type Inner = (MemoryPort, Behaviour, usize, Vec<u8>);

#[derive(Clone, Default)]
struct TestPort(Arc<Mutex<Inner>>);

impl TestPort {
    fn behave(&self, behaviour: Behaviour) {
        self.0.lock().unwrap().1 = behaviour;
    }

    fn sent(&self) -> usize {
        self.0.lock().unwrap().0.outgoing.len()
    }

    /// The octets of the frame that was sent last.
    fn latest(&self) -> Vec<u8> {
        self.0.lock().unwrap().3.clone()
    }

    fn flushes(&self) -> usize {
        self.0.lock().unwrap().2
    }
}

impl Port for TestPort {
    type Memory = HeapMemory;

    fn receive(&mut self, memory: &mut HeapMemory, max: usize, batch: &mut Vec<Frame>) -> usize {
        let mut inner = self.0.lock().unwrap();
        assert_ne!(inner.1, Behaviour::Panics, "the port fell over");
        inner.0.receive(memory, max, batch)
    }

    fn transmit(&mut self, memory: &mut HeapMemory, frames: &mut Vec<Frame>) -> usize {
        let mut inner = self.0.lock().unwrap();
        if let Some(last) = frames.last() {
            inner.3 = memory.bytes(last).to_vec();
        }
        if inner.1 == Behaviour::Full { 0 } else { inner.0.transmit(memory, frames) }
    }

    fn flush(&mut self, _: &mut HeapMemory) -> Flush {
        let mut inner = self.0.lock().unwrap();
        inner.2 += 1;
        match inner.1 {
            Behaviour::NoCarrier => Flush::LinkDown,
            Behaviour::Full => Flush::Pending,
            _ => Flush::Done,
        }
    }

    fn descriptors(&self) -> Vec<RawFd> {
        Vec::new()
    }

    fn close(self, memory: &mut HeapMemory) {
        std::mem::take(&mut self.0.lock().unwrap().0).close(memory);
    }
}

/// lan0, wan0 (fiber) and wan1 (cable) of configs/minimal.toml.
fn snapshot(generation: u64) -> Snapshot {
    let config = config::parse(include_str!("../../configs/minimal.toml")).unwrap();
    let mut ids = Ids::default();
    ids.assign(&config).unwrap();
    let mut kernel = KernelState::default();
    for (ifindex, name) in [(1, "lan0"), (2, "wan0"), (3, "wan1")] {
        let mac = Some(MacAddr([2, 0, 0, 0, 0, ifindex as u8]));
        let link =
            Link { name: name.into(), ifindex, mac, mtu: 1500, admin_up: true, carrier: true, ..Link::default() };
        kernel.links.insert(ifindex, link);
    }
    kernel.addresses.push(Address {
        ifindex: 1,
        address: "fd12:3456:789a:10::1".parse().unwrap(),
        prefix_len: 64,
        tentative: false,
        dad_failed: false,
        deprecated: false,
    });
    for (prefix, ifindex, gateway) in
        [("fd12:3456:789a:10::/64", 1, None), ("::/0", 2, Some("fe80::1")), ("::/0", 3, Some("fe80::1"))]
    {
        kernel.routes.push(Route {
            table: TABLE_MAIN,
            prefix: prefix.parse().unwrap(),
            kind: RouteKind::Unicast,
            metric: ifindex,
            preference: Preference::Medium,
            protocol: 3,
            hops: vec![Hop { ifindex, gateway: gateway.map(|text| text.parse().unwrap()), dead: false }],
        });
    }
    compile(&Ingredients {
        config: &config,
        kernel: &kernel,
        ids: &ids,
        steering: &steering_of(&config, &ids).unwrap(),
        judgement: Judgement::default(),
        generation,
        hash_key: HashKey([7; KEY_WORDS]),
        probe_token: 7,
    })
    .unwrap()
    .snapshot
}

struct Rig {
    worker: Worker<TestPort>,
    ports: [TestPort; 3],
    channel: Arc<Channel>,
    world: World,
    control: Arc<Notify>,
}

impl Rig {
    /// A worker whose LAN will receive UDP from [`HOST`] to each of `destinations`.
    fn new(destinations: &[Ipv6Addr]) -> Self {
        Self::receiving(LAN, &destinations.iter().copied().map(udp).collect::<Vec<_>>())
    }

    /// A worker that will receive `frames` by `port`.
    fn receiving(port: PortId, frames: &[Vec<u8>]) -> Self {
        let mut memory = HeapMemory::new(1024, 2048);
        let ports: [TestPort; 3] = Default::default();
        for frame in frames {
            let frame = memory.receive(frame).unwrap();
            ports[port.index()].0.lock().unwrap().0.incoming.push_back(frame);
        }
        let world = World {
            snapshot: Arc::new(ArcSwap::from_pointee(snapshot(1))),
            neighbours: Arc::new(NeighbourTable::new(64)),
            flows: Arc::new(HeapFlows::new(1024)),
            fragments: Arc::default(),
        };
        for edge in [1, 2] {
            let router = "fe80::1".parse().unwrap();
            world.neighbours.set(EdgeId(edge), router, NeighbourState::Resolved(ROUTER_MAC)).unwrap();
        }
        let control = Arc::new(Notify::new());
        let channel = Arc::new(Channel::new(Arc::new(WorkerCounters::default()), Arc::clone(&control)).unwrap());
        let by_id = (0..).map(PortId).zip(ports.iter().cloned()).collect();
        let options = Options { batch: 64, idle: IdlePolicy::Adaptive };
        let latency = LatencyCollector::new().recorder();
        let worker = Worker::new(memory, by_id, world.clone(), Arc::clone(&channel), latency, options);
        Self { worker, ports, channel, world, control }
    }

    fn turn(&mut self) -> usize {
        self.worker.turn(os::now())
    }

    fn sent(&self, from: u8, to: u8) -> u64 {
        self.channel.counters.edge(EdgeId(from)).sent[usize::from(to)].get()
    }

    fn dropped(&self, reason: DropReason) -> u64 {
        self.channel.counters.edge(EdgeId(0)).dropped[reason.index()].get()
    }
}

fn udp(destination: Ipv6Addr) -> Vec<u8> {
    let source: Ipv6Addr = HOST.parse().unwrap();
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 5, 5], LAN_MAC.0)
        .ipv6(source.octets(), destination.octets(), 64)
        .udp(1000, 2000);
    let mut frame = Vec::new();
    builder.write(&mut frame, b"payload").unwrap();
    frame
}

fn remotes(count: u16) -> Vec<Ipv6Addr> {
    (1..=count).map(|n| Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, n)).collect()
}

#[test]
fn packets_leave_by_both_isps_and_are_counted_where_they_came_in() {
    let mut rig = Rig::new(&remotes(60));
    assert_eq!(rig.turn(), 60);
    let (fiber, cable) = (rig.ports[1].sent(), rig.ports[2].sent());
    assert_eq!(fiber + cable, 60);
    assert!(fiber > cable && cable > 0, "weights 3 and 1 gave {fiber} and {cable}");
    assert_eq!((rig.sent(0, 1), rig.sent(0, 2)), (fiber as u64, cable as u64));
    assert_eq!(rig.turn(), 0);
}

#[test]
fn a_batch_is_no_longer_than_it_may_be() {
    let mut rig = Rig::new(&remotes(100));
    assert_eq!((rig.turn(), rig.turn(), rig.turn()), (64, 36, 0));
}

/// The uplink called `name`, and where its probes come from.
fn probed(snapshot: &Snapshot, name: &str) -> (UplinkId, ProbePoint) {
    let at = snapshot.uplinks.iter().position(|uplink| *uplink.name == *name).unwrap();
    (UplinkId(at as u8), snapshot.uplinks[at].probe.unwrap())
}

#[test]
fn a_probe_leaves_translated_by_its_isp_usable_or_not() {
    let mut rig = Rig::new(&[]);
    let mut down = snapshot(2);
    down.usable = 0;
    let (uplink, point) = probed(&down, "cable");
    rig.world.snapshot.store(Arc::new(down));
    let target = remotes(1)[0];
    let packet = probe::build(&ProbeKind::Echo, point.inside, target, 7, 1);
    rig.channel.inject(Inject { uplink, packet: packet.clone().into() }).unwrap();
    // Nobody else's address is sent as a probe.
    let foreign = probe::build(&ProbeKind::Echo, HOST.parse().unwrap(), target, 7, 1);
    rig.channel.inject(Inject { uplink, packet: foreign.into() }).unwrap();
    rig.turn();
    assert_eq!((rig.ports[1].sent(), rig.ports[2].sent()), (0, 1));
    let edge = rig.channel.counters.edge(EdgeId(2));
    assert_eq!((edge.injected.get(), edge.dropped[DropReason::NoUplink.index()].get()), (2, 1));
    let bytes = rig.ports[2].latest();
    assert_eq!(bytes[14 + 8..14 + 24], point.image.octets());
    assert_eq!(bytes[14 + 24..], packet[24..], "the checksum holds as it is");
}

#[test]
fn what_answers_a_probe_goes_to_control_and_nothing_else_for_it_inside() {
    let (uplink, point) = probed(&snapshot(1), "cable");
    let echo = |kind: fn(IcmpEchoHeader) -> Icmpv6Type, id| {
        let builder = etherparse::PacketBuilder::ethernet2(ROUTER_MAC.0, [2, 0, 0, 0, 0, 3])
            .ipv6(remotes(1)[0].octets(), point.image.octets(), 60)
            .icmpv6(kind(IcmpEchoHeader { id, seq: 1 }));
        let mut frame = Vec::new();
        builder.write(&mut frame, &[]).unwrap();
        frame
    };
    // With another token; a question; an answer.
    let frames = [echo(Icmpv6Type::EchoReply, 8), echo(Icmpv6Type::EchoRequest, 7), echo(Icmpv6Type::EchoReply, 7)];
    let rig = Rig::receiving(PortId(2), &frames);
    let thread = spawn(0, None, rig.worker, |_| {}).unwrap();
    let deadline = os::now().0 + 10_000_000_000;
    let punt = loop {
        assert!(os::now().0 < deadline, "control was not told");
        match thread.channel.punt() {
            Some(punt) => break punt,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let Punt::Answer(told) = punt else { panic!("{punt:?}") };
    assert_eq!((told.uplink, told.packet()), (uplink, &frames[2][14..]));
    let counters = Arc::clone(&thread.channel.counters);
    thread.stop();
    let edge = counters.edge(EdgeId(2));
    assert_eq!((edge.punted.get(), edge.dropped[DropReason::InboundFilter.index()].get()), (1, 2));
    assert!(edge.arrived.get() > 0);
}

#[test]
fn an_unknown_neighbour_is_asked_for_and_its_packet_waits() {
    let mut rig = Rig::new(&remotes(1));
    let router = "fe80::1".parse().unwrap();
    for edge in [1, 2] {
        rig.world.neighbours.set(EdgeId(edge), router, NeighbourState::Unknown).unwrap();
    }
    assert_eq!(rig.turn(), 1);
    assert_eq!(rig.channel.counters.edge(EdgeId(0)).held.get(), 1);
    for edge in [1, 2] {
        rig.world.neighbours.set(EdgeId(edge), router, NeighbourState::Resolved(ROUTER_MAC)).unwrap();
    }
    rig.turn();
    assert_eq!(rig.channel.counters.edge(EdgeId(0)).held.get(), 0);
    assert_eq!(rig.ports[1].sent() + rig.ports[2].sent(), 1);
}

#[test]
fn a_port_without_carrier_is_left_alone_and_the_other_is_not_slowed() {
    let mut rig = Rig::new(&remotes(120));
    rig.ports[1].behave(Behaviour::NoCarrier);
    let start = os::now();
    rig.turn();
    assert_eq!(rig.channel.punt(), Some(Punt::LinkDown { port: PortId(1) }));
    assert_eq!(rig.ports[1].flushes(), 1);
    let cable = rig.ports[2].sent();
    rig.turn();
    // A machine that stood still between the two turns proves nothing.
    if os::now().since(start) < LINK_RETRY {
        assert_eq!(rig.ports[1].flushes(), 1, "not one system call within the time of rest");
        assert!(rig.dropped(DropReason::TxLinkDown) > 0);
    }
    assert!(rig.ports[2].sent() > cable);
    std::thread::sleep(Duration::from_nanos(LINK_RETRY.0));
    rig.ports[1].behave(Behaviour::Good);
    let flushes = rig.ports[1].flushes();
    rig.turn();
    assert_eq!(rig.ports[1].flushes(), flushes + 1, "then it is tried again");
}

#[test]
fn what_a_full_ring_does_not_take_is_dropped_with_its_reason() {
    let mut rig = Rig::new(&remotes(60));
    rig.ports[1].behave(Behaviour::Full);
    rig.turn();
    let (dropped, sent) = (rig.dropped(DropReason::TxRingFull), rig.sent(0, 2));
    assert_eq!(dropped + sent, 60);
    assert_eq!(rig.sent(0, 1), 0);
    assert!(rig.ports[1].flushes() <= 4, "three tries, and one for what waits in the ring");
}

#[test]
fn the_next_batch_sees_the_new_world() {
    let mut rig = Rig::new(&remotes(1));
    rig.turn();
    let mut next = snapshot(2);
    next.usable = 0;
    rig.world.snapshot.store(Arc::new(next));
    let (exits, ends) = mpsc::channel();
    let thread = spawn(0, None, rig.worker, move |exit| exits.send(exit).unwrap()).unwrap();
    let deadline = os::now().0 + 10_000_000_000;
    while thread.channel.generation() < 2 {
        assert!(os::now().0 < deadline, "the worker never saw generation 2");
        std::thread::sleep(Duration::from_millis(1));
    }
    thread.stop();
    let Exit::Stopped(ledger) = ends.recv().unwrap() else { panic!("the worker panicked") };
    assert_eq!((ledger.free, ledger.lost()), (ledger.total, 0), "every frame went back");
}

#[test]
fn control_is_woken_when_a_neighbour_is_wanted() {
    let rig = Rig::new(&remotes(1));
    for edge in [1, 2] {
        let router = "fe80::1".parse().unwrap();
        rig.world.neighbours.set(EdgeId(edge), router, NeighbourState::Unknown).unwrap();
    }
    let control = Arc::clone(&rig.control);
    let thread = spawn(0, None, rig.worker, |_| {}).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let woken = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), control.notified()).await });
    assert!(woken.is_ok());
    assert!(matches!(thread.channel.punt(), Some(Punt::NeighbourWanted { .. })));
    thread.stop();
}

#[test]
fn a_panic_ends_the_worker_with_its_text() {
    let rig = Rig::new(&remotes(1));
    rig.ports[0].behave(Behaviour::Panics);
    let (exits, ends) = mpsc::channel();
    let thread = spawn(3, None, rig.worker, move |exit| exits.send(exit).unwrap()).unwrap();
    let Exit::Panicked(text) = ends.recv().unwrap() else { panic!("the worker did not panic") };
    assert!(text.contains("the port fell over"), "{text}");
    thread.stop();
}
