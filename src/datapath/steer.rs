//! Step 5: by which ISP, and what the addresses become.

use std::net::Ipv6Addr;

use super::classify::{Inside, Journey};
use super::parse::Packet;
use super::recall::{FlowMemory, Recalled};
use super::refusal::{Answer, Refusal, unmappable_source};
use crate::flow::ColdRecord;
use crate::hash::FlowKey;
use crate::npt::Unmappable;
use crate::snapshot::{Action, Policy, PolicyId, Snapshot, UplinkMapping};
use crate::units::{Direction, EdgeId, MappingId, UplinkId};
use crate::verdict::DropReason;

/// All that will be written, decided before any of it is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The mapping of the flow.
    pub mapping: MappingId,
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
    /// Largest TCP segment that the packet may announce; `None`: any.
    pub largest_segment: Option<u16>,
    /// The ISP in whose place `uplink` carries it: that of its flow or its bucket, which may carry nothing.
    pub instead_of: Option<UplinkId>,
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

/// Chooses the mapping of `packet` and computes its new addresses: what its datagram or its flow
/// has, as long as that will do; otherwise what rules and policies say.
///
/// # Errors
/// When a rule drops it, no uplink is usable, an address has no image, or no LAN route leads to
/// the destination.
pub fn steer(
    memory: &FlowMemory<'_>,
    packet: &Packet,
    journey: &Journey<'_>,
    recalled: Option<&Recalled>,
) -> Result<Plan, Refusal> {
    match (journey, recalled) {
        (Journey::Hairpin(inside), _) => hairpin(memory.snapshot, packet, inside),
        (Journey::Inbound(inside), _) => inbound(memory.snapshot, packet, inside),
        (Journey::Outbound, Some(recalled)) => outbound(memory, packet, recalled),
        (Journey::Outbound, None) => Err(Refusal::Drop(DropReason::NoUplink, Answer::NO_ROUTE)),
    }
}

fn outbound(memory: &FlowMemory<'_>, packet: &Packet, recalled: &Recalled) -> Result<Plan, Refusal> {
    let snapshot = memory.snapshot;
    let kept = recalled.mappings().find_map(|mapping| outbound_by(snapshot, packet, recalled, mapping).ok());
    match kept {
        Some(plan) if snapshot.moves.concern(plan.uplink) => return Ok(moved(memory, packet, recalled, plan)),
        Some(plan) => return Ok(plan),
        None => {}
    }
    // Whoever opened the flow from outside knows it by this ISP's address and by no other.
    if recalled.record.and_then(|record| memory.cold(recalled, record)).is_some_and(ColdRecord::is_from_outside) {
        return Err(Refusal::Drop(DropReason::NoUplink, Answer::NO_ROUTE));
    }
    let Chosen { plan, .. } = choose(snapshot, packet, recalled)?;
    let had = recalled.record.and_then(|record| snapshot.mappings.get(record.word.mapping()));
    let lost = had.map(|mapping| mapping.uplink).filter(|uplink| snapshot.usable & 1 << uplink.0 == 0);
    Ok(Plan { instead_of: lost.or(plan.instead_of), ..plan })
}

/// The plan of a flow some of whose kind are to take another uplink than that of `kept`, which would do: it
/// goes where a new flow would, if its turn has come. Flows from outside never do, and errors and what
/// is left of a datagram go where the flow or the datagram went.
#[cold]
fn moved(memory: &FlowMemory<'_>, packet: &Packet, recalled: &Recalled, kept: Plan) -> Plan {
    let Some(record) = recalled.record.filter(|_| packet.quote.is_none() && recalled.fragment_mapping.is_none()) else {
        return kept;
    };
    let Ok(chosen) = choose(memory.snapshot, packet, recalled) else { return kept };
    let is_due = memory.snapshot.moves.take(chosen.hash, kept.uplink, chosen.plan.uplink);
    let is_from_inside = || memory.cold(recalled, record).is_some_and(|cold| !cold.is_from_outside());
    if is_due && is_from_inside() { chosen.plan } else { kept }
}

