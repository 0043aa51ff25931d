//! What came to the servers by each ISP: flows, and what they looked like.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::lab::Lab;
use super::lab::capture::{Capture, MOST};

/// A flow as both ends know it: remote address, remote port, port inside.
pub type Name = (Ipv6Addr, u16, u16);

/// One packet of a flow from inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// Number of the request in a datagram, 0 in TCP.
    pub sequence: u64,
    /// 0: ISP A, 1: ISP B.
    pub isp: usize,
    /// The outside address that it bore.
    pub source: Ipv6Addr,
}

/// Captures at the servers' cables from ISP A and from ISP B.
pub struct Wires([Capture; 2]);

impl Wires {
    /// Begins.
    pub fn watch(lab: &Lab, filter: &str) -> Self {
        Self([Capture::start(lab, "srv", "a0", filter), Capture::start(lab, "srv", "b0", filter)])
    }

    /// Ends, and sorts what was seen by flow; of datagrams, by request in each.
    ///
    /// # Panics
    /// If a capture is not whole, a checksum is wrong, or a source is not the ISP's.
    #[track_caller]
    pub fn finish(self) -> BTreeMap<Name, BTreeSet<Sighting>> {
        let mut flows = BTreeMap::<_, BTreeSet<_>>::new();
        for (isp, capture) in self.0.into_iter().enumerate() {
            let prefix = [0x2001, 0xdb8, isp as u16 + 1];
            let frames = capture.finish_judged(|source| source.segments()[..3] == prefix);
            assert!((1..MOST).contains(&frames.len()), "{} frames by ISP {isp}: not all of them", frames.len());
            for (name, sequence, source) in frames.iter().map(|frame| read(frame)) {
                flows.entry(name).or_default().insert(Sighting { sequence, isp, source });
            }
        }
        flows
    }
}

fn read(frame: &[u8]) -> (Name, u64, Ipv6Addr) {
    let packet = SlicedPacket::from_ethernet(frame).expect("a frame");
    let Some(NetSlice::Ipv6(net)) = &packet.net else { panic!("no IPv6: {packet:?}") };
    let (source, remote) = (net.header().source_addr(), net.header().destination_addr());
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => ((remote, tcp.destination_port(), tcp.source_port()), 0, source),
        Some(TransportSlice::Udp(udp)) => {
            let (_, sequence) = super::datagrams::read(udp.payload()).expect("one of ours");
            ((remote, udp.destination_port(), udp.source_port()), sequence, source)
        }
        _ => panic!("neither TCP nor UDP: {packet:?}"),
    }
}
