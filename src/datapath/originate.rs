//! What the gateway answers itself: ICMPv6 errors (RFC 4443), and resets.

use super::parse::{self, Packet};
use super::refusal::Answer;
use super::{Path, reset, unsolicited};
use crate::limits::MAX_ERROR_OCTETS;
use crate::port::{Frame, FrameMemory};
use crate::units::EdgeId;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::icmpv6::{self, ErrorMessage};
use crate::wire::ipv6::is_forwardable;

/// Sends the sender of `frame`, which is still as it came in, what `answer` names, now or later.
pub fn answer<M: FrameMemory>(path: &mut Path<'_, M>, frame: &Frame, answer: Answer) {
    match answer {
        Answer::Silence => {}
        Answer::ProhibitedLater(flow) => unsolicited::keep(path, frame, flow),
        Answer::Reset => {
            let Ok(packet) = parse::parse(path.memory.bytes(frame)) else { return };
            reset::send(path, frame, &packet);
        }
        Answer::Error(..) => {
            // The two frames never share memory, but only one can be borrowed at a time. What is
            // behind the longest quote is not needed.
            let mut copy = [0; ethernet::HEADER + MAX_ERROR_OCTETS];
            let bytes = path.memory.bytes(frame);
            let Ok(packet) = parse::parse(bytes) else { return };
            let length = bytes.len().min(copy.len());
            copy[..length].copy_from_slice(&bytes[..length]);
            send(path, frame.origin, &packet, &copy[..length], answer);
        }
    }
}

/// Sends the sender of `frame`, which came in by `edge` some time ago, the error that `answer` names.
pub(super) fn answer_about<M: FrameMemory>(path: &mut Path<'_, M>, edge: EdgeId, frame: &[u8], answer: Answer) {
    if let Ok(packet) = parse::parse(frame) {
        send(path, edge, &packet, frame, answer);
    }
}

/// The error goes back by the edge and to the MAC that `packet` came from: whoever handed it over
/// knows the way to its source, and no neighbour need be resolved. `frame` is `packet` as far as
/// it may be quoted.
fn send<M: FrameMemory>(path: &mut Path<'_, M>, origin: EdgeId, packet: &Packet, frame: &[u8], answer: Answer) {
    let Answer::Error(kind, code, parameter) = answer else { return };
    let edge = &path.snapshot.edges[origin.index()];
    let Some(source) = edge.error_source else { return };
    let switched_off = kind == icmpv6::UNREACHABLE && !path.snapshot.errors.unreachable;
    if switched_off || !may_be_told(packet, kind) {
        return;
    }
    let counters = path.counters.edge(origin);
    if !path.state.limiter.allow(&path.snapshot.errors, &path.snapshot.hash_key, origin, packet.source, kind) {
        counters.errors_suppressed.add(1);
        return;
    }
    let quote_length = packet.length.min(MAX_ERROR_OCTETS - ErrorMessage::packet_length(0));
    let Some(mut error) = path.memory.allocate(ethernet::HEADER + ErrorMessage::packet_length(quote_length)) else {
        counters.errors_suppressed.add(1);
        return;
    };
    error.origin = origin;
    let bytes = path.memory.bytes_mut(&mut error);
    Ethernet { destination: packet.link.source, source: edge.mac, ether_type: ethernet::IPV6 }.write(bytes);
    let message = ErrorMessage { kind, code, parameter, source, destination: packet.source };
    message.write(&frame[ethernet::HEADER..][..quote_length], &mut bytes[ethernet::HEADER..]);
    counters.originated.add(1);
    path.state.staging.push(path.memory, path.snapshot, origin, error);
}

/// RFC 4443 §2.4 e: never about an error or a redirect, never to a source that does not name
/// one node, never about what was sent to a group (but Packet Too Big is).
fn may_be_told(packet: &Packet, kind: u8) -> bool {
    let about_an_error = packet.icmpv6.is_some_and(icmpv6::is_never_answered);
    let to_a_group = packet.destination.is_multicast() || packet.link.destination.is_group();
    let names_a_node =
        (is_forwardable(packet.source) || packet.source.is_unicast_link_local()) && !packet.link.source.is_group();
    !about_an_error && names_a_node && (!to_a_group || kind == icmpv6::PACKET_TOO_BIG)
}
