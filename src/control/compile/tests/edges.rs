use std::net::Ipv6Addr;

use super::{World, ip};
use crate::control::compile::{CompileError, check_macs};
use crate::control::config::{MssClamp, NextHop};
use crate::control::ids::Ids;
use crate::control::kernel::is_routable;
use crate::snapshot::{Edge, Ingress, Role};
use crate::units::{EdgeId, MacAddr, PortId};

fn edge(world: &World, interface: &str) -> Edge {
    world.compile().generation.snapshot.edges[world.ids().edge(interface).unwrap().index()].clone()
}

fn source(world: &World, interface: &str) -> Option<Ipv6Addr> {
    edge(world, interface).error_source
}

#[test]
fn edges_carry_their_devices_facts() {
    let mut world = World::new();
    world.config.isps[0].mtu = Some(1400);
    world.config.isps[1].mtu = Some(1400);
    world.link("wan1").mtu = 1300;
    world.link("lan0").mtu = 70_000;
    let wan0 = edge(&world, "wan0");
    assert_eq!((wan0.mtu, &*wan0.name, wan0.mac), (1400, "wan0", MacAddr([2, 0, 0, 0, 0, 4])));
    assert_eq!(wan0.role, Role::Isp(world.ids().uplink("a").unwrap()));
    assert_eq!(edge(&world, "wan1").mtu, 1300);
    assert_eq!(edge(&world, "lan0").mtu, u16::MAX);
    assert_eq!(edge(&world, "lan0").role, Role::Lan);
    let compiled = world.compile();
    assert_eq!(compiled.generation.snapshot.generation, 7);
    for port in &compiled.generation.gate.ports {
        let edge = port.edges[0].edge;
        assert_eq!(compiled.generation.snapshot.ingress[port.port.index()], Ingress::Edge(edge));
        assert_eq!(port.edges[0].macs, [compiled.generation.snapshot.edges[edge.index()].mac]);
        assert_eq!(port.ifindex, world.index(&port.interface));
    }
}

#[test]
fn handshakes_fit_the_isps_mtu_unless_the_configuration_says_otherwise() {
    let mut world = World::new();
    world.config.isps[0].mtu = Some(1492);
    world.link("wan1").mtu = 1280;
    let largest = |world: &World, isp: &str| {
        let uplink = world.ids().uplink(isp).unwrap();
        world.compile().generation.snapshot.uplinks[uplink.index()].largest_segment
    };
    assert_eq!((largest(&world, "a"), largest(&world, "b")), (Some(1432), Some(1220)));
    world.config.isps[0].mss_clamp = MssClamp::Octets(1300);
    world.config.isps[1].mss_clamp = MssClamp::Off;
    assert_eq!((largest(&world, "a"), largest(&world, "b")), (Some(1300), None));
}

#[test]
fn errors_into_a_lan_come_from_an_own_address_there() {
    let mut world = World::new();
    assert_eq!(source(&world, "lan0"), None);
    world.address("lan0", "fe80::1/64").address("wan0", "2001:db8:fa::2/64");
    assert_eq!(source(&world, "lan0"), None);
    world.address("lan1", "fd12:3456:789a:20::1/64");
    assert_eq!(source(&world, "lan0"), Some(ip("fd12:3456:789a:20::1")), "another LAN's, if there is no better");
    world.address("lan0", "fd00::1/64").address("lan0", "fd12:3456:789a:10::1/64");
    assert_eq!(source(&world, "lan0"), Some(ip("fd12:3456:789a:10::1")), "an internal one first");
    assert_eq!(source(&world, "lan1"), Some(ip("fd12:3456:789a:20::1")));
    for own in &mut world.kernel.addresses {
        own.tentative = own.address == ip("fd12:3456:789a:10::1");
    }
    assert_eq!(source(&world, "lan0"), Some(ip("fd00::1")));
}

#[test]
fn errors_to_an_isp_come_from_an_address_that_it_knows() {
    let mut world = World::new();
    world.address("lan0", "fd12:3456:789a:10::1/64").address("wan1", "2001:db8:fb::2/64");
    world.address("lo", "2001:db8:a::53/128");
    assert_eq!(source(&world, "wan0"), Some(ip("2001:db8:a::53")), "an own address in its prefix");
    world.address("wan0", "2001:db8:fa::2/64").address("wan0", "fd00::2/64").address("wan0", "2001:db8:b::9/128");
    assert_eq!(source(&world, "wan0"), Some(ip("2001:db8:fa::2")), "the interface's own global one");
    assert_eq!(source(&world, "wan1"), Some(ip("2001:db8:fb::2")));
    world.address("wan0", "2001:db8:a:ffff::2/64");
    assert_eq!(source(&world, "wan0"), Some(ip("2001:db8:a:ffff::2")), "one in its prefix first");
}

