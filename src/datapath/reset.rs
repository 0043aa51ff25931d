//! Step 5a, with `[flows] reset_on_failover`: a connection whose flow moves is ended, since its peer
//! knows the host by the address that it had before. The host learns of it now instead of by its own
//! patience, and connects anew.

use super::parse::Packet;
use super::recall::{FlowMemory, Recalled};
use super::refusal::{Answer, Refusal};
use super::steer::Plan;
use super::{Path, remember};
use crate::flow::{Record, State};
use crate::port::{Frame, FrameMemory};
use crate::units::Direction;
use crate::verdict::DropReason;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::reset::Reset;

/// Ends the connection of `packet`, which lies in `frame`, when `plan` moves its flow. The record then
/// says that the connection is over: a SYN begins a new one, and what else was on its way goes by
/// `plan`'s ISP like that of any flow that has moved.
///
/// # Errors
/// When it does: the packet is answered instead of forwarded. Once for each move, since one worker alone
/// can make it.
pub fn end(
    memory: &FlowMemory<'_>,
    packet: &Packet,
    frame: &[u8],
    recalled: Option<&Recalled>,
    plan: &Plan,
) -> Result<(), Refusal> {
    let Some((recalled, record)) =
        recalled.and_then(|recalled| Some((recalled, due(memory, packet, frame, recalled, plan)?)))
    else {
        return Ok(());
    };
    if memory.flows.reassign(record, plan.mapping, State::TcpClosing, memory.tick()).is_none() {
        return Ok(());
    }
    memory.counters.moved.add(1);
    remember::accompany_flow(memory, recalled, plan.mapping);
    Err(Refusal::Drop(DropReason::FlowReset, Answer::Reset))
}

/// The record of the flow, if `plan` moves it and its end is to be told: that of an established TCP
/// connection that was opened from inside. One that was opened from outside never moves.
pub fn due(memory: &FlowMemory<'_>, packet: &Packet, frame: &[u8], recalled: &Recalled, plan: &Plan) -> Option<Record> {
    if !memory.snapshot.reset_on_failover {
        return None;
    }
    let record = recalled.record?;
    let moves = record.word.state() == State::TcpEstablished && record.word.mapping() != plan.mapping;
    let is_segment =
        recalled.flow.direction == Direction::Outbound && packet.quote.is_none() && packet.fragment.is_none();
    if !moves || !is_segment {
        return None;
    }
    let opened_inside = memory.cold(recalled, record)?.opened == Direction::Outbound;
    (opened_inside && answer(packet, frame).is_some()).then_some(record)
}

fn answer(packet: &Packet, frame: &[u8]) -> Option<Reset> {
    let segment = frame.get(packet.upper..packet.frame_length().into())?;
    Reset::answering(packet.source, packet.destination, packet.transport.ports?, segment)
}

/// Sends the sender of `frame`, which is still as it came in, the reset that answers it. It goes back to
/// whoever handed the segment over, like an ICMPv6 error; there is no rate to it but that of connections
/// that were established.
pub(super) fn send<M: FrameMemory>(path: &mut Path<'_, M>, frame: &Frame, packet: &Packet) {
    let Some(reset) = answer(packet, path.memory.bytes(frame)) else { return };
    let edge = frame.origin;
    let Some(mut made) = path.memory.allocate(ethernet::HEADER + Reset::LENGTH) else { return };
    made.origin = edge;
    let mac = path.snapshot.edges[edge.index()].mac;
    let bytes = path.memory.bytes_mut(&mut made);
    Ethernet { destination: packet.link.source, source: mac, ether_type: ethernet::IPV6 }.write(bytes);
    if let Some(packet) = bytes.get_mut(ethernet::HEADER..).and_then(|packet| packet.first_chunk_mut()) {
        reset.write(packet);
    }
    path.counters.edge(edge).resets.add(1);
    path.state.staging.push(path.memory, path.snapshot, edge, made);
}
