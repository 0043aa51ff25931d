//! What came out, by etherparse: addresses where they belong, checksums right, each flow by one ISP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::path::Path;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use crate::captures::read;
use crate::mixed::{self, CABLE, FIBER, Mixed, address};

fn within(address: Ipv6Addr, (prefix, length): (&str, u8)) -> bool {
    (address.to_bits() ^ mixed::address(prefix).to_bits()) >> (128 - length) == 0
}

/// Addresses, and whether the upper layer is whole and its checksum right.
fn headers(frame: &[u8]) -> (Ipv6Addr, Ipv6Addr, Option<u16>) {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(NetSlice::Ipv6(ip)) = &sliced.net else { panic!("{frame:x?} is no IPv6") };
    let header = ip.header();
    let (source, destination) = (header.source_addr(), header.destination_addr());
    let mut port = None;
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let right = tcp.to_header().calc_checksum_ipv6_raw(source.octets(), destination.octets(), tcp.payload());
            assert_eq!(tcp.checksum(), right.unwrap(), "{frame:x?}");
            port = Some(tcp.source_port());
        }
        Some(TransportSlice::Udp(udp)) => {
            let right = udp.to_header().calc_checksum_ipv6_raw(source.octets(), destination.octets(), udp.payload());
            assert_eq!(udp.checksum(), right.unwrap(), "{frame:x?}");
            port = Some(udp.source_port());
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            assert!(icmp.is_checksum_valid(source.octets(), destination.octets()), "{frame:x?}");
        }
        _ => assert!(ip.extensions().slice().len() == 8, "a fragment: {frame:x?}"),
    }
    (source, destination, port)
}

/// Judges the captures in `directory`, which are of `mixed`.
pub fn judge(mixed: &Mixed, directory: &Path) {
    let times: BTreeSet<u64> =
        [&mixed.lan, &mixed.fiber, &mixed.cable].into_iter().flatten().map(|(at, _)| *at).collect();
    // By host outside and port inside: the ISPs that its packets left by.
    let mut isps: BTreeMap<(Ipv6Addr, Option<u16>), BTreeSet<&str>> = BTreeMap::new();
    let (mut own_times, mut outbound) = (0, 0);
    for (name, prefix) in [("fiber", FIBER), ("cable", CABLE)] {
        for (at, frame) in read(&directory.join(format!("{name}.pcapng"))) {
            let (source, destination, port) = headers(&frame);
            assert!(within(source, prefix), "{source} leaves by {name}");
            assert!(!within(destination, FIBER) && !within(destination, CABLE));
            outbound += 1;
            own_times += usize::from(!times.contains(&at));
            if port.is_some_and(|port| port >= 30_000) {
                isps.entry((destination, port)).or_default().insert(name);
            }
        }
    }
    // Refused connections are told so six seconds later, which is no packet's time.
    assert!(own_times > 0 && own_times * 5 < outbound, "{own_times} of {outbound}");
    let both = isps.values().filter(|isps| isps.len() > 1).count();
    assert!(isps.len() > 50 && both == 0, "{both} of {} flows left by two ISPs", isps.len());
    let lan = read(&directory.join("lan0.pcapng"));
    assert!(lan.len() > outbound / 4);
    for (at, frame) in lan {
        let (source, destination, _) = headers(&frame);
        assert!(within(destination, mixed::INSIDE) || destination == address("2001:db8:9::1"), "{destination}");
        assert!(!within(source, mixed::INSIDE) || source == address("fd12:3456:789a::1"), "{source}");
        assert!(times.contains(&at));
    }
}
