//! Batches of packets through the packet path, in memory.

use std::hint::black_box;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use sixways::datapath::process_batch;
use sixways::port::{Frame, FrameMemory};
use sixways::units::{Direction, EdgeId};

use crate::rig::Rig;
use crate::rig::packet::Packet;
use crate::rig::site::{FIBER, LAN0, Site, WAN0};

pub const BATCH: usize = 64;
const PAYLOAD: usize = 64;

/// One packet for each of `pairs` pairs of a host behind the inner router and a remote.
pub fn frames(site: &Site, direction: Direction, pairs: u32) -> (EdgeId, Vec<Vec<u8>>) {
    frames_of(site, direction, pairs, PAYLOAD)
}

/// The same with `payload` octets in each.
pub fn frames_of(site: &Site, direction: Direction, pairs: u32, payload: usize) -> (EdgeId, Vec<Vec<u8>>) {
    let edge = match direction {
        Direction::Outbound => LAN0,
        Direction::Inbound => WAN0,
    };
    let packet = |n: u32| {
        // A bijection that scatters: neighbours in time are no neighbours in memory.
        let scattered = n.wrapping_mul(0x9e37_79b1);
        let host = Ipv6Addr::from_bits(0xfd12_3456_789a_0040 << 64 | u128::from(scattered | 1));
        let remote = Ipv6Addr::from_bits(0x2001_0db8_000f << 80 | u128::from(scattered.rotate_left(16)));
        match direction {
            Direction::Outbound => Packet::udp(host, remote, payload),
            Direction::Inbound => Packet::udp(remote, site.outside(FIBER, host).expect("an image"), payload),
        }
    };
    let frame = |n| {
        let mut frame = packet(n).frame(site.last_hop(edge, Ipv6Addr::UNSPECIFIED), site.mac(edge));
        site.snapshot.mark(edge, &mut frame);
        frame
    };
    (edge, (0..pairs).map(frame).collect())
}

/// Takes `batches` batches through the path; the time that the path took.
pub fn run(rig: &mut Rig, edge: EdgeId, frames: &[Vec<u8>], batches: u64) -> Duration {
    let port = rig.site.snapshot.edges[edge.index()].port;
    let out: Vec<_> = rig.site.snapshot.edges.iter().map(|edge| edge.port).collect();
    let mut batch: Vec<Frame> = Vec::with_capacity(BATCH);
    let mut packets = frames.iter().cycle();
    let mut spent = Duration::ZERO;
    for _ in 0..batches {
        batch.extend(packets.by_ref().take(BATCH).map(|bytes| rig.memory.receive(bytes).expect("a free frame")));
        let start = Instant::now();
        process_batch(black_box(&mut rig.path()), port, &mut batch);
        spent += start.elapsed();
        let mut sent = 0;
        for port in &out {
            let staged = rig.state.staging.port(*port);
            staged.edges.clear();
            sent += staged.frames.len();
            staged.frames.drain(..).for_each(|frame| rig.memory.free(frame));
        }
        assert_eq!(sent, BATCH, "every packet is forwarded");
    }
    spent
}
