//! The names behind the numbers: what the exporter and `status` need of a snapshot.

use std::net::Ipv6Addr;

use crate::limits::BUCKETS;
use crate::snapshot::{Role, Snapshot};
use crate::units::{EdgeId, MappingId, PortId, UplinkId};

/// Edges and ISPs of one snapshot, ids that are kept for a name which is gone left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// The snapshot's generation.
    pub generation: u64,
    /// Every edge, in the order of the ids.
    pub edges: Vec<NamedEdge>,
    /// Every ISP, in the order of the ids.
    pub isps: Vec<NamedIsp>,
}

/// One edge.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedEdge {
    /// Its id.
    pub id: EdgeId,
    /// The interface's name, with `.VLAN` where it is a VLAN.
    pub name: String,
    /// The device's name.
    pub device: String,
    /// The device that carries it.
    pub port: PortId,
    /// What is beyond it.
    pub role: Role,
}

/// One ISP.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedIsp {
    /// Its id.
    pub id: UplinkId,
    /// Its name.
    pub name: String,
    /// The edge that leads to it.
    pub edge: EdgeId,
    /// Its router, once one is known.
    pub next_hop: Option<Ipv6Addr>,
    /// Whether it may carry new packets.
    pub usable: bool,
    /// Buckets that prefer it, as a share of all.
    pub share: f64,
    /// Its prefix pairs.
    pub mappings: Vec<MappingId>,
}

impl Topology {
    /// What `snapshot` names.
    pub fn of(snapshot: &Snapshot) -> Self {
        let edges = snapshot.edges.iter().enumerate().filter(|(_, edge)| !edge.name.is_empty()).map(|(id, edge)| {
            let tag = edge.vlan.map(|vlan| format!(".{vlan}")).unwrap_or_default();
            let (name, device) = (edge.name.to_string(), edge.name.strip_suffix(&tag).unwrap_or(&edge.name).to_owned());
            NamedEdge { id: EdgeId(id as u8), name, device, port: edge.port, role: edge.role }
        });
        let mappings_of =
            |isp| snapshot.mappings.iter().filter(|pair| pair.uplink == isp).map(|pair| pair.id).collect();
        let first_choices = snapshot.steering.policies[0].buckets.first_choices();
        let isps =
            snapshot.uplinks.iter().enumerate().filter(|(_, isp)| !isp.name.is_empty()).map(|(id, isp)| NamedIsp {
                id: UplinkId(id as u8),
                name: isp.name.to_string(),
                edge: isp.edge,
                next_hop: isp.next_hop,
                usable: snapshot.usable & 1 << id != 0,
                share: f64::from(first_choices[id]) / BUCKETS as f64,
                mappings: mappings_of(UplinkId(id as u8)),
            });
        Self { generation: snapshot.generation, edges: edges.collect(), isps: isps.collect() }
    }

    /// The first edge on `port`: what is counted by port, like a socket's drops, counts there.
    pub fn first_on(&self, port: PortId) -> Option<&NamedEdge> {
        self.edges.iter().find(|edge| edge.port == port)
    }

    /// `lan`, or `isp`.
    pub const fn role_label(role: Role) -> &'static str {
        match role {
            Role::Lan => "lan",
            Role::Isp(_) => "isp",
        }
    }
}
