//! The Internet checksum (RFC 1071) and the IPv6 pseudo-header (RFC 8200 §8.1).

use std::net::Ipv6Addr;

/// A running one's-complement sum of big-endian 16-bit words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds `bytes`, which start at an even offset of the summed whole. An odd last octet is
    /// padded with a zero on its right (RFC 1071 §1).
    pub fn add_bytes(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(2);
        for word in &mut words {
            self.0 += u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
        if let [last] = words.remainder() {
            self.0 += u64::from(u16::from_be_bytes([*last, 0]));
        }
        self
    }

    /// Adds the IPv6 pseudo-header: addresses, upper-layer length and protocol.
    pub fn add_pseudo_header(self, source: Ipv6Addr, destination: Ipv6Addr, length: u32, protocol: u8) -> Self {
        let mut sum = self.add_bytes(&source.octets()).add_bytes(&destination.octets());
        sum.0 += u64::from(length >> 16) + u64::from(length & 0xffff) + u64::from(protocol);
        sum
    }

    /// The sum folded to 16 bits: 0xFFFF over data that contain a correct checksum.
    pub const fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The value for a checksum field that was zero while summed.
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(Sum::new().add_bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]).fold(), 0xddf2);
    }

    proptest! {
        #[test]
        fn data_with_their_checksum_sum_to_all_ones(mut data in prop::collection::vec(any::<u8>(), 2..200)) {
            data[0] = 0;
            data[1] = 0;
            let checksum = Sum::new().add_bytes(&data).checksum();
            data[..2].copy_from_slice(&checksum.to_be_bytes());
            prop_assert_eq!(Sum::new().add_bytes(&data).fold(), 0xffff);
        }

        #[test]
        fn an_odd_tail_is_padded(data in prop::collection::vec(any::<u8>(), 1..99)) {
            let mut padded = data.clone();
            if padded.len() % 2 == 1 {
                padded.push(0);
            }
            prop_assert_eq!(Sum::new().add_bytes(&data).fold(), Sum::new().add_bytes(&padded).fold());
        }
    }
}
