//! Invariant 6: a batch costs no allocation, whatever is in it.

#[path = "common/rig/mod.rs"]
mod rig;

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicU64, Ordering};

use rig::Rig;
use rig::packet::{Check, Extension, Flags, Packet, Upper};
use rig::site::{CABLE, FIBER, LAN0, Site, WAN0, address};
use sixways::datapath::{held, process_batch};
use sixways::port::{Frame, FrameMemory};
use sixways::units::{EdgeId, Nanos};
use sixways::verdict::DropReason;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// 256 frames for each side: forwarded, hairpin, fragments, errors in transit, refused with and
/// without an answer, held for many neighbours and more than one may have.
fn traffic(site: &Site) -> [(EdgeId, Vec<Vec<u8>>); 2] {
    let host = address("fd12:3456:789a:10::5");
    let remote = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, n);
    let image = address("2001:db8:1:7c59::5");
    let bytes = |edge, packet: &Packet| packet.frame(site.last_hop(edge, packet.source), site.mac(edge));
    let fragment = vec![Extension::Fragment { offset: 0, more: true, id: 9 }];
    let lan = (0..32).flat_map(|n| {
        [
            Packet::udp(host, remote(n), 900),
            Packet::udp(host, remote(n), 1452),
            Packet { hop: 1, ..Packet::udp(host, remote(n), 1400) },
            Packet { extensions: fragment.clone(), ..Packet::udp(host, remote(n), 100) },
            Packet::udp(host, address("2001:db8:1:7c59::6"), 10),
            Packet::udp(host, Ipv6Addr::new(0x2001, 0xdb8, 1, 0x7c59, 0, 0, 1, n), 10),
            Packet::udp(host, address("fd12:3456:789a:99::1"), 10),
            Packet::error(host, remote(n), 3, Packet::udp(remote(n), host, 100)),
        ]
    });
    let wan = (0..32).flat_map(|n| {
        [
            Packet::udp(remote(n), image, 900),
            Packet { hop: 0, ..Packet::udp(remote(n), image, 1400) },
            Packet::error(remote(n), image, 2, Packet::udp(image, remote(n), 1300)),
            Packet::error(remote(n), image, 2, Packet::udp(remote(n), image, 10)),
            Packet::udp(remote(n), address("2001:db8:a::1"), 10),
            Packet::udp(host, image, 10),
            Packet::udp(remote(n), Ipv6Addr::new(0x2001, 0xdb8, 1, 0x7c59, 0, 0, 2, n), 10),
            Packet::udp(remote(n), Ipv6Addr::new(0x2001, 0xdb8, 1, 0x7c59, 0, 0, 3, 1), 10),
        ]
    });
    [(LAN0, lan.map(|packet| bytes(LAN0, &packet)).collect()), (WAN0, wan.map(|packet| bytes(WAN0, &packet)).collect())]
}

#[test]
fn batches_and_held_frames_cost_no_allocation() {
    let mut rig = Rig::with_frames(Site::standard(), 4096);
    let traffic = traffic(&rig.site);
    let mut batch: Vec<Frame> = Vec::with_capacity(256);
    let mut allocated = 0;
    let mut count = |work: &mut dyn FnMut()| {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        work();
        allocated += ALLOCATIONS.load(Ordering::Relaxed) - before;
    };
    for round in 0..6u64 {
        for (edge, frames) in traffic.iter().chain(&traffic) {
            let port = rig.site.snapshot.edges[edge.index()].port;
            batch.extend(frames.iter().map(|bytes| rig.memory.receive(bytes).unwrap()));
            assert_eq!(batch.len(), 256);
            count(&mut || process_batch(&mut rig.path(), port, &mut batch));
            clear(&mut rig);
        }
        // Some rounds end with an answer, some with a time-out.
        let asked: Vec<_> = rig.state.wanted.drain().collect();
        assert!(!asked.is_empty());
        if round % 2 == 0 {
            asked.iter().for_each(|(edge, host)| rig.site.learn(*edge, *host));
        }
        rig.wait(Nanos::from_millis(2000));
        count(&mut || held::release_held(&mut rig.path()));
        clear(&mut rig);
        asked.iter().for_each(|(edge, host)| rig.site.forget(*edge, *host));
    }
    // Connections by the ISP that is lost: one segment opens each, one from the peer establishes it, and the next
    // is answered.
    rig.site.snapshot.reset_on_failover = true;
    let host = address("fd12:3456:789a:10::5");
    for (edge, usable) in [(LAN0, FIBER), (WAN0, FIBER), (LAN0, CABLE)] {
        rig.site.set_usable(&[usable]);
        let segment = |n| {
            let peer = Ipv6Addr::new(0x2001, 0xdb8, 0xe, 0, 0, 0, 0, n);
            let (source, destination) = if edge == LAN0 { (host, peer) } else { (peer, address("2001:db8:1:7c59::5")) };
            let upper = Upper::Tcp {
                source: 1000,
                destination: 1000,
                flags: Flags::Data,
                mss: None,
                len: 9,
                sum: Check::Right,
            };
            Packet { upper, ..Packet::udp(source, destination, 0) }
        };
        let frames = (0..64).map(|n| segment(n).frame(rig.site.last_hop(edge, segment(n).source), rig.site.mac(edge)));
        batch.extend(frames.map(|bytes| rig.memory.receive(&bytes).unwrap()));
        let port = rig.site.snapshot.edges[edge.index()].port;
        count(&mut || process_batch(&mut rig.path(), port, &mut batch));
        clear(&mut rig);
    }
    assert_eq!(rig.counters.edge(LAN0).resets.get(), 64);
    assert_eq!(allocated, 0, "allocations in process_batch and release_held");
    assert!(ALLOCATIONS.load(Ordering::Relaxed) > 0, "the allocator counts");
    for (edge, reason) in [
        (LAN0, DropReason::PacketTooBig),
        (LAN0, DropReason::HopLimitExceeded),
        (WAN0, DropReason::QuoteForeign),
        (WAN0, DropReason::NeighbourQueueFull),
        (WAN0, DropReason::NeighbourUnreachable),
    ] {
        assert!(rig.dropped(edge, reason) > 0, "the traffic lacks {}", reason.label());
    }
    assert!(rig.counters.edge(WAN0).originated.get() > 0 && rig.counters.edge(WAN0).errors_suppressed.get() > 0);
}

fn clear(rig: &mut Rig) {
    let ports: Vec<_> = rig.site.snapshot.edges.iter().map(|edge| edge.port).collect();
    for port in ports {
        let staged = rig.state.staging.port(port);
        staged.edges.clear();
        staged.frames.drain(..).for_each(|frame| rig.memory.free(frame));
    }
    rig.state.stamps.clear();
}