#[test]
fn an_unnumbered_isp_sees_the_image_of_an_address_that_is_never_a_host() {
    for (internal, external) in [
        ("fd12:3456:789a::/48", "2001:db8:a::/48"),
        ("fd12:3456:789a:10::/60", "2001:db8:a:ff0::/60"),
        ("fd12:3456:789a:10::/64", "2001:db8:a:77ab::/64"),
        ("fd12:3456:789a::/48", "2001:db8:a:100::/56"),
    ] {
        let mut world = World::with(internal, external, "2001:db8:b::/48");
        world.address("lan0", "fd12:3456:789a:10::1/64").address("wan0", "fe80::2/64");
        let image = source(&world, "wan0").unwrap();
        let mapping = &world.config.isps[0].mappings[0];
        assert!(mapping.external().contains(image) && is_routable(image), "{image}");
        let probe = mapping.inbound(image).unwrap();
        assert!((0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff).contains(&(probe.to_bits() as u64)), "{probe}");
        // Not even the host itself may have it.
        world.address("wg0", &format!("{image}/128"));
        let own = world.compile().generation.snapshot.own_addresses;
        assert!(own.contains(&image));
        assert_eq!(source(&world, "wan0"), Some(image), "it is an own address in the prefix now: a proper source");
    }
}

#[test]
fn identity_without_addresses_still_has_a_source() {
    let mut world = World::identity();
    assert_eq!(source(&world, "wan0"), Some(ip("2001:db8:a:0:fdff:ffff:ffff:ff80")));
    world.address("lan0", "2001:db8:a:10::1/64");
    assert_eq!(source(&world, "wan0"), Some(ip("2001:db8:a:10::1")));
    assert!(world.config.isps[1].mappings[0].external().contains(source(&world, "wan1").unwrap()));
}

#[test]
fn ids_that_are_kept_for_names_that_are_gone_leave_gaps() {
    let mut world = World::new();
    let mut ids = world.ids();
    world.config.isps.remove(0);
    world.config.lans.remove(0);
    world.config.isps[0].next_hop = NextHop::Address(ip("fe80::b"));
    ids.assign(&world.config).unwrap();
    let snapshot = world.try_compile(&ids).unwrap().snapshot;
    let b = ids.uplink("b").unwrap();
    assert_eq!(snapshot.usable, 1 << b.0);
    assert_eq!(&*snapshot.uplinks[b.index()].name, "b");
    for (id, edge) in snapshot.edges.iter().enumerate() {
        let port = edge.port;
        let is_named = snapshot.ingress[port.index()] == Ingress::Edge(EdgeId(id as u8));
        assert_eq!(is_named, !edge.name.is_empty(), "{edge:?}");
    }
    assert_eq!(snapshot.ingress.iter().filter(|ingress| **ingress != Ingress::Nowhere).count(), 2);
    assert!(snapshot.mappings.iter().all(|mapping| mapping.uplink == b));
}

#[test]
fn contradictions_are_refused_in_words() {
    let world = World::new();
    let fail = |world: &World, ids: &Ids| world.try_compile(ids).unwrap_err();
    assert_eq!(fail(&world, &Ids::default()), CompileError::NoId("a".to_owned()));
    let mut twice = World::new();
    twice.config.isps[1].interface = "wan0".to_owned();
    let error = fail(&twice, &twice.ids()).to_string();
    assert_eq!(
        error,
        "interface `wan0` is named twice; give every [[lan]] and [[isp]] an interface or a VLAN of its own"
    );
    let mut tunnel = World::new();
    tunnel.config.isps[1].interface = "wg0".to_owned();
    assert_eq!(check_macs(&tunnel.config, &tunnel.kernel), Err(CompileError::NoMac("wg0".to_owned())));
    assert!(tunnel.try_compile(&tunnel.ids()).is_ok(), "as if it were not there");
    assert_eq!(check_macs(&world.config, &world.kernel), Ok(()));
    let mut weightless = World::new();
    weightless.config.isps.iter_mut().for_each(|isp| isp.weight = 0);
    assert!(fail(&weightless, &weightless.ids()).to_string().contains("every weight is zero"));
    assert_eq!(world.ids().port("lan0"), Some(PortId(0)));
}
