//! The links on which the ISPs' routers are asked whether they are there.

use super::nd_proxy::source;
use super::site::Site;
use crate::control::kernel::Link;
use crate::snapshot::IspLink;

/// Those whose device exists.
pub fn links(site: &Site<'_>) -> Vec<IspLink> {
    let links = site.isps.iter().filter_map(|isp| {
        let link = isp.link?;
        Some(IspLink {
            uplink: isp.uplink,
            edge: isp.edge,
            device: isp.config.interface.clone(),
            ifindex: link.ifindex,
            mac: link.mac?,
            source: source(site, link.ifindex),
            up: Link::is_usable(link),
        })
    });
    links.collect()
}
