//! Typed views on bytes. Each view checks the length once; its accessors are total after that.
//!
//! Offsets are named where the header is defined and nowhere else. Knows nothing of the other
//! modules.

pub mod checksum;
pub mod ethernet;
pub mod extension;
pub mod icmpv6;
pub mod ipv6;
pub mod reset;
pub mod tcp;
pub mod transport;

/// Numbers of the protocols that the packet path tells apart.
pub mod protocol {
    /// Hop-by-Hop Options.
    pub const HOP_BY_HOP: u8 = 0;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// Routing header.
    pub const ROUTING: u8 = 43;
    /// Fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Authentication Header.
    pub const AUTHENTICATION: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// No Next Header.
    pub const NONE: u8 = 59;
    /// Destination Options.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDP_LITE: u8 = 136;

    /// Whether a message of `protocol` begins with source and destination port.
    pub const fn has_ports(protocol: u8) -> bool {
        matches!(protocol, TCP | UDP | DCCP | SCTP | UDP_LITE)
    }
}
