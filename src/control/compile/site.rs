//! The configuration joined with ids and devices: what every other part of the compiler asks.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use super::CompileError;
use crate::control::config::{Config, Isp, Lan, edge_name};
use crate::control::ids::Ids;
use crate::control::kernel::{KernelState, Link, Route, RouteKind};
use crate::npt::{Mapping, Prefix};
use crate::units::{EdgeId, MacAddr, MappingId, PortId, UplinkId};

/// Everything by which the compiler decides.
pub struct Site<'a> {
    pub config: &'a Config,
    pub kernel: &'a KernelState,
    pub lans: Vec<LanSide<'a>>,
    pub isps: Vec<IspSide<'a>>,
    /// The kernel's routes of the main table, without default ones.
    pub routes: Vec<&'a Route>,
}

/// A `[[lan]]`.
pub struct LanSide<'a> {
    pub config: &'a Lan,
    pub at: Attachment<'a>,
    pub edge: EdgeId,
    /// Its own device: addresses, routes and MAC are there. `None` while there is none.
    pub link: Option<&'a Link>,
}

/// Which frames of which device are an edge's.
#[derive(Clone, Copy)]
pub struct Attachment<'a> {
    pub port: PortId,
    /// The device that frames come by; `None` while there is none.
    pub device: Option<&'a Link>,
    pub vlan: Option<u16>,
}

/// An `[[isp]]`.
pub struct IspSide<'a> {
    pub config: &'a Isp,
    pub at: Attachment<'a>,
    pub edge: EdgeId,
    pub uplink: UplinkId,
    /// As of a LAN.
    pub link: Option<&'a Link>,
    pub mappings: Vec<(MappingId, Mapping)>,
    /// Those of its former prefixes.
    pub former: Vec<(MappingId, Mapping)>,
}

/// Where a route of the kernel leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// To a LAN edge, by an inner router or on that link.
    Lan(EdgeId, Option<Ipv6Addr>),
    /// To the ISP with this position in [`Site::isps`], at least for a part of the flows.
    Isp(usize),
    /// To a device that is not ours: VPN, DMZ, containers.
    Elsewhere,
    /// Nowhere: unreachable, blackhole, prohibit; or the loopback device.
    Nowhere,
}

fn has_mac(link: &Link) -> bool {
    link.mac.is_some_and(|mac| mac != MacAddr::default())
}

/// Refuses a configuration with an interface that is there and cannot be used.
///
/// # Errors
/// When one is not Ethernet.
pub fn check_macs(config: &Config, kernel: &KernelState) -> Result<(), CompileError> {
    let lans = config.lans.iter().map(|lan| (&lan.interface, lan.vlan));
    let isps = config.isps.iter().map(|isp| (&isp.interface, isp.vlan));
    for (interface, vlan) in lans.chain(isps) {
        let links = [kernel.link(interface), kernel.edge_link(interface, vlan)];
        if !links.into_iter().flatten().all(has_mac) {
            return Err(CompileError::NoMac(edge_name(interface, vlan)));
        }
    }
    Ok(())
}

