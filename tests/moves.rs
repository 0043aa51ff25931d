//! Which flows move when ISPs go, come back, or are drained: the packet path with control's own decisions
//! on a clock that the test turns.

#[path = "common/rig/mod.rs"]
mod rig;

use std::collections::{BTreeMap, BTreeSet};

use rig::packet::Packet;
use rig::site::{CABLE, COPPER, FIBER, LAN0, Site, address};
use rig::{Rig, packet};
use sixways::control::config::Failback;
use sixways::control::intents::Intents;
use sixways::limits::{FAILBACK_WINDOW, MAX_UPLINKS};
use sixways::snapshot::{AllDown, Candidates, Fitness, Judgement};
use sixways::units::{Nanos, UplinkId};

const NAMES: [&str; 3] = ["fiber", "cable", "copper"];
const FLOWS: u16 = 600;

/// A site, what operators want, and many flows from inside.
struct World {
    rig: Rig,
    intents: Intents,
    failback: Failback,
    all_down: AllDown,
    down: BTreeSet<u8>,
}

/// Which ISP each flow goes by.
type Ways = BTreeMap<u16, UplinkId>;

impl World {
    fn new(failback: Failback) -> Self {
        let rig = Rig::new(Site::standard());
        let mut world =
            Self { rig, intents: Intents::default(), failback, all_down: AllDown::KeepBest, down: BTreeSet::new() };
        world.publish();
        world
    }

    /// What the run loop does with health's verdict.
    fn publish(&mut self) {
        let bits = |is_in: &dyn Fn(u8) -> bool| (0..3).filter(|n| is_in(*n)).fold(0_u16, |bits, n| bits | 1 << n);
        let uplink = |isp: &str| NAMES.iter().position(|name| *name == isp).map(|at| UplinkId(at as u8));
        let judgement = Judgement {
            down: bits(&|n| self.down.contains(&n)),
            closed: bits(&|n| self.intents.closing(NAMES[usize::from(n)]).is_some()),
            rehearsed: 0,
            recovering: 0,
            moves: self.intents.moves(uplink, self.rig.now),
        };
        let candidates =
            Candidates { equipped: 0b111, linked: 0b111, tiers: [1; MAX_UPLINKS], all_down: self.all_down };
        let snapshot = &mut self.rig.site.snapshot;
        Fitness { usable: snapshot.usable, accepting: snapshot.accepting, kept: snapshot.kept } =
            candidates.judge(judgement);
        snapshot.moves = judgement.moves;
    }

    fn lose(&mut self, uplink: UplinkId) {
        self.down.insert(uplink.0);
        self.intents.lost(NAMES[uplink.index()], self.failback);
        self.publish();
    }

    fn recover(&mut self, uplink: UplinkId) {
        self.down.remove(&uplink.0);
        self.intents.recovered(NAMES[uplink.index()], self.failback, self.rig.now);
        self.publish();
    }

    fn wait(&mut self, seconds: u64) {
        self.rig.wait(Nanos::from_millis(1000 * seconds));
        self.publish();
    }

    /// A packet of each of these flows.
    fn send(&mut self, flows: impl Iterator<Item = u16>) -> Ways {
        flows.filter_map(|flow| Some((flow, self.send_one(flow)?))).collect()
    }

    fn send_one(&mut self, flow: u16) -> Option<UplinkId> {
        let upper = packet::Upper::Udp { source: 1024 + flow, destination: 443, len: 20, sum: packet::Check::Right };
        let host = address("fd12:3456:789a:10::5");
        // Each with a host of its own: these are what the default policy tells apart.
        let packet = Packet { upper, ..Packet::udp(host, address(&format!("2001:db8:f::{flow:x}")), 20) };
        let site = &self.rig.site;
        let frame = packet.frame(site.last_hop(LAN0, host), site.mac(LAN0));
        let sent = self.rig.send_one(LAN0, &frame);
        let edge = sent.first()?.edge;
        [FIBER, CABLE, COPPER].into_iter().find(|uplink| self.rig.site.wan(*uplink) == edge)
    }

