//! The link between the host and the workers (`[host] steer`): a veth pair whose far end,
//! [`HOST_PORT`], is a LAN edge like any other, and whose near end, [`HOST_DEVICE`], is where the
//! kernel routes its own traffic to and hears the answers.
//!
//! Nothing is ever resolved on it: both ends have one and the same MAC and `NOARP`, by which the
//! kernel takes a device's own MAC for everybody's, and the far end has no address at all. The near
//! end bears one of the host's internal addresses a second time, so that the kernel prefers it as
//! source for what it sends by that link (RFC 6724 rule 5), whatever the ISPs' interfaces bear.
//!
//! Desired state: made, mended and taken away by [`apply`]; kept over a kill and adopted.

use std::cmp::Reverse;
use std::net::Ipv6Addr;

use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo,
    LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use crate::control::config::{Config, HOST_DEVICE, HOST_PORT};
use crate::control::kernel::{Address, KernelState, Link, is_routable};
use crate::control::netlink::{Netlink, NetlinkError};
use crate::limits::HOST_LINK_MTU;
use crate::units::MacAddr;

/// The MAC of both ends: a local one, that nobody else is likely to have and by which the pair is known.
pub const MAC: MacAddr = MacAddr([0x02, 0x73, 0x69, 0x78, 0x77, 0x79]);
/// What the host's routes name as router: the workers. Nobody has this address.
pub const FAR: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
/// What the workers' routes name as router: the host. Nobody has this address.
pub const NEAR: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// The pair as it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostLink {
    /// Queues that a new pair gets.
    pub queues: u32,
    /// The address of the near end; `None`: the host has no internal one.
    pub address: Option<Ipv6Addr>,
}

/// What is wanted. `None` unless `[host] steer` is on.
pub fn wanted(config: &Config, kernel: &KernelState, queues: u32) -> Option<HostLink> {
    config.host.steer.then(|| HostLink { queues, address: source(config, kernel) })
}

/// The internal address that the host's own traffic bears: one that has an image with the most
/// ISPs, of the first LAN in the file if that has one, the lowest of several.
pub fn source(config: &Config, kernel: &KernelState) -> Option<Ipv6Addr> {
    let lan_of = |own: &Address| {
        config
            .lans
            .iter()
            .position(|lan| kernel.edge_link(&lan.interface, lan.vlan).is_some_and(|link| link.ifindex == own.ifindex))
    };
    let images = |own: &Address| {
        let maps = |isp: &&crate::control::config::Isp| {
            isp.mappings.iter().any(|mapping| mapping.outbound(own.address).is_ok())
        };
        config.isps.iter().filter(maps).count()
    };
    let near = kernel.link(HOST_DEVICE).map(|link| link.ifindex);
    kernel
        .own_addresses()
        .filter(|own| !own.tentative && !own.deprecated && Some(own.ifindex) != near)
        .filter(|own| config.site.internal.iter().any(|internal| internal.contains(own.address)))
        .max_by_key(|own| (images(own), Reverse(lan_of(own).unwrap_or(usize::MAX)), Reverse(own.address)))
        .map(|own| own.address)
}

/// Near and far end, if they are there and ours.
pub fn ends(kernel: &KernelState) -> Option<(&Link, &Link)> {
    let (near, far) = (kernel.link(HOST_DEVICE)?, kernel.link(HOST_PORT)?);
    let ours =
        near.kind == "veth" && near.lower == Some(far.ifindex) && [near, far].iter().all(|end| end.mac == Some(MAC));
    ours.then_some((near, far))
}

/// Makes the pair, unless it is there.
///
/// # Errors
/// When the kernel refuses, or a device of one of the names is not ours.
pub async fn make(netlink: &Netlink, kernel: &KernelState, queues: u32) -> Result<(), NetlinkError> {
    if ends(kernel).is_none() {
        if let Some(name) = [HOST_DEVICE, HOST_PORT].into_iter().find(|name| kernel.link(name).is_some()) {
            return Err(NetlinkError::NotOurs(name));
        }
        netlink.order(Message::NewLink(pair(queues)), "make the host's link").await?;
        // Only an existing device can be told to make no link-local address of its own.
        for name in [HOST_DEVICE, HOST_PORT] {
            netlink.order(Message::SetLink(without_address(name)), "set up the host's link").await?;
        }
    }
    for name in [HOST_DEVICE, HOST_PORT] {
        if kernel.link(name).is_none_or(|link| !link.admin_up) {
            netlink.order(Message::SetLink(up(name)), "set the host's link up").await?;
        }
    }
    Ok(())
}

