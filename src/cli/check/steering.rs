//! What a good configuration does with flows.

use std::fmt;

use serde::Serialize;

use super::table::Table;
use crate::control::compile::steering_of;
use crate::control::config::traffic::{code_point_names, port_names, prefix_name, protocol_name};
use crate::control::config::{Config, Inbound, Isp, Match, RuleAction, Scope, Word, span};
use crate::control::ids::Ids;
use crate::flow;
use crate::limits::{BUCKETS, MAX_UPLINKS};
use crate::npt::Prefix;
use crate::snapshot::{Policy, Steering};
use crate::units::UplinkId;

/// Policies, rules, filter, flow memory.
#[derive(Debug, Serialize)]
pub struct SteeringReport {
    /// Those in use, the default one first.
    policies: Vec<PolicyReport>,
    rules: Vec<RuleReport>,
    filter: FilterReport,
    flows: FlowsReport,
}

#[derive(Debug, Serialize)]
struct PolicyReport {
    name: String,
    hash: &'static str,
    /// By order of preference.
    tiers: Vec<TierReport>,
}

/// Who serves while all that are preferred are away.
#[derive(Debug, Serialize)]
struct TierReport {
    /// None: ISPs of weight 0, behind every tier.
    tier: Option<u8>,
    isps: Vec<ShareReport>,
}

#[derive(Debug, Serialize)]
struct ShareReport {
    isp: String,
    weight: u32,
    /// Its part of the weights of its tier, in percent.
    weight_percent: f64,
    /// Its part of the bucket table, in percent.
    share_percent: f64,
    /// Buckets that prefer it.
    buckets: u32,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    name: String,
    from: String,
    to: String,
    /// Protocol, ports, code points.
    what: String,
    action: String,
}

#[derive(Debug, Serialize)]
struct FilterReport {
    inbound: &'static str,
    scope: &'static str,
    /// Whether remote addresses that nobody has pass.
    bogons_pass: bool,
    allow: Vec<AllowReport>,
    #[serde(skip)]
    words: Vec<String>,
}

#[derive(Debug, Serialize)]
struct AllowReport {
    from: String,
    to: String,
    what: String,
}

#[derive(Debug, Serialize)]
struct FlowsReport {
    capacity: u64,
    /// Octets of flow memory.
    memory_octets: u64,
    tcp_established_seconds: u64,
    tcp_transitory_seconds: u64,
    udp_seconds: u64,
    icmpv6_seconds: u64,
    other_seconds: u64,
    reset_on_failover: bool,
    #[serde(skip)]
    timeouts: String,
}

impl SteeringReport {
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        // Shares do not depend on the ids.
        let mut ids = Ids::default();
        ids.assign(config)?;
        let steering = steering_of(config, &ids)?;
        Ok(Self {
            policies: steering.policies.iter().map(|policy| PolicyReport::new(config, &ids, policy)).collect(),
            rules: rules(config, &steering),
            filter: FilterReport::new(config),
            flows: FlowsReport::new(config),
        })
    }
}

