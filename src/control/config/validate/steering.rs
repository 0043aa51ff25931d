//! Policies, rules and the inbound filter against each other and the site.

use super::Claim;
use crate::control::config::error::line_number;
use crate::control::config::problem::Problem;
use crate::control::config::raw::{Raw, RawMatch, RawRule, RawSteering};
use crate::control::config::reader::{At, Errors, similar};
use crate::control::config::traffic::{WITH_PORTS, protocol_name};
use crate::control::config::{Bogons, Filter, HashFields, Inbound, Match, Otherwise, Policy, Rule, RuleAction};
use crate::limits::{MAX_ALLOWS, MAX_POLICIES, MAX_RULES};
use crate::npt::Prefix;

/// The policy of flows without a rule.
const DEFAULT: &str = "default";

/// Reports what contradicts itself.
pub fn check(raw: &Raw, site: &[Prefix], claims: &[Claim], text: &str, errors: &Errors) {
    let steering = &raw.steering;
    // Among ISPs whose names are wrong, an unknown one may be right.
    let isps: Option<Vec<&str>> = raw.isps.iter().map(|isp| Some(isp.name.as_ref()?.value.as_str())).collect();
    let listed = steering.policies.iter().filter_map(|policy| policy.isps.as_ref());
    for listed in listed.chain(steering.rules.iter().filter_map(|rule| rule.isps.as_ref())) {
        names_of_isps(listed, isps.as_deref(), errors);
    }
    rule_names(&steering.rules, text, errors);
    for rule in &steering.rules {
        action(rule, &policy_names(steering), errors);
        outbound(&rule.matches, site, errors);
        ports(&rule.matches, false, errors);
    }
    for allow in &steering.allow {
        inbound(allow, site, claims, errors);
        ports(allow, true, errors);
    }
    counts(steering, errors);
    if let (Some(At { value: 0, place }), Some(At { value: Inbound::Established, .. })) =
        (&raw.flows.capacity, &steering.inbound)
    {
        errors.add(place, Problem::StatelessFilter);
    }
    if let (Some(At { value: 0, .. }), Some(At { value: true, place })) =
        (&raw.flows.capacity, &raw.flows.reset_on_failover)
    {
        errors.add(place, Problem::StatelessReset);
    }
}

fn policy_names(steering: &RawSteering) -> Vec<&str> {
    let others = steering.policies.iter().map(|policy| policy.name.value.as_str());
    std::iter::once(DEFAULT).chain(others.filter(|name| *name != DEFAULT)).collect()
}

