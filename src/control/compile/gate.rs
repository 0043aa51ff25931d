//! The gates' tables: which destinations the kernel routes and which the workers translate.
//!
//! The kernel's own routes decide what is not Internet.

use std::collections::BTreeMap;

use super::guard;
use super::own::Own;
use super::site::{Attachment, Site, Way, without_repeats};
use crate::control::config::NdProxy;
use crate::control::kernel::Link;
use crate::npt::Prefix;
use crate::snapshot::{GateAction, GateEdge, GatePort, GateRole, GateRoute, GateTables};
use crate::units::EdgeId;

/// Gates and guards of all devices that exist.
pub fn tables(site: &Site<'_>, own: &[Own]) -> GateTables {
    let lan_routes = lan_routes(site);
    let mut ports = Vec::new();
    for lan in &site.lans {
        add(&mut ports, lan.at, lan.edge, lan.link, GateRole::Lan, &lan_routes);
    }
    for (position, isp) in site.isps.iter().enumerate() {
        add(&mut ports, isp.at, isp.edge, isp.link, GateRole::Isp, &isp_routes(site, position));
    }
    GateTables { ports, guards: guard::tables(site), own: own.iter().map(|own| (own.address, own.edges)).collect() }
}

/// An edge to the gate of its device, if that exists. A VLAN without a device of its own has no MAC, so
/// that all of its frames are left to the kernel, which has no place for them.
fn add(
    ports: &mut Vec<GatePort>,
    at: Attachment<'_>,
    edge: EdgeId,
    link: Option<&Link>,
    role: GateRole,
    routes: &[(Prefix, GateAction)],
) {
    let Some(device) = at.device else { return };
    let place = ports.iter().position(|port| port.port == at.port).unwrap_or_else(|| {
        let (interface, ifindex) = (device.name.clone(), device.ifindex);
        let generic = matches!(device.kind.as_str(), "bridge" | "bond" | "team");
        ports.push(GatePort { port: at.port, interface, ifindex, generic, edges: Vec::new(), routes: Vec::new() });
        ports.len() - 1
    });
    let macs = link.and_then(|link| link.mac).into_iter().collect();
    ports[place].edges.push(GateEdge { edge, vlan: at.vlan, role, macs });
    let route = |(prefix, action): &(Prefix, GateAction)| GateRoute { edge, prefix: *prefix, action: *action };
    ports[place].routes.extend(routes.iter().map(route));
}

/// LAN edges: whatever the kernel routes by a route of its own out of anything but an ISP edge
/// is the kernel's. All else is steered: the Internet, the ISPs' prefixes (hairpin), subnets
/// that nobody has been given, and what the kernel refuses.
fn lan_routes(site: &Site<'_>) -> Vec<(Prefix, GateAction)> {
    let routes = site.routes.iter().map(|route| {
        let action = match site.way(route) {
            Way::Lan(..) | Way::Elsewhere => GateAction::Pass,
            Way::Isp(_) | Way::Nowhere => GateAction::Steer,
        };
        (route.prefix, action)
    });
    without_repeats(routes, Some(GateAction::Steer))
}

/// ISP edges: every ISP's external prefixes are steered, so that the packet path can tell a
/// wrong uplink from transit; this ISP's are proxied where it asks for them. Inside this ISP's, a route to a device that is not ours leads
/// to a routed DMZ.
fn isp_routes(site: &Site<'_>, position: usize) -> Vec<(Prefix, GateAction)> {
    let taken = |owner: usize| match site.isps[owner].config.nd_proxy {
        NdProxy::Confirmed | NdProxy::Static if owner == position => GateAction::Proxy,
        _ => GateAction::Steer,
    };
    let externals = |owner: usize| site.isps[owner].externals().map(move |external| (external, taken(owner)));
    let mut entries: BTreeMap<Prefix, GateAction> = (0..site.isps.len()).flat_map(externals).collect();
    for (prefix, owner, way) in routes_inside(site) {
        let welcome = owner == position || site.config.site.accept_any_uplink;
        let action = if welcome && way == Way::Elsewhere { GateAction::Pass } else { taken(owner) };
        entries.insert(prefix, action);
    }
    without_repeats(entries, None)
}

/// The kernel's routes more specific than the external prefix that they lie in: (prefix, the
/// ISP's position, where to).
pub fn routes_inside<'a>(site: &'a Site<'_>) -> impl Iterator<Item = (Prefix, usize, Way)> + 'a {
    site.routes.iter().filter_map(|route| {
        let (owner, external) = site.owner(route.prefix)?;
        (route.prefix != external).then(|| (route.prefix, owner, site.way(route)))
    })
}
