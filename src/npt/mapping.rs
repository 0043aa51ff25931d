//! One prefix pair: a translator of its own (RFC 6296 §2.4).

use std::net::Ipv6Addr;

use super::Prefix;
use crate::verdict::DropReason;

/// The translation between one internal and one external prefix.
///
/// All arithmetic and every refusal that depends on the pair alone happen in [`Mapping::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    internal: Prefix,
    external: Prefix,
    /// One's-complement sum of the internal words less the external ones (RFC 6296 §3.1).
    adjustment: u16,
}

/// Why a pair of prefixes is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// RFC 6296 §3.1 defines the sums over the first 64 bits only.
    #[error("prefix {0} is longer than /64; RFC 6296 translates prefixes of up to 64 bits")]
    LongerThan64(Prefix),
}

/// Why an address has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmappable {
    /// Outside the longer of the pair's prefixes on this side, and outside the shorter too.
    NotInPrefix,
    /// Inside the shorter prefix but outside its zero-extension (RFC 6296 §3.2).
    UnmappedSubnet,
    /// Subnet 0xFFFF with up to 48 bits (RFC 6296 §4.2).
    SubnetFfff,
    /// All-zero interface identifier with over 48 bits (RFC 6296 §3.7).
    IidAllZero,
    /// All-ones interface identifier with over 48 bits (RFC 6296 §3.5).
    IidAllOnes,
    /// The image would not translate back.
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

impl Mapping {
    /// The translator between `internal` and `external`.
    ///
    /// # Errors
    /// When one of them is longer than /64.
    pub fn new(internal: Prefix, external: Prefix) -> Result<Self, MappingError> {
        let _ = (internal, external);
        unimplemented!()
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
        self.internal == self.external
    }

    /// The image of an inside address.
    ///
    /// # Errors
    /// When `address` has none.
    pub fn outbound(&self, address: Ipv6Addr) -> Result<Ipv6Addr, Unmappable> {
        let _ = (address, self.adjustment);
        unimplemented!()
    }

    /// The inside address whose image is `address`.
    ///
    /// # Errors
    /// When there is none.
    pub fn inbound(&self, address: Ipv6Addr) -> Result<Ipv6Addr, Unmappable> {
        let _ = address;
        unimplemented!()
    }
}
