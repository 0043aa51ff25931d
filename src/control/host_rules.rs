//! The host's own answers leave by the ISP that was asked: policy rules and one table per ISP.
//!
//! For each source that belongs to an ISP (its external prefixes, the addresses on its
//! interface) two rules: routes other than default ones count as ever (`lookup main
//! suppress_prefixlength 0`, so that LANs, VPNs and DMZs stay reachable from that source), and
//! what is left goes to the ISP's table with that ISP's default route. Longer sources come
//! first. All of it carries our protocol tag: whatever has it and is not wanted is deleted,
//! after a kill as well, and nothing else ever is.
//!
//! With `[host] steer` three kinds of rules follow those, for what belongs to no ISP: routes other
//! than default ones count; what bears an internal source, or would get one on its way to the
//! workers, goes to them; and so does whatever the kernel forwards. Own sources that are neither
//! internal nor an ISP's go their ways as ever.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use crate::control::compile::next_hops::next_hop;
use crate::control::config::Config;
use crate::control::host_link;
use crate::control::ids::Ids;
use crate::control::kernel::{KernelState, Link, Packets, Rule, TABLE_MAIN};
use crate::control::netlink::{FIND_SOURCE, Netlink, NetlinkError};
use crate::limits::{
    HOST_PROTOCOL, HOST_RULE_PRIORITY, HOST_STEER_PRIORITY, HOST_STEER_TABLE, HOST_TABLE, MAX_UPLINKS,
};
use crate::npt::Prefix;

/// Rules and routes for the host, wanted or installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostRules {
    /// Policy rules.
    pub rules: BTreeSet<Rule>,
    /// Default routes, one per table.
    pub routes: BTreeSet<HostRoute>,
}

/// The default route of a table of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostRoute {
    /// The table: [`HOST_TABLE`] + the ISP's id, or [`HOST_STEER_TABLE`].
    pub table: u32,
    /// The ISP's device, or the host's end of the link to the workers.
    pub ifindex: u32,
    /// The ISP's router, or [`host_link::FAR`].
    pub gateway: Ipv6Addr,
}

/// What is wanted. Nothing when `[host] rules` is off.
pub fn wanted(config: &Config, kernel: &KernelState, ids: &Ids) -> HostRules {
    let mut wanted = HostRules::default();
    if !config.host.rules {
        return wanted;
    }
    for isp in &config.isps {
        let (Some(link), Some(id)) = (kernel.edge_link(&isp.interface, isp.vlan), ids.uplink(&isp.name)) else {
            continue;
        };
        let table = HOST_TABLE + u32::from(id.0);
        let externals = isp.pairs().map(|mapping| mapping.external());
        let inside = |address| config.site.internal.iter().any(|internal| internal.contains(address));
        let addresses = kernel
            .own_addresses()
            .filter(|own| own.ifindex == link.ifindex && !inside(own.address))
            .map(|own| Prefix::containing(own.address, 128));
        for source in externals.chain(addresses) {
            let longer_first = HOST_RULE_PRIORITY + 1 + u32::from(128 - source.len());
            wanted.rules.insert(by_main(HOST_RULE_PRIORITY, source));
            wanted.rules.insert(Rule {
                priority: longer_first,
                of: Packets::Bearing,
                source,
                table,
                suppress_prefix_len: None,
            });
        }
        if let Some(gateway) = next_hop(kernel, Some(link), isp.next_hop).filter(|_| link.is_usable()) {
            wanted.routes.insert(HostRoute { table, ifindex: link.ifindex, gateway });
        }
    }
    if config.host.steer {
        steer(&mut wanted, &config.site.internal, kernel);
    }
    wanted
}

fn by_main(priority: u32, source: Prefix) -> Rule {
    Rule { priority, of: Packets::Bearing, source, table: TABLE_MAIN, suppress_prefix_len: Some(0) }
}

/// What belongs to no ISP goes to the workers.
fn steer(wanted: &mut HostRules, internal: &[Prefix], kernel: &KernelState) {
    let Some((near, _)) = host_link::ends(kernel) else { return };
    let table = HOST_STEER_TABLE;
    wanted.routes.insert(HostRoute { table, ifindex: near.ifindex, gateway: host_link::FAR });
    let anybody = Prefix::containing(Ipv6Addr::UNSPECIFIED, 0);
    wanted.rules.insert(by_main(HOST_STEER_PRIORITY, anybody));
    let to_workers = |place, of, source| Rule {
        priority: HOST_STEER_PRIORITY + place,
        of,
        source,
        table,
        suppress_prefix_len: None,
    };
    wanted.rules.extend(internal.iter().map(|source| to_workers(1, Packets::Choosing, *source)));
    wanted.rules.insert(to_workers(2, Packets::Forwarded, anybody));
}