/// Where a new flow goes.
struct Chosen {
    plan: Plan,
    /// What chose it, by the policy.
    hash: u64,
}

/// What rules and policies say.
fn choose(snapshot: &Snapshot, packet: &Packet, recalled: &Recalled) -> Result<Chosen, Refusal> {
    match snapshot.steering.action(&recalled.flow.inside_out().traffic(packet.dscp)) {
        Action::Drop => Err(Refusal::Drop(DropReason::RuleDrop, Answer::PROHIBITED)),
        Action::Policy { policy, or_default } => {
            let chosen = by_policy(snapshot, packet, recalled, policy);
            if or_default {
                chosen.or_else(|_| by_policy(snapshot, packet, recalled, PolicyId::default()))
            } else {
                chosen
            }
        }
    }
}

/// By the most preferred usable uplink of the policy that has a router and can map the source.
fn by_policy(snapshot: &Snapshot, packet: &Packet, recalled: &Recalled, policy: PolicyId) -> Result<Chosen, Refusal> {
    let policy = snapshot.steering.policy(policy);
    let flow = recalled.flow.key.unwrap_or(FlowKey::pair(recalled.flow.internal, recalled.flow.remote));
    let hash = policy.hash(&snapshot.hash_key, &flow);
    let members = snapshot.usable & policy.members;
    let mut refusal = Refusal::Drop(DropReason::NoUplink, Answer::NO_ROUTE);
    for mut candidates in [members & snapshot.accepting, members & !snapshot.accepting] {
        while let Some(uplink) = policy.buckets.pick(hash, candidates) {
            match outbound_to(snapshot, packet, recalled, uplink) {
                Ok(plan) => {
                    return Ok(Chosen { plan: Plan { instead_of: lost(snapshot, policy, hash), ..plan }, hash });
                }
                Err(reason) => refusal = reason,
            }
            candidates &= !(1 << uplink.0);
        }
    }
    Err(refusal)
}

/// The uplink that `hash` would be given by `policy`, if that may carry nothing.
fn lost(snapshot: &Snapshot, policy: &Policy, hash: u64) -> Option<UplinkId> {
    if policy.members & !snapshot.usable == 0 {
        return None;
    }
    policy.buckets.pick(hash, policy.members).filter(|uplink| snapshot.usable & 1 << uplink.0 == 0)
}

/// The plan to send `packet`, whose flow has no mapping yet, by `uplink`.
///
/// # Errors
/// When the uplink is not usable or without a router, or the source has no image there.
pub fn outbound_to(
    snapshot: &Snapshot,
    packet: &Packet,
    recalled: &Recalled,
    uplink: UplinkId,
) -> Result<Plan, Refusal> {
    // Of an error, the host that it is about: its sender may be inside another pair.
    match snapshot.mappings.image(uplink, recalled.flow.internal) {
        Ok((mapping, _)) => outbound_by(snapshot, packet, recalled, mapping.id),
        Err(_) if packet.quote.is_some() => Err(DropReason::QuoteForeign.into()),
        Err(reason) => Err(unmappable_source(reason)),
    }
}

