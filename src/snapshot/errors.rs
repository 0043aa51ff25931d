//! How many ICMPv6 errors the gateway makes (RFC 4443 §2.4 f).

use crate::limits::ERROR_BURST;

const SECOND: u64 = 1_000_000_000;

/// What each worker may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorRates {
    /// About packets of one edge.
    pub edge: Rate,
    /// Towards one source.
    pub source: Rate,
    /// Packet Too Big about packets of one edge, apart from the others.
    pub too_big: Rate,
    /// Whether Destination Unreachable is sent at all (RFC 4443 §3.1).
    pub unreachable: bool,
}

impl Default for ErrorRates {
    /// What holds without `[icmp]` in the configuration.
    fn default() -> Self {
        Self { edge: Rate::new(1000), source: Rate::new(50), too_big: Rate::new(1000), unreachable: true }
    }
}

/// A token bucket's shape. Credit is kept in nanoseconds: an error costs its share of a second, so
/// that the packet path divides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds that one error costs.
    pub cost: u64,
    /// Nanoseconds that a full bucket holds.
    pub most: u64,
}

impl Rate {
    /// `per_second` errors, which is not 0, after a burst of [`ERROR_BURST`].
    pub const fn new(per_second: u64) -> Self {
        let cost = SECOND / per_second;
        Self { cost, most: ERROR_BURST * cost }
    }
}
