//! Which part of the new flows would go by another ISP, policy by policy.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::control::compile::steering_of;
use crate::control::config::{Config, Word};
use crate::control::ids::Ids;
use crate::limits::BUCKETS;
use crate::snapshot::{Policy, Steering};

/// A policy of both configurations.
#[derive(Debug, Serialize)]
pub struct PolicyDiff {
    /// Its name; that of the rule that it belongs to.
    pub name: String,
    /// What decides, before and after.
    pub hash: [&'static str; 2],
    /// Each ISP's part of the table in percent, before and after.
    pub isps: Vec<ShareDiff>,
    /// The part of the new flows that goes by another ISP, in percent.
    pub moved_percent: f64,
    /// From which ISP to which one, the largest part first.
    pub moves: Vec<Move>,
}

/// One ISP's part.
#[derive(Debug, PartialEq, Serialize)]
pub struct ShareDiff {
    /// Whose.
    pub isp: String,
    /// In percent.
    pub before: f64,
    /// In percent.
    pub after: f64,
}

/// What changes hands.
#[derive(Debug, PartialEq, Serialize)]
pub struct Move {
    /// The ISP before.
    pub from: String,
    /// The ISP after.
    pub to: String,
    /// In percent.
    pub percent: f64,
}

/// The policies that both configurations have.
pub fn policies(old: &Config, new: &Config) -> anyhow::Result<Vec<PolicyDiff>> {
    // Names that both have get one id.
    let mut ids = Ids::default();
    ids.assign(old)?;
    let old_steering = steering_of(old, &ids)?;
    ids.assign(new)?;
    let new_steering = steering_of(new, &ids)?;
    let names = |config: &Config| -> BTreeMap<u8, String> {
        config.isps.iter().filter_map(|isp| Some((ids.uplink(&isp.name)?.0, isp.name.clone()))).collect()
    };
    let mut known = names(old);
    known.extend(names(new));
    let pairs = old_steering.policies.iter().filter_map(|policy| Some((policy, find(&new_steering, &policy.name)?)));
    Ok(pairs.map(|(old, new)| compare(&known, old, new)).collect())
}

fn find<'a>(steering: &'a Steering, name: &str) -> Option<&'a Policy> {
    steering.policies.iter().find(|policy| *policy.name == *name)
}

fn compare(names: &BTreeMap<u8, String>, old: &Policy, new: &Policy) -> PolicyDiff {
    let pick = |policy: &Policy, bucket: usize| policy.buckets.pick(bucket as u64, policy.members).map(|id| id.0);
    let mut counts = BTreeMap::<_, u64>::new();
    let (mut before, mut after) = (BTreeMap::<_, u64>::new(), BTreeMap::<_, u64>::new());
    for bucket in 0..BUCKETS {
        let Some((from, to)) = pick(old, bucket).zip(pick(new, bucket)) else { continue };
        *counts.entry((from, to)).or_default() += 1;
        *before.entry(from).or_default() += 1;
        *after.entry(to).or_default() += 1;
    }
    let percent = |count: u64| count as f64 / BUCKETS as f64 * 100.0;
    let part = |of: &BTreeMap<u8, u64>, isp: u8| percent(of.get(&isp).copied().unwrap_or_default());
    if old.hash != new.hash {
        // Another hash shares all flows out anew: a flow's ISP after has nothing to do with the one before.
        counts.clear();
        for (from, had) in &before {
            for (to, has) in &after {
                counts.insert((*from, *to), had * has / BUCKETS as u64);
            }
        }
    }
    let name = |isp: u8| names.get(&isp).cloned().unwrap_or_default();
    let mut moves: Vec<Move> = counts
        .iter()
        .filter(|((from, to), count)| from != to && **count > 0)
        .map(|((from, to), count)| Move { from: name(*from), to: name(*to), percent: percent(*count) })
        .collect();
    moves.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    let isps = names.keys().filter(|isp| before.contains_key(isp) || after.contains_key(isp));
    PolicyDiff {
        name: old.name.to_string(),
        hash: [old.hash.word(), new.hash.word()],
        isps: isps
            .map(|isp| ShareDiff { isp: name(*isp), before: part(&before, *isp), after: part(&after, *isp) })
            .collect(),
        // The sum of nothing would be -0.
        moved_percent: moves.iter().fold(0.0, |sum, moved| sum + moved.percent),
        moves,
    }
}
