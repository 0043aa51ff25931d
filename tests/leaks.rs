//! No frame is lost over ports that fail like hardware does.

#[path = "common/rig/mod.rs"]
mod rig;

use std::net::Ipv6Addr;

use rig::Rig;
use rig::packet::Packet;
use rig::site::{LAN0, Site, WAN0, WAN1, address};
use sixways::datapath::{egress::STAGED_PER_PORT, held, process_batch};
use sixways::port::faulty::FaultyPort;
use sixways::port::memory::MemoryPort;
use sixways::port::{Flush, Frame, FrameMemory, Port};
use sixways::units::{EdgeId, Nanos, PortId};
use sixways::verdict::DropReason;

const FRAMES: u64 = 100_000;
const BATCH: usize = 64;

/// Frames of every fate: forwarded both ways, hairpin, refused with and without an answer, held.
fn traffic(site: &Site) -> Vec<(EdgeId, Vec<u8>)> {
    let host = address("fd12:3456:789a:10::5");
    let remote = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, n);
    let image = |host: &str| address(host);
    let mut packets = Vec::new();
    for n in 0..20 {
        packets.push((LAN0, Packet::udp(host, remote(n), usize::from(n) * 60)));
        packets.push((WAN0, Packet::udp(remote(n), image("2001:db8:1:7c59::5"), 100)));
        packets.push((WAN1, Packet::udp(remote(n), image("2001:db8:2:7c58::6"), 100)));
        packets.push((LAN0, Packet { hop: 1, ..Packet::udp(host, remote(n), 1400) }));
        // Nobody has this address: held, and given up after 3 s.
        packets.push((WAN0, Packet::udp(remote(n), image(&format!("2001:db8:1:7c59::1:{n:x}")), 100)));
    }
    packets.push((LAN0, Packet::udp(host, image("2001:db8:1:7c59::6"), 10)));
    packets.push((LAN0, Packet::udp(host, address("ff0e::1"), 10)));
    packets.push((WAN0, Packet::udp(remote(1), image("2001:db8:2:7c58::5"), 10)));
    packets
        .into_iter()
        .map(|(edge, packet)| (edge, packet.frame(site.last_hop(edge, packet.source), site.mac(edge))))
        .collect()
}

/// The worker's loop in small: receive, process, transmit, drop what the ring did not take.
struct Loop {
    rig: Rig,
    ports: Vec<FaultyPort<MemoryPort>>,
    batch: Vec<Frame>,
    /// Frames that the devices took.
    on_the_wire: u64,
}

impl Loop {
    fn new(seed: u64) -> Self {
        let rig = Rig::with_frames(Site::standard(), 1024);
        let ports = (0..5).map(|n| FaultyPort::new(MemoryPort::default(), seed + n)).collect();
        Self { rig, ports, batch: Vec::with_capacity(BATCH), on_the_wire: 0 }
    }

    /// As many of `arrivals` as there are free frames; the others were lost on the wire.
    fn arrive<'a>(&mut self, arrivals: impl Iterator<Item = &'a (EdgeId, Vec<u8>)>) {
        for (edge, bytes) in arrivals {
            let Some(frame) = self.rig.memory.receive(bytes) else { return };
            self.ports[edge.index()].inner().incoming.push_back(frame);
        }
    }

    fn turn(&mut self) {
        for port in 0..self.ports.len() {
            self.ports[port].receive(&mut self.rig.memory, BATCH, &mut self.batch);
            let mut batch = std::mem::take(&mut self.batch);
            process_batch(&mut self.rig.path(), PortId(port as u8), &mut batch);
            self.batch = batch;
            self.send();
        }
        held::release_held(&mut self.rig.path());
        self.send();
    }

    fn send(&mut self) {
        for (id, port) in self.ports.iter_mut().enumerate() {
            let (memory, counters) = (&mut self.rig.memory, &self.rig.counters);
            let staged = self.rig.state.staging.port(PortId(id as u8));
            assert!(staged.frames.len() <= STAGED_PER_PORT);
            let origins: Vec<_> = staged.frames.iter().map(|frame| frame.origin).collect();
            let sent = port.transmit(memory, &mut staged.frames);
            for (origin, edge) in origins.iter().zip(&staged.edges).take(sent) {
                counters.edge(*origin).sent[edge.index()].add(1);
            }
            let reason = match port.flush(memory) {
                Flush::LinkDown => DropReason::TxLinkDown,
                Flush::Done | Flush::Pending => DropReason::TxRingFull,
            };
            staged.edges.clear();
            for frame in staged.frames.drain(..) {
                counters.edge(frame.origin).dropped[reason.index()].add(1);
                memory.free(frame);
            }
            self.on_the_wire += sent as u64;
            port.inner().outgoing.drain(..).for_each(|frame| memory.free(frame));
        }
    }
}

#[test]
fn a_hundred_thousand_frames_over_faulty_ports_leave_none_behind() {
    let mut turns = Loop::new(7);
    let traffic = traffic(&turns.rig.site);
    let mut arrivals = traffic.iter().cycle();
    let read =
        |turns: &Loop| -> u64 { turns.rig.site.edge_ids().map(|edge| turns.rig.counters.edge(edge).read.get()).sum() };
    while read(&turns) < FRAMES {
        turns.arrive(arrivals.by_ref().take(150));
        turns.turn();
        turns.rig.wait(Nanos::from_millis(20));
        turns.rig.assert_accounts();
        let waiting: usize = turns.ports.iter_mut().map(|port| port.inner().incoming.len()).sum();
        assert_eq!(turns.rig.memory.ledger().in_hand, waiting as u64 + turns.rig.held());
    }
    // The link goes quiet: what arrived is served, what waits for a neighbour is given up.
    while turns.ports.iter_mut().any(|port| !port.inner().incoming.is_empty()) {
        turns.turn();
    }
    turns.rig.wait(Nanos::from_millis(3000));
    turns.turn();
    assert_eq!(turns.rig.memory.ledger().in_hand, 0, "frames in use");
    turns.rig.assert_accounts();

    let dropped = |edge, reason| turns.rig.dropped(edge, reason);
    assert!(turns.on_the_wire > FRAMES / 10, "{} of {FRAMES} frames were sent", turns.on_the_wire);
    for reason in [DropReason::TxRingFull, DropReason::TxLinkDown] {
        assert!(dropped(LAN0, reason) > 0 && dropped(WAN0, reason) > 0, "the ports did not fail: {}", reason.label());
    }
    assert!(dropped(WAN0, DropReason::NeighbourUnreachable) > 0, "nothing was held");
    assert!(dropped(LAN0, DropReason::HopLimitExceeded) > 0, "nothing was refused");
}

#[test]
fn a_worker_that_stops_gives_its_held_frames_back() {
    let mut turns = Loop::new(3);
    let traffic = traffic(&turns.rig.site);
    turns.arrive(traffic.iter());
    while turns.ports.iter_mut().any(|port| !port.inner().incoming.is_empty()) {
        turns.turn();
    }
    assert!(turns.rig.held() > 0);
    held::drop_held(&mut turns.rig.path());
    assert_eq!(turns.rig.memory.ledger().in_hand, 0);
    turns.rig.assert_accounts();
}
