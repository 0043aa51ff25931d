//! Configuration + kernel state + ids → one generation: what workers read and what the gate
//! enforces. Pure; the same input gives the same output.
//!
//! Order of application (the run loop's duty), so that no packet is lost: guards, new and
//! changed entries of the gates, then the snapshot, then the deletion of entries that are gone. In any
//! order a packet meets one world or the other: workers drop and count what theirs has no
//! place for, and whatever the kernel makes of a packet, the guards keep foreign sources in.

mod edges;
mod gate;
mod guard;
mod isp_links;
mod nd_proxy;
pub mod next_hops;
mod own;
mod room;
mod routes;
mod site;
mod steering;
#[cfg(test)]
pub(in crate::control) mod tests;

use crate::control::config::{Config, Flows, Icmp, NdProxy};
use crate::control::ids::Ids;
use crate::control::kernel::KernelState;
use crate::flow::Timeouts;
use crate::hash::HashKey;
use crate::limits::{MAX_EDGES, MIN_MTU};
use crate::snapshot::{
    BucketError, Edge, ErrorRates, Fitness, Generation, Ingress, Judgement, MappingTable, Rate, Role, Snapshot,
    Steering, Uplink, UplinkMapping,
};
use crate::units::{EdgeId, MacAddr, PortId};
pub use room::check_room;
use site::Site;
pub use site::check_macs;
pub use steering::steering_of;

/// Why a configuration cannot be compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// [`Ids::assign`] has not seen this configuration.
    #[error("`{0}` has no id; assign ids to the configuration before compiling it")]
    NoId(String),
    /// One interface, two roles.
    #[error("interface `{0}` is named twice; give every [[lan]] and [[isp]] an interface or a VLAN of its own")]
    InterfaceTwice(String),
    /// Not Ethernet.
    #[error("interface `{0}` has no MAC address; a [[lan]] or [[isp]] needs an Ethernet interface")]
    NoMac(String),
    /// A rule names a policy that is not there.
    #[error("there is no policy `{0}`; add [policy.{0}] or name another one in the rule")]
    NoPolicy(String),
    /// A policy or rule names an ISP that is not there.
    #[error("there is no ISP `{0}`; name one of the [[isp]] blocks in the policy or rule")]
    NoIsp(String),
    /// More policies than ids.
    #[error("there are more policies than {max}; let rules share policies by their names", max = crate::limits::MAX_POLICIES)]
    TooManyPolicies,
    /// More than the kernel's table of a gate or guard takes.
    #[error("{interface}: {count} {what} are more than the {limit} that the table in the kernel takes; {remedy}")]
    TooMany {
        /// What is in the table.
        what: &'static str,
        /// Whose gate or guard.
        interface: String,
        /// How many there would be.
        count: usize,
        /// How many there may be.
        limit: usize,
        /// The way out.
        remedy: &'static str,
    },
    /// No bucket table.
    #[error("the ISPs' weights make no table: {0}")]
    Buckets(#[from] BucketError),
}

/// Everything that a generation is made of.
#[derive(Clone, Copy, Debug)]
pub struct Ingredients<'a> {
    /// What the operator wants.
    pub config: &'a Config,
    /// What the kernel has.
    pub kernel: &'a KernelState,
    /// Assigned from `config`.
    pub ids: &'a Ids,
    /// Of [`steering_of`], for the same configuration and ids.
    pub steering: &'a Steering,
    /// What health says.
    pub judgement: Judgement,
    /// Number of the generation.
    pub generation: u64,
    /// Key of the steering hash.
    pub hash_key: HashKey,
    /// What names the gateway's own probes.
    pub probe_token: u16,
}

