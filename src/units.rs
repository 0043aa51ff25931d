//! Small value types that every layer shares: instants, MAC addresses, and the
//! identifiers of ports, edges, uplinks and mappings.

use std::fmt;
use std::str::FromStr;

/// A point in time or a span, in nanoseconds of `CLOCK_MONOTONIC`.
///
/// The XDP program stamps frames with the same clock, so the two can be subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The span of `ms` milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }

    /// The span from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    /// The point `span` after `self`.
    pub const fn plus(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// An IEEE 802 MAC address.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Whether the group bit is set (multicast or broadcast).
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A MAC address that is not six hexadecimal octets parted by colons.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a MAC address; write six hexadecimal octets like 02:00:5e:10:00:01")]
pub struct MacError(String);

impl FromStr for MacAddr {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            *octet = parts
                .next()
                .filter(|part| part.len() == 2)
                .and_then(|part| u8::from_str_radix(part, 16).ok())
                .ok_or_else(|| MacError(text.to_owned()))?;
        }
        match parts.next() {
            None => Ok(Self(octets)),
            Some(_) => Err(MacError(text.to_owned())),
        }
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u8);

        impl $name {
            /// The identifier as an index into the table that it numbers.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// A device with queues. Below [`crate::limits::MAX_PORTS`].
    PortId
);
id!(
    /// A (port, VLAN) pair with a role. Below [`crate::limits::MAX_EDGES`].
    EdgeId
);
id!(
    /// An ISP, kept by name over reloads. Below [`crate::limits::MAX_UPLINKS`].
    UplinkId
);
id!(
    /// One prefix pair of one ISP, kept by (ISP name, pair) over reloads; it is what a flow
    /// record stores. Below [`crate::limits::MAX_MAPPINGS`].
    MappingId
);

/// The way a packet goes: from a LAN to an ISP, or from an ISP to a LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// LAN to ISP: the source is translated.
    Outbound,
    /// ISP to LAN: the destination is translated.
    Inbound,
}

impl Direction {
    /// Both, in the order of [`Direction::index`].
    pub const ALL: [Self; 2] = [Self::Outbound, Self::Inbound];

    /// Position in an array of two.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word used on the command line and in metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Outbound => "outbound",
            Self::Inbound => "inbound",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_round_trips_through_text() {
        let mac: MacAddr = "02:00:5e:10:00:ff".parse().unwrap();
        assert_eq!(mac.to_string(), "02:00:5e:10:00:ff");
    }

    #[test]
    fn malformed_macs_are_refused() {
        for text in ["", "02", "02:00:5e:10:00", "02:00:5e:10:00:01:02", "2:0:5e:10:0:1", "zz:00:5e:10:00:01"] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }
}
