//! What a worker tells of packets that leave in place of an ISP that is lost.

use std::sync::Arc;
use std::time::Duration;

use sixways::limits::LINK_RETRY;
use sixways::os;
use sixways::snapshot::Snapshot;
use sixways::units::UplinkId;
use sixways::worker::Punt;

use crate::{Behaviour, Rig, probed, remotes, snapshot};

/// What a worker tells of packets that another ISP has taken over.
fn taken_over(rig: &Rig) -> Vec<(UplinkId, u64)> {
    let punts = std::iter::from_fn(|| rig.channel.punt());
    let told = punts.filter_map(|punt| match punt {
        Punt::TookOver { lost, generation, at } => {
            assert!(at <= os::now());
            Some((lost, generation))
        }
        _ => None,
    });
    told.collect()
}

/// A snapshot in which fiber, the uplink that is returned, may carry nothing.
fn without_fiber(generation: u64) -> (Arc<Snapshot>, UplinkId) {
    let mut snapshot = snapshot(generation);
    let (fiber, _) = probed(&snapshot, "fiber");
    snapshot.usable &= !(1 << fiber.0);
    snapshot.accepting = snapshot.usable;
    (Arc::new(snapshot), fiber)
}

#[test]
fn the_first_packet_by_another_isp_is_told_once_a_generation() {
    // The flows of the first batch are known, those of the others are new.
    let destinations: Vec<_> = remotes(64).into_iter().chain(remotes(64)).chain(remotes(250)).collect();
    let mut rig = Rig::new(&destinations);
    rig.turn();
    assert_eq!(taken_over(&rig), [], "both are usable");
    let (moved, fiber) = without_fiber(2);
    rig.world.snapshot.store(moved);
    rig.turn();
    assert_eq!(taken_over(&rig), [(fiber, 2)], "of flows that fiber had");
    rig.turn();
    assert_eq!(taken_over(&rig), [], "those have moved");
    rig.turn();
    assert_eq!(taken_over(&rig), [], "new flows, and told already");
    rig.world.snapshot.store(without_fiber(3).0);
    rig.turn();
    assert_eq!(taken_over(&rig), [(fiber, 3)], "new flows that fiber would have been given");
}

#[test]
fn a_packet_that_no_ring_or_wire_took_has_taken_nothing_over() {
    for behaviour in [Behaviour::Full, Behaviour::NoCarrier] {
        let mut rig = Rig::new(&[remotes(64), remotes(200)].concat());
        let (lost, fiber) = without_fiber(2);
        rig.world.snapshot.store(lost);
        rig.ports[2].behave(behaviour);
        rig.turn();
        assert_eq!(taken_over(&rig), [], "{behaviour:?}");
        rig.ports[2].behave(Behaviour::Good);
        std::thread::sleep(Duration::from_nanos(LINK_RETRY.0));
        (0..3).for_each(|_| _ = rig.turn());
        assert_eq!(taken_over(&rig), [(fiber, 2)], "{behaviour:?}");
    }
}
