//! The gateway's own probes. They go the way that a host's packets go, so that an answer proves the
//! translation, the socket, the wire and what is beyond.

use super::classify::Inside;
use super::parse::{self, Packet};
use super::refusal::{Answer, Refusal};
use super::steer::{Addresses, Plan};
use super::{Path, discard, egress, neighbour, rewrite};
use crate::limits::{PROBE_ANSWER_OCTETS, PROBE_ANSWERS};
use crate::port::{Frame, FrameMemory};
use crate::snapshot::{ProbePoint, Snapshot};
use crate::units::{Nanos, UplinkId};
use crate::verdict::DropReason;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::{icmpv6, protocol};

/// What came back, as it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeAnswer {
    /// By which ISP.
    pub uplink: UplinkId,
    /// The time of its batch.
    pub arrived: Nanos,
    length: u8,
    octets: [u8; PROBE_ANSWER_OCTETS],
}

impl ProbeAnswer {
    /// The first octets of the IPv6 packet, [`PROBE_ANSWER_OCTETS`] at most.
    pub fn packet(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// Sends `packet`, an IPv6 packet from the inside address of the [`ProbePoint`] of `uplink`, by that
/// ISP, whether or not it is usable. A probe waits for no neighbour.
pub fn send_probe<M: FrameMemory>(path: &mut Path<'_, M>, uplink: UplinkId, packet: &[u8]) {
    let Some(edge) = path.snapshot.uplinks.get(uplink.index()).map(|uplink| uplink.edge) else { return };
    path.counters.edge(edge).injected.add(1);
    let Some(mut frame) = path.memory.allocate(ethernet::HEADER + packet.len()) else {
        path.counters.edge(edge).dropped[DropReason::TxRingFull.index()].add(1);
        return;
    };
    frame.origin = edge;
    let mac = path.snapshot.edges[edge.index()].mac;
    let bytes = path.memory.bytes_mut(&mut frame);
    Ethernet { destination: mac, source: mac, ether_type: ethernet::IPV6 }.write(bytes);
    bytes[ethernet::HEADER..].copy_from_slice(packet);
    match carry_out(path, &mut frame, uplink) {
        Ok(plan) => path.state.staging.push(path.memory, path.snapshot, plan.egress, frame),
        Err(Refusal::Drop(reason, _)) => discard(path, frame, reason),
        Err(Refusal::Hold(..) | Refusal::Punt) => discard(path, frame, DropReason::NeighbourUnreachable),
    }
}

fn carry_out<M: FrameMemory>(path: &mut Path<'_, M>, frame: &mut Frame, uplink: UplinkId) -> Result<Plan, Refusal> {
    let packet = parse::parse(path.memory.bytes(frame))?;
    let plan = plan(path.snapshot, &packet, uplink)?;
    rewrite::check_hop_limit(&packet)?;
    rewrite::check_mtu(path.snapshot, &packet, &plan)?;
    let next_hop = neighbour::resolve(path.neighbours, &mut path.state.wanted, &plan)?;
    let bytes = path.memory.bytes_mut(frame);
    rewrite::rewrite(path.snapshot, bytes, &packet, &plan, next_hop);
    egress::assert_source(path.snapshot, bytes, &plan)?;
    Ok(plan)
}

fn plan(snapshot: &Snapshot, packet: &Packet, uplink: UplinkId) -> Result<Plan, Refusal> {
    let no_uplink = Refusal::Drop(DropReason::NoUplink, Answer::Silence);
    let ways = &snapshot.uplinks[uplink.index()];
    let point = ways.probe.filter(|point| point.inside == packet.source).ok_or(no_uplink)?;
    Ok(Plan {
        mapping: point.mapping,
        uplink,
        addresses: Addresses { source: Some(point.image), destination: None },
        quote: Addresses::default(),
        egress: ways.edge,
        next_hop: ways.next_hop.ok_or(no_uplink)?,
        largest_segment: None,
        instead_of: None,
    })
}

/// Keeps what is for a probe point from going inside, where nobody has that address: answers are for
/// control, all else is for nobody.
///
/// # Errors
/// When `packet` is for one.
pub fn intercept(snapshot: &Snapshot, packet: &Packet, inside: &Inside<'_>) -> Result<(), Refusal> {
    let point = snapshot.uplinks[inside.mapping.uplink.index()].probe;
    match point.filter(|point| point.inside == inside.address) {
        None => Ok(()),
        Some(point) if is_answer(packet, point, snapshot.probe_token) => Err(Refusal::Punt),
        Some(_) => Err(DropReason::InboundFilter.into()),
    }
}

/// Whether it may be the answer to a probe, or an error about one: whoever has seen none cannot know
/// the token.
fn is_answer(packet: &Packet, point: ProbePoint, token: u16) -> bool {
    if packet.fragment.is_some() {
        return false;
    }
    if let Some(quote) = packet.quote {
        return quote.source == point.image && quote.transport.ports.is_some_and(|ports| ports.source == token);
    }
    let is_reply = match packet.transport.protocol {
        Some(protocol::ICMPV6) => packet.icmpv6 == Some(icmpv6::ECHO_REPLY),
        Some(protocol::TCP | protocol::UDP) => true,
        _ => false,
    };
    is_reply && packet.transport.ports.is_some_and(|ports| ports.destination == token)
}

/// Hands the start of `frame` to control. One that finds no room is lost, as it may be on its way.
pub(super) fn punt<M: FrameMemory>(path: &mut Path<'_, M>, frame: Frame) {
    path.counters.edge(frame.origin).punted.add(1);
    let uplink = path.snapshot.uplinks.iter().position(|uplink| uplink.edge == frame.origin && !uplink.name.is_empty());
    if let Some(uplink) = uplink
        && path.state.answers.len() < PROBE_ANSWERS
    {
        let packet = path.memory.bytes(&frame).get(ethernet::HEADER..).unwrap_or_default();
        let length = packet.len().min(PROBE_ANSWER_OCTETS);
        let mut octets = [0; PROBE_ANSWER_OCTETS];
        octets[..length].copy_from_slice(&packet[..length]);
        let uplink = UplinkId(uplink as u8);
        path.state.answers.push(ProbeAnswer { uplink, arrived: path.now, length: length as u8, octets });
    }
    path.memory.free(frame);
}
