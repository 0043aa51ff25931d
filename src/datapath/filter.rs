//! Step 4: whether an inbound packet may come in (RFC 6092).

use super::classify::{Inside, Journey};
use super::parse::Packet;
use super::recall::{FlowMemory, Recalled};
use super::refusal::{Answer, Refusal};
use crate::flow::{Class, Record};
use crate::snapshot::{Inbound, Scope};
use crate::units::Direction;
use crate::verdict::DropReason;
use crate::wire::icmpv6;

/// Lets `packet` through when it goes out, belongs to a flow that came in by the same mapping, or
/// may open a flow from outside.
///
/// # Errors
/// When it may not come in, or its flow is another ISP's.
pub fn filter(
    memory: &FlowMemory<'_>,
    packet: &Packet,
    journey: &Journey<'_>,
    recalled: Option<&Recalled>,
) -> Result<(), Refusal> {
    let (Journey::Inbound(inside), Some(recalled)) = (journey, recalled) else { return Ok(()) };
    if packet.quote.is_some() {
        return error(memory, packet, inside, recalled);
    }
    match recalled.record {
        // A later fragment is of any flow of the pair, whatever their ISPs.
        Some(_) if is_later_fragment(packet) => Ok(()),
        Some(record) if recalled.flow.key.is_some() => of_flow(memory, packet, inside, recalled, record),
        _ => unknown(memory, packet, inside, recalled),
    }
}

/// Whether `packet` names no flow because its datagram's first fragment does. Whatever else hides
/// its upper-layer header could be anything, and hosts that talk are no reason to let it in: who
/// was answered a ping talks.
fn is_later_fragment(packet: &Packet) -> bool {
    packet.fragment.is_some_and(|fragment| fragment.offset > 0)
}

/// A packet of no flow.
fn unknown(memory: &FlowMemory<'_>, packet: &Packet, inside: &Inside<'_>, recalled: &Recalled) -> Result<(), Refusal> {
    let of_datagram = is_later_fragment(packet) && recalled.fragment_mapping == Some(inside.mapping.id);
    if of_datagram || may_open(memory, packet, recalled) {
        return Ok(());
    }
    let refused_connection = recalled.flow.transport.opens && recalled.flow.transport.syn;
    let answer = if refused_connection { Answer::ProhibitedLater(recalled.flow.hash) } else { Answer::Silence };
    Err(Refusal::Drop(DropReason::InboundFilter, answer))
}

/// A packet of a flow. It comes in by the mapping that the flow has. Where the flow was opened from
/// outside, the sender outside chooses the ISP, and may choose another one as it may open a flow. To
/// a flow that was opened from inside only what is late comes by another one, which it had before.
///
/// What is neither echo nor of a flow opened from inside is judged by itself: a ping from outside may
/// have named the flow by the number of another type.
fn of_flow(
    memory: &FlowMemory<'_>,
    packet: &Packet,
    inside: &Inside<'_>,
    recalled: &Recalled,
    record: Record,
) -> Result<(), Refusal> {
    let opened = || memory.cold(recalled, record).map(|cold| cold.opened);
    if packet.icmpv6.is_some_and(|kind| !icmpv6::is_echo(kind)) && opened() != Some(Direction::Outbound) {
        return unknown(memory, packet, inside, recalled);
    }
    if record.word.mapping() == inside.mapping.id {
        return Ok(());
    }
    let comes_in = memory.cold(recalled, record).is_some_and(|cold| match cold.opened {
        Direction::Outbound => cold.former == Some(inside.mapping.id),
        Direction::Inbound => {
            (recalled.flow.transport.opens || recalled.flow.class() != Class::Tcp) && may_open(memory, packet, recalled)
        }
    });
    if comes_in { Ok(()) } else { Err(DropReason::WrongUplink.into()) }
}

/// Whether a flow may begin from outside with this packet.
fn may_open(memory: &FlowMemory<'_>, packet: &Packet, recalled: &Recalled) -> bool {
    let filter = &memory.snapshot.filter;
    packet.icmpv6.is_some_and(icmpv6::is_welcome)
        || filter.admits(&recalled.flow.traffic(packet.dscp))
        || filter.scope == Scope::Endpoint && endpoint_is_open(memory, recalled)
}

/// Whether the host inside has opened a flow from this port, with whomever.
fn endpoint_is_open(memory: &FlowMemory<'_>, recalled: &Recalled) -> bool {
    recalled.flow.key.is_some_and(|key| memory.look_up(key.endpoint().hash(&memory.snapshot.hash_key)).is_some())
}

/// An error from outside comes in when the host that it is for has a flow with whom the quoted packet
/// was for, by the mapping that the error came in by.
fn error(memory: &FlowMemory<'_>, packet: &Packet, inside: &Inside<'_>, recalled: &Recalled) -> Result<(), Refusal> {
    if memory.snapshot.filter.inbound == Inbound::Open && packet.icmpv6.is_some_and(is_known_error) {
        return Ok(());
    }
    let mapping = inside.mapping.id;
    let of_datagram = recalled.fragment_mapping == Some(mapping);
    let of_flow = recalled.record.is_some_and(|record| {
        recalled.flow.key.is_none()
            || record.word.mapping() == mapping
            || memory.cold(recalled, record).is_some_and(|cold| cold.former == Some(mapping))
    });
    if of_datagram || of_flow { Ok(()) } else { Err(DropReason::QuoteNoFlow.into()) }
}

/// Errors of types that nobody knows come in for known flows alone (RFC 4890 §4.3.4).
const fn is_known_error(kind: u8) -> bool {
    matches!(kind, icmpv6::UNREACHABLE | icmpv6::PACKET_TOO_BIG | icmpv6::TIME_EXCEEDED | icmpv6::PARAMETER_PROBLEM)
}
