//! The ISPs' links on which Neighbor Solicitations are answered for the hosts inside.

use std::net::Ipv6Addr;

use crate::units::{MacAddr, UplinkId};

/// One such link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLink {
    /// Whose external addresses are answered for.
    pub uplink: UplinkId,
    /// The device's name.
    pub interface: String,
    /// The device's current index.
    pub ifindex: u32,
    /// The device's MAC address: where the packets for those addresses are to go.
    pub mac: MacAddr,
    /// Source of the answers: an address of the device, link-local if it has one.
    pub source: Ipv6Addr,
    /// Whether every address that has an image inside is answered for, without asking the host.
    pub unconfirmed: bool,
}
