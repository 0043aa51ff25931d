//! The links on which the ND proxy answers.

use std::net::Ipv6Addr;

use super::site::{IspSide, Site};
use crate::control::config::NdProxy;
use crate::snapshot::ProxyLink;

/// Those of the ISPs that ask for it, whose device exists and has an address to answer from.
pub fn links(site: &Site<'_>) -> Vec<ProxyLink> {
    site.isps.iter().filter_map(|isp| link(site, isp)).collect()
}

fn link(site: &Site<'_>, isp: &IspSide<'_>) -> Option<ProxyLink> {
    let unconfirmed = match isp.config.nd_proxy {
        NdProxy::Off => return None,
        NdProxy::Confirmed => false,
        NdProxy::Static => true,
    };
    let link = isp.link?;
    Some(ProxyLink {
        uplink: isp.uplink,
        interface: link.name.clone(),
        ifindex: link.ifindex,
        mac: link.mac?,
        source: source(site, link.ifindex)?,
        unconfirmed,
    })
}

/// An advertisement comes from an address of the interface that it is sent by (RFC 4861 §4.4). A
/// link-local one belongs to no prefix, so no filter stops it.
pub(super) fn source(site: &Site<'_>, ifindex: u32) -> Option<Ipv6Addr> {
    let usable = site
        .kernel
        .addresses
        .iter()
        .filter(|address| address.ifindex == ifindex && !address.tentative && !address.dad_failed);
    usable.map(|own| own.address).min_by_key(|address| (!address.is_unicast_link_local(), *address))
}
