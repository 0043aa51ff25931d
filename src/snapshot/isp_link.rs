//! The ISPs' links, where their routers are asked whether they are there.

use std::net::Ipv6Addr;

use crate::units::{EdgeId, MacAddr, UplinkId};

/// The link of one ISP. Not there while its device is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IspLink {
    /// Whose.
    pub uplink: UplinkId,
    /// Its edge.
    pub edge: EdgeId,
    /// The device whose carrier counts: of a VLAN the one below.
    pub device: String,
    /// Index of the kernel's device for the edge, by which its router is asked.
    pub ifindex: u32,
    /// That device's MAC address.
    pub mac: MacAddr,
    /// An address of it to ask from, link-local if it has one; `None` while it has none.
    pub source: Option<Ipv6Addr>,
    /// Whether the kernel says that it is up.
    pub up: bool,
}
