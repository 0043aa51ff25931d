//! Where internal destinations are: the kernel's own routes into the LANs.

use super::own::Own;
use super::site::{Site, Way};
use crate::control::host_link;
use crate::npt::Prefix;
use crate::snapshot::{LanRoute, LanRoutes};

/// The routes into LANs that touch an internal prefix. A route elsewhere inside of them (a VPN,
/// an unreachable subnet) is a hole. Where the host has an edge of its own, its own addresses are
/// there, and so is what it routes elsewhere: that is no hole then.
pub fn lan_routes(site: &Site<'_>, own: &[Own]) -> LanRoutes {
    let host = |prefix| Some(LanRoute { prefix, edge: site.host()?, via: Some(host_link::NEAR) });
    let mut routes = Vec::new();
    let mut holes: Vec<Prefix> = Vec::new();
    let internal = &site.config.site.internal;
    for route in site.routes.iter().filter(|route| internal.iter().any(|prefix| prefix.overlaps(route.prefix))) {
        match site.way(route) {
            Way::Lan(edge, via) => routes.push(LanRoute { prefix: route.prefix, edge, via }),
            Way::Elsewhere => match host(route.prefix) {
                Some(by_host) => routes.push(by_host),
                None => holes.push(route.prefix),
            },
            Way::Isp(_) | Way::Nowhere => holes.push(route.prefix),
        }
    }
    let internal = own.iter().filter(|own| site.is_internal(own.address));
    routes.extend(internal.filter_map(|own| host(Prefix::containing(own.address, 128))));
    LanRoutes::with_holes(&routes, &holes)
}