impl<'a> Site<'a> {
    pub fn new(config: &'a Config, kernel: &'a KernelState, ids: &Ids) -> Result<Self, CompileError> {
        let no_id = |name: &str| CompileError::NoId(name.to_owned());
        let mut names = BTreeSet::new();
        let mut resolve = |interface: &'a str, vlan: Option<u16>| {
            let name = edge_name(interface, vlan);
            let port = ids.port(interface).ok_or_else(|| no_id(interface))?;
            let edge = ids.edge(&name).ok_or_else(|| no_id(&name))?;
            // One that has become something else is as good as gone: the others go on.
            let usable = |link: Option<&'a Link>| link.filter(|link| has_mac(link));
            let (device, link) = (usable(kernel.link(interface)), usable(kernel.edge_link(interface, vlan)));
            if !names.insert(name.clone()) {
                return Err(CompileError::InterfaceTwice(name));
            }
            Ok((Attachment { port, device, vlan }, edge, link))
        };
        let mut lans = Vec::new();
        for lan in &config.lans {
            let (at, edge, link) = resolve(&lan.interface, lan.vlan)?;
            lans.push(LanSide { config: lan, at, edge, link });
        }
        let mut isps = Vec::new();
        for isp in &config.isps {
            let (at, edge, link) = resolve(&isp.interface, isp.vlan)?;
            let uplink = ids.uplink(&isp.name).ok_or_else(|| no_id(&isp.name))?;
            let numbered = |mappings: &[Mapping]| {
                let id = |mapping: &Mapping| ids.mapping(&isp.name, mapping).ok_or_else(|| no_id(&isp.name));
                mappings.iter().map(|mapping| Ok((id(mapping)?, *mapping))).collect::<Result<_, CompileError>>()
            };
            let (mappings, former) = (numbered(&isp.mappings)?, numbered(&isp.former)?);
            isps.push(IspSide { config: isp, at, edge, uplink, link, mappings, former });
        }
        Ok(Self { config, kernel, lans, isps, routes: kernel.main_routes() })
    }

    /// Port and edge of every LAN and ISP.
    pub fn edges(&self) -> impl Iterator<Item = (PortId, EdgeId)> {
        let isps = self.isps.iter().map(|isp| (isp.at.port, isp.edge));
        self.lans.iter().map(|lan| (lan.at.port, lan.edge)).chain(isps)
    }

    /// The ISP (by position) with the longest external prefix that covers `prefix`, and that
    /// external prefix.
    pub fn owner(&self, prefix: Prefix) -> Option<(usize, Prefix)> {
        self.isps
            .iter()
            .enumerate()
            .flat_map(|(position, isp)| isp.externals().map(move |external| (position, external)))
            .filter(|(_, external)| external.covers(prefix))
            .max_by_key(|(_, external)| external.len())
    }

    /// Whether `prefix` lies in an internal prefix that the ISP at `position` would see
    /// translated: such addresses must never meet it as they are.
    pub fn is_foreign_internal(&self, position: usize, prefix: Prefix) -> bool {
        let identity = |internal: Prefix| {
            self.isps[position].pairs().any(|(_, mapping)| {
                mapping.is_identity() && mapping.internal().covers(prefix) && internal.covers(mapping.internal())
            })
        };
        self.config.site.internal.iter().any(|internal| internal.covers(prefix) && !identity(*internal))
    }

    /// Where `route` leads.
    pub fn way(&self, route: &Route) -> Way {
        if route.kind != RouteKind::Unicast {
            return Way::Nowhere;
        }
        let alive = || route.hops.iter().filter(|hop| !hop.dead);
        let isp = alive().find_map(|hop| self.isp_at(hop.ifindex));
        if let Some(position) = isp {
            return Way::Isp(position);
        }
        for hop in alive() {
            if let Some(edge) = self.lan_at(hop.ifindex) {
                return Way::Lan(edge, hop.gateway);
            }
        }
        let leads_out = alive().any(|hop| self.kernel.links.get(&hop.ifindex).is_some_and(|link| !link.loopback));
        if leads_out { Way::Elsewhere } else { Way::Nowhere }
    }

    /// The ISP, by position, on the device `ifindex`.
    pub fn isp_at(&self, ifindex: u32) -> Option<usize> {
        self.isps.iter().position(|isp| isp.link.is_some_and(|link| link.ifindex == ifindex))
    }

    /// The LAN edge on the device `ifindex`.
    pub fn lan_at(&self, ifindex: u32) -> Option<EdgeId> {
        self.lans.iter().find(|lan| lan.link.is_some_and(|link| link.ifindex == ifindex)).map(|lan| lan.edge)
    }

    /// The edge of the host itself, with `[host] steer`.
    pub fn host(&self) -> Option<EdgeId> {
        self.lans.iter().find(|lan| lan.config.is_host()).map(|lan| lan.edge)
    }

    /// Whether `address` is of the site's inside.
    pub fn is_internal(&self, address: Ipv6Addr) -> bool {
        self.config.site.internal.iter().any(|internal| internal.contains(address))
    }

    /// Prefixes that are on the link of the device `ifindex`: those of its addresses, those that
    /// routers announced, and the addresses themselves (DHCPv6 gives them without a prefix). A
    /// static route without a gateway is none: `2000::/3 dev ppp0` makes nobody a neighbour.
    pub fn on_link(&self, ifindex: u32) -> Vec<Prefix> {
        let announced = self.routes.iter().filter(|route| {
            matches!(route.protocol, RTPROT_KERNEL | RTPROT_RA)
                && route.hops.iter().any(|hop| hop.ifindex == ifindex && hop.gateway.is_none())
        });
        let addresses = self.kernel.own_addresses().filter(|address| address.ifindex == ifindex);
        announced
            .map(|route| route.prefix)
            .chain(addresses.flat_map(|own| [own.prefix_len, 128].map(|len| Prefix::containing(own.address, len))))
            .collect()
    }
}

/// Route made by the kernel along with an address.
const RTPROT_KERNEL: u8 = 2;
/// Route from a router advertisement.
const RTPROT_RA: u8 = 9;

impl IspSide<'_> {
    /// Its prefix pairs, former ones included.
    pub fn pairs(&self) -> impl Iterator<Item = &(MappingId, Mapping)> {
        self.mappings.iter().chain(&self.former)
    }

    /// Its external prefixes, former ones included.
    pub fn externals(&self) -> impl Iterator<Item = Prefix> {
        self.pairs().map(|(_, mapping)| mapping.external())
    }

    /// Whether `ifindex` is its device.
    pub fn is_at(&self, ifindex: u32) -> bool {
        self.link.is_some_and(|link| link.ifindex == ifindex)
    }
}

/// Drops the entries of a longest-match table that change nothing: those whose value is that
/// of the next shorter prefix that covers them, or of no match at all (`default`). A full BGP
/// table shrinks to what differs.
pub fn without_repeats<V: Copy + PartialEq>(
    entries: impl IntoIterator<Item = (Prefix, V)>,
    default: Option<V>,
) -> Vec<(Prefix, V)> {
    let mut sorted: Vec<_> = entries.into_iter().collect();
    sorted.sort_by_key(|(prefix, _)| *prefix);
    let mut kept: Vec<(Prefix, V)> = Vec::new();
    let mut covering: Vec<(Prefix, V)> = Vec::new();
    for (prefix, value) in sorted {
        while covering.pop_if(|(outer, _)| !outer.covers(prefix)).is_some() {}
        if covering.last().map(|(_, value)| *value).or(default) != Some(value) {
            kept.push((prefix, value));
            covering.push((prefix, value));
        }
    }
    kept
}
