//! What came out of the gateway by its one port: whether each frame is where it belongs.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use etherparse::{NetSlice, SlicedPacket};

use crate::lab::capture::Capture;
use crate::lab::images::inside;
use crate::lab::{ISP_A, ISP_B};

/// Checks source, destination and checksum of every IPv6 frame against its tag, and counts those
/// that are routed by their VLAN, 0 for none.
///
/// # Panics
/// At the first frame that is wrong.
#[track_caller]
pub fn tags(capture: Capture) -> BTreeMap<u16, u64> {
    let mut counted: BTreeMap<u16, u64> = [0, 10, 20, 30].map(|vlan| (vlan, 0)).into();
    for frame in capture.finish_judged(|_| true) {
        let (vlan, source, destination) = read(&frame);
        let Some(source) = source else { continue };
        if is_of_the_link(source, destination) {
            continue;
        }
        let right = match vlan {
            0 | 10 => is_internal(destination),
            20 => inside(source, ISP_A) && !is_internal(destination),
            30 => inside(source, ISP_B) && !is_internal(destination),
            _ => false,
        };
        assert!(right, "{source} to {destination} in VLAN {vlan}: {frame:02x?}");
        *counted.get_mut(&vlan).expect("a VLAN of the lab") += 1;
    }
    counted
}

/// VLAN (0: none), source and destination; no source where it is no IPv6.
pub fn read(frame: &[u8]) -> (u16, Option<Ipv6Addr>, Ipv6Addr) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
    let ids = packet.vlan_ids();
    assert!(ids.len() <= 1, "two tags: {frame:02x?}");
    let vlan = ids.first().map_or(0, |id| id.value());
    match packet.net {
        Some(NetSlice::Ipv6(packet)) => (vlan, Some(packet.header().source_addr()), packet.header().destination_addr()),
        _ => (vlan, None, Ipv6Addr::UNSPECIFIED),
    }
}

fn is_internal(address: Ipv6Addr) -> bool {
    inside(address, "fd12:3456:789a::/48")
}

/// Neighbour discovery, and what the gateway's kernel says to its ISPs' routers.
fn is_of_the_link(source: Ipv6Addr, destination: Ipv6Addr) -> bool {
    let links = ["2001:db8:a::/48", "2001:db8:b::/48"];
    let is_link = |address: Ipv6Addr| {
        address.is_unicast_link_local() || address.is_multicast() || links.iter().any(|link| inside(address, link))
    };
    source.is_unspecified() || source.is_unicast_link_local() || is_link(destination) || is_link(source)
}
