//! Whole ISPs: what they are fit for, and when.

use super::*;
use crate::observe::isp_health::Wait;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

fn facts(name: &str, uplink: u8) -> Facts {
    Facts {
        name: name.to_owned(),
        uplink: UplinkId(uplink),
        link: true,
        next_hop: Some(ROUTER),
        has_prefix: true,
        health: config::Health::default(),
        probes: Vec::new(),
    }
}

/// Two ISPs whose routers answer at once unless they are among the `mute`.
struct Rig {
    health: Health,
    ms: u64,
    mute: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        let mut health = Health::default();
        health.follow(vec![facts("fiber", 0), facts("cable", 1)], Nanos::from_millis(1000));
        Self { health, ms: 1000, mute: Vec::new() }
    }

    /// Runs for `ms`; the changes, with their times.
    fn run(&mut self, ms: u64) -> Vec<(u64, String, IspState, Cause)> {
        let mut changes = Vec::new();
        for _ in 0..ms / 10 {
            self.ms += 10;
            let now = Nanos::from_millis(self.ms);
            for act in self.health.advance(now) {
                if let Act::Ask(uplink, _) = act
                    && !self.mute.contains(&uplink.0)
                {
                    self.health.advertised(uplink, ROUTER, now);
                }
            }
            let judged = self.health.judge(now);
            changes.extend(judged.into_iter().map(|change| (self.ms, change.isp, change.to, change.cause)));
        }
        changes
    }
}

#[test]
fn routers_that_answer_make_isps_up() {
    let mut rig = Rig::new();
    assert_eq!(rig.health.judgement(), Judgement::default(), "unknown is not down");
    let changes = rig.run(1000);
    assert!(changes.iter().all(|(_, _, state, _)| *state == IspState::Up), "{changes:?}");
    assert_eq!(changes.len(), 2);
}

