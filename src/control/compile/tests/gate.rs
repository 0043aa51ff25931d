use super::{World, ip, prefix};
use crate::control::config::NdProxy;

/// Everything beside a plain site that the kernel may route.
fn busy() -> World {
    let mut world = World::new();
    world
        .address("lan0", "fd12:3456:789a:10::1/64")
        .address("lan1", "fd12:3456:789a:20::1/64")
        .address("wan0", "2001:db8:fa::2/64")
        .address("wg0", "fd99::1/64")
        .address("dmz0", "2001:db8:a:d::1/64")
        .route("default via fe80::a dev wan0")
        .route("default via fe80::b dev wan1 metric 2048")
        .route("fd12:3456:789a:30::/60 via fe80::5 dev lan0")
        .route("fd12:3456:789a:99::/64 dev wg0")
        .route("2001:db8:77::/48 dev wg0")
        .route("2001:db8:78::/48 via fe80::a dev wan0")
        .route("unreachable fd12:3456:789a::/48 metric 4096")
        .route("blackhole 2001:db8:666::/48");
    world
}

#[test]
fn lan_edges_leave_to_the_kernel_what_it_routes_elsewhere() {
    busy().compile().gates(&[
        // Other LANs, on-link and behind an inner router, the VPN, the DMZ.
        ("lan0", "fd12:3456:789a:20::99", "pass"),
        ("lan0", "fd12:3456:789a:10::99", "pass"),
        ("lan1", "fd12:3456:789a:31::99", "pass"),
        ("lan0", "fd12:3456:789a:99::99", "pass"),
        ("lan0", "fd99::7", "pass"),
        ("lan0", "2001:db8:77::7", "pass"),
        ("lan0", "2001:db8:a:d::99", "pass"),
        // The Internet, also by a route of its own out of an ISP edge.
        ("lan0", "2001:db8:1234::1", "steer"),
        ("lan0", "2001:db8:78::1", "steer"),
        ("lan0", "2001:db8:fa::99", "steer"),
        // Nobody's subnet of the inside, hairpin, and what the kernel refuses.
        ("lan0", "fd12:3456:789a:dead::1", "steer"),
        ("lan0", "2001:db8:a:10::1", "steer"),
        ("lan0", "2001:db8:b::1", "steer"),
        ("lan0", "2001:db8:666::1", "steer"),
    ]);
}

#[test]
fn isp_edges_take_their_prefixes_and_nothing_else() {
    busy().compile().gates(&[
        ("wan0", "2001:db8:a:10::1", "steer"),
        // The other ISP's prefix comes to the workers, who count it as wrong-uplink.
        ("wan0", "2001:db8:b:10::1", "steer"),
        ("wan1", "2001:db8:a:10::1", "steer"),
        // The routed DMZ, by its ISP only.
        ("wan0", "2001:db8:a:d::99", "pass"),
        ("wan1", "2001:db8:a:d::99", "steer"),
        // Transit: inside, VPN, Internet.
        ("wan0", "fd12:3456:789a:10::99", "drop"),
        ("wan0", "fd12:3456:789a:99::99", "drop"),
        ("wan0", "fd99::7", "drop"),
        ("wan0", "2001:db8:77::7", "drop"),
        ("wan0", "2001:db8:1234::1", "drop"),
        ("wan0", "2001:db8:fa::99", "drop"),
        ("wan1", "2001:db8:666::1", "drop"),
    ]);
}

