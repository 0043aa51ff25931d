//! Rules, policies and filters that do something else than their author may think.

use crate::control::config::{
    Config, HashFields, Inbound, Isp, Match, Otherwise, Policy, Rule, RuleAction, Scope, span,
};
use crate::units::Nanos;

use super::cover::World;

/// Warnings about what flows do.
pub fn lints(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    unreachable_rules(config, &mut warnings);
    unmapped_sources(config, &mut warnings);
    unused_policies(config, &mut warnings);
    five_tuples(config, &mut warnings);
    filter(config, &mut warnings);
    timeouts(config, &mut warnings);
    warnings
}

fn unreachable_rules(config: &Config, warnings: &mut Vec<String>) {
    let world = World::outbound(&config.site.internal);
    for (index, rule) in config.rules.iter().enumerate() {
        if let Some(first) = config.rules[..index].iter().find(|first| world.covers(&first.matches, &rule.matches)) {
            warnings.push(format!(
                "rule \"{}\" never applies: rule \"{}\" before it matches all that it matches; put it first, or remove it",
                rule.name, first.name
            ));
        }
    }
}

/// The ISPs of a rule, in words who lists them.
fn isps_of<'a>(config: &'a Config, rule: &Rule) -> Option<(Vec<&'a Isp>, Otherwise)> {
    let (listed, otherwise) = match &rule.action {
        RuleAction::Drop => return None,
        RuleAction::Isps(isps, otherwise) => (Some(isps.as_slice()), *otherwise),
        RuleAction::Policy(name, otherwise) => {
            let policy = config.policies.iter().find(|policy| policy.name == *name);
            (policy.and_then(|policy| policy.isps.as_deref()), *otherwise)
        }
    };
    let isps = config.isps.iter().filter(|isp| listed.is_none_or(|listed| listed.contains(&isp.name)));
    Some((isps.collect(), otherwise))
}

/// Rules whose ISPs have no prefix for some of the sources that the rule names.
fn unmapped_sources(config: &Config, warnings: &mut Vec<String>) {
    for rule in &config.rules {
        let Some((isps, otherwise)) = isps_of(config, rule) else { continue };
        for source in &rule.matches.sources {
            let mapped = |isp: &&Isp| isp.mappings.iter().any(|mapping| mapping.internal().overlaps(*source));
            if isps.iter().any(mapped) {
                continue;
            }
            let names: Vec<&str> = isps.iter().map(|isp| isp.name.as_str()).collect();
            let effect = match otherwise {
                Otherwise::Default => "the default policy takes their flows",
                Otherwise::Drop => "their flows are dropped",
            };
            warnings.push(format!(
                "rule \"{}\": {} has no mapping for hosts in {source}: {effect}",
                rule.name,
                names.join(", ")
            ));
        }
    }
}

fn is_used(config: &Config, policy: &Policy) -> bool {
    let names = |rule: &Rule| matches!(&rule.action, RuleAction::Policy(name, _) if *name == policy.name);
    policy.name == "default" || config.rules.iter().any(names)
}

fn unused_policies(config: &Config, warnings: &mut Vec<String>) {
    for policy in config.policies.iter().filter(|policy| !is_used(config, policy)) {
        warnings.push(format!("policy \"{}\" is used by no rule", policy.name));
    }
}

fn five_tuples(config: &Config, warnings: &mut Vec<String>) {
    let spreads = |policy: &&Policy| policy.hash == HashFields::FiveTuple && is_used(config, policy);
    for policy in config.policies.iter().filter(spreads) {
        warnings.push(format!(
            "policy \"{}\": with hash = \"five-tuple\" the connections of one host to one server have several outside \
             addresses; servers that expect one (banks, FTP, SIP) may refuse them",
            policy.name
        ));
    }
}

