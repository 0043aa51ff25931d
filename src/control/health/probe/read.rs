//! What comes back.

use std::net::Ipv6Addr;

use super::{
    ACK, Asked, DNS_HEADER, ECHO_IDENTIFIER, Heard, Outcome, RST, Refusal, SYN, TCP_ACKNOWLEDGEMENT, TCP_FLAGS,
    TCP_SEQUENCE, UDP_HEADER, probe_sequence,
};
use crate::wire::checksum::Sum;
use crate::wire::extension::walk;
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::{icmpv6, protocol};

/// Offset of the flags in a DNS header.
const DNS_FLAGS: usize = UDP_HEADER + 2;
const DNS_RESPONSE: u16 = 0x8000;
const DNS_RCODE: u16 = 0x000f;
const NO_ERROR: u8 = 0;
/// There is no such name: the resolver has asked those who know.
const NO_SUCH_NAME: u8 = 3;

/// What `packet`, an IPv6 packet that may be cut short, says about a probe with this `token`; `None`
/// if it says nothing, or its checksum is wrong. The checksum of one that is cut short cannot be
/// told: the data path has verified that of errors, and the kernel's word or a wrong token remains
/// for others.
pub fn read(packet: &[u8], token: u16) -> Option<Heard> {
    let ip = Ipv6::new(packet)?;
    let (protocol, upper) = upper_layer(ip, packet)?;
    let is_whole = packet.len() >= ipv6::HEADER + ip.payload_length();
    if is_whole && !is_sound(ip, protocol, upper) {
        return None;
    }
    let from = ip.source();
    match protocol {
        protocol::ICMPV6 if icmpv6::is_error(*upper.first()?) => error(upper, from, token),
        protocol::ICMPV6 => echo(upper, from, token),
        protocol::TCP => tcp(upper, from, token),
        protocol::UDP => dns(upper, from, token),
        _ => None,
    }
}

/// The upper-layer protocol of `packet`, and what is there of its message. A fragment has none.
fn upper_layer<'a>(ip: Ipv6<'_>, packet: &'a [u8]) -> Option<(u8, &'a [u8])> {
    let payload = &packet[ipv6::HEADER..];
    let payload = &payload[..payload.len().min(ip.payload_length())];
    let chain = walk(ip.next_header(), payload).ok().filter(|chain| chain.fragment.is_none())?;
    Some((chain.protocol?, payload.get(chain.offset..)?))
}

/// Whether the checksum of `message`, a whole one, is right.
fn is_sound(ip: Ipv6<'_>, protocol: u8, message: &[u8]) -> bool {
    let sum = Sum::new().add_pseudo_header(ip.source(), ip.destination(), message.len() as u32, protocol);
    sum.add_bytes(message).fold() == u16::MAX
}

fn echo(message: &[u8], target: Ipv6Addr, token: u16) -> Option<Heard> {
    let is_ours = message.starts_with(&[icmpv6::ECHO_REPLY, 0]) && word(message, ECHO_IDENTIFIER)? == token;
    let sequence = word(message, ECHO_IDENTIFIER + 2)?;
    is_ours.then_some(Heard { target, asked: Asked::Echo, sequence, outcome: Outcome::Answered })
}

/// SYN and ACK, or a reset, that acknowledges the SYN (RFC 9293 §3.10.7.3).
fn tcp(segment: &[u8], target: Ipv6Addr, token: u16) -> Option<Heard> {
    let [port, own] = [word(segment, 0)?, word(segment, 2)?];
    let flags = *segment.get(TCP_FLAGS)?;
    let outcome = match flags & (SYN | ACK | RST) {
        both if both == SYN | ACK => Outcome::Answered,
        both if both == RST | ACK => Outcome::Refused(Refusal::Reset),
        _ => return None,
    };
    let sequence = probe_sequence(token, double_word(segment, TCP_ACKNOWLEDGEMENT)?.wrapping_sub(1))?;
    (own == token).then_some(Heard { target, asked: Asked::Tcp(port), sequence, outcome })
}

fn dns(datagram: &[u8], target: Ipv6Addr, token: u16) -> Option<Heard> {
    let [port, own, id, flags] =
        [word(datagram, 0)?, word(datagram, 2)?, word(datagram, UDP_HEADER)?, word(datagram, DNS_FLAGS)?];
    let is_ours = own == token && flags & DNS_RESPONSE != 0 && datagram.len() >= UDP_HEADER + DNS_HEADER;
    let outcome = match (flags & DNS_RCODE) as u8 {
        NO_ERROR | NO_SUCH_NAME => Outcome::Answered,
        code => Outcome::Refused(Refusal::Dns(code)),
    };
    is_ours.then_some(Heard { target, asked: Asked::Dns(port), sequence: id, outcome })
}

/// An error about a probe, which it quotes. One that quotes too little to tell which probe is none.
fn error(message: &[u8], from: Ipv6Addr, token: u16) -> Option<Heard> {
    let &[kind, code, ..] = message else { return None };
    let quote = message.get(icmpv6::ERROR_HEADER..)?;
    let ip = Ipv6::new(quote)?;
    let (protocol, upper) = upper_layer(ip, quote)?;
    let port = || word(upper, 2);
    let (asked, own, sequence) = match protocol {
        protocol::ICMPV6 if upper.first() == Some(&icmpv6::ECHO_REQUEST) => {
            (Asked::Echo, word(upper, ECHO_IDENTIFIER)?, word(upper, ECHO_IDENTIFIER + 2)?)
        }
        // The reset of a probe has another sequence number, and is not worth an error.
        protocol::TCP => {
            (Asked::Tcp(port()?), word(upper, 0)?, probe_sequence(token, double_word(upper, TCP_SEQUENCE)?)?)
        }
        protocol::UDP => (Asked::Dns(port()?), word(upper, 0)?, word(upper, UDP_HEADER)?),
        _ => return None,
    };
    let outcome = Outcome::Refused(Refusal::Icmpv6 { kind, code, from });
    (own == token).then_some(Heard { target: ip.destination(), asked, sequence, outcome })
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn double_word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
