//! Which uplink a hash prefers: weighted rendezvous over 65 536 buckets, repaired to quotas.
//!
//! Each bucket ranks the uplinks by a score that depends on the bucket and the uplink's *name*,
//! so a new uplink or a dead one moves only its own buckets. Chance leaves the first choices
//! off the weights by up to half a point; the repair moves the buckets that are nearest to a
//! change of mind until every uplink has its exact quota.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::hash::mix;
use crate::limits::{BUCKET_CHOICES, BUCKETS, MAX_UPLINKS};
use crate::units::UplinkId;

/// Marks an empty choice.
const NONE: u32 = 0xf;

/// The table: eight 4-bit choices per bucket, the first in the low bits. Clones share it.
#[derive(Clone)]
pub struct Buckets {
    table: Arc<[u32]>,
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

/// One uplink's claim to its share.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Which uplink.
    pub uplink: UplinkId,
    /// Its name: what the scores depend on.
    pub name: &'a str,
    /// Its share among the uplinks of its tier.
    pub weight: u32,
    /// Every bucket prefers every uplink of a lower tier to those of a higher one.
    pub tier: u8,
}

impl Buckets {
    /// The table for `uplinks`. An uplink of weight zero is only ever a last resort.
    ///
    /// # Errors
    /// With more than [`MAX_UPLINKS`] uplinks, or when every weight is zero.
    pub fn build(uplinks: &[Claim<'_>]) -> Result<Self, BucketError> {
        if uplinks.len() > MAX_UPLINKS {
            return Err(BucketError::TooMany(uplinks.len()));
        }
        let Some(first_tier) = uplinks.iter().filter(|claim| claim.weight > 0).map(|claim| claim.tier).min() else {
            return Err(BucketError::NoWeight);
        };
        let seeds: Vec<u64> = uplinks.iter().map(|claim| name_seed(claim.name)).collect();
        let by_tier = by_tier(uplinks);
        let mut scores = vec![0.0; BUCKETS * uplinks.len()];
        let mut orders = vec![Order::default(); BUCKETS];
        for (bucket, (scores, order)) in scores.chunks_exact_mut(uplinks.len()).zip(&mut orders).enumerate() {
            for ((score, seed), claim) in scores.iter_mut().zip(&seeds).zip(uplinks) {
                *score = self::score(*seed, bucket as u64, claim.weight);
            }
            order.rank(scores, &by_tier);
        }
        repair(&mut orders, &scores, &quotas(uplinks, first_tier));
        Ok(Self { table: orders.iter().map(|order| order.pack(uplinks)).collect() })
    }

    /// The bucket of `hash`.
    pub const fn bucket(hash: u64) -> usize {
        hash as usize % BUCKETS
    }

    /// The most preferred uplink of `hash`'s bucket whose bit is set in `candidates`.
    pub fn pick(&self, hash: u64, candidates: u16) -> Option<UplinkId> {
        let mut choices = self.table[Self::bucket(hash)];
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
        for choices in self.table.iter() {
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
    // Those of weight zero are ranked among themselves.
    if weight == 0 { uniform } else { -f64::from(weight) / uniform.ln() }
}

/// Indices of all uplinks, the most preferred first: one bucket while the table is built.
#[derive(Clone, Copy, Default)]
struct Order([u8; MAX_UPLINKS]);

impl Order {
    fn first(&self) -> usize {
        usize::from(self.0[0])
    }

    /// Puts the uplinks into order: by tier, and within a tier by score. A few numbers of which most
    /// are in place: sorted by insertion.
    fn rank(&mut self, scores: &[f64], by_tier: &[(u16, u8)]) {
        for (end, &(tier, uplink)) in by_tier.iter().enumerate() {
            let score = scores[usize::from(uplink)];
            let mut at = end;
            while at > 0 && by_tier[at - 1].0 == tier && scores[usize::from(self.0[at - 1])] < score {
                self.0[at] = self.0[at - 1];
                at -= 1;
            }
            self.0[at] = uplink;
        }
    }

    /// Makes `uplink` the most preferred one; the others keep their order.
    fn prefer(&mut self, uplink: usize) {
        let place = self.0.iter().position(|other| usize::from(*other) == uplink).unwrap_or(0);
        self.0[..=place].rotate_right(1);
    }

    fn pack(&self, uplinks: &[Claim<'_>]) -> u32 {
        let mut packed = u32::MAX;
        for (place, &i) in self.0[..uplinks.len()].iter().take(BUCKET_CHOICES).enumerate() {
            packed &= !(0xf << (4 * place));
            packed |= u32::from(uplinks[usize::from(i)].uplink.0) << (4 * place);
        }
        packed
    }
}

/// Tier and index of all uplinks, by tier; those of weight zero are behind every tier.
fn by_tier(uplinks: &[Claim<'_>]) -> Vec<(u16, u8)> {
    let tier = |claim: &Claim<'_>| if claim.weight == 0 { u16::MAX } else { u16::from(claim.tier) };
    let mut tiers: Vec<(u16, u8)> = uplinks.iter().zip(0..).map(|(claim, i)| (tier(claim), i)).collect();
    tiers.sort_unstable();
    tiers
}

/// Buckets per uplink of the first tier by largest remainder: exact to one bucket, and they sum to
/// [`BUCKETS`].
fn quotas(uplinks: &[Claim<'_>], first_tier: u8) -> Vec<usize> {
    let weight = |claim: &Claim<'_>| if claim.tier == first_tier { u64::from(claim.weight) } else { 0 };
    let total: u64 = uplinks.iter().map(weight).sum();
    let exact = |claim: &Claim<'_>| weight(claim) * BUCKETS as u64;
    let mut quotas: Vec<usize> = uplinks.iter().map(|claim| (exact(claim) / total) as usize).collect();
    let mut order: Vec<usize> = (0..uplinks.len()).filter(|&i| weight(&uplinks[i]) > 0).collect();
    order.sort_by_key(|&i| (Reverse(exact(&uplinks[i]) % total), uplinks[i].name));
    let missing = BUCKETS - quotas.iter().sum::<usize>();
    for &i in order.iter().take(missing) {
        quotas[i] += 1;
    }
    quotas
}

/// Moves first choices from uplinks over their quota to those under it, cheapest moves first:
/// a move costs the ratio of the two scores in that bucket. `scores`: those of all uplinks for each bucket.
fn repair(orders: &mut [Order], scores: &[f64], quotas: &[usize]) {
    let mut have = vec![0usize; quotas.len()];
    for order in orders.iter() {
        have[order.first()] += 1;
    }
    let mut missing: usize = have.iter().zip(quotas).map(|(have, quota)| quota.saturating_sub(*have)).sum();
    let mut moves = Vec::new();
    for (bucket, (order, scores)) in orders.iter().zip(scores.chunks_exact(quotas.len())).enumerate() {
        let from = order.first();
        if have[from] > quotas[from] {
            for to in (0..quotas.len()).filter(|&to| have[to] < quotas[to]) {
                // No score is negative: such numbers are in the order of their bits.
                moves.push(Reverse(((scores[from] / scores[to]).to_bits(), bucket, to)));
            }
        }
    }
    // A few of very many are needed: no need to sort them all.
    let mut cheapest = BinaryHeap::from(moves);
    while missing > 0
        && let Some(Reverse((_, bucket, to))) = cheapest.pop()
    {
        let from = orders[bucket].first();
        if have[from] > quotas[from] && have[to] < quotas[to] {
            orders[bucket].prefer(to);
            have[from] -= 1;
            have[to] += 1;
            missing -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 15] = [
        "isp0", "isp1", "isp2", "isp3", "isp4", "isp5", "isp6", "isp7", "isp8", "isp9", "isp10", "isp11", "isp12",
        "isp13", "isp14",
    ];

    fn claim(uplink: u8, weight: u32, tier: u8) -> Claim<'static> {
        Claim { uplink: UplinkId(uplink), name: NAMES[usize::from(uplink)], weight, tier }
    }

    fn claims(weights: &[u32]) -> Vec<Claim<'static>> {
        weights.iter().enumerate().map(|(i, weight)| claim(i as u8, *weight, 1)).collect()
    }

    fn build(claims: &[Claim<'_>]) -> Buckets {
        Buckets::build(claims).unwrap()
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
        assert_eq!(Buckets::build(&[claim(0, 0, 1)]).unwrap_err(), BucketError::NoWeight);
    }

    #[test]
    fn a_tier_serves_only_when_those_before_it_cannot() {
        let buckets = build(&[claim(0, 1, 2), claim(1, 3, 1), claim(2, 1, 1), claim(3, 0, 1), claim(4, 1, 2)]);
        assert_eq!(buckets.first_choices()[..5], [0, BUCKETS as u32 * 3 / 4, BUCKETS as u32 / 4, 0, 0]);
        let mut second = [0_u32; 5];
        for hash in 0..BUCKETS as u64 {
            assert_eq!(
                buckets.pick(hash, 0b10011 & !0b10),
                buckets.pick(hash, 0b11001),
                "weight 0 is behind every tier"
            );
            assert_eq!(buckets.pick(hash, 0b11011), Some(UplinkId(1)));
            second[buckets.pick(hash, 0b11001).unwrap().index()] += 1;
        }
        assert!(second[0].abs_diff(second[4]) < 1000 && second[3] == 0, "{second:?}");
    }
}