fn filter(config: &Config, warnings: &mut Vec<String>) {
    let filter = &config.filter;
    if filter.inbound == Inbound::Open {
        warnings.push(
            "[filter] inbound = \"open\": every host inside can be reached from outside, and must protect itself"
                .to_owned(),
        );
        if !filter.allow.is_empty() {
            warnings.push("[filter] allow changes nothing while inbound = \"open\"".to_owned());
        }
        if filter.scope == Scope::Endpoint {
            warnings.push("[filter] scope changes nothing while inbound = \"open\"".to_owned());
        }
        return;
    }
    let world = World::inbound(&config.site.internal);
    for (index, allow) in filter.allow.iter().enumerate() {
        if world.covers(allow, &Match::anything()) {
            warnings.push(format!("[filter] allow[{index}] lets everything in, like inbound = \"open\""));
        }
        // Of two that are alike, the second is told.
        let covers = |(other, outer): &(usize, &Match)| {
            *other != index && world.covers(outer, allow) && (*other < index || !world.covers(allow, outer))
        };
        if let Some((other, _)) = filter.allow.iter().enumerate().find(covers) {
            warnings.push(format!("[filter] allow[{index}] changes nothing: allow[{other}] lets in all that it does"));
        }
    }
}

/// Least time-outs of RFC 6092.
fn timeouts(config: &Config, warnings: &mut Vec<String>) {
    let flows = &config.flows;
    if flows.capacity == 0 {
        warnings.push(
            "[flows] capacity = 0: nothing is remembered: what comes in by one ISP may be answered by another, which most \
             ISPs drop, and a change of weights or rules moves live flows"
                .to_owned(),
        );
        return;
    }
    let minutes = |minutes: u64| Nanos::from_millis(minutes * 60_000);
    let least = [
        ("tcp_established", flows.tcp_established, minutes(124), "REC-35"),
        ("tcp_transitory", flows.tcp_transitory, minutes(4), "REC-35"),
        ("udp", flows.udp, minutes(2), "REC-14"),
        ("other", flows.other, minutes(2), "REC-12"),
    ];
    for (key, found, least, clause) in least.into_iter().filter(|(_, found, least, _)| found < least) {
        warnings.push(format!(
            "[flows] {key} = \"{}\" is less than the {} of RFC 6092 {clause}: idle connections may break",
            span::show(found),
            span::show(least)
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;

    /// Two ISPs; the second serves subnet 10 alone.
    fn of(rest: &str) -> Vec<String> {
        let text = format!(
            "version = 1\n[site]\ninternal = [\"fd12:3456:789a::/48\"]\n[[lan]]\ninterface = \"lan0\"\n\
             [[isp]]\nname = \"fiber\"\ninterface = \"wan0\"\nprefix = \"2001:db8:1::/48\"\n\
             [[isp]]\nname = \"cable\"\ninterface = \"wan1\"\nmappings = [{{ internal = \"fd12:3456:789a:10::/64\", external = \
             \"2001:db8:2::/64\" }}]\n{rest}"
        );
        lints(&parse(&text).unwrap_or_else(|errors| panic!("{errors}")))
    }

    fn rule(name: &str, conditions: &str) -> String {
        format!("[[rule]]\nname = \"{name}\"\nmatch = {{ {conditions} }}\ndrop = true\n")
    }

    #[test]
    fn what_is_as_it_should_be_gets_no_warning() {
        assert_eq!(of(""), [""; 0]);
        let apart =
            rule("a", "proto = \"tcp\", dst_port = 25") + &rule("b", "proto = \"udp\", dst_port = 25") + &rule("c", "");
        assert_eq!(of(&apart), [""; 0]);
    }

    #[test]
    fn rules_that_an_earlier_one_covers_are_named_with_it() {
        let covered = [
            ("", "proto = \"tcp\""),
            ("src = \"fd12:3456:789a::/48\"", ""),
            ("dst = [\"2001:db8:8::/49\", \"2001:db8:8:8000::/49\"]", "dst = \"2001:db8:8::/48\", dscp = \"ef\""),
            ("dst_port = [\"1-80\", \"81-99\"]", "proto = 6, dst_port = \"50-90\""),
            ("dscp = [\"ef\", \"va\"]", "dscp = 46"),
            ("proto = 17", "proto = \"udp\", src_port = 5060"),
        ];
        for (first, second) in covered {
            let warnings = of(&(rule("first", first) + &rule("between", "proto = 103") + &rule("second", second)));
            let meant = "rule \"second\" never applies: rule \"first\" before it matches all that it matches; put it first, \
                         or remove it";
            assert!(warnings.iter().any(|one| one == meant), "{first} | {second}: {warnings:?}");
        }
    }

    #[test]
    fn rules_that_still_get_something_are_not() {
        let uncovered = [
            ("proto = \"tcp\"", ""),
            ("src = \"fd12:3456:789a::/49\"", ""),
            ("dst_port = \"0-65535\"", ""),
            ("dst_port = [\"1-80\", \"82-99\"]", "dst_port = \"50-90\""),
            ("dscp = [\"ef\", \"va\"]", "dscp = [46, 0]"),
            ("proto = 17, src_port = 5060", "proto = 17"),
        ];
        for (first, second) in uncovered {
            assert_eq!(of(&(rule("first", first) + &rule("second", second))), [""; 0], "{first} | {second}");
        }
    }

    #[test]
    fn a_rule_whose_isps_have_nothing_for_its_sources_is_told() {
        let with = |rest: &str| {
            of(&format!(
                "[[rule]]\nname = \"r\"\nmatch = {{ src = [\"fd12:3456:789a:10::1\", \"fd12:3456:789a:20::/64\"] }}\n{rest}\n"
            ))
        };
        let nothing = "rule \"r\": cable has no mapping for hosts in fd12:3456:789a:20::/64: ";
        assert_eq!(with("isps = [\"cable\"]"), [format!("{nothing}the default policy takes their flows")]);
        assert_eq!(with("isps = [\"cable\"]\nelse = \"drop\""), [format!("{nothing}their flows are dropped")]);
        assert_eq!(with("isps = [\"cable\", \"fiber\"]"), [""; 0]);
        assert_eq!(with("policy = \"default\""), [""; 0]);
    }

    #[test]
    fn policies_are_told_that_nobody_uses_or_that_spread_a_host() {
        assert_eq!(of("[policy.voice]\n"), ["policy \"voice\" is used by no rule"]);
        let used = of("[policy.voice]\nhash = \"five-tuple\"\n[[rule]]\npolicy = \"voice\"\n");
        assert!(matches!(&used[..], [one] if one.contains("several outside addresses")), "{used:?}");
        let default = of("[policy.default]\nhash = \"five-tuple\"\n");
        assert!(matches!(&default[..], [one] if one.starts_with("policy \"default\"")), "{default:?}");
    }

    #[test]
    fn filters_that_are_wider_than_they_look_are_told() {
        let open = of("[filter]\ninbound = \"open\"\nscope = \"endpoint\"\nallow = [{ proto = \"esp\" }]\n");
        assert_eq!(open.len(), 3, "{open:?}");
        assert!(of("[filter]\nallow = [{}]\n")[0].contains("lets everything in"));
        let whole = of("[filter]\nallow = [{ dst = \"fd12:3456:789a::/48\" }]\n");
        assert!(whole[0].contains("allow[0] lets everything in"), "{whole:?}");
        let twice = of(
            "[filter]\nallow = [{ proto = \"tcp\", dst_port = 25 }, { proto = \"tcp\" }, { proto = \"tcp\" }, { proto = \"udp\" }]\n",
        );
        let changes =
            |inner, outer| format!("[filter] allow[{inner}] changes nothing: allow[{outer}] lets in all that it does");
        assert_eq!(twice, [changes(0, 1), changes(2, 1)]);
    }

    #[test]
    fn times_below_those_of_the_rfc_are_told_with_its_clause() {
        let warnings =
            of("[flows]\ntcp_established = \"2h3m59s\"\ntcp_transitory = \"3m\"\nudp = \"119s\"\nother = \"1m\"\n");
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        for (warning, clause) in warnings.iter().zip([
            "2h4m of RFC 6092 REC-35",
            "4m of RFC 6092 REC-35",
            "2m of RFC 6092 REC-14",
            "2m of RFC 6092 REC-12",
        ]) {
            assert!(warning.contains(clause), "{warning}");
        }
        assert_eq!(of("[flows]\nudp = \"2m\"\nother = \"2m\"\nicmpv6 = \"5s\"\n"), [""; 0]);
    }

    #[test]
    fn no_memory_is_told_with_its_price() {
        let warnings = of("[flows]\ncapacity = 0\n[filter]\ninbound = \"open\"\n");
        assert!(warnings.iter().any(|one| one.contains("nothing is remembered")), "{warnings:?}");
    }
}