impl PolicyReport {
    fn new(config: &Config, ids: &Ids, policy: &Policy) -> Self {
        struct Member<'a> {
            id: UplinkId,
            isp: &'a Isp,
            tier: Option<u8>,
        }
        let of_policy = |isp: &Isp| ids.uplink(&isp.name).filter(|id| policy.members & 1 << id.0 != 0);
        // A policy of last resorts alone has the tiers that they are in.
        let last_resorts = config.isps.iter().filter(|isp| of_policy(isp).is_some()).all(|isp| isp.weight == 0);
        let members = config.isps.iter().filter_map(|isp| {
            let tier = (isp.weight > 0 || last_resorts).then_some(isp.tier);
            Some(Member { id: of_policy(isp)?, isp, tier })
        });
        let mut members: Vec<Member<'_>> = members.collect();
        // Behind every tier: those without one.
        members.sort_by_key(|member| (member.tier.is_none(), member.tier));
        let mut tiers = Vec::new();
        let mut candidates = policy.members;
        for tier in members.chunk_by(|one, other| one.tier == other.tier) {
            let mut buckets = [0_u32; MAX_UPLINKS];
            for hash in 0..BUCKETS as u64 {
                if let Some(uplink) = policy.buckets.pick(hash, candidates) {
                    buckets[uplink.index()] += 1;
                }
            }
            // Within a tier either all or none have a weight.
            let weight = |member: &Member<'_>| f64::from(member.isp.weight.max(1));
            let total: f64 = tier.iter().map(weight).sum();
            let share = |member: &Member<'_>| ShareReport {
                isp: member.isp.name.clone(),
                weight: member.isp.weight,
                weight_percent: weight(member) / total * 100.0,
                share_percent: f64::from(buckets[member.id.index()]) / BUCKETS as f64 * 100.0,
                buckets: buckets[member.id.index()],
            };
            tiers.push(TierReport { tier: tier[0].tier, isps: tier.iter().map(share).collect() });
            candidates = tier.iter().fold(candidates, |rest, member| rest & !(1 << member.id.0));
        }
        Self { name: policy.name.to_string(), hash: policy.hash.word(), tiers }
    }
}

fn rules(config: &Config, steering: &Steering) -> Vec<RuleReport> {
    let default = &steering.policies[0].name;
    let mut rules: Vec<RuleReport> = Vec::new();
    for rule in &config.rules {
        let action = match &rule.action {
            RuleAction::Drop => "drop".to_owned(),
            RuleAction::Policy(name, _) if **name == **default => format!("policy {name}"),
            RuleAction::Policy(name, otherwise) => format!("policy {name}, else {}", otherwise.word()),
            RuleAction::Isps(isps, otherwise) => format!("isps {}, else {}", isps.join(" "), otherwise.word()),
        };
        let Conditions { from, to, what } = Conditions::new(&rule.matches);
        rules.push(RuleReport { name: rule.name.clone(), from, to, what, action });
    }
    rules
}

/// Conditions in words.
struct Conditions {
    from: String,
    to: String,
    what: String,
}

impl Conditions {
    fn new(matches: &Match) -> Self {
        let addresses = |prefixes: &[Prefix]| match prefixes {
            [] => "any".to_owned(),
            prefixes => prefixes.iter().map(|prefix| prefix_name(*prefix)).collect::<Vec<_>>().join(" "),
        };
        let mut what: Vec<String> = matches.protocol.map(protocol_name).into_iter().collect();
        if !matches.source_ports.is_empty() {
            what.push(format!("from port {}", port_names(&matches.source_ports).join(" ")));
        }
        if !matches.destination_ports.is_empty() {
            what.push(format!("to port {}", port_names(&matches.destination_ports).join(" ")));
        }
        if matches.dscp != 0 {
            what.push(format!("dscp {}", code_point_names(matches.dscp).join(" ")));
        }
        let what = if what.is_empty() { "any".to_owned() } else { what.join(" ") };
        Self { from: addresses(&matches.sources), to: addresses(&matches.destinations), what }
    }
}

impl FilterReport {
    fn new(config: &Config) -> Self {
        let filter = &config.filter;
        let mut words = Vec::new();
        match filter.inbound {
            Inbound::Open => words.push("open: everything comes in".to_owned()),
            Inbound::Established => {
                let allowed = if filter.allow.is_empty() { "" } else { ", and what is allowed" };
                words.push(format!("established: answers and ICMPv6 echo requests come in{allowed}"));
                words.push(match filter.scope {
                    Scope::Flow => "an answer comes from the address and port that the host sent to (address- and \
                                    port-dependent;"
                        .to_owned(),
                    Scope::Endpoint => "an answer comes from anybody to the address and port that the host sent from \
                                        (endpoint-independent,"
                        .to_owned(),
                });
                words.push(match filter.scope {
                    Scope::Flow => {
                        "RFC 6092 recommends endpoint-independent filtering: scope = \"endpoint\")".to_owned()
                    }
                    Scope::Endpoint => "as RFC 6092 recommends: REC-11, 17, 33)".to_owned(),
                });
            }
        }
        let bogons = if filter.bogons { "pass, as in a lab" } else { "are dropped, both ways" };
        words.push(format!("remote addresses that nobody has (documentation, site-local and so on) {bogons}"));
        let allow = filter.allow.iter().map(Conditions::new);
        Self {
            inbound: filter.inbound.word(),
            scope: filter.scope.word(),
            bogons_pass: filter.bogons,
            allow: allow.map(|Conditions { from, to, what }| AllowReport { from, to, what }).collect(),
            words,
        }
    }
}

