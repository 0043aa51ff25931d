//! One prefix pair: a translator of its own (RFC 6296 §2.4).

use std::net::Ipv6Addr;

use super::Prefix;
use crate::verdict::DropReason;

/// The translation between one internal and one external prefix.
///
/// All arithmetic and every refusal that depends on the pair alone happen in [`Mapping::new`];
/// a packet costs masks and one addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    internal: Prefix,
    external: Prefix,
    /// Outbound: add this to the chosen word. One's-complement sum of the internal prefix's words
    /// less that of the external one's (RFC 6296 §3.1).
    adjustment: u16,
    /// Bits that are replaced: as many as the longer of the two prefixes has (RFC 6296 §3.1).
    replaced: u128,
    /// Which words may take the adjustment.
    words: Words,
}

/// Which word takes the adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Words {
    /// Equal prefixes: none, nothing is ever changed.
    Identity,
    /// Up to 48 bits: the subnet, bits 48 to 63 (RFC 6296 §3.4).
    Subnet,
    /// Over 48 bits: the first word of the interface identifier that is not 0xFFFF (RFC 6296 §3.5).
    InterfaceIdentifier,
}

/// Why a pair of prefixes is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// RFC 6296 §3.1 defines the sums over the first 64 bits only.
    #[error("prefix {0} is longer than /64; RFC 6296 translates prefixes of up to 64 bits")]
    LongerThan64(Prefix),
}

/// Why an address has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unmappable {
    /// Outside the pair's prefix on this side.
    #[error("outside the prefix")]
    NotInPrefix,
    /// Inside this side's prefix, but outside its zero-extension to the other's length (RFC 6296 §3.2).
    #[error("no room for it in the other prefix (RFC 6296 §3.2)")]
    UnmappedSubnet,
    /// Subnet 0xFFFF with up to 48 bits (RFC 6296 §4.2).
    #[error("ffff and 0 are one value in a checksum (RFC 6296 §4.2)")]
    SubnetFfff,
    /// All-zero interface identifier with over 48 bits (RFC 6296 §3.7).
    #[error("all zero must be dropped (RFC 6296 §3.7)")]
    IidAllZero,
    /// All-ones interface identifier with over 48 bits (RFC 6296 §3.5).
    #[error("all ones leaves no word to adjust (RFC 6296 §3.5)")]
    IidAllOnes,
    /// The image would not translate back.
    #[error("becomes all zero, dropped on its way back (RFC 6296 §3.7)")]
    NoReturn,
}

impl From<Unmappable> for DropReason {
    fn from(reason: Unmappable) -> Self {
        match reason {
            Unmappable::NotInPrefix => Self::NotInPrefix,
            Unmappable::UnmappedSubnet => Self::UnmappedSubnet,
            Unmappable::SubnetFfff => Self::SubnetFfff,
            Unmappable::IidAllZero => Self::IidAllZero,
            Unmappable::IidAllOnes => Self::IidAllOnes,
            Unmappable::NoReturn => Self::NoReturn,
        }
    }
}

/// Prefix bits that RFC 6296 translates at most.
const LONGEST: u8 = 64;
/// Up to this length the subnet word is free for the adjustment.
const SUBNET_WORD_FREE: u8 = 48;
const INTERFACE_IDENTIFIER: u128 = u64::MAX as u128;

impl Mapping {
    /// The translator between `internal` and `external`.
    ///
    /// # Errors
    /// When one of them is longer than /64.
    pub fn new(internal: Prefix, external: Prefix) -> Result<Self, MappingError> {
        if let Some(long) = [internal, external].into_iter().find(|prefix| prefix.len() > LONGEST) {
            return Err(MappingError::LongerThan64(long));
        }
        let length = internal.len().max(external.len());
        let words = match length {
            _ if internal == external => Words::Identity,
            0..=SUBNET_WORD_FREE => Words::Subnet,
            _ => Words::InterfaceIdentifier,
        };
        let replaced = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        let adjustment = add(sum(internal), !sum(external));
        Ok(Self { internal, external, adjustment, replaced, words })
    }

    /// The inside prefix.
    pub const fn internal(&self) -> Prefix {
        self.internal
    }

