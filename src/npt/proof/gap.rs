//! What a mapping leaves out.

use std::fmt;
use std::net::Ipv6Addr;

use super::walk::Side;
use crate::npt::{Prefix, Unmappable};
use crate::units::Direction;

/// Addresses of one side that have no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// `Outbound`: addresses inside, as sources; `Inbound`: addresses outside, as destinations.
    pub direction: Direction,
    /// Why.
    pub reason: Unmappable,
    /// Which.
    pub left_out: LeftOut,
}

/// Which addresses have no mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// /64 subnets with the subnet word 0xFFFF.
    SubnetWord {
        /// The first of them.
        first: Prefix,
        /// How many there are: one for each value of the bits between prefix and subnet word.
        subnets: u64,
    },
    /// The subnets of `whole` but `mapped`.
    Subnets {
        /// The prefix of this side.
        whole: Prefix,
        /// The one subnet of it that the longer prefix of the other side has room for.
        mapped: Prefix,
        /// How many others of that length there are.
        subnets: u64,
    },
    /// One interface identifier, in every /64 subnet.
    InterfaceIdentifier(u64),
}

/// The gaps of one side: from the lengths, and from what a walk was refused.
pub fn of_side(side: &Side<'_>, refused: &[(Unmappable, Ipv6Addr)]) -> Vec<Gap> {
    let gap = |reason, left_out| Gap { direction: side.direction, reason, left_out };
    let mut gaps = Vec::new();
    if side.from.len() < side.to.len() {
        let mapped = Prefix::containing(side.from.address(), side.to.len());
        // Up to 64 bits more, so that all but one of the subnets fit a u64.
        let subnets = u64::MAX >> (64 - (side.to.len() - side.from.len()));
        gaps.push(gap(Unmappable::UnmappedSubnet, LeftOut::Subnets { whole: side.from, mapped, subnets }));
    }
    for (reason, address) in refused {
        let left_out = match reason {
            Unmappable::SubnetFfff => LeftOut::SubnetWord {
                first: Prefix::containing(*address, 64),
                subnets: 1 << (48 - side.from.len().max(side.to.len())),
            },
            _ => LeftOut::InterfaceIdentifier(address.to_bits() as u64),
        };
        gaps.push(gap(*reason, left_out));
    }
    gaps
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SubnetWord { first, subnets: 1 } => write!(f, "subnet {first}"),
            Self::SubnetWord { first, subnets } => write!(f, "{subnets} subnets like {first}"),
            Self::Subnets { mapped, subnets, .. } => {
                write!(f, "{subnets} of {} /{} subnets, all but {mapped}", u128::from(*subnets) + 1, mapped.len())
            }
            Self::InterfaceIdentifier(identifier) => {
                let word = |shift: u32| (identifier >> shift) as u16;
                write!(f, "identifier {:x}:{:x}:{:x}:{:x}", word(48), word(32), word(16), word(0))
            }
        }
    }
}
