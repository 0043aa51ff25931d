use super::{World, ip, prefix};
use crate::control::config::NdProxy;
use crate::npt::Mapping;
use crate::snapshot::Generation;
use crate::units::UplinkId;

/// A site whose ISP b has had 2001:db8:b::/48 and has `now`.
fn renumbered(now: &[&str]) -> World {
    let mut world = World::new();
    let internal = world.config.site.internal[0];
    world.route("default via fe80::a dev wan0").route("default via fe80::b dev wan1");
    let b = &mut world.config.isps[1];
    b.former = std::mem::take(&mut b.mappings);
    b.mappings = now.iter().map(|now| Mapping::new(internal, prefix(now)).unwrap()).collect();
    world
}

fn uplink(world: &World) -> UplinkId {
    world.ids().uplink("b").unwrap()
}

#[test]
fn a_former_prefix_is_known_to_gates_and_guards_like_the_new_one() {
    let world = renumbered(&["2001:db8:b2::/48"]);
    let compiled = world.compile();
    for prefix in ["2001:db8:b", "2001:db8:b2"] {
        compiled.gates(&[("wan1", &format!("{prefix}:10::1"), "steer"), ("wan0", &format!("{prefix}:10::1"), "steer")]);
        compiled.guards(&[("wan1", &format!("{prefix}:10::1"), "own"), ("wan0", &format!("{prefix}:10::1"), "deny")]);
    }
    compiled.gates(&[("wan1", "2001:db8:b3:10::1", "drop")]);
}

#[test]
fn neighbours_are_heard_about_a_former_prefix_until_its_grace_is_over() {
    let mut world = renumbered(&["2001:db8:b2::/48"]);
    world.config.isps[1].nd_proxy = NdProxy::Confirmed;
    world.compile().gates(&[
        ("wan1", "2001:db8:b:10::1", "proxy"),
        ("wan1", "2001:db8:b2:10::1", "proxy"),
        ("wan0", "2001:db8:b:10::1", "steer"),
    ]);
    world.config.isps[1].former.clear();
    world.compile().gates(&[("wan1", "2001:db8:b:10::1", "drop"), ("wan1", "2001:db8:b2:10::1", "proxy")]);
}

#[test]
fn an_address_in_a_former_prefix_is_its_isps_still() {
    let mut world = renumbered(&["2001:db8:b2::/48"]);
    world.address("lan0", "2001:db8:b:1::1/64").address("wan1", "2001:db8:b2:1::1/64");
    world.compile().gates(&[
        ("wan1", "2001:db8:b:1::1", "own"),
        ("wan0", "2001:db8:b:1::1", "own-elsewhere"),
        ("wan1", "2001:db8:b2:1::1", "own"),
        ("wan0", "2001:db8:b2:1::1", "own-elsewhere"),
    ]);
}

#[test]
fn new_flows_get_the_new_prefix_and_old_ones_keep_the_former() {
    let world = renumbered(&["2001:db8:b2::/48"]);
    let Generation { snapshot, candidates, .. } = world.compile().generation;
    let (uplink, host) = (uplink(&world), ip("fd12:3456:789a:10::1"));
    let (current, image) = snapshot.mappings.image(uplink, host).unwrap();
    assert!(prefix("2001:db8:b2::/48").contains(image));
    let former = snapshot.mappings.inbound(ip("2001:db8:b:10::1")).unwrap();
    assert!(former.former && former.uplink == uplink && former.id != current.id);
    assert!(prefix("2001:db8:b::/48").contains(snapshot.mappings.image_by(former, host).unwrap()));
    assert_ne!(candidates.equipped & 1 << uplink.0, 0);
    let probe = snapshot.uplinks[uplink.index()].probe.unwrap();
    assert!(prefix("2001:db8:b2::/48").contains(probe.image), "probes are new flows");
}

#[test]
fn an_isp_without_a_prefix_carries_what_has_a_former_one_and_then_nothing() {
    let mut world = renumbered(&[]);
    let uplink = uplink(&world);
    let of = |world: &World| {
        let Generation { snapshot, candidates, .. } = world.compile().generation;
        let has_image = snapshot.mappings.image(uplink, ip("fd12:3456:789a:10::1")).is_ok();
        (candidates.equipped & 1 << uplink.0 != 0, snapshot.usable & 1 << uplink.0 != 0, has_image)
    };
    assert_eq!(of(&world), (true, true, false));
    world.config.isps[1].former.clear();
    assert_eq!(of(&world), (false, false, false));
}

#[test]
fn a_prefix_keeps_its_id_when_it_comes_back() {
    let mut ids = World::new().ids();
    let world = renumbered(&["2001:db8:b2::/48"]);
    let (old, new) = (world.config.isps[1].former[0], world.config.isps[1].mappings[0]);
    let id = ids.mapping("b", &old);
    assert!(ids.assign(&world.config).unwrap().mappings.is_empty());
    assert_eq!(ids.mapping("b", &old), id);
    assert!(ids.mapping("b", &new).is_some_and(|new| Some(new) != id));
    let retired = {
        let mut world = renumbered(&["2001:db8:b2::/48"]);
        world.config.isps[1].former.clear();
        world
    };
    ids.assign(&retired.config).unwrap();
    assert_eq!(ids.mapping("b", &old), id, "kept for its return, until ids run out");
}

#[test]
fn the_hosts_own_packets_with_either_source_leave_by_their_isp() {
    let world = renumbered(&["2001:db8:b2::/48"]);
    let rules = crate::control::host_rules::wanted(&world.config, &world.kernel, &world.ids()).rules;
    for source in ["2001:db8:b::/48", "2001:db8:b2::/48"] {
        assert!(rules.iter().any(|rule| rule.source == prefix(source)), "{source}");
    }
}
