//! What may come in unasked (RFC 6092).

use super::rules::{Match, Traffic};

/// The inbound filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What comes in.
    pub inbound: Inbound,
    /// What counts as asked for.
    pub scope: Scope,
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
