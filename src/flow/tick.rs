//! Time as a flow record keeps it.

use crate::limits::MAX_FLOW_TIMEOUT;
use crate::units::Nanos;

/// A moment on a clock of 14 bits: 2³² ns (4.3 s) a tick, 19.5 h a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick(pub u16);

/// Ticks of one round.
const ROUND: u16 = 1 << Tick::BITS;
/// Workers take the time once a batch: a record may have been seen by another one a moment
/// later than by this one's clock, and must not look a whole round old.
const AHEAD: u16 = 16;
/// Time for the sweep: seven hours for what takes it sixteen seconds.
const _: () = assert!(Tick::cover(MAX_FLOW_TIMEOUT) < Tick::MAX_AGE - 6000);

impl Tick {
    /// Bits of a tick.
    pub const BITS: u32 = 14;
    /// The longest age that is told from a moment ahead.
    pub const MAX_AGE: u16 = ROUND - 1 - AHEAD;

    /// The tick of `now`.
    pub const fn at(now: Nanos) -> Self {
        Self((now.0 >> 32) as u16 & (ROUND - 1))
    }

    /// Ticks from `self` to `now`; zero when `self` is a little ahead.
    pub const fn age(self, now: Self) -> u16 {
        let age = now.0.wrapping_sub(self.0) & (ROUND - 1);
        if age > Self::MAX_AGE { 0 } else { age }
    }

    /// The later of the two.
    #[must_use]
    pub const fn latest(self, now: Self) -> Self {
        if self.age(now) == 0 { self } else { now }
    }

    /// The age at which `span` has not passed for certain, but has at any greater one, whenever in
    /// a tick it began. At most [`MAX_FLOW_TIMEOUT`]'s: behind that, control's sweep must have the
    /// time to find the record before a round is over and it looks young again.
    pub const fn cover(span: Nanos) -> u16 {
        let span = if span.0 > MAX_FLOW_TIMEOUT.0 { MAX_FLOW_TIMEOUT.0 } else { span.0 };
        span.div_ceil(1 << 32) as u16
    }

    /// The longest time that `ticks` ticks can be.
    pub const fn span(ticks: u16) -> Nanos {
        Nanos((ticks as u64) << 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_survive_the_end_of_a_round() {
        assert_eq!(Tick(ROUND - 3).age(Tick(4)), 7);
        assert_eq!(Tick(5).age(Tick(5)), 0);
    }

    #[test]
    fn a_moment_ahead_is_no_age() {
        assert_eq!(Tick(0).age(Tick(ROUND - 1)), 0);
        assert_eq!(Tick(6).age(Tick(4)), 0);
        assert_eq!(Tick(AHEAD).age(Tick(ROUND - 1)), Tick::MAX_AGE);
    }

    #[test]
    fn a_span_is_covered_whenever_it_begins() {
        for offset in [0, 1, u64::from(u32::MAX)] {
            let span = Nanos::from_millis(60_000);
            let begin = Nanos(offset + (7 << 32));
            let almost = Nanos(begin.0 + span.0 - 1);
            assert!(Tick::at(begin).age(Tick::at(almost)) <= Tick::cover(span));
        }
    }
}
