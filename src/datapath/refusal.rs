//! Why a packet is not forwarded now, and what its sender is told.

use std::net::Ipv6Addr;

use crate::npt::Unmappable;
use crate::units::EdgeId;
use crate::verdict::DropReason;
use crate::wire::{icmpv6, ipv6};

/// A packet that is not forwarded now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Dropped for good.
    Drop(DropReason, Answer),
    /// Waits until this neighbour is known.
    Hold(EdgeId, Ipv6Addr),
    /// Is the answer to a probe: for control.
    Punt,
}

impl From<DropReason> for Refusal {
    /// Dropped in silence.
    fn from(reason: DropReason) -> Self {
        Self::Drop(reason, Answer::Silence)
    }
}

/// What the sender of a dropped packet is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    Silence,
    /// [`Answer::PROHIBITED`], if the flow with this hash stays unsolicited for a while
    /// (RFC 6092 REC-34).
    ProhibitedLater(u64),
    /// A TCP reset.
    Reset,
    /// An ICMPv6 error of this type, code and parameter (MTU, pointer or zero).
    Error(u8, u8, u32),
}

impl Answer {
    /// Destination Unreachable: no route.
    pub const NO_ROUTE: Self = Self::Error(icmpv6::UNREACHABLE, 0, 0);
    /// Destination Unreachable: communication administratively prohibited.
    pub const PROHIBITED: Self = Self::Error(icmpv6::UNREACHABLE, 1, 0);
    /// Destination Unreachable: beyond the scope of the source address.
    pub const BEYOND_SCOPE: Self = Self::Error(icmpv6::UNREACHABLE, 2, 0);
    /// Destination Unreachable: address unreachable.
    pub const ADDRESS_UNREACHABLE: Self = Self::Error(icmpv6::UNREACHABLE, 3, 0);
    /// Destination Unreachable: source address failed ingress or egress policy.
    pub const SOURCE_POLICY: Self = Self::Error(icmpv6::UNREACHABLE, 5, 0);
    /// Parameter Problem: first fragment without its whole header chain (RFC 7112 §5).
    pub const INCOMPLETE_CHAIN: Self = Self::Error(icmpv6::PARAMETER_PROBLEM, 3, 0);
    /// Time Exceeded: hop limit.
    pub const HOP_LIMIT: Self = Self::Error(icmpv6::TIME_EXCEEDED, 0, 0);

    /// Packet Too Big for a link of `mtu` octets.
    pub const fn too_big(mtu: u16) -> Self {
        Self::Error(icmpv6::PACKET_TOO_BIG, 0, mtu as u32)
    }
}

/// An inside source that has no image: RFC 6296 §3.2 (Destination Unreachable) and §3.7
/// (Parameter Problem, pointing at the source address).
pub fn unmappable_source(reason: Unmappable) -> Refusal {
    Refusal::Drop(reason.into(), iid_problem(reason, ipv6::SOURCE_OFFSET).unwrap_or(Answer::SOURCE_POLICY))
}

/// An outside destination that is nobody's image. Never sent back to the ISP (RFC 7084 WPD-5).
pub fn unmappable_destination(reason: Unmappable) -> Refusal {
    Refusal::Drop(reason.into(), iid_problem(reason, ipv6::DESTINATION_OFFSET).unwrap_or(Answer::NO_ROUTE))
}

fn iid_problem(reason: Unmappable, pointer: u32) -> Option<Answer> {
    matches!(reason, Unmappable::IidAllZero | Unmappable::IidAllOnes).then_some(Answer::Error(
        icmpv6::PARAMETER_PROBLEM,
        0,
        pointer,
    ))
}
