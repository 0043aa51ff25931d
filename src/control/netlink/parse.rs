//! Netlink messages → the plain data of [`crate::control::kernel`]. What is not IPv6, or not
//! understood, is `None`.

use std::net::{IpAddr, Ipv6Addr};

use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHopFlags, RoutePreference, RouteType,
};
use netlink_packet_route::rule::{RuleAttribute, RuleFlags, RuleMessage};

use crate::control::kernel::{
    Address, Hop, Link, Neighbour, Packets, Preference, Reachability, Route, RouteKind, Rule,
};
use crate::npt::Prefix;
use crate::os::vlan;
use crate::units::MacAddr;

/// A device.
pub fn link(message: &LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        ifindex: message.header.index,
        admin_up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        ..Link::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Address(octets) => link.mac = mac(octets),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(index) => link.lower = Some(*index),
            LinkAttribute::Controller(index) => link.controller = Some(*index),
            LinkAttribute::LinkInfo(info) => {
                for item in info {
                    match item {
                        LinkInfo::Kind(kind) => link.kind = kind_name(kind),
                        LinkInfo::Data(InfoData::Vlan(facts)) => link.vlan = vlan(facts),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    link
}

fn kind_name(kind: &InfoKind) -> String {
    match kind {
        InfoKind::Other(name) => name.clone(),
        known => known.to_string(),
    }
}

fn mac(octets: &[u8]) -> Option<MacAddr> {
    octets.try_into().ok().map(MacAddr)
}

/// An IPv6 address of a device.
pub fn address(message: &AddressMessage) -> Option<Address> {
    if message.header.family != AddressFamily::Inet6 {
        return None;
    }
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    let (mut own, mut peer) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(IpAddr::V6(address)) => own = Some(*address),
            AddressAttribute::Address(IpAddr::V6(address)) => peer = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    Some(Address {
        ifindex: message.header.index,
        // With a point-to-point peer IFA_ADDRESS is the peer's and IFA_LOCAL ours.
        address: own.or(peer)?,
        prefix_len: message.header.prefix_len,
        tentative: flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic),
        dad_failed: flags.contains(AddressFlags::Dadfailed),
        deprecated: flags.contains(AddressFlags::Deprecated),
    })
}

/// An IPv6 route.
pub fn route(message: &RouteMessage) -> Option<Route> {
    // A clone is a cached exception (path MTU, redirect), no route. A source-specific route
    // holds for some senders only, and the gate knows destinations only.
    let header = &message.header;
    if header.address_family != AddressFamily::Inet6
        || header.flags.contains(RouteFlags::Cloned)
        || header.source_prefix_length != 0
    {
        return None;
    }
    let mut destination = Ipv6Addr::UNSPECIFIED;
    let (mut ifindex, mut gateway, mut hops) = (None, None, Vec::new());
    let mut route = Route {
        table: u32::from(header.table),
        prefix: Prefix::containing(destination, 0),
        kind: match header.kind {
            RouteType::Unicast => RouteKind::Unicast,
            RouteType::Local => RouteKind::Local,
            RouteType::Anycast => RouteKind::Anycast,
            RouteType::Multicast => return None,
            _ => RouteKind::Refuse,
        },
        metric: 0,
        preference: Preference::Medium,
        protocol: header.protocol.into(),
        hops: Vec::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => destination = *address,
            RouteAttribute::Oif(index) => ifindex = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => gateway = Some(*address),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Preference(RoutePreference::Low) => route.preference = Preference::Low,
            RouteAttribute::Preference(RoutePreference::High) => route.preference = Preference::High,
            RouteAttribute::MultiPath(ways) => {
                hops.extend(ways.iter().map(|way| Hop {
                    ifindex: way.interface_index,
                    gateway: gateway_of(&way.attributes),
                    dead: way.flags.contains(RouteNextHopFlags::Dead),
                }));
            }
            _ => {}
        }
    }
    route.prefix = Prefix::containing(destination, header.destination_prefix_length);
    if let Some(ifindex) = ifindex {
        hops.push(Hop { ifindex, gateway, dead: header.flags.contains(RouteFlags::Dead) });
    }
    if route.kind != RouteKind::Refuse {
        route.hops = hops;
    }
    Some(route)
}

fn gateway_of(attributes: &[RouteAttribute]) -> Option<Ipv6Addr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet6(address)) => Some(*address),
        _ => None,
    })
}

/// `FIB_RULE_FIND_SADDR`: a packet of the host's own that bears no source yet is given the one that
/// it would get by the rule's table, and the rule holds if that is one of its sources.
pub const FIND_SOURCE: RuleFlags = RuleFlags::from_bits_retain(0x1_0000);

/// A policy rule that carries the tag `protocol`.
pub fn rule(message: &RuleMessage, protocol: u8) -> Option<Rule> {
    if message.header.family != AddressFamily::Inet6 {
        return None;
    }
    let (mut ours, mut source) = (false, Ipv6Addr::UNSPECIFIED);
    let flags = message.header.flags;
    let mut rule = Rule {
        priority: 0,
        of: if flags.contains(FIND_SOURCE) { Packets::Choosing } else { Packets::default() },
        source: Prefix::containing(source, 0),
        table: u32::from(message.header.table),
        suppress_prefix_len: None,
    };
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Protocol(tag) => ours = u8::from(*tag) == protocol,
            RuleAttribute::Source(IpAddr::V6(address)) => source = *address,
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Iifname(name) if name == "lo" && flags.contains(RuleFlags::Invert) => {
                rule.of = Packets::Forwarded;
            }
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::SuppressPrefixLen(len) if *len != u32::MAX => rule.suppress_prefix_len = Some(*len),
            _ => {}
        }
    }
    rule.source = Prefix::containing(source, message.header.src_len);
    ours.then_some(rule)
}

/// A neighbour: (device index, address), and what is known; proxy and bridge entries are none.
pub fn neighbour(message: &NeighbourMessage) -> Option<((u32, Ipv6Addr), Neighbour)> {
    if message.header.family != AddressFamily::Inet6 || message.header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let (mut address, mut hardware, mut managed) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(destination)) => address = Some(*destination),
            NeighbourAttribute::LinkLayerAddress(octets) => hardware = mac(octets),
            NeighbourAttribute::ExtFlags(flags) => managed = flags.contains(NeighbourExtFlags::Managed),
            _ => {}
        }
    }
    let address = address.filter(|address| !address.is_multicast())?;
    let state = match (message.header.state, hardware) {
        (NeighbourState::Failed, _) => Reachability::Failed,
        (
            NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
            | NeighbourState::Noarp,
            Some(mac),
        ) => Reachability::Resolved(mac),
        _ => Reachability::Incomplete,
    };
    Some(((message.header.ifindex, address), Neighbour { state, managed }))
}
