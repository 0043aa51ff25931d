//! ICMPv6 errors that the gateway makes (RFC 4443).

use super::Path;
use super::parse::{self, Packet};
use super::refusal::Answer;
use crate::limits::MAX_ERROR_OCTETS;
use crate::port::{Frame, FrameMemory};
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::icmpv6::{self, ErrorMessage};
use crate::wire::ipv6::is_forwardable;

/// Sends the sender of `frame`, which is still as it came in, the error that `answer` names.
///
/// It goes back by the edge and to the MAC that the packet came from: whoever handed the packet
/// over knows the way to its source, and no neighbour need be resolved.
pub fn answer<M: FrameMemory>(path: &mut Path<'_, M>, frame: &mut Frame, answer: Answer) {
    let Answer::Error(kind, code, parameter) = answer else { return };
    let edge = &path.snapshot.edges[frame.origin.index()];
    let Some(source) = edge.error_source else { return };
    let Ok(packet) = parse::parse(path.memory.bytes(frame)) else { return };
    if !may_be_told(&packet, kind) {
        return;
    }
    let counters = path.counters.edge(frame.origin);
    if !path.state.limiter.allow(frame.origin, packet.source, kind) {
        counters.errors_suppressed.add(1);
        return;
    }
    let quote_length = packet.length.min(MAX_ERROR_OCTETS - ErrorMessage::packet_length(0));
    let length = ethernet::HEADER + ErrorMessage::packet_length(quote_length);
    let Some(mut error) = path.memory.allocate(length) else {
        counters.errors_suppressed.add(1);
        return;
    };
    error.origin = frame.origin;
    // The two frames never share memory, but only one can be borrowed at a time.
    let mut quote = [0; MAX_ERROR_OCTETS];
    let quote = &mut quote[..quote_length];
    quote.copy_from_slice(&path.memory.bytes(frame)[ethernet::HEADER..][..quote_length]);
    let bytes = path.memory.bytes_mut(&mut error);
    Ethernet { destination: packet.link.source, source: edge.mac, ether_type: ethernet::IPV6 }.write(bytes);
    let message = ErrorMessage { kind, code, parameter, source, destination: packet.source };
    message.write(quote, &mut bytes[ethernet::HEADER..]);
    counters.originated.add(1);
    path.state.staging.push(path.snapshot, frame.origin, error);
}

/// RFC 4443 §2.4 e: never about an error or a redirect, never to a source that does not name
/// one node, never about what was sent to a group (but Packet Too Big is).
fn may_be_told(packet: &Packet, kind: u8) -> bool {
    let about_an_error =
        packet.icmpv6.is_some_and(|invoking| icmpv6::is_error(invoking) || invoking == icmpv6::REDIRECT);
    let to_a_group = packet.destination.is_multicast() || packet.link.destination.is_group();
    let names_a_node =
        (is_forwardable(packet.source) || packet.source.is_unicast_link_local()) && !packet.link.source.is_group();
    !about_an_error && names_a_node && (!to_a_group || kind == icmpv6::PACKET_TOO_BIG)
}