/// The next generation. An interface that does not exist (yet, or any more) is no error: its edge is
/// there, its gate and guard are not, and its ISP is not usable.
///
/// # Errors
/// When the configuration contradicts itself or the ids were not assigned from it.
pub fn compile(from: &Ingredients<'_>) -> Result<Generation, CompileError> {
    let Ingredients { config, kernel, ids, .. } = *from;
    let site = Site::new(config, kernel, ids)?;
    let own = own::own_addresses(&site);
    let uplinks = uplinks(&site);
    let mappings: Vec<UplinkMapping> = site
        .isps
        .iter()
        .flat_map(|isp| {
            let pair = |former| {
                move |(id, mapping): &_| UplinkMapping { id: *id, uplink: isp.uplink, mapping: *mapping, former }
            };
            isp.mappings.iter().map(pair(false)).chain(isp.former.iter().map(pair(true)))
        })
        .collect();
    let candidates = next_hops::candidates(&site, &uplinks);
    let Fitness { usable, accepting, kept } = candidates.judge(from.judgement);
    let snapshot = Snapshot {
        generation: from.generation,
        internal: config.site.internal.clone().into(),
        ingress: ingress(&site),
        edges: edges(&site),
        mappings: MappingTable::new(&mappings, uplinks.len()),
        routes: routes::lan_routes(&site, &own),
        steering: from.steering.clone(),
        filter: config.filter.clone(),
        errors: error_rates(&config.icmp),
        timeouts: timeouts(&config.flows),
        reset_on_failover: config.flows.reset_on_failover,
        usable,
        accepting,
        kept,
        moves: from.judgement.moves,
        probe_token: from.probe_token,
        uplinks,
        hash_key: from.hash_key,
        // An inside one is a host like others where the host has an edge of its own.
        own_addresses: own
            .iter()
            .map(|own| own.address)
            .filter(|own| site.host().is_none() || !site.is_internal(*own))
            .collect(),
        accept_any_uplink: config.site.accept_any_uplink,
    };
    Ok(Generation {
        snapshot,
        gate: gate::tables(&site, &own),
        proxies: nd_proxy::links(&site),
        links: isp_links::links(&site),
        candidates,
    })
}

fn error_rates(icmp: &Icmp) -> ErrorRates {
    ErrorRates {
        edge: Rate::new(icmp.errors_per_second),
        source: Rate::new(icmp.errors_per_source),
        too_big: Rate::new(icmp.too_big_per_second),
        unreachable: icmp.unreachable,
    }
}

fn timeouts(flows: &Flows) -> Timeouts {
    Timeouts::new(flows.tcp_established, flows.tcp_transitory, flows.udp, flows.icmpv6, flows.other)
}

fn ingress(site: &Site<'_>) -> Box<[Ingress]> {
    let mut ingress = vec![Ingress::Nowhere; site.edges().map(|(port, _)| port.index() + 1).max().unwrap_or(0)];
    for (port, edge) in site.edges() {
        let known = &mut ingress[port.index()];
        *known = if *known == Ingress::Nowhere { Ingress::Edge(edge) } else { Ingress::Marked };
    }
    ingress.into()
}

/// By id; ids that no edge has, or that are kept for one which is gone, have an empty name.
fn edges(site: &Site<'_>) -> Box<[Edge]> {
    let unused = Edge {
        name: "".into(),
        port: PortId(0),
        vlan: None,
        role: Role::Lan,
        mac: MacAddr::default(),
        mtu: MIN_MTU,
        error_source: None,
    };
    // As many as there can be: a frame that waits over a reload still names the edge that it came by.
    let mut edges = vec![unused; MAX_EDGES];
    for lan in &site.lans {
        edges[lan.edge.index()] = edges::lan(site, lan);
    }
    for isp in &site.isps {
        edges[isp.edge.index()] = edges::isp(site, isp);
    }
    edges.into()
}

/// By id, like [`edges`].
fn uplinks(site: &Site<'_>) -> Box<[Uplink]> {
    let unused = Uplink {
        name: "".into(),
        edge: EdgeId(0),
        next_hop: None,
        largest_segment: None,
        prefix_on_link: false,
        probe: None,
    };
    let mut uplinks = vec![unused; site.isps.iter().map(|isp| isp.uplink.index() + 1).max().unwrap_or(0)];
    for isp in &site.isps {
        uplinks[isp.uplink.index()] = Uplink {
            name: isp.config.name.as_str().into(),
            edge: isp.edge,
            next_hop: next_hops::next_hop(site.kernel, isp.link, isp.config.next_hop),
            largest_segment: edges::largest_segment(site, isp),
            prefix_on_link: isp.config.nd_proxy != NdProxy::Off,
            probe: edges::probe_point(site, isp),
        };
    }
    uplinks.into()
}
