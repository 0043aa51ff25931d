use super::World;
use crate::control::compile::{CompileError, check_room};
use crate::limits::{MAX_GATE_ROUTES, MAX_GUARD_SOURCES, MAX_OWN_ADDRESSES};

/// What the room check says of `world`.
fn checked(world: &World) -> Result<(), CompileError> {
    check_room(&world.compile().generation.gate)
}

/// The table, and how much of it was wanted.
#[track_caller]
fn too_many(world: &World) -> (&'static str, usize) {
    match checked(world) {
        Err(CompileError::TooMany { what, count, .. }) => (what, count),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_gate_has_room_for_so_many_routes_and_no_more() {
    let mut world = World::new();
    for number in 0..MAX_GATE_ROUTES {
        world.route(&format!("2001:db8:77:{number:x}::/64 dev wg0"));
    }
    assert_eq!(checked(&world), Ok(()));
    world.route("2001:db8:78::/48 dev wg0");
    let error = checked(&world).unwrap_err().to_string();
    for word in ["lan0: 65537 routes", "65536", "routing daemon"] {
        assert!(error.contains(word), "{error}");
    }
    // One that covers them all, by the same way, leaves nothing of them.
    world.route("2001:db8:77::/48 dev wg0");
    assert_eq!(checked(&world), Ok(()));
}

#[test]
fn neither_own_addresses_nor_sources_are_without_end() {
    let mut world = World::new();
    for number in 0..=MAX_OWN_ADDRESSES {
        world.address("lo", &format!("2001:db8:77::{number:x}/128"));
    }
    assert_eq!(too_many(&world), ("own addresses", MAX_OWN_ADDRESSES + 1));
    let mut world = World::new();
    for number in 0..=MAX_GUARD_SOURCES {
        world.route(&format!("2001:db8:a:{number:x}::/64 dev dmz0"));
    }
    let (what, count) = too_many(&world);
    assert!(what == "sources" && count > MAX_GUARD_SOURCES, "{what}: {count}");
}
