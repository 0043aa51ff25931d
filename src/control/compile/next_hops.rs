//! The router towards each ISP, and which ISPs may carry new packets.

use std::cmp::Reverse;
use std::net::Ipv6Addr;

use super::site::Site;
use crate::control::config::NextHop;
use crate::control::kernel::{KernelState, Link, Reachability, Route, RouteKind};
use crate::limits::HOST_PROTOCOL;
use crate::snapshot::{Candidates, Uplink};

/// The ISP's router. With `auto` it is the gateway of a default route on that interface: the
/// highest router preference (RFC 4191), then the most reachable, then the lowest metric.
///
/// Whatever table the default route is in will do (network managers put it into one per
/// interface), except for those that we made of this very answer.
pub fn next_hop(kernel: &KernelState, link: Option<&Link>, configured: NextHop) -> Option<Ipv6Addr> {
    let ifindex = match configured {
        NextHop::Address(address) => return Some(address),
        NextHop::Auto => link?.ifindex,
    };
    kernel
        .routes
        .iter()
        .filter(|route| is_candidate(route))
        .flat_map(|route| route.hops.iter().map(move |hop| (route, hop)))
        .filter(|(_, hop)| hop.ifindex == ifindex && !hop.dead)
        .filter_map(|(route, hop)| Some((route, hop.gateway?)))
        .max_by_key(|(route, gateway)| {
            (route.preference, reachability(kernel, ifindex, *gateway), Reverse(route.metric), Reverse(*gateway))
        })
        .map(|(_, gateway)| gateway)
}

fn is_candidate(route: &Route) -> bool {
    route.prefix.len() == 0 && route.kind == RouteKind::Unicast && route.protocol != HOST_PROTOCOL
}

/// Routers whose reachability decides between default routes: (device, address).
pub fn routers(kernel: &KernelState) -> impl Iterator<Item = (u32, Ipv6Addr)> {
    kernel
        .routes
        .iter()
        .filter(|route| is_candidate(route))
        .flat_map(|route| &route.hops)
        .filter_map(|hop| Some((hop.ifindex, hop.gateway?)))
}

/// 2: its MAC is known. 1: nothing is known. 0: it did not answer. A memory (STALE) counts as
/// much as a confirmation, else the choice would change with the hour.
pub fn reachability(kernel: &KernelState, ifindex: u32, router: Ipv6Addr) -> u8 {
    match kernel.neighbours.get(&(ifindex, router)).map(|neighbour| neighbour.state) {
        Some(Reachability::Resolved(_)) => 2,
        Some(Reachability::Incomplete) | None => 1,
        Some(Reachability::Failed) => 0,
    }
}

/// The ISPs that could carry packets.
pub(super) fn candidates(site: &Site<'_>, uplinks: &[Uplink]) -> Candidates {
    let mut candidates = Candidates { all_down: site.config.site.all_down, ..Candidates::default() };
    for isp in &site.isps {
        let bit = 1 << isp.uplink.0;
        if uplinks[isp.uplink.index()].next_hop.is_some() && isp.pairs().next().is_some() {
            candidates.equipped |= bit;
        }
        if isp.link.is_some_and(Link::is_usable) {
            candidates.linked |= bit;
        }
        candidates.tiers[isp.uplink.index()] = isp.config.tier;
    }
    candidates
}
