//! Step 2: which way the packet goes, and whether it may.

use std::net::Ipv6Addr;

use super::parse::Packet;
use super::refusal::{Answer, Refusal, unmappable_destination};
use crate::npt::Unmappable;
use crate::snapshot::{Role, Snapshot, UplinkMapping, is_bogon};
use crate::units::{EdgeId, UplinkId};
use crate::verdict::DropReason;
use crate::wire::icmpv6;
use crate::wire::ipv6::is_forwardable;

/// The way of a packet.
#[derive(Clone, Copy, Debug)]
pub enum Journey<'a> {
    /// From a LAN to the Internet, by an uplink still to be chosen.
    Outbound,
    /// From an ISP to a LAN.
    Inbound(Inside<'a>),
    /// From a LAN to an external address of this site: both addresses are translated, and the
    /// packet never leaves (RFC 6296 §4.3).
    Hairpin(Inside<'a>),
}

/// The inside end of an external destination.
#[derive(Clone, Copy, Debug)]
pub struct Inside<'a> {
    /// The pair whose external prefix contains the destination.
    pub mapping: &'a UplinkMapping,
    /// The inside address that it is the image of.
    pub address: Ipv6Addr,
}

/// Which way `packet`, which came in by `edge`, goes.
///
/// # Errors
/// When its addresses or its ICMPv6 type must not be forwarded, its destination is nobody, or it
/// hides what it is from whoever has not put its datagram together.
pub fn classify<'a>(snapshot: &'a Snapshot, edge: EdgeId, packet: &Packet) -> Result<Journey<'a>, Refusal> {
    check_scope(packet)?;
    let journey = match snapshot.edges[edge.index()].role {
        Role::Lan => from_lan(snapshot, packet),
        Role::Isp(uplink) => from_isp(snapshot, uplink, packet),
    }?;
    if packet.splits_header {
        // RFC 7112 §5 leaves it open to answer for a first fragment, RFC 5722 §4 does not for another; who
        // comes in unasked is not told what is here.
        let is_first = packet.fragment.is_some_and(|fragment| fragment.offset == 0);
        let is_told = is_first && !matches!(journey, Journey::Inbound(_));
        let answer = if is_told { Answer::INCOMPLETE_CHAIN } else { Answer::Silence };
        return Err(Refusal::Drop(DropReason::HeaderSplit, answer));
    }
    Ok(journey)
}

fn check_scope(packet: &Packet) -> Result<(), Refusal> {
    if packet.icmpv6.is_some_and(icmpv6::is_link_scope) {
        return Err(DropReason::LinkScopeIcmpv6.into());
    }
    if packet.icmpv6.is_some_and(icmpv6::is_unjustified) {
        return Err(DropReason::UnjustifiedIcmpv6.into());
    }
    if !is_forwardable(packet.destination) {
        return Err(DropReason::BadDestination.into());
    }
    if !is_forwardable(packet.source) {
        // RFC 4443 §3.1 code 2: only a link-local source names a node that can be told.
        let told = packet.source.is_unicast_link_local();
        return Err(Refusal::Drop(DropReason::BadSource, if told { Answer::BEYOND_SCOPE } else { Answer::Silence }));
    }
    Ok(())
}

fn from_lan<'a>(snapshot: &'a Snapshot, packet: &Packet) -> Result<Journey<'a>, Refusal> {
    if !is_internal(snapshot, packet.source) {
        return Err(Refusal::Drop(DropReason::SourceNotInternal, Answer::SOURCE_POLICY));
    }
    // The kernel routes what is assigned inside, and the gate leaves it to it: what arrives here
    // is for a subnet that nobody has, and must not follow the default route out.
    if is_internal(snapshot, packet.destination) || packet.destination.is_unique_local() {
        return Err(Refusal::Drop(DropReason::NoLanRoute, Answer::NO_ROUTE));
    }
    match snapshot.mappings.inbound(packet.destination) {
        Some(mapping) => Ok(Journey::Hairpin(inside(snapshot, mapping, packet.destination)?)),
        None if is_refused_bogon(snapshot, packet.destination) => {
            Err(Refusal::Drop(DropReason::Bogon, Answer::PROHIBITED))
        }
        None => Ok(Journey::Outbound),
    }
}

fn from_isp<'a>(snapshot: &'a Snapshot, uplink: UplinkId, packet: &Packet) -> Result<Journey<'a>, Refusal> {
    if is_internal(snapshot, packet.source) || is_our_image(snapshot, uplink, packet.source) {
        return Err(DropReason::SourceIsOurs.into());
    }
    if packet.source.is_unique_local() {
        return Err(DropReason::BadSource.into());
    }
    if is_refused_bogon(snapshot, packet.source) {
        return Err(DropReason::Bogon.into());
    }
    let mapping =
        snapshot.mappings.inbound(packet.destination).ok_or_else(|| unmappable_destination(Unmappable::NotInPrefix))?;
    if mapping.uplink != uplink && !snapshot.accept_any_uplink {
        return Err(DropReason::WrongUplink.into());
    }
    Ok(Journey::Inbound(inside(snapshot, mapping, packet.destination)?))
}

fn inside<'a>(snapshot: &Snapshot, mapping: &'a UplinkMapping, destination: Ipv6Addr) -> Result<Inside<'a>, Refusal> {
    let address = mapping.mapping.inbound(destination).map_err(unmappable_destination)?;
    if snapshot.own_addresses.binary_search(&address).is_ok() {
        return Err(Refusal::Drop(DropReason::ImageIsGateway, Answer::ADDRESS_UNREACHABLE));
    }
    Ok(Inside { mapping, address })
}

/// Whether `source`, of a packet that came in by `uplink`, can only be the image of a host inside. On
/// an ISP's link that has the whole prefix it may as well be the ISP's router, whose errors count.
fn is_our_image(snapshot: &Snapshot, uplink: UplinkId, source: Ipv6Addr) -> bool {
    let owner = snapshot.mappings.inbound(source).map(|mapping| mapping.uplink);
    owner.is_some_and(|owner| owner != uplink || !snapshot.uplinks[uplink.index()].prefix_on_link)
}

fn is_refused_bogon(snapshot: &Snapshot, remote: Ipv6Addr) -> bool {
    !snapshot.filter.bogons && is_bogon(remote)
}

fn is_internal(snapshot: &Snapshot, address: Ipv6Addr) -> bool {
    snapshot.internal.iter().any(|prefix| prefix.contains(address))
}
