//! Flows that take another ISP although the one that they have would do: it is being emptied, or the one
//! that they prefer is back.

use crate::limits::MAX_UPLINKS;
use crate::units::UplinkId;

/// All flows, as a part of themselves.
pub const ALL_FLOWS: u32 = 65_536;

/// Which flows move, by the hash that chooses their bucket: flows that share an ISP by policy move together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    leaving: [u32; MAX_UPLINKS],
    returning: [u32; MAX_UPLINKS],
    /// Bit `n`: whatever would be given another uplink than `n` now has been there long enough.
    overstayed: u16,
    /// Bit `n`: some flows of uplink `n` are to take another.
    from: u16,
}

impl Moves {
    /// By uplink, out of [`ALL_FLOWS`]: of the flows that it has, the part that leaves for what they would be
    /// given now; of those that would be given it now, the part that comes from wherever they are.
    pub fn new(leaving: [u32; MAX_UPLINKS], returning: [u32; MAX_UPLINKS]) -> Self {
        let bits = |parts: &[u32; MAX_UPLINKS]| {
            parts.iter().enumerate().filter(|(_, part)| **part > 0).fold(0_u16, |bits, (n, _)| bits | 1 << n)
        };
        let others = match bits(&returning) {
            0 => 0,
            one if one.is_power_of_two() => !one,
            _ => u16::MAX,
        };
        Self { leaving, returning, overstayed: 0, from: bits(&leaving) | others }
    }

    /// The same, and all flows on `uplinks`, bits by uplink, that would be given another one now leave for it:
    /// no more than that, unlike flows of uplinks that are being emptied.
    #[must_use]
    pub const fn with_overstayed(self, uplinks: u16) -> Self {
        Self { overstayed: uplinks, from: self.from | uplinks, ..self }
    }

    /// Whether some flows of `uplink` are to take another one: all that most packets ask.
    pub const fn concern(&self, uplink: UplinkId) -> bool {
        self.from & 1 << uplink.0 != 0
    }

    /// Whether a flow that has `had`, and that its policy would now give `preferred` by `hash`, takes it.
    pub const fn take(&self, hash: u64, had: UplinkId, preferred: UplinkId) -> bool {
        // Above the bits that choose the bucket.
        let place = (hash >> 16) as u32 % ALL_FLOWS;
        let overstayed = self.overstayed & 1 << had.0 != 0;
        let due = overstayed || place < self.leaving[had.index()] || place < self.returning[preferred.index()];
        // Of two that are being emptied neither takes the other's flows.
        due && had.0 != preferred.0 && self.leaving[preferred.index()] == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    const A: UplinkId = UplinkId(0);
    const B: UplinkId = UplinkId(3);
    const C: UplinkId = UplinkId(14);

    fn parts(some: &[(UplinkId, u32)]) -> [u32; MAX_UPLINKS] {
        let mut parts = [0; MAX_UPLINKS];
        some.iter().for_each(|(uplink, part)| parts[uplink.index()] = *part);
        parts
    }

    fn share(moves: &Moves, had: UplinkId, preferred: UplinkId) -> f64 {
        (0..10_000).filter(|n| moves.take(mix(*n), had, preferred)).count() as f64 / 10_000.0
    }

    #[test]
    fn a_part_of_the_flows_leaves_and_the_rest_stays() {
        let moves = Moves::new(parts(&[(A, ALL_FLOWS / 4)]), parts(&[]));
        assert_eq!([A, B, C].map(|uplink| moves.concern(uplink)), [true, false, false]);
        assert!((share(&moves, A, B) - 0.25).abs() < 0.02);
        assert_eq!([share(&moves, B, A), share(&moves, B, C), share(&moves, A, A)], [0.0; 3]);
        let all = Moves::new(parts(&[(A, ALL_FLOWS)]), parts(&[]));
        assert_eq!(share(&all, A, C), 1.0);
    }

    #[test]
    fn whoever_has_left_stays_away_while_more_leave() {
        let at = |part| Moves::new(parts(&[(A, part)]), parts(&[]));
        for n in 0..1000 {
            let due: Vec<bool> = (0..=8).map(|step| at(ALL_FLOWS / 8 * step).take(mix(n), A, B)).collect();
            assert!(due.is_sorted() && !due[0] && due[8], "{due:?}");
        }
    }

    #[test]
    fn flows_come_back_from_wherever_they_are() {
        let moves = Moves::new(parts(&[]), parts(&[(A, ALL_FLOWS / 2)]));
        assert_eq!([A, B, C].map(|uplink| moves.concern(uplink)), [false, true, true]);
        assert!((share(&moves, B, A) - 0.5).abs() < 0.02 && (share(&moves, C, A) - 0.5).abs() < 0.02);
        assert_eq!(share(&moves, B, C), 0.0, "they do not prefer it");
        let two = Moves::new(parts(&[]), parts(&[(A, ALL_FLOWS), (B, ALL_FLOWS)]));
        assert_eq!([A, B, C].map(|uplink| two.concern(uplink)), [true; 3]);
    }

    #[test]
    fn two_that_are_emptied_do_not_pass_flows_to_and_fro() {
        let moves = Moves::new(parts(&[(A, ALL_FLOWS), (B, ALL_FLOWS)]), parts(&[(A, ALL_FLOWS)]));
        assert_eq!([share(&moves, A, B), share(&moves, B, A), share(&moves, B, C)], [0.0, 0.0, 1.0]);
    }

    #[test]
    fn who_has_overstayed_leaves_for_what_it_would_be_given_and_others_still_come() {
        let moves = Moves::new(parts(&[(A, ALL_FLOWS)]), parts(&[])).with_overstayed(1 << B.0);
        assert_eq!([A, B, C].map(|uplink| moves.concern(uplink)), [true, true, false]);
        assert_eq!([share(&moves, B, C), share(&moves, B, B), share(&moves, C, B)], [1.0, 0.0, 0.0]);
        assert_eq!(share(&moves, A, B), 1.0, "from one that is being emptied, if nobody else would do");
        assert_eq!(share(&moves, B, A), 0.0, "to one that is being emptied");
    }
}
