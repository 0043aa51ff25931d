//! What may come in unasked (RFC 6092).

use std::net::Ipv6Addr;

use super::rules::{Match, Traffic};

/// The inbound filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What comes in.
    pub inbound: Inbound,
    /// What counts as asked for.
    pub scope: Scope,
    /// Whether remote addresses that are not used on the Internet pass, both ways.
    pub bogons: bool,
    /// What comes in unasked. Destinations are inside addresses.
    pub allow: Box<[Match]>,
}

/// What comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inbound {
    /// What belongs to a flow, and what is allowed.
    #[default]
    Established,
    /// Everything: the transparent mode of RFC 6092 REC-49.
    Open,
}

/// From whom a packet to an inside port may come once the host there has opened a flow from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// From the address and port that were sent to: address- and port-dependent filtering.
    #[default]
    Flow,
    /// From anybody: endpoint-independent filtering (RFC 6092 REC-11, 17, 33).
    Endpoint,
}

impl Filter {
    /// Whether `traffic` may open a flow from outside.
    pub fn admits(&self, traffic: &Traffic) -> bool {
        self.inbound == Inbound::Open || self.allow.iter().any(|allow| allow.matches(traffic))
    }
}

/// Whether nobody on the Internet has this address, although it could be forwarded: documentation
/// (RFC 3849, RFC 9637), benchmarking (RFC 5180), discard-only (RFC 6666), ORCHID (RFC 4843, RFC
/// 7343), segment identifiers (RFC 9602), 6bone, site-local and v4-compatible addresses (RFC 5156).
/// Unique local ones are judged elsewhere: they are what a site has inside.
pub const fn is_bogon(address: Ipv6Addr) -> bool {
    matches!(
        address.segments(),
        [0x2001, 0x0db8, ..]
            | [0x3fff, 0..=0x0fff, ..]
            | [0x2001, 2, 0, ..]
            | [0x0100, 0, 0, 0, ..]
            | [0x2001, 0x10..=0x2f, ..]
            | [0x5f00 | 0x3ffe | 0xfec0..=0xfeff, ..]
            | [0, 0, 0, 0, 0, 0, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_nobody_has() {
        for text in [
            "2001:db8::1",
            "3fff:fff::1",
            "2001:2::1",
            "100::1",
            "2001:10::1",
            "2001:2f:ffff::1",
            "5f00::1",
            "3ffe::1",
            "fec0::1",
            "::192.0.2.1",
        ] {
            assert!(is_bogon(text.parse().unwrap()), "{text}");
        }
        for text in [
            "2001:db9::1",
            "3fff:1000::1",
            "2001:2:1::1",
            "100:0:0:1::1",
            "2001:30::1",
            "2001::1",
            "2002:c000:201::1",
            "2a00:1450::1",
            "64:ff9b::c000:201",
            "fd00::1",
        ] {
            assert!(!is_bogon(text.parse().unwrap()), "{text}");
        }
    }
}