#[test]
fn a_router_that_dies_takes_its_isp_down_within_a_second_and_alone() {
    let mut rig = Rig::new();
    rig.run(2000);
    rig.mute = vec![0];
    let death = rig.ms;
    let changes = rig.run(5000);
    let [(at, isp, IspState::Down, Cause::NextHop)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(isp, "fiber");
    assert!(at - death <= 1000, "{} ms", at - death);
    assert_eq!(rig.health.judgement(), Judgement { down: 1, ..Judgement::default() });
    rig.mute = Vec::new();
    let back = rig.ms;
    let changes = rig.run(10_000);
    let [(at, _, IspState::Up, Cause::Recovered)] = &changes[..] else { panic!("{changes:?}") };
    assert!((2000..=3100).contains(&(at - back)), "after its hold-down: {} ms", at - back);
}

#[test]
fn an_isp_in_its_hold_down_is_told_apart_from_one_that_has_a_fault() {
    let mut rig = Rig::new();
    rig.run(2000);
    rig.mute = vec![0, 1];
    rig.run(2000);
    assert_eq!(rig.health.judgement(), Judgement { down: 0b11, ..Judgement::default() });
    rig.mute = vec![1];
    rig.run(1500);
    assert_eq!(rig.health.judgement(), Judgement { down: 0b11, recovering: 0b01, ..Judgement::default() });
    rig.run(3000);
    assert_eq!(rig.health.judgement(), Judgement { down: 0b10, ..Judgement::default() });
}

#[test]
fn a_loop_that_stood_still_has_heard_nobody_be_silent() {
    let mut rig = Rig::new();
    rig.run(2000);
    // The answers are there, but it gets to look at the time only.
    for _ in 0..10 {
        rig.ms += 700;
        rig.health.advance(Nanos::from_millis(rig.ms));
        assert_eq!(rig.health.judge(Nanos::from_millis(rig.ms)), []);
    }
    for uplink in [0, 1] {
        rig.health.advertised(UplinkId(uplink), ROUTER, Nanos::from_millis(rig.ms));
    }
    // It goes on from where it was.
    rig.mute = vec![0];
    let death = rig.ms;
    let changes = rig.run(5000);
    assert!(matches!(&changes[..], [(at, _, IspState::Down, Cause::NextHop)] if at - death <= 1000), "{changes:?}");
}

#[test]
fn a_cable_alone_carries_nothing() {
    let mut rig = Rig::new();
    rig.run(1000);
    rig.health.link(UplinkId(0), false);
    rig.mute = vec![0];
    assert_eq!(rig.run(10).len(), 1);
    rig.health.link(UplinkId(0), true);
    let changes = rig.run(20_000);
    assert!(changes.is_empty(), "its router has not answered: {changes:?}");
    rig.mute = Vec::new();
    assert_eq!(rig.run(10_000).len(), 1);
}

#[test]
fn behind_a_mute_router_an_isp_carries_packets_until_its_path_says_no() {
    let mut health = Health::default();
    let probes = config::DEFAULT_TARGETS.map(config::Probe::ping).into();
    let no_prefix = Facts { has_prefix: false, ..facts("lte", 2) };
    health.follow(vec![facts("cable", 1), Facts { probes, ..facts("fiber", 0) }, no_prefix], Nanos(0));
    let mut run = |from: u64, to: u64, answers: bool| {
        for now in (from..to).step_by(20).map(Nanos::from_millis) {
            for act in health.advance(now) {
                if let (Act::Probe(uplink, n, sequence), true) = (act, answers) {
                    let target = config::DEFAULT_TARGETS[n];
                    let outcome = probe::Outcome::Answered;
                    health.heard(uplink, &Heard { target, asked: probe::Asked::Echo, sequence, outcome }, now);
                }
            }
            health.judge(now);
        }
        let seen =
            health.report().into_iter().map(|isp| (isp.isp, isp.state, isp.cause, isp.waits)).collect::<Vec<_>>();
        (seen, health.judgement())
    };
    let cable = ("cable".to_owned(), IspState::Unknown, "start", Some(Wait::NextHop));
    let lte = ("lte".to_owned(), IspState::Unknown, "no-prefix", Some(Wait::Prefix));
    let fiber = |state, cause, waits| ("fiber".to_owned(), state, cause, waits);
    let (seen, judgement) = run(0, 10_000, true);
    assert_eq!(seen, [cable.clone(), fiber(IspState::Up, "recovered", None), lte.clone()]);
    assert_eq!(judgement, Judgement::default());
    let (seen, judgement) = run(10_000, 15_000, false);
    assert_eq!(seen, [cable, fiber(IspState::Down, "probes", Some(Wait::Probes)), lte]);
    assert_eq!(judgement.down, 0b1);
}

#[test]
fn drain_and_drill_are_the_operators() {
    let mut rig = Rig::new();
    rig.run(1000);
    rig.health.close(UplinkId(1), Some(Cause::Operator));
    assert_eq!(rig.run(10).len(), 1);
    assert_eq!(rig.health.judgement(), Judgement { closed: 0b10, ..Judgement::default() });
    rig.health.close(UplinkId(1), None);
    rig.health.force_down(UplinkId(0), true);
    rig.run(1000);
    assert_eq!(rig.health.judgement(), Judgement { down: 1, rehearsed: 1, ..Judgement::default() });
    rig.health.force_down(UplinkId(0), false);
    assert_eq!(rig.run(10).len(), 1, "a rehearsal ends at once");
    assert_eq!(rig.health.judgement(), Judgement::default());
}

#[test]
fn an_outage_that_begins_during_a_drill_is_told_and_outlasts_it() {
    let mut rig = Rig::new();
    rig.run(1000);
    rig.health.force_down(UplinkId(0), true);
    rig.run(30_000);
    rig.health.link(UplinkId(0), false);
    rig.mute = vec![0];
    let cut = rig.ms;
    let carrier = ("fiber".to_owned(), IspState::Down, Cause::Carrier);
    let untimed = |changes: Vec<(u64, String, IspState, Cause)>| {
        changes.into_iter().map(|(_, isp, state, cause)| (isp, state, cause)).collect::<Vec<_>>()
    };
    assert_eq!(untimed(rig.run(1000)), [carrier]);
    assert_eq!(rig.health.outages().collect::<Vec<_>>(), ["fiber"]);
    assert_eq!(rig.health.report()[0].since, Nanos::from_millis(cut + 10));
    rig.health.force_down(UplinkId(0), false);
    rig.health.link(UplinkId(0), true);
    assert_eq!(untimed(rig.run(10_000)), [], "a cable alone carries nothing");
    rig.mute = Vec::new();
    let back = rig.ms;
    let changes = rig.run(10_000);
    assert!(
        matches!(&changes[..], [(at, _, IspState::Up, Cause::Recovered)] if at - back >= 2000),
        "after its hold-down: {changes:?}"
    );
}

#[test]
fn an_outage_that_is_over_before_the_drill_leaves_the_drill() {
    let mut rig = Rig::new();
    rig.run(1000);
    rig.health.force_down(UplinkId(0), true);
    rig.run(1000);
    rig.health.link(UplinkId(0), false);
    rig.run(1000);
    rig.health.link(UplinkId(0), true);
    let changes = rig.run(10_000);
    assert!(matches!(&changes[..], [(_, _, IspState::Down, Cause::Drill)]), "{changes:?}");
    rig.health.force_down(UplinkId(0), false);
    let changes = rig.run(10);
    assert!(matches!(&changes[..], [(_, _, IspState::Up, Cause::Recovered)]), "{changes:?}");
}

#[test]
fn an_isp_that_stays_keeps_its_state_over_a_reload() {
    let mut rig = Rig::new();
    rig.run(1000);
    rig.health.follow(vec![facts("lte", 2), facts("fiber", 0)], Nanos::from_millis(rig.ms));
    let states: Vec<_> = rig.health.report().into_iter().map(|isp| (isp.isp, isp.state)).collect();
    assert_eq!(states, [("lte".to_owned(), IspState::Unknown), ("fiber".to_owned(), IspState::Up)]);
}
