//! What the gate and guard programs enforce, as plain data. `xdp/` writes it into BPF maps.

mod model;

use std::net::Ipv6Addr;

pub use model::{GateCause, GateJudgement, GateVerdict};

use crate::npt::Prefix;
use crate::units::{EdgeId, MacAddr, PortId};

/// Tables of all ports. Every table is whole: what is not in it is not allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GateTables {
    /// One gate per port.
    pub ports: Vec<GatePort>,
    /// One guard per ISP edge.
    pub guards: Vec<GuardTable>,
    /// The host's own unicast addresses, with a bit for each edge by which packets to it may
    /// arrive. By another edge they are dropped.
    pub own: Vec<(Ipv6Addr, u16)>,
}

/// The gate of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatePort {
    /// Whose gate.
    pub port: PortId,
    /// The device's name.
    pub interface: String,
    /// The device's current index.
    pub ifindex: u32,
    /// A bridge or a bond: only the kernel's stack can run its gate.
    pub generic: bool,
    /// Edges on this port. With more than one, redirected frames are marked
    /// ([`super::Snapshot::ingress`]).
    pub edges: Vec<GateEdge>,
    /// Longest match on the destination, per edge. No match: steer on a LAN edge, drop on an
    /// ISP edge.
    pub routes: Vec<GateRoute>,
}

/// One edge of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateEdge {
    /// Which edge.
    pub edge: EdgeId,
    /// Its VLAN; `None`: untagged.
    pub vlan: Option<u16>,
    /// Its side.
    pub role: GateRole,
    /// Destination MACs that are for the gateway: the edge's own, and VRRP addresses.
    pub macs: Vec<MacAddr>,
}

/// Which rules hold at an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateRole {
    /// No match in the routes means: to the workers.
    Lan,
    /// No match in the routes means: transit that is not ours.
    Isp,
}

/// One entry of a gate's longest-match table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateRoute {
    /// Edge at which it holds.
    pub edge: EdgeId,
    /// Destinations.
    pub prefix: Prefix,
    /// What to do with them.
    pub action: GateAction,
}

/// What the gate does with a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateAction {
    /// The kernel routes it.
    Pass,
    /// The workers translate it.
    Steer,
    /// As [`GateAction::Steer`], but Neighbor Solicitations are the control thread's, which answers
    /// them for the hosts inside. The kernel gets them as multicast frames, so that it neither
    /// forwards nor refuses them.
    Proxy,
}

/// The guard of one ISP edge: a longest-match deny list on the source address, so that the
/// kernel sends nothing untranslated to this ISP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardTable {
    /// Whose guard.
    pub edge: EdgeId,
    /// The device's name.
    pub interface: String,
    /// The device's current index.
    pub ifindex: u32,
    /// The VLAN that the device is. Its frames are tagged when they come to the guard if the kernel
    /// was told not to reorder headers.
    pub vlan: Option<u16>,
    /// Sources, longest match. No match: the host's own packets pass, forwarded ones do not.
    pub sources: Vec<(Prefix, GuardAction)>,
}

/// What the guard does with a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardAction {
    /// Only the host itself may send from here (this ISP's prefix, on-link addresses).
    OwnOnly,
    /// The host and routed devices behind it may send from here (a DMZ of this ISP).
    Forward,
    /// Nothing leaves with this source (internal, or another ISP's).
    Deny,
}