fn names_of_isps(listed: &[At<String>], isps: Option<&[&str]>, errors: &Errors) {
    for (index, At { value: name, place }) in listed.iter().enumerate() {
        if listed[..index].iter().any(|other| other.value == *name) {
            errors.add(place, Problem::IspListedTwice(name.clone()));
        } else if let Some(isps) = isps.filter(|isps| !isps.contains(&name.as_str())) {
            let (similar, known) = (similar(name, isps).map(str::to_owned), owned(isps));
            errors.add(place, Problem::UnknownIsp { name: name.clone(), similar, known });
        }
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The name of the rule at `index`.
fn rule_name(index: usize, rule: &RawRule) -> String {
    rule.name.as_ref().map_or_else(|| format!("rule {}", index + 1), |name| name.value.clone())
}

fn rule_names(rules: &[RawRule], text: &str, errors: &Errors) {
    let names: Vec<String> = rules.iter().enumerate().map(|(index, rule)| rule_name(index, rule)).collect();
    for (index, name) in names.iter().enumerate() {
        let Some(first) = names[..index].iter().position(|other| other == name) else { continue };
        // Of the two, the one that was given is to blame.
        let (given, other) = if rules[index].name.is_some() { (index, first) } else { (first, index) };
        let place = rules[given].name.as_ref().map_or(&rules[given].place, |name| &name.place);
        let line = line_number(text, rules[other].place.span.start);
        errors.add(place, Problem::RuleNameTwice { name: name.clone(), line });
    }
}

fn action(rule: &RawRule, policies: &[&str], errors: &Errors) {
    let actions: Vec<&str> = rule.given.iter().copied().filter(|key| *key != "else").collect();
    match actions[..] {
        [] => errors.add(&rule.place, Problem::NoAction),
        ["drop"] if rule.given.contains(&"else") => errors.add(&rule.place, Problem::ElseOfDrop),
        [_] => {}
        _ => {
            let keys = actions.iter().map(|key| format!("`{key}`")).collect();
            errors.add(&rule.place, Problem::SeveralActions(keys));
        }
    }
    if let Some(At { value: name, place }) = &rule.policy
        && !policies.contains(&name.as_str())
    {
        let (similar, known) = (similar(name, policies).map(str::to_owned), owned(policies));
        errors.add(place, Problem::UnknownPolicy { name: name.clone(), similar, known });
    }
    if let (Some(name), Some(_)) = (&rule.name, &rule.isps)
        && policies.contains(&name.value.as_str())
    {
        errors.add(&name.place, Problem::RuleNameIsPolicy(name.value.clone()));
    }
}

fn in_words(site: &[Prefix]) -> String {
    site.iter().map(Prefix::to_string).collect::<Vec<_>>().join(" or ")
}

fn is_outside(prefix: Prefix, site: &[Prefix]) -> bool {
    !site.is_empty() && !site.iter().any(|internal| internal.overlaps(prefix))
}

fn is_inside(prefix: Prefix, site: &[Prefix]) -> bool {
    site.iter().any(|internal| internal.covers(prefix))
}

/// Conditions of a rule: from inside, to outside.
fn outbound(matches: &RawMatch, site: &[Prefix], errors: &Errors) {
    for source in matches.sources.iter().filter(|source| is_outside(source.value, site)) {
        errors.add(&source.place, Problem::SourceOutside { prefix: source.value, site: in_words(site) });
    }
    for destination in matches.destinations.iter().filter(|destination| is_inside(destination.value, site)) {
        errors.add(&destination.place, Problem::DestinationInside { prefix: destination.value });
    }
}

/// Conditions of an allow rule: from outside, to inside.
fn inbound(matches: &RawMatch, site: &[Prefix], claims: &[Claim], errors: &Errors) {
    for At { value: prefix, place } in matches.destinations.iter().filter(|to| is_outside(to.value, site)) {
        let behind = claims.iter().find_map(|claim| claim.mapping.inbound(prefix.address()).ok());
        let inside = behind.filter(|_| prefix.len() == 128);
        errors.add(place, Problem::AllowOutside { prefix: *prefix, site: in_words(site), inside });
    }
    for source in matches.sources.iter().filter(|source| is_inside(source.value, site)) {
        errors.add(&source.place, Problem::AllowFromInside { prefix: source.value });
    }
}

/// Ports go with a protocol that has them. `needed`: one must be named.
fn ports(matches: &RawMatch, needed: bool, errors: &Errors) {
    let Some(first) = matches.source_ports.iter().chain(&matches.destination_ports).next() else { return };
    match &matches.protocol {
        Some(protocol) if !WITH_PORTS.contains(&protocol.value) => {
            errors.add(&first.place, Problem::PortsOfPortless { protocol: protocol_name(protocol.value) });
        }
        None if needed && !matches.has_protocol => errors.add(&first.place, Problem::PortsOfAnything),
        _ => {}
    }
}

fn counts(steering: &RawSteering, errors: &Errors) {
    let lines: Vec<&RawRule> = steering.rules.iter().filter(|rule| rule.isps.is_some()).collect();
    let policies = policy_names(steering).len() + lines.len();
    if policies > MAX_POLICIES {
        let last = steering.policies.last().map(|policy| &policy.name.place);
        if let Some(place) = lines.last().map(|rule| &rule.place).or(last) {
            errors.add(place, Problem::TooManyPolicies { found: policies });
        }
    }
    if let Some(first) = steering.rules.get(MAX_RULES) {
        errors.add(&first.place, Problem::TooManyRules { found: steering.rules.len() });
    }
    if steering.allow.len() > MAX_ALLOWS {
        errors.add(&steering.allow_place, Problem::TooManyAllows { found: steering.allow.len() });
    }
}

/// Policies, rules and filter, if every part of them is known.
pub fn build(steering: RawSteering, is_lab: bool) -> Option<(Vec<Policy>, Vec<Rule>, Filter)> {
    let listed = |listed: Vec<At<String>>| listed.into_iter().map(|name| name.value).collect::<Vec<_>>();
    let mut policies = Vec::new();
    for policy in steering.policies {
        policies.push(Policy { name: policy.name.value, isps: policy.isps.map(listed), hash: policy.hash?.value });
    }
    match policies.iter().position(|policy| policy.name == DEFAULT) {
        Some(at) => policies[..=at].rotate_right(1),
        None => {
            policies.insert(0, Policy { name: DEFAULT.to_owned(), isps: None, hash: HashFields::default() });
        }
    }
    let mut rules = Vec::new();
    for (index, rule) in steering.rules.into_iter().enumerate() {
        let name = rule_name(index, &rule);
        let otherwise: Otherwise = rule.otherwise?.value;
        let action = match (rule.policy, rule.isps) {
            (Some(policy), _) => RuleAction::Policy(policy.value, otherwise),
            (_, Some(isps)) => RuleAction::Isps(listed(isps), otherwise),
            (None, None) => RuleAction::Drop,
        };
        rules.push(Rule { name, matches: conditions(rule.matches), action });
    }
    let filter = Filter {
        inbound: steering.inbound?.value,
        scope: steering.scope?.value,
        bogons: match steering.bogons?.value {
            Bogons::Auto => is_lab,
            Bogons::Drop => false,
            Bogons::Pass => true,
        },
        allow: steering.allow.into_iter().map(conditions).collect(),
    };
    Some((policies, rules, filter))
}

fn conditions(raw: RawMatch) -> Match {
    Match {
        sources: raw.sources.into_iter().map(|at| at.value).collect(),
        destinations: raw.destinations.into_iter().map(|at| at.value).collect(),
        protocol: raw.protocol.map(|at| at.value),
        source_ports: raw.source_ports.into_iter().map(|at| at.value).collect(),
        destination_ports: raw.destination_ports.into_iter().map(|at| at.value).collect(),
        dscp: raw.dscp,
    }
}
