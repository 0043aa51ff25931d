//! Which ISPs may carry packets, by what is known of each.

use crate::limits::MAX_UPLINKS;

/// What is wrong with ISPs, by bit of [`crate::units::UplinkId`]: the verdict of their health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// They carry nothing.
    pub down: u16,
    /// New flows take others.
    pub closed: u16,
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
}

impl Candidates {
    /// [`usable`](crate::snapshot::Snapshot::usable) and
    /// [`accepting`](crate::snapshot::Snapshot::accepting). Never empty the set: where nobody is well,
    /// the best of those that could be are kept, those with a link first.
    pub fn judge(&self, judgement: Judgement) -> (u16, u16) {
        let well = self.equipped & self.linked & !judgement.down;
        let kept = [well, self.best(self.equipped & self.linked), self.best(self.equipped)];
        let usable = kept.into_iter().find(|uplinks| *uplinks != 0).unwrap_or(0);
        let open = usable & !judgement.closed;
        (usable, if open != 0 { open } else { usable })
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
        Candidates { equipped: 0b111, linked: 0b111, tiers }
    }

    #[test]
    fn who_is_down_carries_nothing_and_who_is_closed_no_new_flows() {
        assert_eq!(three().judge(Judgement::default()), (0b111, 0b111));
        assert_eq!(three().judge(Judgement { down: 0b010, closed: 0b100 }), (0b101, 0b001));
        assert_eq!(Candidates { linked: 0b110, ..three() }.judge(Judgement::default()), (0b110, 0b110));
    }

    #[test]
    fn the_set_is_never_emptied() {
        assert_eq!(three().judge(Judgement { down: 0b111, closed: 0 }), (0b110, 0b110), "the best by tier");
        let one_link = Candidates { linked: 0b001, ..three() };
        assert_eq!(one_link.judge(Judgement { down: 0b111, closed: 0 }), (0b001, 0b001), "those with a link first");
        let none = Candidates { linked: 0, ..three() };
        assert_eq!(none.judge(Judgement::default()), (0b110, 0b110));
        assert_eq!(three().judge(Judgement { down: 0b110, closed: 0b001 }), (0b001, 0b001), "closed, but alone");
        assert_eq!(Candidates::default().judge(Judgement::default()), (0, 0));
    }
}
