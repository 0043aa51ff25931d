use std::net::Ipv6Addr;

use super::{World, ip};
use crate::control::config::NextHop;
use crate::control::kernel::Reachability;
use crate::units::MacAddr;

const UP: Reachability = Reachability::Resolved(MacAddr([2; 6]));

fn hop(world: &World, isp: &str) -> Option<Ipv6Addr> {
    let compiled = world.compile();
    let uplink = world.ids().uplink(isp).unwrap();
    compiled.generation.snapshot.uplinks[uplink.index()].next_hop
}

fn usable(world: &World) -> Vec<&'static str> {
    let mask = world.compile().generation.snapshot.usable;
    let ids = world.ids();
    ["a", "b"].into_iter().filter(|isp| mask & 1 << ids.uplink(isp).unwrap().0 != 0).collect()
}

#[test]
fn auto_takes_the_default_route_of_that_interface() {
    let mut world = World::new();
    assert_eq!(hop(&world, "a"), None);
    world.route("default via fe80::a dev wan0 proto 9").route("default via fe80::b dev wan1 metric 1");
    assert_eq!((hop(&world, "a"), hop(&world, "b")), (Some(ip("fe80::a")), Some(ip("fe80::b"))));
}

#[test]
fn preference_before_reachability_before_metric() {
    let mut world = World::new();
    world
        .route("default via fe80::1 dev wan0 metric 10")
        .route("default via fe80::2 dev wan0 metric 20")
        .route("default via fe80::3 dev wan0 metric 30 pref low");
    assert_eq!(hop(&world, "a"), Some(ip("fe80::1")), "the lowest metric");
    world.neighbour("wan0", "fe80::1", Reachability::Failed);
    assert_eq!(hop(&world, "a"), Some(ip("fe80::2")), "one that may answer before one that did not");
    world.neighbour("wan0", "fe80::3", UP);
    assert_eq!(hop(&world, "a"), Some(ip("fe80::2")), "low preference last, reachable or not");
    world.neighbour("wan1", "fe80::2", Reachability::Failed);
    assert_eq!(hop(&world, "a"), Some(ip("fe80::2")), "the same address on another link is another router");
    world.route("default via fe80::4 dev wan0 metric 99 pref high").neighbour("wan0", "fe80::4", Reachability::Failed);
    assert_eq!(hop(&world, "a"), Some(ip("fe80::4")), "high preference first");
}

#[test]
fn what_is_no_router_is_not_taken() {
    let mut world = World::new();
    world
        .route("unreachable default metric 1")
        .route("default dev wan0 metric 2")
        .route("default via fe80::dead dev wan0 metric 3 dead")
        .route("2000::/3 via fe80::5 dev wan0")
        // Made by ourselves of an answer that may be stale.
        .route("default via fe80::6 dev wan0 metric 1 table 30600 proto 96");
    assert_eq!(hop(&world, "a"), None);
    // A network manager keeps one table per interface; multipath over both ISPs.
    world.route("default via fe80::7 dev wan0 table 100");
    assert_eq!(hop(&world, "a"), Some(ip("fe80::7")));
    world.route("default metric 1 via fe80::8 dev wan0 nexthop via fe80::9 dev wan1");
    assert_eq!((hop(&world, "a"), hop(&world, "b")), (Some(ip("fe80::8")), Some(ip("fe80::9"))));
}

#[test]
fn a_configured_next_hop_is_taken_as_it_is() {
    let mut world = World::new();
    world.route("default via fe80::a dev wan0");
    world.config.isps[0].next_hop = NextHop::Address(ip("fe80::77"));
    assert_eq!(hop(&world, "a"), Some(ip("fe80::77")));
}

