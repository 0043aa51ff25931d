//! Which ISPs may carry packets, by what is known of each.

use super::Moves;
use crate::limits::MAX_UPLINKS;

/// What is wrong with ISPs, by bit of [`crate::units::UplinkId`]: the verdict of their health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// They carry nothing.
    pub down: u16,
    /// New flows take others.
    pub closed: u16,
    /// Of those that are down, the ones that are not to be kept either: their outage is a rehearsal.
    pub rehearsed: u16,
    /// Of those that are down, the ones without a fault by now: they wait out their hold-down.
    pub recovering: u16,
    /// Flows that take another ISP although theirs would do.
    pub moves: Moves,
}

/// What ISPs may carry, by bit of [`crate::units::UplinkId`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fitness {
    /// [`usable`](crate::snapshot::Snapshot::usable)
    pub usable: u16,
    /// [`accepting`](crate::snapshot::Snapshot::accepting)
    pub accepting: u16,
    /// [`kept`](crate::snapshot::Snapshot::kept)
    pub kept: u16,
}

/// What carries packets while no ISP is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllDown {
    /// The best of those that could.
    #[default]
    KeepBest,
    /// Nobody.
    Drop,
}

/// The ISPs of one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Those with a router and a prefix pair.
    pub equipped: u16,
    /// Those whose link is up.
    pub linked: u16,
    /// Their tiers.
    pub tiers: [u8; MAX_UPLINKS],
    /// What becomes of packets while none of them is well.
    pub all_down: AllDown,
}

impl Candidates {
    /// What they may carry. Unless `all_down` says otherwise the set is never empty: where nobody is well,
    /// the best of those that could be are kept. Those without a fault come first, then those with a link:
    /// a line that flaps carries more than one that is dead.
    pub fn judge(&self, judgement: Judgement) -> Fitness {
        let well = self.equipped & self.linked & !judgement.down;
        let kept = match (well, self.all_down) {
            (0, AllDown::KeepBest) => {
                let possible = self.equipped & !judgement.rehearsed;
                let linked = possible & self.linked;
                let choice = [linked & judgement.recovering, linked, possible];
                choice.map(|uplinks| self.best(uplinks)).into_iter().find(|best| *best != 0).unwrap_or(0)
            }
            _ => 0,
        };
        let usable = well | kept;
        let open = usable & !judgement.closed;
        Fitness { usable, accepting: if open != 0 { open } else { usable }, kept }
    }

    /// Those of the lowest tier.
    fn best(&self, uplinks: u16) -> u16 {
        let of = |uplink: &usize| uplinks & 1 << *uplink != 0;
        let Some(tier) = (0..MAX_UPLINKS).filter(of).map(|uplink| self.tiers[uplink]).min() else { return 0 };
        (0..MAX_UPLINKS).filter(of).filter(|uplink| self.tiers[*uplink] == tier).fold(0, |bits, n| bits | 1 << n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Candidates {
        let mut tiers = [0; MAX_UPLINKS];
        tiers[..3].copy_from_slice(&[2, 1, 1]);
        Candidates { equipped: 0b111, linked: 0b111, tiers, all_down: AllDown::KeepBest }
    }

    fn judged(candidates: Candidates, down: u16, closed: u16) -> (u16, u16, u16) {
        let Fitness { usable, accepting, kept } = candidates.judge(Judgement { down, closed, ..Judgement::default() });
        (usable, accepting, kept)
    }

    #[test]
    fn who_is_down_carries_nothing_and_who_is_closed_no_new_flows() {
        assert_eq!(judged(three(), 0, 0), (0b111, 0b111, 0));
        assert_eq!(judged(three(), 0b010, 0b100), (0b101, 0b001, 0));
        assert_eq!(judged(Candidates { linked: 0b110, ..three() }, 0, 0), (0b110, 0b110, 0));
    }

    #[test]
    fn the_set_is_never_emptied() {
        assert_eq!(judged(three(), 0b111, 0), (0b110, 0b110, 0b110), "the best by tier");
        let one_link = Candidates { linked: 0b001, ..three() };
        assert_eq!(judged(one_link, 0b111, 0), (0b001, 0b001, 0b001), "those with a link first");
        assert_eq!(judged(Candidates { linked: 0, ..three() }, 0, 0), (0b110, 0b110, 0b110));
        assert_eq!(judged(three(), 0b110, 0b001), (0b001, 0b001, 0), "closed, but alone");
        assert_eq!(judged(Candidates::default(), 0, 0), (0, 0, 0));
    }

    #[test]
    fn who_has_no_fault_any_more_is_kept_before_a_better_one_that_has() {
        let recover = |recovering| Judgement { down: 0b111, recovering, ..Judgement::default() };
        assert_eq!(three().judge(recover(0b001)).kept, 0b001);
        assert_eq!(three().judge(recover(0b101)).kept, 0b100, "the best by tier of several");
        let unplugged = Candidates { linked: 0b110, ..three() };
        assert_eq!(unplugged.judge(recover(0b001)).kept, 0b110, "no link, no use");
        let rehearsed = Judgement { rehearsed: 0b001, ..recover(0b001) };
        assert_eq!(three().judge(rehearsed).kept, 0b110);
    }

    #[test]
    fn the_set_is_emptied_where_that_is_wanted() {
        let strict = Candidates { all_down: AllDown::Drop, ..three() };
        assert_eq!(judged(strict, 0b011, 0), (0b100, 0b100, 0));
        assert_eq!(judged(strict, 0b111, 0), (0, 0, 0));
        assert_eq!(judged(Candidates { linked: 0, ..strict }, 0, 0), (0, 0, 0));
    }

    #[test]
    fn a_rehearsal_keeps_nobody_whose_outage_is_rehearsed() {
        let rehearse = |rehearsed| Judgement { down: 0b111, rehearsed, ..Judgement::default() };
        assert_eq!(three().judge(rehearse(0b010)).usable, 0b100);
        assert_eq!(three().judge(rehearse(0b111)).usable, 0);
    }
}
