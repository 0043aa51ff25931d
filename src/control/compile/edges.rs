//! Edges as the packet path sees them, and the sources of the errors that it makes.

use std::cmp::Reverse;
use std::net::Ipv6Addr;

use super::site::{Attachment, IspSide, LanSide, Site};
use crate::control::config::MssClamp;
use crate::control::config::schema::largest_mtu;
use crate::control::kernel::{Address, Link};
use crate::limits::MIN_MTU;
use crate::npt::Prefix;
use crate::snapshot::{Edge, ProbePoint, Role};

/// The edge of a LAN.
pub fn lan(site: &Site<'_>, lan: &LanSide<'_>) -> Edge {
    Edge {
        name: lan.config.edge_name().into(),
        port: lan.at.port,
        vlan: lan.at.vlan,
        role: Role::Lan,
        mac: lan.link.and_then(|link| link.mac).unwrap_or_default(),
        mtu: mtu(site, lan.at, lan.link, None),
        error_source: lan_error_source(site, lan),
    }
}

/// The edge of an ISP.
pub fn isp(site: &Site<'_>, isp: &IspSide<'_>) -> Edge {
    Edge {
        name: isp.config.edge_name().into(),
        port: isp.at.port,
        vlan: isp.at.vlan,
        role: Role::Isp(isp.uplink),
        mac: isp.link.and_then(|link| link.mac).unwrap_or_default(),
        mtu: mtu(site, isp.at, isp.link, isp.config.mtu),
        error_source: isp_error_source(site, isp),
    }
}

/// What a packet of the ISP's MTU holds behind its IPv6 and TCP headers, unless the configuration
/// says otherwise.
pub fn largest_segment(site: &Site<'_>, isp: &IspSide<'_>) -> Option<u16> {
    const HEADERS: u16 = 40 + 20;
    match isp.config.mss_clamp {
        MssClamp::Auto => Some(mtu(site, isp.at, isp.link, isp.config.mtu) - HEADERS),
        MssClamp::Octets(octets) => Some(octets),
        MssClamp::Off => None,
    }
}

/// A tag is put into the frame that the packet came in: there must be room for it.
fn mtu(site: &Site<'_>, at: Attachment<'_>, link: Option<&Link>, configured: Option<u16>) -> u16 {
    let octets = |octets: u32| u16::try_from(octets).unwrap_or(u16::MAX);
    let device = link.map(|link| octets(link.mtu));
    let room = at.vlan.and(device).map(|_| octets(largest_mtu(site.config.dataplane.frame_size)));
    device.into_iter().chain(configured).chain(room).min().unwrap_or(MIN_MTU)
}

/// An own address of that interface, else of any LAN (RFC 4443 §2.2).
fn lan_error_source(site: &Site<'_>, lan: &LanSide<'_>) -> Option<Ipv6Addr> {
    let is_internal =
        |address: &Address| site.config.site.internal.iter().any(|internal| internal.contains(address.address));
    let here = lan.link.map(|link| link.ifindex);
    sources(site)
        .filter(|address| site.lan_at(address.ifindex).is_some())
        .max_by_key(|address| {
            let here = Some(address.ifindex) == here;
            (here, is_internal(address), !address.deprecated, Reverse(address.address))
        })
        .map(|address| address.address)
}

/// A global own address of that interface, one in the ISP's own prefixes first; else any own
/// address in them; else (an unnumbered WAN) the image of an address that is never a host.
fn isp_error_source(site: &Site<'_>, isp: &IspSide<'_>) -> Option<Ipv6Addr> {
    let position = site.isps.iter().position(|other| other.edge == isp.edge)?;
    let prefix = |address: &Address| Prefix::containing(address.address, 128);
    let delegated = |address: &Address| site.owner(prefix(address)).is_some_and(|(owner, _)| owner == position);
    sources(site)
        .filter(|address| {
            let global_here = isp.is_at(address.ifindex)
                && !address.address.is_unique_local()
                && !site.is_foreign_internal(position, prefix(address))
                && site.owner(prefix(address)).is_none();
            global_here || delegated(address)
        })
        .max_by_key(|address| {
            let here = isp.is_at(address.ifindex);
            (here, delegated(address), !address.deprecated, Reverse(address.address))
        })
        .map(|address| address.address)
        .or_else(|| Some(probe_point(site, isp)?.image))
}

/// Own addresses that packets may be sent from.
fn sources<'a>(site: &'a Site<'_>) -> impl Iterator<Item = &'a Address> {
    site.kernel.own_addresses().filter(|address| !address.tentative)
}

/// First interface identifier of the 128 that are reserved for subnet anycast (RFC 2526,
/// RFC 5453): no host has one, so no host has its image.
const RESERVED_IID: u64 = 0xfdff_ffff_ffff_ff80;

/// A reserved identifier in the first subnet of one of the ISP's mappings, and its image. The mapping
/// with the shortest internal prefix comes first; an identifier without an image, or whose image is an
/// own address, gives way to the next.
pub fn probe_point(site: &Site<'_>, isp: &IspSide<'_>) -> Option<ProbePoint> {
    let mut mappings: Vec<_> = isp.mappings.iter().collect();
    mappings.sort_by_key(|(_, mapping)| (mapping.internal().len(), mapping.internal()));
    mappings.into_iter().find_map(|(id, mapping)| {
        let subnet = mapping.internal().address().to_bits();
        (0..0x80).find_map(|n| {
            let inside = Ipv6Addr::from_bits(subnet | u128::from(RESERVED_IID + n));
            let image = mapping.outbound(inside).ok()?;
            let is_free = site.kernel.own_addresses().all(|own| own.address != image);
            (mapping.inbound(image) == Ok(inside) && is_free).then_some(ProbePoint { mapping: *id, inside, image })
        })
    })
}
