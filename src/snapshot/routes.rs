//! Where internal destinations are.

use std::net::Ipv6Addr;

use super::intervals::IntervalMap;
use crate::npt::Prefix;
use crate::units::EdgeId;

/// A route of the kernel that leads into a LAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LanRoute {
    /// Destinations.
    pub prefix: Prefix,
    /// The LAN edge that they are behind.
    pub edge: EdgeId,
    /// The inner router, or `None` when the destinations are on that link.
    pub via: Option<Ipv6Addr>,
}

/// The kernel's routes into the LANs, by longest match.
#[derive(Clone, Debug)]
pub struct LanRoutes {
    routes: IntervalMap<Option<(EdgeId, Option<Ipv6Addr>)>>,
}

impl LanRoutes {
    /// The table of `routes`.
    pub fn new(routes: &[LanRoute]) -> Self {
        Self::with_holes(routes, &[])
    }

    /// The table of `routes`, in which the destinations in `holes` are in no LAN, unless a
    /// route is more specific than the hole.
    pub fn with_holes(routes: &[LanRoute], holes: &[Prefix]) -> Self {
        let holes = holes.iter().map(|prefix| (*prefix, None));
        let routes = routes.iter().map(|route| (route.prefix, Some((route.edge, route.via))));
        let entries: Vec<_> = holes.chain(routes).collect();
        Self { routes: IntervalMap::new(&entries) }
    }

    /// The edge that `destination` is behind and the neighbour to hand the packet to.
    pub fn lookup(&self, destination: Ipv6Addr) -> Option<(EdgeId, Ipv6Addr)> {
        self.routes.get(destination).flatten().map(|(edge, via)| (edge, via.unwrap_or(destination)))
    }
}