/// Takes the pair away, if it is there and ours.
///
/// # Errors
/// When the kernel refuses.
pub async fn remove(netlink: &Netlink, kernel: &KernelState) -> Result<(), NetlinkError> {
    let Some((near, _)) = ends(kernel) else { return Ok(()) };
    let mut message = LinkMessage::default();
    message.header.index = near.ifindex;
    netlink.order(Message::DelLink(message), "remove the host's link").await
}

/// Makes what is there what is wanted. A pair that was made just now gets its address once the
/// kernel has told of it.
///
/// # Errors
/// When the kernel refuses, or a device of one of the names is not ours.
pub async fn apply(netlink: &Netlink, wanted: Option<&HostLink>, kernel: &KernelState) -> Result<(), NetlinkError> {
    let Some(wanted) = wanted else { return remove(netlink, kernel).await };
    make(netlink, kernel, wanted.queues).await?;
    let Some((near, _)) = ends(kernel) else { return Ok(()) };
    let installed = || kernel.addresses.iter().filter(|own| own.ifindex == near.ifindex && is_routable(own.address));
    if let Some(new) = wanted.address.filter(|new| installed().all(|own| own.address != *new)) {
        netlink.order(Message::NewAddress(address(near.ifindex, new)), "give the host's link its address").await?;
    }
    for own in installed().filter(|own| Some(own.address) != wanted.address) {
        let mut message = address(near.ifindex, own.address);
        message.header.prefix_len = own.prefix_len;
        netlink.order(Message::DelAddress(message), "take an address from the host's link").await?;
    }
    Ok(())
}

fn pair(queues: u32) -> LinkMessage {
    let end = |name: &str| {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Address(MAC.0.to_vec()),
            LinkAttribute::Mtu(HOST_LINK_MTU),
            LinkAttribute::NumTxQueues(queues),
            LinkAttribute::NumRxQueues(queues),
        ];
        message
    };
    let mut message = end(HOST_DEVICE);
    let peer = InfoData::Veth(InfoVeth::Peer(end(HOST_PORT)));
    message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(peer)]));
    message
}

fn without_address(name: &str) -> LinkMessage {
    let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Noarp;
    message.header.change_mask = LinkFlags::Noarp;
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])]),
    ];
    message
}

fn up(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    message
}

/// Without a route of its own, and in use at once.
fn address(ifindex: u32, address: Ipv6Addr) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet6;
    message.header.prefix_len = 128;
    message.header.index = ifindex;
    message.attributes = vec![
        AddressAttribute::Address(address.into()),
        AddressAttribute::Flags(AddressFlags::Nodad | AddressFlags::Noprefixroute),
    ];
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::compile::tests::World;

    fn world() -> World {
        let mut world = World::new();
        world.config.host.steer = true;
        world
    }

    fn source_of(world: &World) -> Option<String> {
        source(&world.config, &world.kernel).map(|address| address.to_string())
    }

    #[test]
    fn the_source_is_the_first_lans_internal_address() {
        let mut world = world();
        assert_eq!(source_of(&world), None);
        world.address("wan0", "fd12:3456:789a:1::1/64").address("lan0", "2001:db8:99::1/64");
        assert_eq!(source_of(&world).as_deref(), Some("fd12:3456:789a:1::1"), "any internal one, better than none");
        world.address("lan0", "fd12:3456:789a:10::2/64").address("lan0", "fd12:3456:789a:10::1/64");
        assert_eq!(source_of(&world).as_deref(), Some("fd12:3456:789a:10::1"));
        for own in &mut world.kernel.addresses {
            own.deprecated = own.address.to_string().ends_with("10::1");
        }
        assert_eq!(source_of(&world).as_deref(), Some("fd12:3456:789a:10::2"));
    }

    #[test]
    fn an_address_without_an_image_is_the_last_choice() {
        let mut world = world();
        world.address("lan0", "fd12:3456:789a:ffff::1/64").address("wan0", "fd12:3456:789a:2::1/64");
        assert_eq!(source_of(&world).as_deref(), Some("fd12:3456:789a:2::1"), "subnet ffff has no image");
    }

    #[test]
    fn the_near_ends_own_address_is_no_reason_to_keep_it() {
        let mut world = world();
        let near = Link { name: HOST_DEVICE.to_owned(), ifindex: 90, ..Link::default() };
        world.kernel.links.insert(90, near);
        world.address(HOST_DEVICE, "fd12:3456:789a:10::1/128");
        assert_eq!(source_of(&world), None);
    }
}
