//! A prefix that the ISP has changed: what has the former one is reached through the grace.

use super::*;

/// The site whose ISP a has had 2001:db8:a:77ab::/64 on its link and has `now`; the grace may be over.
fn renumbered(now: Option<&str>, in_grace: bool) -> Stand {
    let mut world = World::new();
    let pair =
        |external: &str| Mapping::new("fd12:3456:789a:10::/64".parse().unwrap(), external.parse().unwrap()).unwrap();
    let isp = &mut world.config.isps[0];
    isp.nd_proxy = Setting::Confirmed;
    isp.mappings = now.map(pair).into_iter().collect();
    isp.former = in_grace.then(|| pair("2001:db8:a:77ab::/64")).into_iter().collect();
    world
        .address("lan0", "fd12:3456:789a:10::1/64")
        .address("wan0", "fe80::2/64")
        .route("default via fe80::a dev wan0");
    Stand::of(Box::leak(Box::new(world.compile().generation)))
}

/// The image of `fd12:3456:789a:10::5` by the former prefix.
fn former_image() -> Ipv6Addr {
    let stand = renumbered(Some("2001:db8:a:77ab::/64"), false);
    stand.image("fd12:3456:789a:10::5")
}

#[test]
fn a_former_prefix_is_answered_for_until_its_grace_is_over() {
    for now in [Some("2001:db8:c:77ab::/64"), None] {
        let mut stand = renumbered(now, true);
        stand.resolve(stand.lan, "fd12:3456:789a:10::5");
        assert_eq!(stand.answer(&asks(former_image())).mac, Some(OUR_MAC), "{now:?}");
        let picture = Picture { snapshot: &stand.generation.snapshot, neighbours: &stand.table };
        let group = solicitation::solicited_node(former_image());
        assert!(stand.proxy.groups(picture).contains(&group), "{now:?}: a switch that snoops forwards the question");
        if now.is_some() {
            let image = stand.image("fd12:3456:789a:10::5");
            assert_eq!(stand.answer(&asks(image)).target, image, "and so is the new one");
        }
    }
    let mut over = renumbered(Some("2001:db8:c:77ab::/64"), false);
    over.resolve(over.lan, "fd12:3456:789a:10::5");
    assert!(matches!(over.hear(&asks(former_image()).frame()), Reaction::None));
    assert_eq!(over.counts(), [("not-proxied", 1)]);
}