    fn all(&mut self) -> Ways {
        self.send(0..FLOWS)
    }

    fn moved(&self) -> u64 {
        self.rig.counters.flows.moved.get()
    }
}

fn differing(before: &Ways, after: &Ways) -> BTreeSet<u16> {
    before.iter().filter(|(flow, uplink)| after.get(flow) != Some(uplink)).map(|(flow, _)| *flow).collect()
}

fn of(ways: &Ways, uplink: UplinkId) -> BTreeSet<u16> {
    ways.iter().filter(|(_, by)| **by == uplink).map(|(flow, _)| *flow).collect()
}

#[test]
fn losing_isps_moves_their_flows_and_no_others() {
    for lost in [&[FIBER][..], &[CABLE], &[COPPER], &[FIBER, CABLE], &[CABLE, COPPER], &[FIBER, COPPER]] {
        let mut world = World::new(Failback::NewFlows);
        let before = world.all();
        let lost_flows: BTreeSet<u16> = lost.iter().flat_map(|uplink| of(&before, *uplink)).collect();
        assert!(lost_flows.len() > 50 && lost_flows.len() < usize::from(FLOWS) - 50, "{}", lost_flows.len());
        lost.iter().for_each(|uplink| world.lose(*uplink));
        let after = world.all();
        assert_eq!(differing(&before, &after), lost_flows, "{lost:?}");
        assert!(after.values().all(|uplink| !lost.contains(uplink)));
        assert_eq!(world.moved(), lost_flows.len() as u64);
    }
}

#[test]
fn by_default_flows_stay_where_they_are_and_new_ones_use_the_isp_at_once() {
    let mut world = World::new(Failback::NewFlows);
    world.lose(FIBER);
    let before = world.all();
    world.recover(FIBER);
    assert_eq!(world.all(), before);
    let new = world.send(FLOWS..2 * FLOWS);
    assert!(of(&new, FIBER).len() > usize::from(FLOWS) / 2, "{}", of(&new, FIBER).len());
    let moved = world.moved();
    world.wait(100);
    assert_eq!((world.all(), world.moved()), (before, moved));
}

#[test]
fn immediate_failback_is_as_if_there_had_been_no_outage() {
    let mut world = World::new(Failback::Immediate);
    let home = world.all();
    world.lose(FIBER);
    // Half of the flows speak during the outage, and some are opened.
    world.send(0..FLOWS / 2);
    let opened = world.send(FLOWS..FLOWS + 200);
    world.recover(FIBER);
    assert_eq!(world.all(), home);
    assert!(of(&opened, FIBER).is_empty());
    let mut untouched = World::new(Failback::Immediate);
    assert_eq!(world.send(FLOWS..FLOWS + 200), untouched.send(FLOWS..FLOWS + 200));
}

#[test]
fn gradual_failback_spreads_the_flows_over_its_time() {
    let mut world = World::new(Failback::Gradual(Nanos::from_millis(60_000)));
    let home = world.all();
    let fiber = of(&home, FIBER).len() as f64;
    world.lose(FIBER);
    let away = world.all();
    world.recover(FIBER);
    assert_eq!(world.all(), away, "nothing at once");
    assert!(!of(&world.send(FLOWS..FLOWS + 100), FIBER).is_empty(), "but new ones");
    let mut former = BTreeSet::new();
    for minute in 1..=6 {
        world.wait(10);
        let back = of(&world.all(), FIBER);
        assert!(former.is_subset(&back), "whoever is back stays");
        let share = back.len() as f64 / fiber;
        assert!((share - f64::from(minute) / 6.0).abs() < 0.08, "{share} after {minute}0 s");
        former = back;
    }
    assert_eq!(world.all(), home);
}

#[test]
fn a_flow_that_is_silent_for_long_stays_where_it_is() {
    let mut world = World::new(Failback::Immediate);
    world.lose(FIBER);
    world.rig.site.snapshot.timeouts = sixways::flow::Timeouts::new(
        Nanos::from_millis(10_000_000),
        Nanos::from_millis(10_000_000),
        Nanos::from_millis(10_000_000),
        Nanos::from_millis(10_000_000),
        Nanos::from_millis(10_000_000),
    );
    let away = world.all();
    world.recover(FIBER);
    world.rig.wait(FAILBACK_WINDOW);
    world.publish();
    assert_eq!(world.all(), away);
}

