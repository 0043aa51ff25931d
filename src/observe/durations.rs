//! Durations by size, as Prometheus wants its histograms.

use crate::units::Nanos;

/// A histogram with bounds of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durations {
    bounds: &'static [Nanos],
    /// One more than there are bounds: the last is for what is longer than all.
    counts: Box<[u64]>,
    sum: Nanos,
}

impl Durations {
    /// An empty one; `bounds` rise.
    pub fn new(bounds: &'static [Nanos]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1].into(), sum: Nanos(0) }
    }

    /// Counts one.
    pub fn record(&mut self, duration: Nanos) {
        self.counts[self.bounds.partition_point(|bound| *bound < duration)] += 1;
        self.sum = Nanos(self.sum.0.saturating_add(duration.0));
    }

    /// Each bound, and how many were no longer.
    pub fn cumulative(&self) -> impl Iterator<Item = (Nanos, u64)> {
        let mut sum = 0;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            sum += count;
            (*bound, sum)
        })
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub const fn sum(&self) -> Nanos {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_once_and_a_bound_is_within() {
        const BOUNDS: [Nanos; 3] = [Nanos(10), Nanos(20), Nanos(40)];
        let mut durations = Durations::new(&BOUNDS);
        [1, 10, 11, 40, 41, 1000].into_iter().for_each(|nanos| durations.record(Nanos(nanos)));
        let expected = [(Nanos(10), 2), (Nanos(20), 3), (Nanos(40), 4)];
        assert_eq!(durations.cumulative().collect::<Vec<_>>(), expected);
        assert_eq!((durations.count(), durations.sum()), (6, Nanos(1103)));
    }
}
