//! The hosts' own connections as evidence: an ISP by which many get no answer, while others do by another one,
//! is suspect. Pure: told the counts, and the time.

use crate::units::{Nanos, UplinkId};

/// Time between two looks.
const LOOK: Nanos = Nanos::from_millis(1000);
/// Connections without an answer that make an ISP suspect.
const MANY: u64 = 8;

/// Connections of one ISP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Those that were asked for from inside.
    pub opened: u64,
    /// Of them those that were answered.
    pub answered: u64,
}

/// What was seen of the connections of all ISPs.
#[derive(Debug, Default)]
pub struct Evidence {
    /// Totals at the latest look, by uplink.
    latest: Vec<Connections>,
    looked: Nanos,
}

impl Evidence {
    /// Whether it is time for a look.
    pub fn is_due(&self, now: Nanos) -> bool {
        now.since(self.looked) >= LOOK
    }

    /// The uplinks that are suspect by what `totals`, by uplink, have grown since the latest look. Totals that shrink
    /// begin anew.
    pub fn look(&mut self, totals: Vec<Connections>, now: Nanos) -> impl Iterator<Item = UplinkId> + use<> {
        let since = |(n, total): (usize, &Connections)| {
            let before = self.latest.get(n).copied().unwrap_or(*total);
            Connections {
                opened: total.opened.saturating_sub(before.opened),
                answered: total.answered.saturating_sub(before.answered),
            }
        };
        let of_late: Vec<_> = totals.iter().enumerate().map(since).collect();
        (self.latest, self.looked) = (totals, now);
        let any_answered = of_late.iter().any(|of| of.answered > 0);
        let is_suspect = move |of: &Connections| any_answered && of.opened >= MANY && of.answered == 0;
        (0..).map(UplinkId).zip(of_late).filter(move |(_, of)| is_suspect(of)).map(|(uplink, _)| uplink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: [u8; 0] = [];

    /// Looks again when each of three ISPs has opened and answered so many more.
    struct Looks(Evidence, Vec<Connections>, Nanos);

    impl Looks {
        fn new() -> Self {
            let mut looks = Self(Evidence::default(), vec![Connections { opened: 50, answered: 40 }; 3], Nanos(0));
            assert_eq!(looks.more([(0, 0); 3]), NOBODY, "what was before the first look");
            looks
        }

        fn more(&mut self, more: [(u64, u64); 3]) -> Vec<u8> {
            for (total, (opened, answered)) in self.1.iter_mut().zip(more) {
                total.opened += opened;
                total.answered += answered;
            }
            self.2 = self.2.plus(LOOK);
            assert!(self.0.is_due(self.2));
            self.0.look(self.1.clone(), self.2).map(|uplink| uplink.0).collect()
        }
    }

    #[test]
    fn many_without_an_answer_are_suspect_while_others_are_answered() {
        let mut looks = Looks::new();
        assert_eq!(looks.more([(20, 19), (8, 0), (30, 30)]), [1]);
        assert_eq!(looks.more([(0, 1), (100, 0), (9, 0)]), [1, 2], "a late answer is one as well");
        assert_eq!(looks.more([(5, 0), (7, 0), (30, 30)]), NOBODY, "few");
        assert_eq!(looks.more([(5, 5), (90, 1), (30, 30)]), NOBODY, "a lossy one");
        assert_eq!(looks.more([(20, 0), (20, 0), (20, 0)]), NOBODY, "nobody is answered: whoever is asked may be gone");
    }

    #[test]
    fn counters_that_begin_anew_accuse_nobody() {
        let mut looks = Looks::new();
        looks.1 = vec![Connections { opened: 30, answered: 0 }, Connections { opened: 9, answered: 9 }];
        assert_eq!(looks.more([(0, 0); 3]), NOBODY);
        assert!(!looks.0.is_due(looks.2), "once a second");
    }
}
