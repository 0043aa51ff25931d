//! The IPv6 header (RFC 8200 §3).

use std::net::Ipv6Addr;
use std::ops::Range;

/// Octets of the header.
pub const HEADER: usize = 40;

const PAYLOAD_LENGTH: Range<usize> = 4..6;
const NEXT_HEADER: usize = 6;
const HOP_LIMIT: usize = 7;
const SOURCE: Range<usize> = 8..24;
const DESTINATION: Range<usize> = 24..40;

/// Offset of the source address: where a Parameter Problem about it points.
pub const SOURCE_OFFSET: u32 = SOURCE.start as u32;
/// Offset of the destination address.
pub const DESTINATION_OFFSET: u32 = DESTINATION.start as u32;

/// A packet that begins with a whole IPv6 header of version 6.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6<'a> {
    header: &'a [u8; HEADER],
}

impl<'a> Ipv6<'a> {
    /// The view, or `None` when `packet` has no whole header or another version.
    pub fn new(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk()?;
        (header[0] >> 4 == 6).then_some(Self { header })
    }

    /// Octets after the header.
    pub fn payload_length(self) -> usize {
        usize::from(u16::from_be_bytes([self.header[PAYLOAD_LENGTH.start], self.header[PAYLOAD_LENGTH.start + 1]]))
    }

    /// Differentiated services code point: six bits.
    pub fn dscp(self) -> u8 {
        (self.header[0] & 0xf) << 2 | self.header[1] >> 6
    }

    /// What follows the header.
    pub fn next_header(self) -> u8 {
        self.header[NEXT_HEADER]
    }

    /// Routers that the packet may still pass.
    pub fn hop_limit(self) -> u8 {
        self.header[HOP_LIMIT]
    }

    /// Who sent it.
    pub fn source(self) -> Ipv6Addr {
        address(self.header, SOURCE)
    }

    /// Whom it is for.
    pub fn destination(self) -> Ipv6Addr {
        address(self.header, DESTINATION)
    }
}

fn address(header: &[u8; HEADER], at: Range<usize>) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&header[at]);
    Ipv6Addr::from_octets(octets)
}

/// A header that may be changed in place.
#[derive(Debug)]
pub struct Ipv6Mut<'a> {
    header: &'a mut [u8; HEADER],
}

impl<'a> Ipv6Mut<'a> {
    /// The view, or `None` when `packet` has no whole header or another version.
    pub fn new(packet: &'a mut [u8]) -> Option<Self> {
        let header: &mut [u8; HEADER] = packet.first_chunk_mut()?;
        (header[0] >> 4 == 6).then_some(Self { header })
    }

    /// Writes version 6, traffic class and flow label 0, and everything else as given.
    pub fn initialise(packet: &'a mut [u8; HEADER], payload_length: u16, next_header: u8, hop_limit: u8) -> Self {
        packet[..4].copy_from_slice(&[0x60, 0, 0, 0]);
        packet[PAYLOAD_LENGTH].copy_from_slice(&payload_length.to_be_bytes());
        packet[NEXT_HEADER] = next_header;
        packet[HOP_LIMIT] = hop_limit;
        Self { header: packet }
    }

    /// Replaces the source address.
    pub fn set_source(&mut self, source: Ipv6Addr) {
        self.header[SOURCE].copy_from_slice(&source.octets());
    }

    /// Replaces the destination address.
    pub fn set_destination(&mut self, destination: Ipv6Addr) {
        self.header[DESTINATION].copy_from_slice(&destination.octets());
    }

    /// Replaces the hop limit.
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.header[HOP_LIMIT] = hop_limit;
    }
}

/// Why an address is never forwarded off its link, whichever way.
///
/// Unspecified, loopback, v4-mapped, multicast and link-local addresses (RFC 4291 §2.5, §2.7).
pub fn is_forwardable(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let unspecified_or_loopback = bits <= 1;
    let v4_mapped = bits >> 32 == 0xffff;
    !(unspecified_or_loopback || v4_mapped || address.is_multicast() || address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let mut packet = [0xa5; 44];
        let source: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let destination: Ipv6Addr = "2001:db8::2".parse().unwrap();
        let (header, _) = packet.split_first_chunk_mut().unwrap();
        let mut view = Ipv6Mut::initialise(header, 4, 17, 64);
        view.set_source(source);
        view.set_destination(destination);
        view.set_hop_limit(63);
        let read = Ipv6::new(&packet).unwrap();
        assert_eq!((read.payload_length(), read.next_header(), read.hop_limit()), (4, 17, 63));
        assert_eq!((read.source(), read.destination()), (source, destination));
        assert_eq!(packet[HEADER..], [0xa5; 4]);
    }

    #[test]
    fn other_versions_and_short_packets_have_no_view() {
        assert!(Ipv6::new(&[0x60; 39]).is_none());
        assert!(Ipv6::new(&[0x45; 40]).is_none());
        assert!(Ipv6Mut::new(&mut [0x45; 40]).is_none());
    }

    #[test]
    fn addresses_that_stay_on_their_link() {
        for text in ["::", "::1", "::ffff:192.0.2.1", "fe80::1", "ff02::1", "ff0e::1"] {
            assert!(!is_forwardable(text.parse().unwrap()), "{text}");
        }
        for text in ["::2", "2001:db8::1", "fd00::1", "64:ff9b::c000:201", "fec0::1"] {
            assert!(is_forwardable(text.parse().unwrap()), "{text}");
        }
    }
}
