//! How the ISP of an outbound packet was chosen.

use super::walk::Walk;
use super::words;
use crate::control::config::Word;
use crate::datapath::parse::Packet;
use crate::datapath::recall::{FlowMemory, Recalled};
use crate::datapath::refusal::Refusal;
use crate::datapath::steer::{self, Plan};
use crate::flow::ColdRecord;
use crate::hash::FlowKey;
use crate::limits::BUCKETS;
use crate::snapshot::{Action, Buckets, PolicyId};

/// Tells why `plan`, which is what `steer` has decided, goes by the ISP that it goes by; `None`: by none.
pub fn tell(walk: &mut Walk<'_>, memory: &FlowMemory<'_>, packet: &Packet, recalled: &Recalled, plan: Option<&Plan>) {
    let snapshot = memory.snapshot;
    for mapping in recalled.mappings() {
        let isp = words::isp_of(snapshot, mapping);
        match steer::outbound_by(snapshot, packet, recalled, mapping) {
            Ok(kept) if plan.is_some_and(|plan| plan.mapping != kept.mapping) => {
                walk.say("isp", format!("not {isp}"), "which the flow has: its turn has come to take another one");
            }
            Ok(kept) => {
                let kept = if snapshot.kept & 1 << kept.uplink.0 == 0 { "" } else { ", kept although down" };
                walk.say("isp", isp, format!("the flow keeps the ISP that it has{kept}"));
                return;
            }
            Err(refusal) => {
                let uplink = snapshot.mappings.get(mapping).map(|mapping| mapping.uplink);
                let is_down = uplink.is_none_or(|uplink| snapshot.usable & 1 << uplink.0 == 0);
                let why = if is_down { "down".to_owned() } else { why(refusal) };
                walk.say("isp", format!("not {isp}"), format!("which the flow has: {why}"));
            }
        }
    }
    if recalled.record.and_then(|record| memory.cold(recalled, record)).is_some_and(ColdRecord::is_from_outside) {
        walk.say("", "no other", "the flow was opened from outside, to this ISP's address");
        return;
    }
    let rules = &snapshot.steering.rules;
    let rule = snapshot.steering.rule(&recalled.flow.inside_out().traffic(packet.dscp));
    let action = snapshot.steering.action(&recalled.flow.inside_out().traffic(packet.dscp));
    let action_words = match action {
        Action::Drop => "drop".to_owned(),
        Action::Policy { policy, .. } => format!("policy {}", snapshot.steering.policy(policy).name),
    };
    match rule {
        Some(at) => {
            let which = format!("rule {} of {}: {action_words}", at + 1, rules.len());
            walk.say("rule", &*rules[at].name, which);
        }
        None if rules.is_empty() => walk.say("rule", "none", format!("there are no rules: {action_words}")),
        None => walk.say("rule", "none", format!("no rule of {} matches: {action_words}", rules.len())),
    }
    let Action::Policy { policy, or_default } = action else { return };
    if !policy_of(walk, memory, packet, recalled, policy, plan) && or_default {
        policy_of(walk, memory, packet, recalled, PolicyId::default(), plan);
    }
}

/// Tells the ranking of one policy. Returns whether one of its ISPs will do.
fn policy_of(
    walk: &mut Walk<'_>,
    memory: &FlowMemory<'_>,
    packet: &Packet,
    recalled: &Recalled,
    policy: PolicyId,
    plan: Option<&Plan>,
) -> bool {
    let snapshot = memory.snapshot;
    let policy = snapshot.steering.policy(policy);
    let flow = recalled.flow.key.unwrap_or(FlowKey::pair(recalled.flow.internal, recalled.flow.remote));
    let hash = policy.hash(&snapshot.hash_key, &flow);
    let bucket = Buckets::bucket(hash);
    let of = policy.hash.word();
    walk.say("policy", &*policy.name, format!("hash of {of} {hash:016x}: bucket {bucket} of {BUCKETS}"));
    let mut members = policy.members;
    let (mut rank, mut chosen) = (0, false);
    while let Some(uplink) = policy.buckets.pick(hash, members) {
        members &= !(1 << uplink.0);
        rank += 1;
        let is_in = |set: u16| set & 1 << uplink.0 != 0;
        let because = match steer::outbound_to(snapshot, packet, recalled, uplink) {
            _ if !is_in(snapshot.usable) => "down: no new packets".to_owned(),
            Err(refusal) => format!("cannot: {}", why(refusal)),
            Ok(_) if !chosen && plan.is_some_and(|plan| plan.uplink == uplink) => {
                chosen = true;
                match (is_in(snapshot.kept), is_in(snapshot.accepting)) {
                    (true, _) => "chosen: kept although down, as no ISP is well".to_owned(),
                    (_, false) => "chosen: drained, but no other one will do".to_owned(),
                    _ => "chosen".to_owned(),
                }
            }
            Ok(_) if !is_in(snapshot.accepting) => "drained: new flows avoid it".to_owned(),
            Ok(_) => "next in line".to_owned(),
        };
        walk.say("", format!("{rank}. {}", snapshot.uplinks[uplink.index()].name), because);
    }
    chosen
}

fn why(refusal: Refusal) -> String {
    match refusal {
        Refusal::Drop(reason, _) => reason.label().to_owned(),
        Refusal::Hold(..) | Refusal::Punt => String::new(),
    }
}
