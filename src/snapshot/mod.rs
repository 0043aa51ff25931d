//! The immutable picture of the world that the data plane reads.
//!
//! Control compiles a whole [`Generation`]; workers take its [`Snapshot`] once per batch, so
//! that all packets of a batch see one world. Plain data; knows nothing of workers or files.

mod buckets;
mod candidates;
mod errors;
mod filter;
mod gate;
mod ingress;
mod intervals;
mod isp_link;
mod mappings;
mod moves;
mod nd_proxy;
mod neighbours;
mod routes;
mod rules;
mod steering;

use std::net::Ipv6Addr;

pub use buckets::{BucketError, Buckets, Claim};
pub use candidates::{AllDown, Candidates, Fitness, Judgement};
pub use errors::{ErrorRates, Rate};
pub use filter::{Filter, Inbound, Scope, is_bogon};
pub use gate::{
    GateAction, GateCause, GateEdge, GateJudgement, GatePort, GateRole, GateRoute, GateTables, GateVerdict,
    GuardAction, GuardTable,
};
pub use ingress::{Ingress, MARK};
pub use isp_link::IspLink;
pub use mappings::{MappingTable, UplinkMapping};
pub use moves::{ALL_FLOWS, Moves};
pub use nd_proxy::ProxyLink;
pub use neighbours::{NeighbourState, NeighbourTable, NeighbourTableFull};
pub use routes::{LanRoute, LanRoutes};
pub use rules::{Match, Traffic};
pub use steering::{Action, HashFields, Policy, PolicyId, Rule, Steering};

use crate::flow::Timeouts;
use crate::hash::HashKey;
use crate::npt::Prefix;
use crate::units::{EdgeId, MacAddr, MappingId, PortId, UplinkId};

/// Everything that one compilation makes: what workers read, what the gate enforces, and the links
/// on which hosts are answered for.
#[derive(Clone, Debug)]
pub struct Generation {
    /// For the workers.
    pub snapshot: Snapshot,
    /// For the gate and guard programs.
    pub gate: GateTables,
    /// For the ND proxy.
    pub proxies: Vec<ProxyLink>,
    /// Where the ISPs' routers are asked whether they are there.
    pub links: Vec<IspLink>,
    /// From which of the ISPs the usable ones are chosen.
    pub candidates: Candidates,
}

/// The data plane's picture of the world.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts up with every publication.
    pub generation: u64,
    /// The prefixes that hosts inside use.
    pub internal: Box<[Prefix]>,
    /// By [`PortId`]: how the edge of its frames is known.
    pub ingress: Box<[Ingress]>,
    /// By [`EdgeId`]. An id that is kept for an edge which is gone has an empty name.
    pub edges: Box<[Edge]>,
    /// By [`UplinkId`]. An id that is kept for an ISP which is gone has an empty name.
    pub uplinks: Box<[Uplink]>,
    /// All prefix pairs of all ISPs.
    pub mappings: MappingTable,
    /// Where internal destinations are.
    pub routes: LanRoutes,
    /// Which uplink a new flow prefers.
    pub steering: Steering,
    /// What may come in unasked.
    pub filter: Filter,
    /// How many ICMPv6 errors are made.
    pub errors: ErrorRates,
    /// How long flows are remembered.
    pub timeouts: Timeouts,
    /// Whether a connection whose flow moves is ended.
    pub reset_on_failover: bool,
    /// Bit `n` is set while uplink `n` may carry packets.
    pub usable: u16,
    /// Bit `n` is set while new flows may choose uplink `n` before others; those that are usable and not
    /// in it are being emptied, and get only what no other uplink takes.
    pub accepting: u16,
    /// Bit `n` is set while uplink `n` is usable only because no other one is well.
    pub kept: u16,
    /// Flows that take another uplink although theirs would do.
    pub moves: Moves,
    /// What names the gateway's own probes: identifier of echo, port of TCP and UDP. Not to be guessed
    /// from outside.
    pub probe_token: u16,
    /// Key of the steering hash, made once and kept.
    pub hash_key: HashKey,
    /// The gateway's own addresses, ascending: images that must not be handed to a host.
    pub own_addresses: Box<[Ipv6Addr]>,
    /// Whether a packet for one ISP's prefix may arrive by another ISP.
    pub accept_any_uplink: bool,
}

impl Snapshot {
    /// The edge that people call `name`: an ISP's name, a LAN's interface, or `lan` where there is
    /// one LAN.
    pub fn edge_named(&self, name: &str) -> Option<EdgeId> {
        if let Some(isp) = self.uplinks.iter().find(|isp| !name.is_empty() && *isp.name == *name) {
            return Some(isp.edge);
        }
        let lans = || (0u8..).map(EdgeId).zip(&self.edges).filter(|(_, edge)| edge.is_lan());
        let only = || lans().next().filter(|_| name == "lan" && lans().count() == 1);
        lans().find(|(_, edge)| *edge.name == *name).or_else(only).map(|(id, _)| id)
    }

    /// What people call `edge`.
    pub fn name_of(&self, edge: EdgeId) -> &str {
        match self.edges[edge.index()].role {
            Role::Isp(uplink) => &self.uplinks[uplink.index()].name,
            Role::Lan => &self.edges[edge.index()].name,
        }
    }
}

impl Edge {
    /// Whether there is an edge, and hosts of the site beyond it.
    pub fn is_lan(&self) -> bool {
        self.role == Role::Lan && !self.name.is_empty()
    }
}

/// A (port, VLAN) with a role.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The interface's name, with `.VLAN` where it is a VLAN; used in metric labels.
    pub name: Box<str>,
    /// The device that carries it.
    pub port: PortId,
    /// The VLAN whose tag frames carry here; `None`: untagged.
    pub vlan: Option<u16>,
    /// What is beyond it.
    pub role: Role,
    /// Source MAC of what the gateway sends here.
    pub mac: MacAddr,
    /// Largest IPv6 packet, in octets.
    pub mtu: u16,
    /// Source of ICMPv6 errors that the gateway sends here: for a LAN an own address, for an
    /// ISP one of that ISP. `None`: no errors are made.
    pub error_source: Option<Ipv6Addr>,
}

/// What is beyond an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Hosts of the site.
    Lan,
    /// This ISP.
    Isp(UplinkId),
}

/// One ISP as the packet path sees it.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// The ISP's name.
    pub name: Box<str>,
    /// The edge that leads to it.
    pub edge: EdgeId,
    /// The ISP's router on that edge; `None` while `next_hop = "auto"` has found none.
    pub next_hop: Option<Ipv6Addr>,
    /// Largest TCP segment, in octets, that a handshake by this ISP may announce; `None`: any.
    pub largest_segment: Option<u16>,
    /// Whether its external prefixes are on its link, where others have addresses of them too: its
    /// router, other customers.
    pub prefix_on_link: bool,
    /// Where the gateway's own probes by this ISP come from; `None` where no address will do.
    pub probe: Option<ProbePoint>,
}

/// An address inside that is never a host's, and its image: probes are translated like all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbePoint {
    /// The pair that translates it.
    pub mapping: MappingId,
    /// The inside address.
    pub inside: Ipv6Addr,
    /// Its image: whom probes are answered to.
    pub image: Ipv6Addr,
}
