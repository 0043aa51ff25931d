//! Policies, rules and filter as workers get them.

use super::{World, ingredients};
use crate::control::compile::{CompileError, compile, steering_of};
use crate::control::config::{self, Config};
use crate::control::ids::Ids;
use crate::control::kernel::KernelState;
use crate::flow::{State, Timeouts};
use crate::limits::BUCKETS;
use crate::snapshot::{Action, ErrorRates, HashFields, Policy, PolicyId, Rate, Snapshot, Steering, Traffic};
use crate::units::Nanos;

const ISPS: [&str; 4] = ["fiber", "cable", "lte", "spare"];

/// By id: [`Ids`] counts by name.
const BY_ID: [&str; 4] = ["cable", "fiber", "lte", "spare"];

/// fiber 3, cable 1 in tier 1; lte in tier 2; spare of weight 0. Blocks in this order.
fn config(order: [usize; 4], fiber: u32, rest: &str) -> Config {
    let mut text =
        "version = 1\n[site]\ninternal = [\"fd12:3456:789a::/48\"]\n[[lan]]\ninterface = \"lan0\"\n".to_owned();
    for isp in order {
        let (weight, tier) = [(fiber, 1), (1, 1), (1, 2), (0, 1)][isp];
        text += &format!(
            "[[isp]]\nname = \"{}\"\ninterface = \"wan{isp}\"\nprefix = \"2001:db8:{isp}::/48\"\nweight = {weight}\n\
             tier = {tier}\n",
            ISPS[isp]
        );
    }
    config::parse(&format!("{text}{rest}")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn snapshot(config: &Config) -> Snapshot {
    let mut ids = Ids::default();
    ids.assign(config).unwrap();
    let steering = steering_of(config, &ids).unwrap();
    let kernel = KernelState::default();
    compile(&ingredients(config, &kernel, &ids, &steering)).unwrap().snapshot
}

fn of(rest: &str) -> Steering {
    snapshot(&config([0, 1, 2, 3], 3, rest)).steering
}

/// The name of the ISP that `policy` picks for `hash` among those in `candidates`.
fn pick<'a>(snapshot: &'a Snapshot, policy: &Policy, hash: u64, candidates: &[&str]) -> Option<&'a str> {
    let named = (0..).zip(&snapshot.uplinks).filter(|(_, uplink)| candidates.contains(&&*uplink.name));
    let mask = named.fold(0, |mask, (id, _): (u32, _)| mask | 1 << id);
    policy.buckets.pick(hash, mask & policy.members).map(|id| &*snapshot.uplinks[id.index()].name)
}

#[test]
fn without_rules_there_is_the_default_policy_with_every_isp() {
    let steering = of("");
    let [default] = &steering.policies[..] else { panic!("{steering:?}") };
    assert_eq!((&*default.name, default.hash, default.members), ("default", HashFields::SourceAndDestination, 0b1111));
    assert_eq!(default.buckets.first_choices()[..4], [BUCKETS as u32 / 4, BUCKETS as u32 * 3 / 4, 0, 0]);
    assert!(steering.rules.is_empty());
}

#[test]
fn only_policies_in_use_are_compiled_and_each_of_them_once() {
    let steering = of(
        "[policy.unused]\n[policy.voice]\nisps = [\"cable\", \"lte\"]\nhash = \"source-64\"\n[policy.default]\nhash = \"five-tuple\"\n\
         [[rule]]\nmatch = { dscp = \"ef\" }\npolicy = \"voice\"\n\
         [[rule]]\nname = \"bulk\"\nmatch = { proto = 6, dst_port = 873 }\nisps = [\"lte\"]\nelse = \"drop\"\n\
         [[rule]]\nmatch = { dscp = \"va\" }\npolicy = \"voice\"\nelse = \"drop\"\n\
         [[rule]]\nmatch = { src = \"fd12:3456:789a:1::5\" }\npolicy = \"default\"\n\
         [[rule]]\ndrop = true\n",
    );
    let members = |policy: &Policy| -> Vec<&str> {
        BY_ID.into_iter().enumerate().filter(|(id, _)| policy.members & 1 << id != 0).map(|(_, name)| name).collect()
    };
    let policies: Vec<(&str, HashFields, Vec<&str>)> =
        steering.policies.iter().map(|policy| (&*policy.name, policy.hash, members(policy))).collect();
    assert_eq!(
        policies,
        [
            ("default", HashFields::FiveTuple, BY_ID.to_vec()),
            ("voice", HashFields::Source64, vec!["cable", "lte"]),
            ("bulk", HashFields::SourceAndDestination, vec!["lte"]),
        ]
    );
    let by = |policy, or_default| Action::Policy { policy: PolicyId(policy), or_default };
    let rules: Vec<(&str, Action)> = steering.rules.iter().map(|rule| (&*rule.name, rule.action)).collect();
    assert_eq!(
        rules,
        [
            ("rule 1", by(1, true)),
            ("bulk", by(2, false)),
            ("rule 3", by(1, false)),
            ("rule 4", by(0, true)),
            ("rule 5", Action::Drop),
        ]
    );
    let traffic = |protocol, port, dscp| Traffic {
        source: "fd12:3456:789a:1::7".parse().unwrap(),
        destination: "2001:db8:f::1".parse().unwrap(),
        protocol: Some(protocol),
        ports: Some((40_000, port)),
        dscp,
    };
    assert_eq!(steering.action(&traffic(6, 873, 46)), by(1, true));
    assert_eq!(steering.action(&traffic(6, 873, 0)), by(2, false));
    assert_eq!(steering.action(&traffic(17, 873, 44)), by(1, false));
    assert_eq!(steering.action(&traffic(17, 873, 0)), Action::Drop);
}

