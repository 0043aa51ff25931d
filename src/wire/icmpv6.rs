//! ICMPv6 (RFC 4443).

use std::net::Ipv6Addr;

use super::checksum::Sum;
use super::{ipv6, protocol};

/// Octets before the quote of an error.
pub const ERROR_HEADER: usize = 8;

/// Destination Unreachable.
pub const UNREACHABLE: u8 = 1;
/// Packet Too Big.
pub const PACKET_TOO_BIG: u8 = 2;
/// Time Exceeded.
pub const TIME_EXCEEDED: u8 = 3;
/// Parameter Problem.
pub const PARAMETER_PROBLEM: u8 = 4;
/// Echo Request.
pub const ECHO_REQUEST: u8 = 128;
/// Echo Reply.
pub const ECHO_REPLY: u8 = 129;
/// Redirect.
pub const REDIRECT: u8 = 137;

/// Whether messages of this type are errors, which quote a packet (RFC 4443 §2.1).
pub const fn is_error(kind: u8) -> bool {
    kind < 128
}

/// Whether no error may be sent about a message of this type: errors and Redirect (RFC 4443
/// §2.4 e.1, e.2).
pub const fn is_never_answered(kind: u8) -> bool {
    is_error(kind) || kind == REDIRECT
}

/// Whether messages of this type never leave their link: multicast listener and neighbour
/// discovery, router renumbering, SEND, multicast router discovery (RFC 4890 §4.3.3, §4.3.5).
pub const fn is_link_scope(kind: u8) -> bool {
    matches!(kind, 130..=138 | 141..=143 | 148 | 149 | 151..=153)
}

/// Whether messages of this type have no business on the Internet: experimental and reserved
/// ones, Node Information (RFC 4890 §4.3.5).
pub const fn is_unjustified(kind: u8) -> bool {
    matches!(kind, 100 | 101 | 127 | 139 | 140 | 200 | 201 | 255)
}

/// Whether messages of this type are Echo Request or Echo Reply.
pub const fn is_echo(kind: u8) -> bool {
    matches!(kind, ECHO_REQUEST | ECHO_REPLY)
}

/// Whether messages of this type are let in unasked: Echo Request (RFC 4890 §4.3.1) and Mobile
/// IPv6 (§4.3.2).
pub const fn is_welcome(kind: u8) -> bool {
    matches!(kind, ECHO_REQUEST | 144..=147)
}

/// Whether the checksum of `message`, a whole ICMPv6 message, is right.
pub fn checksum_is_right(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> bool {
    let length = message.len() as u32;
    Sum::new().add_pseudo_header(source, destination, length, protocol::ICMPV6).add_bytes(message).fold() == 0xffff
}

/// An ICMPv6 error about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorMessage {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// The 32 bits behind the checksum: MTU, pointer or zero.
    pub parameter: u32,
    /// IPv6 source of the error.
    pub source: Ipv6Addr,
    /// IPv6 destination of the error.
    pub destination: Ipv6Addr,
}

/// Hop limit of packets that the gateway originates.
const HOP_LIMIT: u8 = 64;

impl ErrorMessage {
    /// Octets of the IPv6 packet that quotes `quote` octets.
    pub const fn packet_length(quote: usize) -> usize {
        ipv6::HEADER + ERROR_HEADER + quote
    }

    /// Writes the whole IPv6 packet into `packet`, which is exactly
    /// [`ErrorMessage::packet_length`] octets long.
    pub fn write(self, quote: &[u8], packet: &mut [u8]) {
        let payload_length = ERROR_HEADER + quote.len();
        let Some((header, message)) = packet.split_first_chunk_mut() else { return };
        let mut view = ipv6::Ipv6Mut::initialise(header, payload_length as u16, protocol::ICMPV6, HOP_LIMIT);
        view.set_source(self.source);
        view.set_destination(self.destination);
        message[..4].copy_from_slice(&[self.kind, self.code, 0, 0]);
        message[4..ERROR_HEADER].copy_from_slice(&self.parameter.to_be_bytes());
        message[ERROR_HEADER..].copy_from_slice(quote);
        let sum = Sum::new()
            .add_pseudo_header(self.source, self.destination, payload_length as u32, protocol::ICMPV6)
            .add_bytes(message);
        message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_what_an_independent_parser_reads() {
        let error = ErrorMessage {
            kind: PACKET_TOO_BIG,
            code: 0,
            parameter: 1400,
            source: "2001:db8::1".parse().unwrap(),
            destination: "2001:db8::2".parse().unwrap(),
        };
        let quote = [0x5a; 77];
        let mut packet = vec![0xa5; ErrorMessage::packet_length(quote.len())];
        error.write(&quote, &mut packet);
        {
            let sliced = etherparse::SlicedPacket::from_ip(&packet).unwrap();
            let Some(etherparse::TransportSlice::Icmpv6(icmp)) = sliced.transport else { panic!("no ICMPv6") };
            assert!(matches!(icmp.icmp_type(), etherparse::Icmpv6Type::PacketTooBig { mtu: 1400 }));
            assert_eq!(icmp.payload(), quote);
            assert!(icmp.is_checksum_valid(error.source.octets(), error.destination.octets()));
        }
        assert!(checksum_is_right(error.source, error.destination, &packet[40..]));
        packet[60] ^= 1;
        assert!(!checksum_is_right(error.source, error.destination, &packet[40..]));
    }
}