#[test]
fn manual_failback_waits_for_the_operator_and_gives_way_to_need() {
    let mut world = World::new(Failback::Manual);
    let home = world.all();
    world.lose(FIBER);
    let away = world.all();
    world.recover(FIBER);
    world.wait(1000);
    assert_eq!(differing(&away, &world.all()), BTreeSet::new());
    assert!(of(&world.send(FLOWS..2 * FLOWS), FIBER).is_empty(), "nor new ones");
    // Rather that one than none.
    world.lose(CABLE);
    world.lose(COPPER);
    assert_eq!(of(&world.all(), FIBER).len(), usize::from(FLOWS));
    world.recover(CABLE);
    world.recover(COPPER);
    for isp in NAMES {
        world.intents.undrain(isp, world.failback, world.rig.now).unwrap();
    }
    world.publish();
    let new = world.send(2 * FLOWS..3 * FLOWS);
    assert!(of(&new, FIBER).len() > 300 && of(&new, CABLE).len() > 50);
    assert_ne!(world.all(), home, "flows that were moved stay");
}

#[test]
fn an_outage_ends_a_return() {
    let mut world = World::new(Failback::Gradual(Nanos::from_millis(60_000)));
    let home = world.all();
    world.lose(FIBER);
    world.all();
    world.recover(FIBER);
    world.wait(30);
    world.all();
    world.lose(FIBER);
    let away = world.all();
    assert!(of(&away, FIBER).is_empty());
    world.recover(FIBER);
    assert_eq!(world.all(), away, "it begins anew");
    world.wait(60);
    assert_eq!(world.all(), home);
}

#[test]
fn a_drained_isp_keeps_its_flows_unless_they_are_moved() {
    let mut world = World::new(Failback::Immediate);
    let home = world.all();
    world.intents.drain("fiber", None, world.rig.now).unwrap();
    world.publish();
    assert_eq!(world.all(), home);
    assert!(of(&world.send(FLOWS..2 * FLOWS), FIBER).is_empty());
    world.intents.drain("fiber", Some(Nanos::from_millis(20_000)), world.rig.now).unwrap();
    world.wait(10);
    let half = of(&world.all(), FIBER).len() as f64 / of(&home, FIBER).len() as f64;
    assert!((half - 0.5).abs() < 0.08, "{half}");
    world.wait(10);
    let emptied = world.all();
    assert_eq!(differing(&home, &emptied), of(&home, FIBER), "its flows and no others");
    world.intents.undrain("fiber", world.failback, world.rig.now).unwrap();
    world.publish();
    assert_eq!(world.all(), home);
}

#[test]
fn two_drained_isps_and_a_dead_one_share_what_there_is() {
    let mut world = World::new(Failback::NewFlows);
    world.all();
    for isp in ["fiber", "cable"] {
        world.intents.drain(isp, Some(Nanos::from_millis(1000)), world.rig.now).unwrap();
    }
    world.lose(COPPER);
    world.wait(5);
    let ways = world.all();
    assert_eq!(ways.len(), usize::from(FLOWS));
    let moved = world.moved();
    assert_eq!((world.all(), world.moved()), (ways, moved), "to and fro");
}

#[test]
fn with_all_isps_down_the_site_decides() {
    let mut world = World::new(Failback::NewFlows);
    let home = world.all();
    [FIBER, CABLE, COPPER].into_iter().for_each(|uplink| world.lose(uplink));
    assert_eq!(world.all(), home, "kept although down");
    world.all_down = AllDown::Drop;
    world.publish();
    assert_eq!(world.all(), Ways::new());
    assert_eq!(world.rig.dropped(LAN0, sixways::verdict::DropReason::NoUplink), u64::from(FLOWS));
    world.recover(CABLE);
    assert_eq!(of(&world.all(), CABLE).len(), usize::from(FLOWS));
}
