//! How long packets take, as histograms that a worker fills and control collects.
//!
//! A worker records into a set of histograms of its own, with plain additions. About once a
//! second it hands the full set over and takes a cleared one: two bounded queues between two
//! threads, no lock, and no memory allocated after the start.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use hdrhistogram::Histogram;

use crate::units::{Direction, Nanos};

/// Resolution below which latencies are not told apart, in nanoseconds.
const LOWEST: u64 = 64;
/// Longer latencies count as this: 10 s.
const HIGHEST: u64 = 10_000_000_000;
/// Significant decimal digits: values are off by less than 1 %.
const DIGITS: u8 = 2;
/// Sets on their way between a worker and control.
const SETS: usize = 2;
const PERIOD: Nanos = Nanos::from_millis(1000);

/// One histogram per direction.
#[derive(Debug)]
struct Set {
    histograms: [Histogram<u32>; 2],
    /// Nanoseconds, unrounded.
    sums: [u64; 2],
}

impl Set {
    fn new() -> Box<Self> {
        let histogram = || Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("constant bounds are valid");
        Box::new(Self { histograms: [histogram(), histogram()], sums: [0; 2] })
    }

    fn is_empty(&self) -> bool {
        self.histograms.iter().all(Histogram::is_empty)
    }

    fn clear(&mut self) {
        self.histograms.iter_mut().for_each(Histogram::reset);
        self.sums = [0; 2];
    }
}

#[derive(Debug)]
struct HandOver {
    full: ArrayQueue<Box<Set>>,
    cleared: ArrayQueue<Box<Set>>,
}

/// The worker's side.
#[derive(Debug)]
pub struct LatencyRecorder {
    set: Box<Set>,
    hand_over: Arc<HandOver>,
    published: Nanos,
}

impl LatencyRecorder {
    /// Records one packet.
    pub fn record(&mut self, direction: Direction, latency: Nanos) {
        let at = direction.index();
        self.set.histograms[at].saturating_record(latency.0);
        self.set.sums[at] = self.set.sums[at].saturating_add(latency.0);
    }

    /// Hands over what was recorded, at most once a second. When control has not collected the
    /// former sets, this one grows on.
    pub fn publish_if_due(&mut self, now: Nanos) {
        if now.since(self.published) < PERIOD || self.set.is_empty() {
            return;
        }
        if let Some(cleared) = self.hand_over.cleared.pop() {
            self.published = now;
            let full = std::mem::replace(&mut self.set, cleared);
            // There are no more sets than places.
            let _ = self.hand_over.full.push(full);
        }
    }
}

/// Control's side: what all workers have recorded since the start.
#[derive(Debug)]
pub struct LatencyCollector {
    workers: Vec<Arc<HandOver>>,
    totals: [Latency; 2],
}

/// All latencies of one direction.
#[derive(Clone, Debug)]
pub struct Latency {
    histogram: Histogram<u64>,
    sum: u64,
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("constant bounds are valid");
        Self { histogram, sum: 0 }
    }
}

impl Latency {
    /// Packets timed.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// Sum of their latencies, in nanoseconds.
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Packets that took no more than `bound`, to the resolution of the histogram.
    pub fn at_most(&self, bound: Nanos) -> u64 {
        self.histogram
            .iter_recorded()
            .take_while(|step| step.value_iterated_to() <= bound.0)
            .map(|step| step.count_at_value())
            .sum()
    }

    /// The latency that the share `quantile` (0 to 1) of the packets did not exceed.
    pub fn quantile(&self, quantile: f64) -> Nanos {
        Nanos(self.histogram.value_at_quantile(quantile))
    }

    /// The longest.
    pub fn max(&self) -> Nanos {
        Nanos(self.histogram.max())
    }
}

impl LatencyCollector {
    /// A collector that no worker feeds yet.
    pub fn new() -> Self {
        Self { workers: Vec::new(), totals: [Latency::default(), Latency::default()] }
    }

    /// The recorder of one more worker.
    pub fn recorder(&mut self) -> LatencyRecorder {
        let hand_over = Arc::new(HandOver { full: ArrayQueue::new(SETS + 1), cleared: ArrayQueue::new(SETS) });
        while hand_over.cleared.push(Set::new()).is_ok() {}
        self.workers.push(Arc::clone(&hand_over));
        LatencyRecorder { set: Set::new(), hand_over, published: Nanos::default() }
    }

    /// Adds what the workers have handed over.
    pub fn collect(&mut self) {
        self.workers.retain(|worker| Arc::strong_count(worker) > 1 || !worker.full.is_empty());
        for worker in &self.workers {
            while let Some(mut set) = worker.full.pop() {
                for (total, (histogram, sum)) in self.totals.iter_mut().zip(set.histograms.iter().zip(set.sums)) {
                    for step in histogram.iter_recorded() {
                        total.histogram.saturating_record_n(step.value_iterated_to(), u64::from(step.count_at_value()));
                    }
                    total.sum = total.sum.saturating_add(sum);
                }
                set.clear();
                // There are no more sets than places.
                let _ = worker.cleared.push(set);
            }
        }
    }

    /// Everything that was collected of one direction.
    pub const fn total(&self, direction: Direction) -> &Latency {
        &self.totals[direction.index()]
    }
}

impl Default for LatencyCollector {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_is_recorded_is_collected_once() {
        let mut collector = LatencyCollector::new();
        let mut recorder = collector.recorder();
        for nanos in [1_000, 2_000, 4_000_000, 60 * SECOND] {
            recorder.record(Direction::Inbound, Nanos(nanos));
        }
        collector.collect();
        assert_eq!(collector.total(Direction::Inbound).count(), 0, "nothing is handed over yet");
        recorder.publish_if_due(Nanos(5 * SECOND));
        collector.collect();
        collector.collect();
        let inbound = collector.total(Direction::Inbound);
        assert_eq!((inbound.count(), collector.total(Direction::Outbound).count()), (4, 0));
        assert_eq!(inbound.sum(), 1_000 + 2_000 + 4_000_000 + 60 * SECOND);
        assert_eq!(inbound.at_most(Nanos(3_000)), 2);
        let off = inbound.max().0.abs_diff(HIGHEST);
        assert!(off < HIGHEST / 50, "longer than the longest counts as the longest");
    }

    #[test]
    fn a_concurrent_writer_loses_no_sample() {
        const SAMPLES: u64 = 200_000;
        let mut collector = LatencyCollector::new();
        let mut recorder = collector.recorder();
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for n in 0..SAMPLES {
                    recorder.record(Direction::Outbound, Nanos(500 + n % 1000));
                    // Every turn is due.
                    recorder.publish_if_due(Nanos((n + 2) * SECOND));
                }
                recorder
            });
            while !writer.is_finished() {
                collector.collect();
            }
            let mut recorder = writer.join().unwrap();
            collector.collect();
            recorder.publish_if_due(Nanos(u64::MAX));
        });
        collector.collect();
        assert_eq!(collector.total(Direction::Outbound).count(), SAMPLES);
    }
}
