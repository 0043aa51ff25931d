//! What a packet must look like for a rule to apply to it.

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use crate::npt::Prefix;

/// What rules look at, with inside addresses for what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Upper-layer protocol; `None` where it cannot be seen.
    pub protocol: Option<u8>,
    /// Source and destination port; `None` where there are none or they cannot be seen.
    pub ports: Option<(u16, u16)>,
    /// Differentiated services code point: six bits.
    pub dscp: u8,
}

/// Conditions, all of which must hold. An empty list is no condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The source lies in one of these.
    pub sources: Box<[Prefix]>,
    /// The destination lies in one of these.
    pub destinations: Box<[Prefix]>,
    /// This protocol.
    pub protocol: Option<u8>,
    /// The source port lies in one of these. A packet without visible ports does not match.
    pub source_ports: Box<[RangeInclusive<u16>]>,
    /// The destination port lies in one of these. A packet without visible ports does not match.
    pub destination_ports: Box<[RangeInclusive<u16>]>,
    /// Bit `n` is set for code point `n`; zero is no condition.
    pub dscp: u64,
}

impl Match {
    /// Conditions that every packet meets.
    pub fn anything() -> Self {
        Self {
            sources: Box::default(),
            destinations: Box::default(),
            protocol: None,
            source_ports: Box::default(),
            destination_ports: Box::default(),
            dscp: 0,
        }
    }

    /// Whether `traffic` meets all conditions.
    pub fn matches(&self, traffic: &Traffic) -> bool {
        let within = |prefixes: &[Prefix], address| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.contains(address))
        };
        let among = |ranges: &[RangeInclusive<u16>], port: Option<u16>| {
            ranges.is_empty() || port.is_some_and(|port| ranges.iter().any(|range| range.contains(&port)))
        };
        within(&self.sources, traffic.source)
            && within(&self.destinations, traffic.destination)
            && self.protocol.is_none_or(|protocol| traffic.protocol == Some(protocol))
            && among(&self.source_ports, traffic.ports.map(|(source, _)| source))
            && among(&self.destination_ports, traffic.ports.map(|(_, destination)| destination))
            && (self.dscp == 0 || self.dscp >> traffic.dscp & 1 != 0)
    }
}