impl HostRules {
    /// Without the rules that lead to the workers: for a gateway that stops.
    pub fn without_steering(mut self) -> Self {
        self.rules.retain(|rule| rule.priority < HOST_STEER_PRIORITY);
        self
    }
}

/// What is installed and ours.
pub fn installed(kernel: &KernelState) -> HostRules {
    let ours = HOST_TABLE..HOST_TABLE + MAX_UPLINKS as u32;
    let routes = kernel
        .routes
        .iter()
        .filter(|route| route.protocol == HOST_PROTOCOL && route.prefix.len() == 0)
        .filter(|route| ours.contains(&route.table) || route.table == HOST_STEER_TABLE)
        .flat_map(|route| {
            route
                .hops
                .iter()
                .filter_map(|hop| Some(HostRoute { table: route.table, ifindex: hop.ifindex, gateway: hop.gateway? }))
        });
    let priorities = [HOST_RULE_PRIORITY..=HOST_RULE_PRIORITY + 1 + 128, HOST_STEER_PRIORITY..=HOST_STEER_PRIORITY + 2];
    let is_ours = |rule: &&Rule| priorities.iter().any(|priorities| priorities.contains(&rule.priority));
    let rules = kernel.rules.iter().filter(is_ours).copied();
    HostRules { rules: rules.collect(), routes: routes.collect() }
}

/// Makes what is installed what is wanted. Every step is tried; the first refusal is returned.
///
/// # Errors
/// When the kernel refuses a rule or a route.
pub async fn apply(netlink: &Netlink, wanted: &HostRules, kernel: &KernelState) -> Result<(), NetlinkError> {
    let installed = installed(kernel);
    let mut first_error = Ok(());
    let mut note = |result: Result<(), NetlinkError>, harmless: &[i32]| {
        let is_harmless = |error: &NetlinkError| {
            matches!(error, NetlinkError::Refused { source, .. }
                if source.raw_os_error().is_some_and(|code| harmless.contains(&code)))
        };
        if let Err(error) = result
            && !is_harmless(&error)
            && first_error.is_ok()
        {
            first_error = Err(error);
        }
    };
    // A picture may be older than the last change of ours: gone already, there already.
    let gone = [libc::ENOENT, libc::ESRCH];
    let there = [libc::EEXIST];
    for rule in installed.rules.difference(&wanted.rules) {
        note(netlink.order(Message::DelRule(rule_message(rule)), "delete a rule of the host").await, &gone);
    }
    for route in installed.routes.difference(&wanted.routes) {
        // A new route of the same table takes the old one's place.
        if !wanted.routes.iter().any(|new| new.table == route.table) {
            note(netlink.order(Message::DelRoute(route_message(route)), "delete a route of the host").await, &gone);
        }
    }
    for route in wanted.routes.difference(&installed.routes) {
        if kernel.links.get(&route.ifindex).is_some_and(Link::is_usable) {
            note(netlink.order(Message::NewRoute(route_message(route)), "add a route for the host").await, &there);
        }
    }
    for rule in wanted.rules.difference(&installed.rules) {
        note(netlink.order(Message::NewRule(rule_message(rule)), "add a rule for the host").await, &there);
    }
    first_error
}

/// Removes everything of ours, the host's link too, also what a killed gateway left.
///
/// # Errors
/// When the kernel refuses.
pub async fn remove_all(netlink: &Netlink) -> Result<(), NetlinkError> {
    let kernel = netlink.dump().await?;
    apply(netlink, &HostRules::default(), &kernel).await?;
    host_link::remove(netlink, &kernel).await
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.src_len = rule.source.len();
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(RouteProtocol::Other(HOST_PROTOCOL)),
    ];
    if rule.source.len() > 0 {
        message.attributes.push(RuleAttribute::Source(rule.source.address().into()));
    }
    match rule.of {
        Packets::Bearing => {}
        Packets::Choosing => message.header.flags = FIND_SOURCE,
        Packets::Forwarded => {
            message.header.flags = RuleFlags::Invert;
            message.attributes.push(RuleAttribute::Iifname("lo".to_owned()));
        }
    }
    message.attributes.extend(rule.suppress_prefix_len.map(RuleAttribute::SuppressPrefixLen));
    message
}

fn route_message(route: &HostRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet6;
    message.header.protocol = RouteProtocol::Other(HOST_PROTOCOL);
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    // The configured router need not be in any on-link prefix of ours.
    message.header.flags = RouteFlags::Onlink;
    message.attributes = vec![
        RouteAttribute::Table(route.table),
        RouteAttribute::Oif(route.ifindex),
        RouteAttribute::Gateway(RouteAddress::Inet6(route.gateway)),
    ];
    message
}

#[cfg(test)]
mod tests;