impl FlowsReport {
    fn new(config: &Config) -> Self {
        let flows = &config.flows;
        let seconds = |span: crate::units::Nanos| span.0 / 1_000_000_000;
        Self {
            capacity: flows.capacity,
            memory_octets: flow::octets(flows.capacity),
            tcp_established_seconds: seconds(flows.tcp_established),
            tcp_transitory_seconds: seconds(flows.tcp_transitory),
            udp_seconds: seconds(flows.udp),
            icmpv6_seconds: seconds(flows.icmpv6),
            other_seconds: seconds(flows.other),
            reset_on_failover: flows.reset_on_failover,
            timeouts: format!(
                "TCP {}, opening or closing {}; UDP {}; ICMPv6 {}; others {}",
                span::show(flows.tcp_established),
                span::show(flows.tcp_transitory),
                span::show(flows.udp),
                span::show(flows.icmpv6),
                span::show(flows.other)
            ),
        }
    }
}

impl fmt::Display for SteeringReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["policy", "hash", "tier", "isp", ">weight", ">by weight", ">share", ">buckets"]);
        for policy in &self.policies {
            let (mut name, mut hash) = (policy.name.clone(), policy.hash.to_owned());
            for tier in &policy.tiers {
                let mut number = tier.tier.map_or_else(|| "last".to_owned(), |tier| tier.to_string());
                for share in &tier.isps {
                    table.row(vec![
                        std::mem::take(&mut name),
                        std::mem::take(&mut hash),
                        std::mem::take(&mut number),
                        share.isp.clone(),
                        share.weight.to_string(),
                        format!("{:.3} %", share.weight_percent),
                        format!("{:.3} %", share.share_percent),
                        format!("{}/{BUCKETS}", share.buckets),
                    ]);
                }
            }
        }
        writeln!(f, "\n{table}")?;
        if !self.rules.is_empty() {
            let mut table = Table::new(&["rule", "from", "to", "what", "does"]);
            for rule in &self.rules {
                let RuleReport { name, from, to, what, action } = rule;
                table.row([name, from, to, what, action].map(String::clone).to_vec());
            }
            table.row(["(others)", "any", "any", "any", "policy default"].map(str::to_owned).to_vec());
            writeln!(f, "{table}")?;
        }
        for (index, words) in self.filter.words.iter().enumerate() {
            writeln!(f, "{:<8} {words}", if index == 0 { "filter" } else { "" })?;
        }
        if !self.filter.allow.is_empty() {
            let mut table = Table::new(&["allow", "from", "to", "what"]);
            for AllowReport { from, to, what } in &self.filter.allow {
                table.row(["", from, to, what].map(str::to_owned).to_vec());
            }
            write!(f, "{table}")?;
        }
        if self.flows.capacity == 0 {
            return writeln!(f, "\nflows    none are remembered");
        }
        let mebibytes = self.flows.memory_octets as f64 / f64::from(1 << 20);
        writeln!(f, "\nflows    {} are remembered in {mebibytes:.1} MiB of kernel memory", self.flows.capacity)?;
        writeln!(f, "{:<8} without a packet: {}", "", self.flows.timeouts)?;
        if self.flows.reset_on_failover {
            writeln!(f, "{:<8} TCP connections from inside are reset when they move to another ISP", "")?;
        }
        Ok(())
    }
}