/// The plan to send `packet` by the flow's `mapping`.
///
/// # Errors
/// When its uplink is gone, not usable or without a router, or the source has no image.
pub fn outbound_by(
    snapshot: &Snapshot,
    packet: &Packet,
    recalled: &Recalled,
    mapping: MappingId,
) -> Result<Plan, Refusal> {
    let no_uplink = Refusal::Drop(DropReason::NoUplink, Answer::NO_ROUTE);
    let mapping = snapshot.mappings.get(mapping).ok_or(no_uplink)?;
    let uplink = &snapshot.uplinks[mapping.uplink.index()];
    if snapshot.usable & 1 << mapping.uplink.0 == 0 {
        return Err(no_uplink);
    }
    let next_hop = uplink.next_hop.ok_or(no_uplink)?;
    let quote = match packet.quote {
        None => Addresses::default(),
        // An error from inside quotes an inbound packet: its destination is an inside address, which
        // the remote end knows by its image.
        Some(_) => {
            let image = image(snapshot, mapping, recalled.flow.internal);
            Addresses { source: None, destination: Some(image.map_err(|_| Refusal::from(DropReason::QuoteForeign))?) }
        }
    };
    // An inner router that sends an error may be inside another pair of the same ISP.
    let sender = match packet.quote {
        None => mapping,
        Some(_) => snapshot.mappings.outbound(mapping.uplink, packet.source).unwrap_or(mapping),
    };
    let source = image(snapshot, sender, packet.source)?;
    Ok(Plan {
        mapping: mapping.id,
        uplink: mapping.uplink,
        addresses: Addresses { source: Some(source), destination: None },
        quote,
        egress: uplink.edge,
        next_hop,
        largest_segment: uplink.largest_segment,
        instead_of: None,
    })
}

/// The image of `source` by `mapping`: never one of the gateway's own addresses, since the answers
/// to those are the kernel's.
fn image(snapshot: &Snapshot, mapping: &UplinkMapping, source: Ipv6Addr) -> Result<Ipv6Addr, Refusal> {
    let image = snapshot.mappings.image_by(mapping, source).map_err(unmappable_source)?;
    if snapshot.own_addresses.binary_search(&image).is_ok() {
        return Err(Refusal::Drop(DropReason::ImageIsGateway, Answer::SOURCE_POLICY));
    }
    Ok(image)
}

fn inbound(snapshot: &Snapshot, packet: &Packet, inside: &Inside<'_>) -> Result<Plan, Refusal> {
    let (egress, next_hop) = lan_route(snapshot, inside.address)?;
    // An error from outside quotes an outbound packet, whose source is the image that it is for.
    let sender = packet.quote.map(|_| inside.address);
    Ok(Plan {
        mapping: inside.mapping.id,
        uplink: inside.mapping.uplink,
        addresses: Addresses { source: None, destination: Some(inside.address) },
        quote: Addresses { source: sender, destination: None },
        egress,
        next_hop,
        largest_segment: snapshot.uplinks[inside.mapping.uplink.index()].largest_segment,
        instead_of: None,
    })
}

/// The source takes the form of the ISP that owns the destination's prefix, so that the two
/// hosts talk as if they met outside, whether or not that ISP is up.
fn hairpin(snapshot: &Snapshot, packet: &Packet, inside: &Inside<'_>) -> Result<Plan, Refusal> {
    let uplink = inside.mapping.uplink;
    let image_of = |source| {
        let mapping = snapshot.mappings.outbound(uplink, source).ok_or(unmappable_source(Unmappable::NotInPrefix))?;
        image(snapshot, mapping, source)
    };
    let source = image_of(packet.source)?;
    let (egress, next_hop) = lan_route(snapshot, inside.address)?;
    let foreign = Refusal::from(DropReason::QuoteForeign);
    let quote = match packet.quote {
        None => Addresses::default(),
        Some(quote) => Addresses {
            source: Some(inside.address),
            destination: Some(image_of(quote.destination).map_err(|_| foreign)?),
        },
    };
    Ok(Plan {
        mapping: inside.mapping.id,
        uplink,
        addresses: Addresses { source: Some(source), destination: Some(inside.address) },
        quote,
        egress,
        next_hop,
        largest_segment: None,
        instead_of: None,
    })
}

fn lan_route(snapshot: &Snapshot, internal: Ipv6Addr) -> Result<(EdgeId, Ipv6Addr), Refusal> {
    snapshot.routes.lookup(internal).ok_or(Refusal::Drop(DropReason::NoLanRoute, Answer::NO_ROUTE))
}
