//! So many a minute, and as many at once.

use crate::units::Nanos;

const MINUTE: u64 = 60_000_000_000;

/// How many more may pass.
#[derive(Debug)]
pub(super) struct Rate {
    /// Time that each of them takes.
    each: u64,
    /// Time that all of them together take.
    most: u64,
    /// Time that is left for them.
    left: u64,
    looked: Nanos,
}

impl Rate {
    /// `per_minute` may pass, now and in every minute.
    pub(super) fn new(per_minute: u32, now: Nanos) -> Self {
        let each = MINUTE / u64::from(per_minute.max(1));
        let most = each * u64::from(per_minute.max(1));
        Self { each, most, left: most, looked: now }
    }

    /// Whether one more may pass, which then has.
    pub(super) fn take(&mut self, now: Nanos) -> bool {
        self.left = self.left.saturating_add(now.since(self.looked).0).min(self.most);
        self.looked = now;
        let passes = self.left >= self.each;
        self.left -= if passes { self.each } else { 0 };
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many() {
        let start = Nanos::from_millis(5000);
        let mut rate = Rate::new(3, start);
        let mut take = |seconds: u64| rate.take(start.plus(Nanos::from_millis(seconds * 1000)));
        assert_eq!([0, 0, 0, 0].map(&mut take), [true, true, true, false]);
        assert_eq!([19, 20, 20].map(&mut take), [false, true, false]);
        assert_eq!([1000, 1000, 1000, 1000].map(&mut take), [true, true, true, false]);
    }
}
