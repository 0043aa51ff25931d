//! Where internal destinations are: the kernel's own routes into the LANs.

use super::site::{Site, Way};
use crate::npt::Prefix;
use crate::snapshot::{LanRoute, LanRoutes};

/// The routes into LANs that touch an internal prefix. A route elsewhere inside of them (a VPN,
/// an unreachable subnet) is a hole.
pub fn lan_routes(site: &Site<'_>) -> LanRoutes {
    let mut routes = Vec::new();
    let mut holes: Vec<Prefix> = Vec::new();
    let internal = &site.config.site.internal;
    for route in site.routes.iter().filter(|route| internal.iter().any(|prefix| prefix.overlaps(route.prefix))) {
        match site.way(route) {
            Way::Lan(edge, via) => routes.push(LanRoute { prefix: route.prefix, edge, via }),
            Way::Isp(_) | Way::Elsewhere | Way::Nowhere => holes.push(route.prefix),
        }
    }
    LanRoutes::with_holes(&routes, &holes)
}
