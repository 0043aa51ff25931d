use super::World;

#[test]
fn nothing_internal_and_nothing_of_another_isp_leaves() {
    let mut world = World::new();
    world
        .address("lan0", "fd12:3456:789a:10::1/64")
        .address("wan0", "2001:db8:fa::2/64")
        .address("wan1", "2001:db8:fb::2/128")
        .route("2001:db8:fc::/64 dev wan1 proto 9")
        .route("default via fe80::a dev wan0");
    world.compile().guards(&[
        ("wan0", "fd12:3456:789a:10::1", "deny"),
        ("wan0", "fd12:3456:789a:dead::1", "deny"),
        ("wan1", "fd12:3456:789a:10::1", "deny"),
        // Other unique local addresses: the VPN's, a container's.
        ("wan0", "fd99::1", "deny"),
        // The other ISP: its prefix, its on-link prefix and its DHCPv6 address.
        ("wan0", "2001:db8:b:10::1", "deny"),
        ("wan0", "2001:db8:fb::2", "deny"),
        ("wan0", "2001:db8:fc::2", "deny"),
        ("wan1", "2001:db8:a:10::1", "deny"),
        ("wan1", "2001:db8:fa::2", "deny"),
        // Its own.
        ("wan0", "2001:db8:a:10::1", "own"),
        ("wan0", "2001:db8:fa::2", "own"),
        ("wan1", "2001:db8:fb::2", "own"),
        // A renumbered WAN, and link-local: the host's own packets only.
        ("wan0", "2001:db8:1234::1", "own"),
        ("wan0", "fe80::1", "own"),
    ]);
}

#[test]
fn a_dmz_in_an_isps_prefix_is_forwarded_to_that_isp_alone() {
    let mut world = World::new();
    world
        .address("dmz0", "2001:db8:a:d::1/64")
        .route("2001:db8:b:e::/64 via fe80::7 dev dmz0")
        .route("2001:db8:a:f::/64 via fe80::7 dev lan0")
        .route("unreachable 2001:db8:a:d:8000::/65")
        .route("2001:db8:77::/48 dev dmz0");
    world.compile().guards(&[
        ("wan0", "2001:db8:a:d::9", "forward"),
        ("wan1", "2001:db8:a:d::9", "deny"),
        ("wan1", "2001:db8:b:e::9", "forward"),
        ("wan0", "2001:db8:b:e::9", "deny"),
        // Towards a LAN, or refused: not a DMZ, even inside of one.
        ("wan0", "2001:db8:a:f::9", "own"),
        ("wan0", "2001:db8:a:d:8000::9", "own"),
        // A foreign prefix on the DMZ is nobody's to forward.
        ("wan0", "2001:db8:77::9", "own"),
    ]);
}

#[test]
fn identity_does_not_let_the_kernel_forward_lan_hosts_past_the_workers() {
    let mut world = World::identity();
    world
        .address("lan0", "2001:db8:a:10::1/64")
        .address("dmz0", "2001:db8:a:d::1/64")
        .route("default via fe80::a dev wan0");
    world.compile().guards(&[
        ("wan0", "2001:db8:a:10::9", "own"),
        ("wan0", "2001:db8:a:10::1", "own"),
        ("wan0", "2001:db8:a:dead::9", "own"),
        ("wan0", "2001:db8:a:d::9", "forward"),
        ("wan1", "2001:db8:a:10::9", "deny"),
        ("wan1", "2001:db8:a:d::9", "deny"),
        ("wan1", "2001:db8:a:dead::9", "deny"),
    ]);
}

#[test]
fn an_address_of_the_inside_on_an_isps_link_opens_nothing() {
    let mut world = World::new();
    world
        .address("wan0", "fd12:3456:789a:ff::1/64")
        .address("wan0", "2001:db8:b:ff::1/64")
        .route("2001:db8:b:fe::/64 dev wan0 proto 9");
    world.compile().guards(&[
        ("wan0", "fd12:3456:789a:ff::1", "deny"),
        ("wan0", "2001:db8:b:ff::1", "deny"),
        ("wan0", "2001:db8:b:fe::1", "deny"),
        ("wan1", "2001:db8:b:ff::1", "own"),
    ]);
}

#[test]
fn an_isp_without_prefix_on_its_link_denies_no_more_than_its_own() {
    let mut world = World::new();
    // A point-to-point ISP whose default is a static device route.
    world.route("2000::/3 dev wan1").address("wan0", "2001:db8:fa::2/64");
    world.compile().guards(&[("wan0", "2001:db8:1234::1", "own"), ("wan0", "2001:db8:fa::2", "own")]);
}

#[test]
fn a_wan_link_with_unique_local_addresses_answers_from_them() {
    let mut world = World::new();
    world.address("wan0", "fd00:a::2/64");
    world.compile().guards(&[
        ("wan0", "fd00:a::2", "own"),
        ("wan1", "fd00:a::2", "deny"),
        ("wan0", "fd00:b::2", "deny"),
    ]);
}
