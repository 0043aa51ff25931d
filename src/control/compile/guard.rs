//! The guards' tables: which sources the kernel may send to an ISP.
//!
//! A deny list with the site's inside and the other ISPs, so that the host's own traffic goes
//! on when a WAN is renumbered while the gateway is away.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::gate::routes_inside;
use super::site::{IspSide, Site, Way, without_repeats};
use crate::npt::Prefix;
use crate::snapshot::{GuardAction, GuardTable};

/// One guard for every ISP whose device exists.
pub fn tables(site: &Site<'_>) -> Vec<GuardTable> {
    site.isps
        .iter()
        .enumerate()
        .filter_map(|(position, isp)| {
            let link = isp.link?;
            Some(GuardTable {
                edge: isp.edge,
                interface: link.name.clone(),
                ifindex: link.ifindex,
                vlan: isp.at.vlan,
                sources: sources(site, position, isp),
            })
        })
        .collect()
}

/// Unique local addresses never leave a site (RFC 4193 §4.3), whoever's they are.
const UNIQUE_LOCAL: Prefix = Prefix::containing(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);

/// Later entries take the place of earlier ones for the same prefix, so what is this ISP's own
/// comes last; between different prefixes the longest match decides.
fn sources(site: &Site<'_>, position: usize, isp: &IspSide<'_>) -> Vec<(Prefix, GuardAction)> {
    let mut entries = BTreeMap::from([(UNIQUE_LOCAL, GuardAction::Deny)]);
    // A piece of a foreign prefix is as foreign, even on this ISP's own link: an entry for it
    // would be the longer match and open the whole.
    let foreign = |prefix: Prefix| {
        site.is_foreign_internal(position, prefix) || site.owner(prefix).is_some_and(|(owner, _)| owner != position)
    };
    for (other, side) in site.isps.iter().enumerate().filter(|(other, _)| *other != position) {
        let on_link = side.link.map(|link| site.on_link(link.ifindex)).unwrap_or_default();
        let not_ours = on_link.into_iter().filter(|prefix| site.owner(*prefix).is_none_or(|(owner, _)| owner == other));
        entries.extend(side.externals().chain(not_ours).map(|prefix| (prefix, GuardAction::Deny)));
    }
    entries.extend(site.config.site.internal.iter().map(|internal| (*internal, GuardAction::Deny)));
    let on_link = isp.link.map(|link| site.on_link(link.ifindex)).unwrap_or_default();
    let ours = on_link.into_iter().chain(isp.externals()).filter(|prefix| !foreign(*prefix));
    entries.extend(ours.map(|prefix| (prefix, GuardAction::OwnOnly)));
    for (prefix, _, way) in routes_inside(site).filter(|(prefix, ..)| !foreign(*prefix)) {
        let action = if way == Way::Elsewhere { GuardAction::Forward } else { GuardAction::OwnOnly };
        entries.insert(prefix, action);
    }
    without_repeats(entries, Some(GuardAction::OwnOnly))
}
