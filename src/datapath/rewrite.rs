//! Steps 7 and 9: the checks of a router, and everything that is written into the packet.

use super::parse::Packet;
use super::refusal::{Answer, Refusal};
use super::steer::{Addresses, Plan};
use crate::snapshot::Snapshot;
use crate::units::MacAddr;
use crate::verdict::DropReason;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::ipv6::Ipv6Mut;
use crate::wire::tcp;

/// RFC 8200 §3: a packet whose hop limit is zero, or becomes zero, goes no further.
///
/// # Errors
/// When it does.
pub fn check_hop_limit(packet: &Packet) -> Result<(), Refusal> {
    match packet.hop_limit {
        0 | 1 => Err(Refusal::Drop(DropReason::HopLimitExceeded, Answer::HOP_LIMIT)),
        _ => Ok(()),
    }
}

/// RFC 8200 §5: routers never fragment.
///
/// # Errors
/// When the packet is longer than the MTU of the edge that it would leave by.
pub fn check_mtu(snapshot: &Snapshot, packet: &Packet, plan: &Plan) -> Result<(), Refusal> {
    let mtu = snapshot.edges[plan.egress.index()].mtu;
    if packet.length > usize::from(mtu) {
        return Err(Refusal::Drop(DropReason::PacketTooBig, Answer::too_big(mtu)));
    }
    Ok(())
}

/// Writes addresses, hop limit and MACs. No checksum changes: every new address has the sum of
/// the one that it replaces (RFC 6296 §2.6), in the header and in the quote. Only of a TCP handshake
/// the segment size may be lowered.
pub fn rewrite(snapshot: &Snapshot, frame: &mut [u8], packet: &Packet, plan: &Plan, next_hop: MacAddr) {
    let source = snapshot.edges[plan.egress.index()].mac;
    Ethernet { destination: next_hop, source, ether_type: ethernet::IPV6 }.write(frame);
    if let Some(mut header) = Ipv6Mut::new(&mut frame[ethernet::HEADER..]) {
        header.set_hop_limit(packet.hop_limit - 1);
        replace(&mut header, plan.addresses);
    }
    if let Some(quote) = packet.quote
        && let Some(mut header) = Ipv6Mut::new(&mut frame[quote.offset..])
    {
        replace(&mut header, plan.quote);
    }
    if let Some(largest) = plan.largest_segment
        && packet.transport.syn
        && packet.fragment.is_none()
        && packet.quote.is_none()
    {
        tcp::clamp_segment_size(&mut frame[packet.upper..], largest);
    }
}

fn replace(header: &mut Ipv6Mut<'_>, addresses: Addresses) {
    if let Some(source) = addresses.source {
        header.set_source(source);
    }
    if let Some(destination) = addresses.destination {
        header.set_destination(destination);
    }
}
