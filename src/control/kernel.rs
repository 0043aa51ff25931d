//! What the kernel knows of links, IPv6 addresses, routes, neighbours and of the rules that
//! are ours: plain data, read by [`super::netlink`], compiled by [`super::compile`].
//!
//! Pure: no socket, no clock. Tests write it by hand.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::control::config::edge_name;
use crate::npt::Prefix;
use crate::units::MacAddr;

/// Number of the main routing table.
pub const TABLE_MAIN: u32 = 254;
/// Number of the local routing table.
pub const TABLE_LOCAL: u32 = 255;

/// One picture of the kernel's network state in the current namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelState {
    /// Devices, by index.
    pub links: BTreeMap<u32, Link>,
    /// IPv6 addresses of all devices, link-local ones included.
    pub addresses: Vec<Address>,
    /// IPv6 routes of every table.
    pub routes: Vec<Route>,
    /// IPv6 policy rules that carry our protocol tag; nobody else's.
    pub rules: Vec<Rule>,
    /// IPv6 neighbours, by (device index, address).
    pub neighbours: BTreeMap<(u32, Ipv6Addr), Neighbour>,
}

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index; a device that was deleted and made again has another.
    pub ifindex: u32,
    /// Its MAC address; `None` on a device that has none (a tunnel).
    pub mac: Option<MacAddr>,
    /// Its MTU in octets.
    pub mtu: u32,
    /// Set up by the administrator.
    pub admin_up: bool,
    /// Has a carrier.
    pub carrier: bool,
    /// The loopback device.
    pub loopback: bool,
    /// What made it: `veth`, `wireguard`, `vlan`, … Empty for hardware.
    pub kind: String,
    /// Index of the bridge or bond that it is a port of.
    pub controller: Option<u32>,
    /// Index of the device below it, of a veth the other end's.
    pub lower: Option<u32>,
    /// What VLAN of the device below it is, if it is one (802.1Q).
    pub vlan: Option<u16>,
}

impl Link {
    /// Whether frames can be sent by it.
    pub const fn is_usable(&self) -> bool {
        self.admin_up && self.carrier
    }
}

/// An IPv6 address of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Whose.
    pub ifindex: u32,
    /// The address itself.
    pub address: Ipv6Addr,
    /// Length of the prefix that came with it.
    pub prefix_len: u8,
    /// Duplicate address detection is still going on.
    pub tentative: bool,
    /// Duplicate address detection failed: the address is not in use.
    pub dad_failed: bool,
    /// Not to be used for new connections.
    pub deprecated: bool,
}

impl Address {
    /// An address that is in use: nothing is the matter with it.
    pub const fn in_use(ifindex: u32, address: Ipv6Addr, prefix_len: u8) -> Self {
        Self { ifindex, address, prefix_len, tentative: false, dad_failed: false, deprecated: false }
    }
}

/// An IPv6 route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The table that it is in.
    pub table: u32,
    /// Destinations.
    pub prefix: Prefix,
    /// What it does.
    pub kind: RouteKind,
    /// The lowest wins among routes for the same prefix.
    pub metric: u32,
    /// Router preference of a router advertisement (RFC 4191).
    pub preference: Preference,
    /// Who installed it (`RTPROT_*`).
    pub protocol: u8,
    /// Where it leads; several with multipath, none for a route of another kind than unicast.
    pub hops: Vec<Hop>,
}

/// One way of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// Index of the device.
    pub ifindex: u32,
    /// The router; `None`: the destinations are on that link.
    pub gateway: Option<Ipv6Addr>,
    /// The kernel does not use it: device down.
    pub dead: bool,
}

/// What a route does with packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteKind {
    /// Forwards them.
    Unicast,
    /// The host takes them itself.
    Local,
    /// The host takes them itself, as one of several (subnet-router anycast).
    Anycast,
    /// Refuses or drops them: unreachable, blackhole, prohibit, throw and the rest.
    Refuse,
}

