use super::*;
use crate::control::compile::tests::World;
use crate::control::config::{HOST_DEVICE, HOST_PORT};

fn rules(world: &World) -> Vec<String> {
    let wanted = wanted(&world.config, &world.kernel, &world.ids());
    wanted
        .rules
        .iter()
        .map(|rule| {
            let suppress = rule.suppress_prefix_len.map(|len| format!(" suppress {len}")).unwrap_or_default();
            format!("{}: from {} lookup {}{suppress}", rule.priority, rule.source, rule.table)
        })
        .collect()
}

fn routes(world: &World) -> Vec<String> {
    let wanted = wanted(&world.config, &world.kernel, &world.ids());
    wanted.routes.iter().map(|route| format!("{} via {} dev {}", route.table, route.gateway, route.ifindex)).collect()
}

fn numbered() -> World {
    let mut world = World::new();
    world
        .address("lan0", "fd12:3456:789a:10::1/64")
        .address("wan0", "2001:db8:fa::2/64")
        .address("wan0", "fe80::2/64")
        .address("wan0", "fd12:3456:789a:ff::1/64")
        .route("default via fe80::a dev wan0")
        .route("default via fe80::b dev wan1");
    world
}

#[test]
fn each_source_of_an_isp_has_its_way_out() {
    let world = numbered();
    let (a, b) = (world.ids().uplink("a").unwrap().0, world.ids().uplink("b").unwrap().0);
    let mut expected = vec![
        "30600: from 2001:db8:a::/48 lookup 254 suppress 0".to_owned(),
        "30600: from 2001:db8:b::/48 lookup 254 suppress 0".to_owned(),
        "30600: from 2001:db8:fa::2/128 lookup 254 suppress 0".to_owned(),
        format!("30601: from 2001:db8:fa::2/128 lookup {}", 30600 + u32::from(a)),
        format!("30681: from 2001:db8:a::/48 lookup {}", 30600 + u32::from(a)),
        format!("30681: from 2001:db8:b::/48 lookup {}", 30600 + u32::from(b)),
    ];
    expected.sort();
    let mut found = rules(&world);
    found.sort();
    assert_eq!(found, expected);
    let mut ways = [(a, "fe80::a", "wan0"), (b, "fe80::b", "wan1")]
        .map(|(id, router, device)| format!("{} via {router} dev {}", 30600 + u32::from(id), world.index(device)));
    ways.sort();
    assert_eq!(routes(&world), ways);
}

#[test]
fn off_means_none_and_a_missing_router_or_link_no_route() {
    let mut world = numbered();
    world.link("wan0").carrier = false;
    assert_eq!(routes(&world).len(), 1);
    assert_eq!(rules(&world).len(), 6, "rules depend on addresses alone");
    world.kernel.routes.clear();
    assert!(routes(&world).is_empty());
    let wan1 = world.index("wan1");
    world.kernel.links.remove(&wan1);
    assert_eq!(rules(&world).len(), 4);
    world.config.host.rules = false;
    assert_eq!(wanted(&world.config, &world.kernel, &world.ids()), HostRules::default());
}

#[test]
fn only_what_carries_our_tag_and_our_numbers_is_ours() {
    let mut world = numbered();
    world
        .route("default via fe80::a dev wan0 table 30600 proto 96")
        .route("default via fe80::b dev wan1 table 30601 proto 4")
        .route("default via fe80::b dev wan1 table 100 proto 96")
        .route("default via fe80::b dev wan1 table 30615 proto 96");
    let source = Prefix::containing(Ipv6Addr::UNSPECIFIED, 0);
    for priority in [30_599, 30_600, 30_729, 30_732, 30_733] {
        world.kernel.rules.push(Rule { priority, of: Packets::Bearing, source, table: 7, suppress_prefix_len: None });
    }
    let ours = installed(&world.kernel);
    assert_eq!(ours.routes.iter().map(|route| route.table).collect::<Vec<_>>(), [30_600]);
    assert_eq!(ours.rules.iter().map(|rule| rule.priority).collect::<Vec<_>>(), [30_600, 30_729, 30_732]);
}

fn steering() -> World {
    let mut world = numbered();
    world.config.host.steer = true;
    for (ifindex, name, lower) in [(90, HOST_DEVICE, 91), (91, HOST_PORT, 90)] {
        let (name, kind, mac) = (name.to_owned(), "veth".to_owned(), Some(host_link::MAC));
        let link =
            Link { name, ifindex, kind, mac, lower: Some(lower), carrier: true, admin_up: true, ..Link::default() };
        world.kernel.links.insert(ifindex, link);
    }
    world
}

#[test]
fn what_belongs_to_no_isp_goes_to_the_workers() {
    let world = steering();
    let wanted = wanted(&world.config, &world.kernel, &world.ids());
    let steering: Vec<Rule> = wanted.rules.iter().filter(|rule| rule.priority >= 30_730).copied().collect();
    let anybody = Prefix::containing(Ipv6Addr::UNSPECIFIED, 0);
    let rule = |priority, of, source: Prefix, table, suppress_prefix_len| Rule {
        priority,
        of,
        source,
        table,
        suppress_prefix_len,
    };
    let inside: Prefix = "fd12:3456:789a::/48".parse().unwrap();
    assert_eq!(
        steering,
        [
            rule(30_730, Packets::Bearing, anybody, 254, Some(0)),
            rule(30_731, Packets::Choosing, inside, 30_630, None),
            rule(30_732, Packets::Forwarded, anybody, 30_630, None),
        ]
    );
    let route = HostRoute { table: 30_630, ifindex: 90, gateway: host_link::FAR };
    assert!(wanted.routes.contains(&route));
    let stopped = wanted.without_steering();
    assert!(stopped.rules.iter().all(|rule| rule.priority < 30_730) && stopped.rules.len() == 6);
}

#[test]
fn nothing_leads_to_a_link_that_is_not_there_or_not_ours() {
    let mut world = steering();
    world.kernel.links.get_mut(&91).unwrap().mac = Some(crate::units::MacAddr([2, 0, 0, 0, 0, 1]));
    assert_eq!(rules(&world).len(), 6);
    world.kernel.links.remove(&90);
    assert_eq!(rules(&world).len(), 6);
}
