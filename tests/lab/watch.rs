//! What both ISPs saw, by flow and by datagram.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use etherparse::{Ipv6ExtensionSlice, NetSlice, SlicedPacket, TransportSlice};

use super::capture::{Capture, source_of};
use super::images::inside;
use super::{ISP_A, ISP_B, Lab};

/// Captures at both ISPs of what the gateway sends them.
pub struct Watch([(Capture, &'static str); 2]);

/// What one ISP saw, all of it with a source out of its own prefix, and with right checksums.
pub struct Seen {
    /// The ISP's prefix.
    pub isp: &'static str,
    frames: Vec<Vec<u8>>,
}

/// A flow as the world sees it, but for the address that an ISP gives it: protocol, inside port,
/// remote address and port.
pub type Outside = (u8, u16, Ipv6Addr, u16);

impl Watch {
    /// Starts them.
    pub fn start(lab: &Lab, filter: &str) -> Self {
        Self([("ispa", ISP_A), ("ispb", ISP_B)].map(|(role, isp)| (Capture::start(lab, role, "cust", filter), isp)))
    }

    /// Ends them.
    ///
    /// # Panics
    /// If an ISP got a source that is not its own, or a wrong checksum.
    #[track_caller]
    pub fn finish(self) -> [Seen; 2] {
        self.0.map(|(capture, isp)| Seen { isp, frames: capture.finish_judged(|source| inside(source, isp)) })
    }
}

impl Seen {
    /// The flows of unfragmented TCP and UDP packets.
    pub fn flows(&self) -> BTreeSet<Outside> {
        self.frames.iter().filter_map(|frame| flow(frame)).collect()
    }

    /// Where it came from.
    pub fn sources(&self) -> BTreeSet<Ipv6Addr> {
        self.frames.iter().filter_map(|frame| source_of(frame)).map(|(source, _)| source).collect()
    }

    /// What came from one source.
    pub fn only(mut self, source: Ipv6Addr) -> Self {
        self.frames.retain(|frame| source_of(frame).is_some_and(|pair| pair.0 == source));
        self
    }

    /// Fragmented datagrams: their fragments' number, by source, destination and identification.
    pub fn datagrams(&self) -> BTreeMap<(Ipv6Addr, Ipv6Addr, u32), usize> {
        let mut datagrams = BTreeMap::new();
        for datagram in self.frames.iter().filter_map(|frame| datagram(frame)) {
            *datagrams.entry(datagram).or_default() += 1;
        }
        datagrams
    }
}

/// By which ISP each flow went.
///
/// # Panics
/// If one went by both.
#[track_caller]
pub fn isps_of(seen: &[Seen; 2]) -> BTreeMap<Outside, &'static str> {
    let [a, b] = seen.each_ref().map(|seen| seen.flows());
    let both: Vec<_> = a.intersection(&b).collect();
    assert!(both.is_empty(), "flows by both ISPs: {both:?}");
    a.into_iter().map(|flow| (flow, ISP_A)).chain(b.into_iter().map(|flow| (flow, ISP_B))).collect()
}

fn flow(frame: &[u8]) -> Option<Outside> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let NetSlice::Ipv6(net) = packet.net? else { return None };
    let remote = net.header().destination_addr();
    match packet.transport? {
        TransportSlice::Tcp(tcp) => Some((6, tcp.source_port(), remote, tcp.destination_port())),
        TransportSlice::Udp(udp) => Some((17, udp.source_port(), remote, udp.destination_port())),
        _ => None,
    }
}

fn datagram(frame: &[u8]) -> Option<(Ipv6Addr, Ipv6Addr, u32)> {
    let NetSlice::Ipv6(net) = SlicedPacket::from_ethernet(frame).ok()?.net? else { return None };
    let fragment = net.extensions().clone().into_iter().find_map(|extension| match extension {
        Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment),
        _ => None,
    })?;
    Some((net.header().source_addr(), net.header().destination_addr(), fragment.identification()))
}