/// Router preference (RFC 4191 §2.1), ascending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preference {
    /// Only if nothing else will do.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Before all others.
    High,
}

/// An IPv6 policy rule of ours: `from SOURCE lookup TABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Its place in the order of rules.
    pub priority: u32,
    /// Which packets from there it holds for.
    pub of: Packets,
    /// Sources that it holds for.
    pub source: Prefix,
    /// The table that it looks up.
    pub table: u32,
    /// Routes with a prefix of this length or shorter do not count.
    pub suppress_prefix_len: Option<u32>,
}

/// Which packets a rule holds for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Packets {
    /// All that bear such a source.
    #[default]
    Bearing,
    /// Also the host's own that bear none yet and would get such a one (`FIB_RULE_FIND_SADDR`).
    Choosing,
    /// Those that came in by some device: `not iif lo`.
    Forwarded,
}

/// A neighbour entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// What the kernel thinks of it.
    pub state: Reachability,
    /// The kernel keeps it fresh by itself (`NTF_EXT_MANAGED`).
    pub managed: bool,
}

/// Reachability of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// Being resolved, nothing known yet.
    Incomplete,
    /// Packets go to this MAC, confirmed or remembered.
    Resolved(MacAddr),
    /// It did not answer.
    Failed,
}

impl KernelState {
    /// The device called `name`.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|link| link.name == name)
    }

    /// The device whose addresses, routes and MAC are those of an edge: `interface` itself, or for
    /// a VLAN on it the kernel's device for that VLAN, else one that is called so by custom
    /// (`eth0.10`) and is no VLAN of something else.
    pub fn edge_link(&self, interface: &str, vlan: Option<u16>) -> Option<&Link> {
        let port = self.link(interface)?;
        let Some(id) = vlan else { return Some(port) };
        let is_it = |link: &&Link| link.vlan == Some(id) && link.lower == Some(port.ifindex);
        let by_name = || self.link(&edge_name(interface, vlan)).filter(|link| link.kind != "vlan");
        self.links.values().find(is_it).or_else(by_name)
    }

    /// Addresses in use that are neither link-local nor loopback nor multicast.
    pub fn own_addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(|address| !address.dad_failed && is_routable(address.address))
    }

    /// Routes of the main table that take part in forwarding decisions: for each prefix those
    /// of the lowest metric. Default, link-local and multicast routes are left out.
    pub fn main_routes(&self) -> Vec<&Route> {
        let mut best: BTreeMap<Prefix, &Route> = BTreeMap::new();
        for route in &self.routes {
            if route.table != TABLE_MAIN || route.prefix.len() == 0 || !is_routable_prefix(route.prefix) {
                continue;
            }
            let kept = best.entry(route.prefix).or_insert(route);
            if (route.is_dead(), route.metric) < (kept.is_dead(), kept.metric) {
                *kept = route;
            }
        }
        best.into_values().collect()
    }

    /// Default routes of the main table.
    pub fn default_routes(&self) -> impl Iterator<Item = &Route> {
        self.routes
            .iter()
            .filter(|route| route.table == TABLE_MAIN && route.prefix.len() == 0 && route.kind == RouteKind::Unicast)
    }
}

impl Route {
    /// Whether the kernel passes over it because every way is dead.
    pub fn is_dead(&self) -> bool {
        self.kind == RouteKind::Unicast && self.hops.iter().all(|hop| hop.dead)
    }
}

/// Whether an address may be the end of a packet that is routed.
pub const fn is_routable(address: Ipv6Addr) -> bool {
    !(address.is_unicast_link_local() || address.is_multicast() || address.is_loopback() || address.is_unspecified())
}

fn is_routable_prefix(prefix: Prefix) -> bool {
    let link_local = Prefix::containing(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
    let multicast = Prefix::containing(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);
    !(link_local.covers(prefix) || multicast.covers(prefix)) && prefix != Prefix::containing(Ipv6Addr::LOCALHOST, 128)
}