#[test]
fn the_order_of_the_blocks_changes_no_choice() {
    let rest = "[[rule]]\nname = \"some\"\nisps = [\"lte\", \"cable\", \"fiber\"]\n";
    let there = snapshot(&config([0, 1, 2, 3], 3, rest));
    for order in [[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
        let back = snapshot(&config(order, 3, rest));
        for (one, other) in there.steering.policies.iter().zip(&back.steering.policies) {
            for hash in 0..BUCKETS as u64 {
                for candidates in [&ISPS[..], &["cable", "lte", "spare"], &["lte", "spare"]] {
                    assert_eq!(pick(&there, one, hash, candidates), pick(&back, other, hash, candidates), "{hash}");
                }
            }
        }
    }
}

#[test]
fn another_weight_moves_only_what_it_must() {
    let rest = "[[rule]]\nname = \"some\"\nisps = [\"lte\", \"cable\", \"fiber\"]\n";
    let [before, after] = [3, 1].map(|fiber| snapshot(&config([0, 1, 2, 3], fiber, rest)));
    for (before_policy, after_policy) in before.steering.policies.iter().zip(&after.steering.policies) {
        let mut moved = 0;
        for hash in 0..BUCKETS as u64 {
            let [from, to] = [(&before, before_policy), (&after, after_policy)]
                .map(|(snapshot, policy)| pick(snapshot, policy, hash, &ISPS).unwrap());
            if from != to {
                assert_eq!((from, to), ("fiber", "cable"));
                moved += 1;
            }
        }
        // From 3:1 to 1:1: a quarter of all.
        assert_eq!(moved, BUCKETS / 4);
    }
}

#[test]
fn higher_tiers_serve_when_no_lower_one_will_do_and_weight_0_behind_them_all() {
    let snapshot = snapshot(&config([0, 1, 2, 3], 3, ""));
    let default = snapshot.steering.policy(PolicyId::default());
    for hash in 0..BUCKETS as u64 {
        assert!(matches!(pick(&snapshot, default, hash, &ISPS), Some("fiber" | "cable")));
        assert_eq!(pick(&snapshot, default, hash, &["cable", "lte", "spare"]), Some("cable"));
        assert_eq!(pick(&snapshot, default, hash, &["spare", "lte"]), Some("lte"));
        assert_eq!(pick(&snapshot, default, hash, &["spare"]), Some("spare"));
    }
}

#[test]
fn a_policy_of_last_resorts_alone_uses_them() {
    let steering = of("[[rule]]\nisps = [\"spare\"]\n");
    assert_eq!(steering.policies[1].buckets.first_choices()[3], BUCKETS as u32);
}

#[test]
fn filter_and_time_outs_are_those_of_the_file() {
    let rest = "[filter]\nscope = \"endpoint\"\nallow = [{ dst = \"fd12:3456:789a:1::25\", proto = \"tcp\", dst_port = 25 }]\n\
                [flows]\ntcp_established = \"3h\"\nudp = \"90s\"\n";
    let config = config([0, 1, 2, 3], 3, rest);
    let snapshot = snapshot(&config);
    assert_eq!(snapshot.filter, config.filter);
    let minutes = |minutes: u64| Nanos::from_millis(minutes * 60_000);
    let meant = Timeouts::new(minutes(180), minutes(4), Nanos::from_millis(90_000), minutes(1), minutes(5));
    assert_eq!(snapshot.timeouts, meant);
    assert_ne!(snapshot.timeouts.of(State::UdpEstablished), Timeouts::rfc6092().of(State::UdpEstablished));
    let traffic = |port| Traffic {
        source: "2001:db8:f::1".parse().unwrap(),
        destination: "fd12:3456:789a:1::25".parse().unwrap(),
        protocol: Some(6),
        ports: Some((40_000, port)),
        dscp: 0,
    };
    assert!(snapshot.filter.admits(&traffic(25)) && !snapshot.filter.admits(&traffic(26)));
}

#[test]
fn error_rates_are_those_of_the_file() {
    let rates = |rest| snapshot(&config([0, 1, 2, 3], 3, rest)).errors;
    assert_eq!(rates(""), ErrorRates::default());
    let rest = "[icmp]\nerrors_per_second = 7\nerrors_per_source = 3\ntoo_big_per_second = 9\nunreachable = false\n";
    let meant = ErrorRates { edge: Rate::new(7), source: Rate::new(3), too_big: Rate::new(9), unreachable: false };
    assert_eq!(rates(rest), meant);
}

#[test]
fn names_that_are_not_there_are_refused() {
    let rule = |action| config::Rule { name: "odd".to_owned(), matches: config::Match::anything(), action };
    let isps = |name: &str| config::RuleAction::Isps(vec![name.to_owned()], config::Otherwise::Drop);
    let (nonesuch, many) = (rule(isps("nonesuch")), rule(isps("a")));
    let mut world = World::new();
    world.config.rules = vec![nonesuch];
    let compile = |world: &World| world.try_compile(&world.ids());
    assert_eq!(compile(&world).unwrap_err(), CompileError::NoIsp("nonesuch".to_owned()));
    world.config.rules = vec![rule(config::RuleAction::Policy("voice".to_owned(), config::Otherwise::Drop))];
    assert_eq!(compile(&world).unwrap_err(), CompileError::NoPolicy("voice".to_owned()));
    world.config.rules = vec![many; 31];
    assert_eq!(compile(&world).unwrap().snapshot.steering.policies.len(), 32);
    world.config.rules.push(world.config.rules[0].clone());
    assert_eq!(compile(&world).unwrap_err(), CompileError::TooManyPolicies);
}