#[test]
fn own_addresses_are_reached_by_the_edges_that_they_belong_to() {
    let mut world = busy();
    world.address("lo", "2001:db8:5::1/128").address("lo", "2001:db8:b::53/128").address("wan1", "2001:db8:fb::2/64");
    world
        .address("lan0", "fd77::1/64")
        .address("lo", "fd12:3456:789a:53::1/128")
        .address("wan0", "fd12:3456:789a:ff::1/64");
    world.compile().gates(&[
        ("lan0", "fd12:3456:789a:20::1", "own"),
        ("lan1", "2001:db8:fa::2", "own"),
        ("wan0", "2001:db8:fa::2", "own"),
        ("wan0", "2001:db8:fa::", "own"),
        ("wan1", "2001:db8:fa::2", "own-elsewhere"),
        ("wan1", "2001:db8:fb::2", "own"),
        // Inside, on a LAN, and the VPN's own end.
        ("wan0", "fd12:3456:789a:10::1", "own-elsewhere"),
        ("wan0", "fd77::1", "own-elsewhere"),
        ("wan0", "fd12:3456:789a:53::1", "own-elsewhere"),
        ("wan0", "fd12:3456:789a:ff::1", "own-elsewhere"),
        ("lan0", "fd12:3456:789a:53::1", "own"),
        // In an ISP's prefix: by that ISP. Nobody's: by all.
        ("wan0", "2001:db8:a:d::1", "own"),
        ("wan1", "2001:db8:a:d::1", "own-elsewhere"),
        ("wan1", "2001:db8:b::53", "own"),
        ("wan0", "2001:db8:b::53", "own-elsewhere"),
        ("wan0", "2001:db8:5::1", "own"),
        ("wan1", "2001:db8:5::1", "own"),
    ]);
    world.config.site.accept_any_uplink = true;
    world.compile().gates(&[
        ("wan1", "2001:db8:a:d::1", "own"),
        ("wan1", "2001:db8:a:d::99", "pass"),
        ("wan1", "fd12:3456:789a:10::1", "own-elsewhere"),
        ("wan1", "fd12:3456:789a:10::99", "drop"),
    ]);
}

#[test]
fn an_address_that_failed_detection_is_not_own_and_link_local_ones_are_not_listed() {
    let mut world = busy();
    world.address("wan0", "2001:db8:fa::dead/128").address("wan0", "fe80::1/64");
    world.kernel.addresses.iter_mut().find(|own| own.address == super::ip("2001:db8:fa::dead")).unwrap().dad_failed =
        true;
    let compiled = world.compile();
    compiled.gates(&[("wan0", "2001:db8:fa::dead", "drop")]);
    assert!(compiled.generation.gate.own.iter().all(|(own, _)| !own.is_unicast_link_local()));
    let listed: Vec<_> = compiled.generation.gate.own.iter().map(|(own, _)| *own).collect();
    assert!(listed.is_sorted(), "workers search it");
    assert_eq!(*listed, *compiled.generation.snapshot.own_addresses);
}

#[test]
fn identity_keeps_lan_traffic_with_the_workers_and_lans_with_the_kernel() {
    let mut world = World::identity();
    world
        .address("lan0", "2001:db8:a:10::1/64")
        .address("lan1", "2001:db8:a:20::1/64")
        .address("dmz0", "2001:db8:a:d::1/64")
        .route("unreachable 2001:db8:a::/48")
        .route("default via fe80::a dev wan0");
    world.compile().gates(&[
        ("lan0", "2001:db8:a:20::9", "pass"),
        ("lan0", "2001:db8:a:d::9", "pass"),
        ("lan0", "2001:db8:a:dead::9", "steer"),
        ("lan0", "2001:db8:b:20::9", "steer"),
        ("wan0", "2001:db8:a:10::9", "steer"),
        ("wan0", "2001:db8:a:d::9", "pass"),
        ("wan0", "2001:db8:a:10::1", "own"),
        ("wan1", "2001:db8:a:10::1", "own-elsewhere"),
        ("wan1", "2001:db8:a:10::9", "steer"),
    ]);
}

#[test]
fn a_route_out_of_an_isp_cuts_a_hole_into_a_longer_way_elsewhere_and_back() {
    let mut world = World::new();
    world
        .route("2001:db8:70::/44 dev wg0")
        .route("2001:db8:78::/48 via fe80::a dev wan0")
        .route("2001:db8:78:1::/64 dev wg0")
        .route("unreachable 2001:db8:79::/48");
    world.compile().gates(&[
        ("lan0", "2001:db8:71::1", "pass"),
        ("lan0", "2001:db8:78::1", "steer"),
        ("lan0", "2001:db8:78:1::1", "pass"),
        ("lan0", "2001:db8:79::1", "steer"),
    ]);
}

