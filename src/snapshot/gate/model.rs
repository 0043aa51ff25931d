//! The gate's program (`src/xdp/bpf/gate.bpf.c`) once more, for whatever runs without a kernel.
//!
//! Same tables, same order, same verdicts; in addition it says which of its steps decided.
//! `tests/lab_gate` runs the same frames through both. A socket is taken to be there: without one
//! what is [`GateVerdict::Redirected`] here is dropped (`gate-no-socket`).

use std::net::Ipv6Addr;

use super::{GateAction, GatePort, GateRole};
use crate::npt::Prefix;
use crate::units::{EdgeId, MacAddr};

/// What the gate does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateVerdict {
    /// Left to the kernel.
    Passed,
    /// Given to a worker, without its tag, and marked ([`crate::snapshot::Snapshot::mark`]).
    Redirected,
    /// Dropped: transit that is for none of this ISP's external prefixes.
    Transit,
    /// Dropped: for an own address, but by an edge that it may not come by.
    OwnElsewhere,
    /// Dropped: longer than a frame of the packet buffer.
    Oversize,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateCause {
    /// No whole Ethernet header, or no whole tag.
    Truncated,
    /// This VLAN (`None`: untagged) is no edge of ours.
    NoEdge(Option<u16>),
    /// Not IPv6, or less than its header.
    NotIpv6,
    /// For another device on the link.
    OtherMac(MacAddr),
    /// Multicast and link-local destinations never leave their link.
    LinkScope,
    /// One of the host's own addresses.
    OwnAddress,
    /// This entry of the longest-match table.
    Route(Prefix, GateAction),
    /// No entry matches: what the role of the edge says.
    NoRoute(GateRole),
}

/// The verdict on one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateJudgement {
    /// The edge at which the frame is counted; `None` for a port without edges.
    pub edge: Option<EdgeId>,
    /// What becomes of it.
    pub verdict: GateVerdict,
    /// Why.
    pub cause: GateCause,
    /// Octets of the tag that is taken out when it is redirected: 0 or 4.
    pub tag: usize,
}

const HEADER: usize = 14;
const TAG: usize = 4;
const IPV6_HEADER: usize = 40;
const IPV6: [u8; 2] = [0x86, 0xdd];
const VLAN: [u8; 2] = [0x81, 0x00];

/// Whether a packet whose octet behind the IPv6 header is `kind` is a Neighbor Solicitation of this
/// link (RFC 4861 §7.1.1).
fn is_solicitation(header: &[u8], kind: Option<&u8>) -> bool {
    (header[6], header[7], kind) == (58, 255, Some(&135))
}

impl GatePort {
    /// The gate's verdict on `frame`, which came in by this port. `own` is that of the
    /// [`GateTables`](super::GateTables); a frame of the packet buffer takes `max_frame` octets.
    pub fn judge(&self, own: &[(Ipv6Addr, u16)], max_frame: usize, frame: &[u8]) -> GateJudgement {
        let edge = self.edges.first().map(|edge| edge.edge);
        let passed = |edge, cause| GateJudgement { edge, verdict: GateVerdict::Passed, cause, tag: 0 };
        let Some(ether_type) = frame.get(12..HEADER) else { return passed(edge, GateCause::Truncated) };
        let (vlan, ether_type, tag) = if ether_type == VLAN {
            let Some(tag) = frame.get(HEADER..HEADER + TAG) else { return passed(edge, GateCause::Truncated) };
            // VLAN 0 is only a priority.
            let vlan = Some(u16::from_be_bytes([tag[0], tag[1]]) & 0xfff).filter(|vlan| *vlan != 0);
            (vlan, &tag[2..], TAG)
        } else {
            (None, ether_type, 0)
        };
        let Some(found) = self.edges.iter().find(|edge| edge.vlan == vlan) else {
            return passed(edge, GateCause::NoEdge(vlan));
        };
        let edge = Some(found.edge);
        let Some(packet) = frame.get(HEADER + tag..HEADER + tag + IPV6_HEADER).filter(|_| ether_type == IPV6) else {
            return passed(edge, GateCause::NotIpv6);
        };
        let mac = MacAddr(std::array::from_fn(|at| frame[at]));
        if !found.macs.contains(&mac) {
            return passed(edge, GateCause::OtherMac(mac));
        }
        let destination = Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|at| packet[24 + at]));
        if destination.is_multicast() || destination.is_unicast_link_local() {
            return passed(edge, GateCause::LinkScope);
        }
        if let Some((_, may_arrive)) = own.iter().find(|(address, _)| *address == destination) {
            let here = may_arrive >> found.edge.0 & 1 != 0;
            let verdict = if here { GateVerdict::Passed } else { GateVerdict::OwnElsewhere };
            return GateJudgement { edge, verdict, cause: GateCause::OwnAddress, tag };
        }
        let here = self.routes.iter().filter(|route| route.edge == found.edge && route.prefix.contains(destination));
        let route = here.max_by_key(|route| route.prefix.len());
        let cause = route.map_or(GateCause::NoRoute(found.role), |route| GateCause::Route(route.prefix, route.action));
        let verdict = match cause {
            GateCause::Route(_, GateAction::Pass) => GateVerdict::Passed,
            GateCause::Route(_, GateAction::Proxy)
                if is_solicitation(packet, frame.get(HEADER + tag + IPV6_HEADER)) =>
            {
                GateVerdict::Passed
            }
            GateCause::NoRoute(GateRole::Isp) => GateVerdict::Transit,
            _ if frame.len() > max_frame + tag => GateVerdict::Oversize,
            _ => GateVerdict::Redirected,
        };
        GateJudgement { edge, verdict, cause, tag }
    }
}
