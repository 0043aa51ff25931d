//! The host's own addresses and the edges by which packets to them may arrive.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::site::Site;
use crate::control::kernel::{RouteKind, TABLE_LOCAL, is_routable};
use crate::npt::Prefix;

/// One own address.
pub struct Own {
    pub address: Ipv6Addr,
    /// Bit `n`: packets to it may arrive by edge `n`.
    pub edges: u16,
}

/// All of them, ascending: the addresses of every device, and the subnet-router anycast
/// addresses that the kernel answers as well.
pub fn own_addresses(site: &Site<'_>) -> Vec<Own> {
    let anycast = site
        .kernel
        .routes
        .iter()
        .filter(|route| route.table == TABLE_LOCAL && route.kind == RouteKind::Anycast && route.prefix.len() == 128)
        .flat_map(|route| route.hops.iter().map(|hop| (route.prefix.address(), hop.ifindex)))
        .filter(|(address, _)| is_routable(*address));
    let unicast = site.kernel.own_addresses().map(|address| (address.address, address.ifindex));
    let mut all: BTreeMap<Ipv6Addr, u16> = BTreeMap::new();
    for (address, ifindex) in unicast.chain(anycast) {
        *all.entry(address).or_default() |= edges(site, address, ifindex);
    }
    all.into_iter().map(|(address, edges)| Own { address, edges }).collect()
}

/// LAN hosts reach every own address. An ISP reaches those on its interface and in its
/// prefixes, and those that belong neither to the site's inside nor to another ISP.
fn edges(site: &Site<'_>, address: Ipv6Addr, ifindex: u32) -> u16 {
    let lans = site.lans.iter().fold(0, |bits, lan| bits | 1 << lan.edge.0);
    let host = Prefix::containing(address, 128);
    let owner = site.owner(host).map(|(owner, _)| owner);
    let on_lan = site.lan_at(ifindex).is_some();
    let on_isp = site.isp_at(ifindex);
    let mut bits = lans;
    for (position, isp) in site.isps.iter().enumerate() {
        let here = on_isp == Some(position);
        let nobodys = owner.is_none() && on_isp.is_none() && !on_lan;
        let reachable = match owner {
            Some(owner) => owner == position || here || site.config.site.accept_any_uplink,
            None => here || nobodys,
        };
        if reachable && !site.is_foreign_internal(position, host) {
            bits |= 1 << isp.edge.0;
        }
    }
    bits
}