#[test]
fn the_route_that_the_kernel_uses_decides() {
    let mut world = World::new();
    world
        // The lower metric wins, whatever the order.
        .route("2001:db8:70::/48 dev wg0 metric 100")
        .route("2001:db8:70::/48 via fe80::a dev wan0 metric 200")
        .route("2001:db8:71::/48 dev wg0 metric 200")
        .route("2001:db8:71::/48 via fe80::a dev wan0 metric 100")
        // A dead one is passed over.
        .route("2001:db8:72::/48 dev wg0 metric 1 dead")
        .route("2001:db8:72::/48 via fe80::a dev wan0 metric 200")
        .route("2001:db8:73::/48 dev wg0 dead")
        .route("2001:db8:79::/48 via fe80::a dev wan0 metric 1 dead")
        .route("2001:db8:79::/48 dev wg0 metric 200")
        // One way of several leads to an ISP.
        .route("2001:db8:74::/48 dev wg0 nexthop via fe80::a dev wan0")
        // Other tables do not count, nor do routes on the loopback device.
        .route("2001:db8:75::/48 dev wg0 table 100")
        .route("2001:db8:76::/48 dev lo");
    world.compile().gates(&[
        ("lan0", "2001:db8:70::1", "pass"),
        ("lan0", "2001:db8:71::1", "steer"),
        ("lan0", "2001:db8:72::1", "steer"),
        ("lan0", "2001:db8:73::1", "steer"),
        ("lan0", "2001:db8:79::1", "pass"),
        ("lan0", "2001:db8:74::1", "steer"),
        ("lan0", "2001:db8:75::1", "steer"),
        ("lan0", "2001:db8:76::1", "steer"),
    ]);
}

#[test]
fn a_default_route_out_of_a_vpn_does_not_take_the_internet_but_its_two_halves_do() {
    let mut world = World::new();
    world.route("default dev wg0 metric 1");
    world.compile().gates(&[("lan0", "2001:db8:1234::1", "steer")]);
    world.route("::/1 dev wg0");
    world.compile().gates(&[("lan0", "2001:db8:1234::1", "pass"), ("lan0", "8000::1", "steer")]);
}

#[test]
fn a_route_for_a_whole_external_prefix_does_not_take_it_from_the_workers() {
    let mut world = World::new();
    world.route("2001:db8:a::/48 dev dmz0").route("2001:db8::/32 dev dmz0");
    let compiled = world.compile();
    compiled.gates(&[("wan0", "2001:db8:a:10::1", "steer"), ("wan0", "2001:db8:c::1", "drop")]);
    compiled.guards(&[("wan0", "2001:db8:a:10::1", "own"), ("wan0", "2001:db8:c::1", "own")]);
}

#[test]
fn a_full_table_towards_the_isps_costs_the_gate_nothing() {
    let mut world = busy();
    let before = world.compile().generation.gate;
    for n in 0..2000 {
        world.route(&format!("2400:{n:x}::/32 via fe80::a dev wan{}", n % 2));
    }
    assert_eq!(world.compile().generation.gate, before);
}

#[test]
fn a_missing_device_has_an_edge_but_no_gate_and_no_guard() {
    let mut world = busy();
    let index = world.index("wan1");
    world.kernel.links.remove(&index);
    let compiled = world.compile();
    let tables = &compiled.generation.gate;
    assert_eq!(tables.ports.len(), 3);
    assert!(tables.ports.iter().all(|port| port.interface != "wan1"));
    assert_eq!(tables.guards.len(), 1);
    let edges = compiled.generation.snapshot.edges.iter().filter(|edge| !edge.name.is_empty());
    assert_eq!(edges.count(), 4);
    compiled.gates(&[("lan0", "2001:db8:b::1", "steer"), ("wan0", "2001:db8:b::1", "steer")]);
}

