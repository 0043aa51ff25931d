//! The packets that ask.

use std::net::Ipv6Addr;

use super::{DNS_HEADER, RST, SYN, TCP_HEADER, UDP_HEADER, initial_sequence};
use crate::control::config::{ProbeKind, is_domain_name};
use crate::wire::checksum::Sum;
use crate::wire::ipv6::{self, Ipv6Mut};
use crate::wire::{icmpv6, protocol};

const HOP_LIMIT: u8 = 64;
/// Offset of the checksum in an ICMPv6 message, a TCP and a UDP header.
const ICMPV6_CHECKSUM: usize = 2;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;
/// What every IPv6 path carries: 1280 octets less IPv6 and TCP header.
const SEGMENT_SIZE: u16 = 1220;
const WINDOW: u16 = u16::MAX;
/// Octets of the maximum segment size option.
const SEGMENT_SIZE_OPTION: usize = 4;
const RECURSION_DESIRED: u16 = 0x0100;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;

/// The IPv6 packet from `source` that asks `target` for `kind`. `token` and `sequence` are what
/// [`super::read`] knows its answer by.
///
/// A name that no DNS query can hold asks for the root.
pub fn build(kind: &ProbeKind, source: Ipv6Addr, target: Ipv6Addr, token: u16, sequence: u16) -> Vec<u8> {
    match kind {
        ProbeKind::Echo => {
            let mut message = vec![icmpv6::ECHO_REQUEST, 0, 0, 0];
            message.extend(token.to_be_bytes());
            message.extend(sequence.to_be_bytes());
            packet(protocol::ICMPV6, ICMPV6_CHECKSUM, source, target, message)
        }
        ProbeKind::Tcp(port) => {
            let mut segment = segment(SYN, token, *port, initial_sequence(token, sequence), SEGMENT_SIZE_OPTION);
            let [high, low] = SEGMENT_SIZE.to_be_bytes();
            segment.extend([2, SEGMENT_SIZE_OPTION as u8, high, low]);
            packet(protocol::TCP, TCP_CHECKSUM, source, target, segment)
        }
        ProbeKind::Dns(port, name) => {
            let query = query(name, sequence);
            let mut datagram = Vec::with_capacity(UDP_HEADER + query.len());
            for word in [token, *port, (UDP_HEADER + query.len()) as u16, 0] {
                datagram.extend(word.to_be_bytes());
            }
            datagram.extend(query);
            packet(protocol::UDP, UDP_CHECKSUM, source, target, datagram)
        }
    }
}

/// The IPv6 packet that takes back what the TCP probe with this `sequence` has opened at `port` of
/// `target`, answered or not. Without it the target repeats its answer for a minute, and takes the
/// next probe for a stray segment of this one: so send it on every answer, and before another probe.
pub fn reset(source: Ipv6Addr, target: Ipv6Addr, port: u16, token: u16, sequence: u16) -> Vec<u8> {
    // Exactly the next octet: a reset anywhere else in the window is only questioned (RFC 5961 §3.2).
    let next = initial_sequence(token, sequence).wrapping_add(1);
    packet(protocol::TCP, TCP_CHECKSUM, source, target, segment(RST, token, port, next, 0))
}

/// A TCP header that `options` octets of options will follow.
fn segment(flags: u8, token: u16, port: u16, sequence: u32, options: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(TCP_HEADER + options);
    header.extend(token.to_be_bytes());
    header.extend(port.to_be_bytes());
    header.extend(sequence.to_be_bytes());
    header.extend([0; 4]);
    header.extend([((TCP_HEADER + options) / 4) as u8 * 0x10, flags]);
    header.extend(if flags & SYN != 0 { WINDOW } else { 0 }.to_be_bytes());
    header.extend([0; 4]);
    header
}

/// A query for the addresses of `name` (RFC 1035 §4.1, RFC 3596 §2.2).
fn query(name: &str, id: u16) -> Vec<u8> {
    let mut query = Vec::with_capacity(DNS_HEADER + name.len() + 6);
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        query.extend(word.to_be_bytes());
    }
    let name = if is_domain_name(name) { name } else { "" };
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(label.len() as u8);
        query.extend(label.bytes());
    }
    query.push(0);
    query.extend(TYPE_AAAA.to_be_bytes());
    query.extend(CLASS_IN.to_be_bytes());
    query
}

/// `upper`, whose checksum at `at` is zero, in an IPv6 packet.
fn packet(protocol: u8, at: usize, source: Ipv6Addr, target: Ipv6Addr, mut upper: Vec<u8>) -> Vec<u8> {
    let length = upper.len();
    let sum = Sum::new().add_pseudo_header(source, target, length as u32, protocol).add_bytes(&upper);
    // UDP writes a sum of zero as its equal, all ones (RFC 8200 §8.1).
    let checksum = match sum.checksum() {
        0 if protocol == protocol::UDP => u16::MAX,
        checksum => checksum,
    };
    upper[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    let mut header = [0; ipv6::HEADER];
    let mut view = Ipv6Mut::initialise(&mut header, length as u16, protocol, HOP_LIMIT);
    view.set_source(source);
    view.set_destination(target);
    let mut packet = header.to_vec();
    packet.append(&mut upper);
    packet
}
