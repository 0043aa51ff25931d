//! Step 3: by which ISP, and what the addresses become.

use std::net::Ipv6Addr;

use super::classify::{Inside, Journey};
use super::parse::Packet;
use super::refusal::{Answer, Refusal, unmappable_source};
use crate::hash::FlowKey;
use crate::snapshot::{Snapshot, UplinkMapping};
use crate::units::{Direction, EdgeId, UplinkId};
use crate::verdict::DropReason;

/// All that will be written, decided before any of it is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The ISP whose prefix the packet bears outside.
    pub uplink: UplinkId,
    /// What the addresses become.
    pub addresses: Addresses,
    /// What the quoted packet's addresses become, in an ICMPv6 error.
    pub quote: Addresses,
    /// The edge that the packet leaves by.
    pub egress: EdgeId,
    /// The neighbour there.
    pub next_hop: Ipv6Addr,
}

/// New addresses; `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The new source: translated outbound.
    pub source: Option<Ipv6Addr>,
    /// The new destination: translated inbound.
    pub destination: Option<Ipv6Addr>,
}

impl Plan {
    /// The directions in which the packet is translated: one, or both for a hairpin.
    pub fn directions(&self) -> impl Iterator<Item = Direction> + use<> {
        let outbound = self.addresses.source.map(|_| Direction::Outbound);
        let inbound = self.addresses.destination.map(|_| Direction::Inbound);
        outbound.into_iter().chain(inbound)
    }

    /// The direction that the latency histogram files the packet under.
    pub const fn direction(&self) -> Direction {
        match self.addresses.source {
            Some(_) => Direction::Outbound,
            None => Direction::Inbound,
        }
    }
}

/// Chooses the uplink of `packet` and computes its new addresses.
///
/// # Errors
/// When no uplink is usable, an address has no image, or no LAN route leads to the destination.
pub fn steer(snapshot: &Snapshot, packet: &Packet, journey: Journey<'_>) -> Result<Plan, Refusal> {
    match journey {
        Journey::Outbound => outbound(snapshot, packet),
        Journey::Inbound(inside) => inbound(snapshot, packet, inside),
        Journey::Hairpin(inside) => hairpin(snapshot, packet, inside),
    }
}

/// By the most preferred usable uplink that has a router and can map the source.
fn outbound(snapshot: &Snapshot, packet: &Packet) -> Result<Plan, Refusal> {
    // An ICMPv6 error follows the flow that it is about, seen from the inside end.
    let (internal, remote) = match packet.quote {
        Some(quote) => (quote.destination, quote.source),
        None => (packet.source, packet.destination),
    };
    let hash = FlowKey::pair(internal, remote).hash(&snapshot.hash_key);
    let mut candidates = snapshot.usable;
    let mut refusal = Refusal::Drop(DropReason::NoUplink, Answer::NO_ROUTE);
    while let Some(uplink) = snapshot.steering.policies[0].buckets.pick(hash, candidates) {
        match outbound_by(snapshot, uplink, packet) {
            Ok(plan) => return Ok(plan),
            Err(reason) => refusal = reason,
        }
        candidates &= !(1 << uplink.0);
    }
    Err(refusal)
}

fn outbound_by(snapshot: &Snapshot, id: UplinkId, packet: &Packet) -> Result<Plan, Refusal> {
    let uplink = &snapshot.uplinks[id.index()];
    let next_hop = uplink.next_hop.ok_or(Refusal::Drop(DropReason::NoUplink, Answer::NO_ROUTE))?;
    let (_, source) = image(snapshot, id, packet.source)?;
    Ok(Plan {
        uplink: id,
        addresses: Addresses { source: Some(source), destination: None },
        quote: quote_outbound(snapshot, id, packet)?,
        egress: uplink.edge,
        next_hop,
    })
}

/// The image of `source` by `uplink`: never one of the gateway's own addresses, since the answers
/// to those are the kernel's.
fn image(snapshot: &Snapshot, uplink: UplinkId, source: Ipv6Addr) -> Result<(&UplinkMapping, Ipv6Addr), Refusal> {
    let (mapping, image) = snapshot.mappings.image(uplink, source).map_err(unmappable_source)?;
    if snapshot.own_addresses.binary_search(&image).is_ok() {
        return Err(Refusal::Drop(DropReason::ImageIsGateway, Answer::SOURCE_POLICY));
    }
    Ok((mapping, image))
}

fn inbound(snapshot: &Snapshot, packet: &Packet, inside: Inside<'_>) -> Result<Plan, Refusal> {
    let (egress, next_hop) = lan_route(snapshot, inside.address)?;
    Ok(Plan {
        uplink: inside.mapping.uplink,
        addresses: Addresses { source: None, destination: Some(inside.address) },
        quote: quote_inbound(inside.mapping, packet)?,
        egress,
        next_hop,
    })
}

/// The source takes the form of the ISP that owns the destination's prefix, so that the two
/// hosts talk as if they met outside, whether or not that ISP is up.
fn hairpin(snapshot: &Snapshot, packet: &Packet, inside: Inside<'_>) -> Result<Plan, Refusal> {
    let uplink = inside.mapping.uplink;
    let (_, source) = image(snapshot, uplink, packet.source)?;
    let (egress, next_hop) = lan_route(snapshot, inside.address)?;
    let quote = Addresses {
        destination: quote_outbound(snapshot, uplink, packet)?.destination,
        source: quote_inbound(inside.mapping, packet)?.source,
    };
    Ok(Plan {
        uplink,
        addresses: Addresses { source: Some(source), destination: Some(inside.address) },
        quote,
        egress,
        next_hop,
    })
}

fn lan_route(snapshot: &Snapshot, internal: Ipv6Addr) -> Result<(EdgeId, Ipv6Addr), Refusal> {
    snapshot.routes.lookup(internal).ok_or(Refusal::Drop(DropReason::NoLanRoute, Answer::NO_ROUTE))
}

/// An error from inside quotes an inbound packet: its destination is an inside address, which the
/// remote end knows by its image.
fn quote_outbound(snapshot: &Snapshot, uplink: UplinkId, packet: &Packet) -> Result<Addresses, Refusal> {
    let Some(quote) = packet.quote else { return Ok(Addresses::default()) };
    let (_, destination) =
        image(snapshot, uplink, quote.destination).map_err(|_| Refusal::from(DropReason::QuoteForeign))?;
    Ok(Addresses { source: None, destination: Some(destination) })
}

/// An error from outside quotes an outbound packet: its source is an image, whose inside
/// address the host knows.
fn quote_inbound(mapping: &UplinkMapping, packet: &Packet) -> Result<Addresses, Refusal> {
    let Some(quote) = packet.quote else { return Ok(Addresses::default()) };
    let source = mapping.mapping.inbound(quote.source).map_err(|_| Refusal::from(DropReason::QuoteForeign))?;
    Ok(Addresses { source: Some(source), destination: None })
}