#[test]
fn usable_needs_a_router_a_link_and_a_mapping() {
    let mut world = World::new();
    assert!(usable(&world).is_empty(), "nobody has a next hop");
    world.route("default via fe80::a dev wan0");
    assert_eq!(usable(&world), ["a"]);
    world.route("default via fe80::b dev wan1");
    assert_eq!(usable(&world), ["a", "b"]);
    world.link("wan0").carrier = false;
    assert_eq!(usable(&world), ["b"]);
    world.link("wan1").admin_up = false;
    assert_eq!(usable(&world), ["a", "b"], "never empty the set");
    world.link("wan0").carrier = true;
    assert_eq!(usable(&world), ["a"]);
    world.config.isps[0].mappings.clear();
    assert_eq!(usable(&world), ["b"], "without a mapping it carries nothing, link or not");
}

#[test]
fn lan_routes_are_the_kernels_own() {
    let mut world = World::new();
    world
        .address("lan0", "fd12:3456:789a:10::1/64")
        .address("lan1", "fd12:3456:789a:20::1/64")
        .address("lan0", "fe80::1/64")
        .route("fd12:3456:789a:30::/60 via fe80::5 dev lan0")
        .route("fd12:3456:789a:33::/64 dev wg0")
        .route("fd12:3456:789a:34::/64 via fe80::6 dev lan1")
        .route("unreachable fd12:3456:789a:35::/64")
        .route("fd12:3456:789a:36::/64 via fe80::a dev wan0")
        .route("default via fe80::5 dev lan0")
        .route("2001:db8:77::/48 via fe80::5 dev lan0");
    let compiled = world.compile();
    let ids = world.ids();
    let lan = |interface: &str, neighbour: &str| Some((ids.edge(interface).unwrap(), ip(neighbour)));
    let routes = &compiled.generation.snapshot.routes;
    for (destination, expected) in [
        ("fd12:3456:789a:10::9", lan("lan0", "fd12:3456:789a:10::9")),
        ("fd12:3456:789a:20::9", lan("lan1", "fd12:3456:789a:20::9")),
        ("fd12:3456:789a:31::9", lan("lan0", "fe80::5")),
        ("fd12:3456:789a:34::9", lan("lan1", "fe80::6")),
        ("fd12:3456:789a:33::9", None),
        ("fd12:3456:789a:35::9", None),
        ("fd12:3456:789a:36::9", None),
        ("fd12:3456:789a:dead::9", None),
        ("2001:db8:77::9", None),
        ("fe80::9", None),
    ] {
        assert_eq!(routes.lookup(ip(destination)), expected, "{destination}");
    }
}

#[test]
fn with_an_edge_of_its_own_the_host_and_what_it_routes_are_behind_that() {
    let mut world = World::new();
    world
        .address("lan0", "fd12:3456:789a:10::1/64")
        .address("wan0", "2001:db8:a:7::1/64")
        .route("fd12:3456:789a:33::/64 dev wg0")
        .route("unreachable fd12:3456:789a:35::/64");
    let own = ip("fd12:3456:789a:10::1");
    assert!(world.compile().generation.snapshot.own_addresses.contains(&own));
    world.config.host.steer = true;
    world.config.lans.push(crate::control::config::Lan::of_host());
    let compiled = world.compile();
    let snapshot = &compiled.generation.snapshot;
    assert_eq!(
        *snapshot.own_addresses,
        ["2001:db8:a:7::", "2001:db8:a:7::1"].map(ip),
        "an image that is an own address stays nobody's"
    );
    let edge = |name: &str| world.ids().edge(name).unwrap();
    let host = Some((edge("sixways1"), ip("fe80::1")));
    for (destination, expected) in [
        ("fd12:3456:789a:10::1", host),
        ("fd12:3456:789a:33::9", host),
        ("fd12:3456:789a:10::9", Some((edge("lan0"), ip("fd12:3456:789a:10::9")))),
        ("fd12:3456:789a:35::9", None),
        ("2001:db8:a:7::1", None),
    ] {
        assert_eq!(snapshot.routes.lookup(ip(destination)), expected, "{destination}");
    }
}