#[test]
fn nested_external_prefixes_belong_to_the_longest() {
    let mut world = World::with("fd12:3456:789a::/48", "2001:db8::/40", "2001:db8:b::/48");
    world
        .address("lo", "2001:db8:b::53/128")
        .address("lo", "2001:db8:c::53/128")
        .route("2001:db8:b:d::/64 dev dmz0")
        .route("2001:db8:c:d::/64 dev dmz0");
    let compiled = world.compile();
    compiled.gates(&[
        ("wan1", "2001:db8:b::53", "own"),
        ("wan0", "2001:db8:b::53", "own-elsewhere"),
        ("wan0", "2001:db8:c::53", "own"),
        ("wan1", "2001:db8:c::53", "own-elsewhere"),
        ("wan1", "2001:db8:b:d::1", "pass"),
        ("wan0", "2001:db8:b:d::1", "steer"),
        ("wan0", "2001:db8:c:d::1", "pass"),
        ("wan1", "2001:db8:c:d::1", "steer"),
    ]);
    compiled.guards(&[
        ("wan0", "2001:db8:b::1", "deny"),
        ("wan0", "2001:db8:c::1", "own"),
        ("wan1", "2001:db8:c::1", "deny"),
        ("wan1", "2001:db8:b::1", "own"),
        ("wan1", "2001:db8:b:d::1", "forward"),
        ("wan0", "2001:db8:b:d::1", "deny"),
        ("wan1", "2001:db8:c:d::1", "deny"),
    ]);
    assert_eq!(world.config.isps[1].mappings[0].external(), prefix("2001:db8:b::/48"));
}

#[test]
fn solicitations_of_an_isp_with_nd_proxy_are_for_its_own_prefixes_alone() {
    let mut world = busy();
    world.config.isps[0].nd_proxy = NdProxy::Confirmed;
    world.address("wan0", "2001:db8:a:77ab::2/64");
    world.compile().gates(&[
        ("wan0", "2001:db8:a:10::1", "proxy"),
        // On the link as the kernel sees it, and therefore a route of its own.
        ("wan0", "2001:db8:a:77ab::9", "proxy"),
        ("wan0", "2001:db8:a:77ab::2", "own"),
        ("wan0", "2001:db8:b:10::1", "steer"),
        ("wan0", "2001:db8:a:d::99", "pass"),
        ("wan0", "2001:db8:1234::1", "drop"),
        ("wan1", "2001:db8:a:10::1", "steer"),
        ("wan1", "2001:db8:b:10::1", "steer"),
        ("lan0", "2001:db8:a:10::1", "steer"),
    ]);
}

#[test]
fn the_proxy_answers_from_a_link_local_address_of_the_device() {
    let mut world = busy();
    world.config.isps[1].nd_proxy = NdProxy::Static;
    assert_eq!(world.compile().generation.proxies, [], "nothing to answer from");
    world.address("wan1", "2001:db8:b:77ab::2/64").address("lan0", "fe80::1/64");
    let [link] = &world.compile().generation.proxies[..] else { panic!("one link") };
    assert_eq!((link.source, link.unconfirmed), (ip("2001:db8:b:77ab::2"), true));
    world.address("wan1", "fe80::5/64");
    world.kernel.addresses.iter_mut().filter(|own| own.address == ip("fe80::5")).for_each(|own| own.tentative = true);
    let proxies = world.compile().generation.proxies;
    assert_eq!(proxies[0].source, ip("2001:db8:b:77ab::2"), "an address may be a duplicate");
    world.kernel.addresses.iter_mut().for_each(|own| own.tentative = false);
    let [link] = &world.compile().generation.proxies[..] else { panic!("one link") };
    assert_eq!((link.interface.as_str(), link.ifindex, link.source), ("wan1", world.index("wan1"), ip("fe80::5")));
    assert_eq!(Some(link.mac), world.kernel.link("wan1").unwrap().mac);
}
