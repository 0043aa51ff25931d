//! Which uplink a hash prefers: weighted rendezvous over 65 536 buckets, repaired to quotas.
//!
//! Each bucket ranks the uplinks by a score that depends on the bucket and the uplink's *name*,
//! so a new uplink or a dead one moves only its own buckets. Chance leaves the first choices
//! off the weights by up to half a point; the repair moves the buckets that are nearest to a
//! change of mind until every uplink has its exact quota.

use crate::limits::{BUCKET_CHOICES, BUCKETS, MAX_UPLINKS};
use crate::snapshot::hash::mix;
use crate::units::UplinkId;

/// Marks an empty choice.
const NONE: u32 = 0xf;

/// The table: eight 4-bit choices per bucket, the first in the low bits.
#[derive(Clone)]
pub struct Buckets {
    table: Box<[u32]>,
}

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buckets").field("first_choices", &self.first_choices()).finish()
    }
}

/// Why no table can be built.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// More uplinks than ids.
    #[error("{0} uplinks are too many; at most {MAX_UPLINKS} fit")]
    TooMany(usize),
    /// Nothing to share out.
    #[error("every weight is zero; give at least one uplink a weight")]
    NoWeight,
}

/// One uplink's claim: id, name and weight.
pub type Claim<'a> = (UplinkId, &'a str, u32);