    /// The outside prefix.
    pub const fn external(&self) -> Prefix {
        self.external
    }

    /// Whether the two prefixes are the same, so that nothing is ever changed.
    pub fn is_identity(&self) -> bool {
        self.words == Words::Identity
    }

    /// What is added to the chosen word outbound (RFC 6296 §3.1).
    pub const fn adjustment(&self) -> u16 {
        self.adjustment
    }

    /// The image of an inside address.
    ///
    /// # Errors
    /// When `address` has none.
    pub fn outbound(&self, address: Ipv6Addr) -> Result<Ipv6Addr, Unmappable> {
        self.translate(address, self.internal, self.external, self.adjustment)
    }

    /// The inside address whose image is `address`.
    ///
    /// # Errors
    /// When there is none.
    pub fn inbound(&self, address: Ipv6Addr) -> Result<Ipv6Addr, Unmappable> {
        self.translate(address, self.external, self.internal, !self.adjustment)
    }

    fn translate(&self, address: Ipv6Addr, from: Prefix, to: Prefix, adjustment: u16) -> Result<Ipv6Addr, Unmappable> {
        let bits = address.to_bits();
        if bits & self.replaced != from.address().to_bits() {
            let is_inside = from.contains(address);
            return Err(if is_inside { Unmappable::UnmappedSubnet } else { Unmappable::NotInPrefix });
        }
        let word = match self.words {
            Words::Identity => return Ok(address),
            Words::Subnet => subnet_word(bits)?,
            Words::InterfaceIdentifier => interface_word(bits)?,
        };
        let adjusted = add(word_at(bits, word), adjustment);
        let replaced = bits & !self.replaced | to.address().to_bits();
        let image = replaced & !(0xffff << word) | u128::from(adjusted) << word;
        if self.words == Words::InterfaceIdentifier && image & INTERFACE_IDENTIFIER == 0 {
            // RFC 6296 §3.7 would drop the answers to this image.
            return Err(Unmappable::NoReturn);
        }
        Ok(Ipv6Addr::from_bits(image))
    }
}

/// Position of the subnet word. 0xFFFF would share the image of 0x0000 (RFC 6296 §4.2).
fn subnet_word(bits: u128) -> Result<u32, Unmappable> {
    const SUBNET: u32 = 64;
    if word_at(bits, SUBNET) == 0xffff { Err(Unmappable::SubnetFfff) } else { Ok(SUBNET) }
}

/// Position of the first word of the interface identifier that is not 0xFFFF. Its image is not
/// 0xFFFF either, so that the way back finds the same word.
fn interface_word(bits: u128) -> Result<u32, Unmappable> {
    if bits & INTERFACE_IDENTIFIER == 0 {
        return Err(Unmappable::IidAllZero);
    }
    [48, 32, 16, 0].into_iter().find(|word| word_at(bits, *word) != 0xffff).ok_or(Unmappable::IidAllOnes)
}

/// The 16-bit word whose lowest bit is bit `position`.
const fn word_at(bits: u128, position: u32) -> u16 {
    (bits >> position) as u16
}

/// One's-complement addition with 0xFFFF stored as 0x0000 (RFC 6296 §3.2).
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    match sum.wrapping_add(carry as u16) {
        0xffff => 0,
        sum => sum,
    }
}

/// One's-complement sum of a prefix's first four words (RFC 6296 §3.1).
const fn sum(prefix: Prefix) -> u16 {
    let bits = prefix.address().to_bits();
    add(add(word_at(bits, 112), word_at(bits, 96)), add(word_at(bits, 80), word_at(bits, 64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(internal: &str, external: &str) -> Mapping {
        Mapping::new(internal.parse().unwrap(), external.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_example_of_rfc_6296_3_6() {
        let mapping = mapping("fd01:203:405::/48", "2001:db8:1::/48");
        assert_eq!(mapping.adjustment(), 0xd54f);
        let (inside, outside) = ("fd01:203:405:1::1234".parse().unwrap(), "2001:db8:1:d550::1234".parse().unwrap());
        assert_eq!(mapping.outbound(inside), Ok(outside));
        assert_eq!(mapping.inbound(outside), Ok(inside));
    }
}