impl Buckets {
    /// The table for `uplinks`. An uplink of weight zero is only ever a last resort.
    ///
    /// # Errors
    /// With more than [`MAX_UPLINKS`] uplinks, or when every weight is zero.
    pub fn build(uplinks: &[Claim<'_>]) -> Result<Self, BucketError> {
        if uplinks.len() > MAX_UPLINKS {
            return Err(BucketError::TooMany(uplinks.len()));
        }
        if uplinks.iter().all(|(_, _, weight)| *weight == 0) {
            return Err(BucketError::NoWeight);
        }
        let seeds: Vec<u64> = uplinks.iter().map(|(_, name, _)| name_seed(name)).collect();
        let scores: Vec<Vec<f64>> = (0..BUCKETS as u64)
            .map(|bucket| {
                uplinks.iter().zip(&seeds).map(|((_, _, weight), seed)| score(*seed, bucket, *weight)).collect()
            })
            .collect();
        let mut first: Vec<usize> = scores.iter().map(|row| best(row)).collect();
        repair(&mut first, &scores, &quotas(uplinks));
        let table = scores.iter().zip(&first).map(|(row, first)| pack(uplinks, row, *first)).collect();
        Ok(Self { table })
    }

    /// The most preferred uplink of `hash`'s bucket whose bit is set in `candidates`.
    pub fn pick(&self, hash: u64, candidates: u16) -> Option<UplinkId> {
        let mut choices = self.table[hash as usize % BUCKETS];
        for _ in 0..BUCKET_CHOICES {
            let choice = choices & 0xf;
            if choice == NONE {
                break;
            }
            if candidates & 1 << choice != 0 {
                return Some(UplinkId(choice as u8));
            }
            choices >>= 4;
        }
        // More uplinks than a bucket remembers, and none of the remembered ones will do.
        (candidates != 0).then(|| UplinkId(candidates.trailing_zeros() as u8))
    }

    /// How many buckets prefer each uplink, by [`UplinkId`].
    pub fn first_choices(&self) -> [u32; MAX_UPLINKS] {
        let mut counts = [0; MAX_UPLINKS];
        for choices in &self.table {
            counts[(choices & 0xf) as usize] += 1;
        }
        counts
    }
}

/// FNV-1a over the name, mixed.
fn name_seed(name: &str) -> u64 {
    let fnv = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    mix(fnv)
}

/// Weighted rendezvous: the largest of `-weight / ln(u)` wins with a chance of its weight's
/// share, whatever the other scores are.
fn score(seed: u64, bucket: u64, weight: u32) -> f64 {
    let uniform = ((mix(seed ^ mix(bucket.wrapping_add(1))) >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    // Weight zero: ranked among themselves below all others.
    if weight == 0 { uniform - 2.0 } else { -f64::from(weight) / uniform.ln() }
}

fn best(row: &[f64]) -> usize {
    (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0)
}

/// Buckets per uplink by largest remainder: exact to one bucket, and they sum to [`BUCKETS`].
fn quotas(uplinks: &[Claim<'_>]) -> Vec<usize> {
    let total: u64 = uplinks.iter().map(|(_, _, weight)| u64::from(*weight)).sum();
    let exact = |weight: u32| u64::from(weight) * BUCKETS as u64;
    let mut quotas: Vec<usize> = uplinks.iter().map(|(_, _, weight)| (exact(*weight) / total) as usize).collect();
    let mut order: Vec<usize> = (0..uplinks.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(exact(uplinks[i].2) % total), uplinks[i].1));
    let missing = BUCKETS - quotas.iter().sum::<usize>();
    for &i in order.iter().take(missing) {
        quotas[i] += 1;
    }
    quotas
}

/// Moves first choices from uplinks over their quota to those under it, cheapest moves first:
/// a move costs the ratio of the two scores in that bucket.
fn repair(first: &mut [usize], scores: &[Vec<f64>], quotas: &[usize]) {
    let mut have = vec![0usize; quotas.len()];
    for &uplink in first.iter() {
        have[uplink] += 1;
    }
    let mut moves: Vec<(f64, usize, usize)> = Vec::new();
    for (bucket, row) in scores.iter().enumerate() {
        if have[first[bucket]] > quotas[first[bucket]] {
            for to in (0..row.len()).filter(|&to| have[to] < quotas[to]) {
                moves.push((row[first[bucket]] / row[to], bucket, to));
            }
        }
    }
    moves.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (_, bucket, to) in moves {
        let from = first[bucket];
        if have[from] > quotas[from] && have[to] < quotas[to] {
            first[bucket] = to;
            have[from] -= 1;
            have[to] += 1;
        }
    }
}

fn pack(uplinks: &[Claim<'_>], row: &[f64], first: usize) -> u32 {
    let mut order: Vec<usize> = (0..row.len()).filter(|&i| i != first).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
    order.insert(0, first);
    let mut packed = u32::MAX;
    for (place, &i) in order.iter().take(BUCKET_CHOICES).enumerate() {
        packed &= !(0xf << (4 * place));
        packed |= u32::from(uplinks[i].0.0) << (4 * place);
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims(weights: &[u32]) -> Vec<(UplinkId, String, u32)> {
        weights.iter().enumerate().map(|(i, weight)| (UplinkId(i as u8), format!("isp{i}"), *weight)).collect()
    }

    fn build(claims: &[(UplinkId, String, u32)]) -> Buckets {
        let borrowed: Vec<_> = claims.iter().map(|(id, name, weight)| (*id, name.as_str(), *weight)).collect();
        Buckets::build(&borrowed).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn shares_are_within_a_hundredth_of_a_point_of_the_weights(weights in prop::collection::vec(0u32..100, 1..15)) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let counts = build(&claims(&weights)).first_choices();
            let total: u32 = weights.iter().sum();
            for (i, weight) in weights.iter().enumerate() {
                let share = f64::from(counts[i]) / BUCKETS as f64;
                prop_assert!((share - f64::from(*weight) / f64::from(total)).abs() < 1e-4, "{weights:?} {counts:?}");
            }
        }

        #[test]
        fn losing_an_uplink_moves_only_its_own_buckets(weights in prop::collection::vec(1u32..10, 2..8), lost in 0usize..8) {
            let buckets = build(&claims(&weights));
            let all = (1u16 << weights.len()) - 1;
            let lost = UplinkId((lost % weights.len()) as u8);
            for hash in 0..BUCKETS as u64 {
                let before = buckets.pick(hash, all).unwrap();
                let after = buckets.pick(hash, all & !(1 << lost.0)).unwrap();
                prop_assert!(after != lost);
                prop_assert!(before == lost || before == after);
            }
        }
    }

    #[test]
    fn the_order_of_the_blocks_does_not_matter() {
        let forward = build(&claims(&[3, 2, 1]));
        let mut reversed = claims(&[3, 2, 1]);
        reversed.reverse();
        assert_eq!(forward.table, build(&reversed).table);
    }

    #[test]
    fn more_uplinks_than_choices_still_finds_the_only_candidate() {
        let buckets = build(&claims(&[1; 15]));
        for only in 0..15 {
            for hash in 0..BUCKETS as u64 {
                assert_eq!(buckets.pick(hash, 1 << only), Some(UplinkId(only)));
            }
        }
        assert_eq!(buckets.pick(0, 0), None);
    }

    #[test]
    fn impossible_tables_are_refused() {
        assert_eq!(Buckets::build(&[]).unwrap_err(), BucketError::NoWeight);
        assert_eq!(Buckets::build(&[(UplinkId(0), "a", 0)]).unwrap_err(), BucketError::NoWeight);
    }
}
