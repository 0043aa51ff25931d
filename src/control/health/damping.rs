//! How long an ISP must have been well before it carries flows again.

use crate::control::config;
use crate::units::Nanos;

/// Two outages within this time are flapping.
const FLAP_MEMORY: Nanos = Nanos::from_millis(600_000);
/// Doublings beyond which no hold-down is in question.
const MOST_DOUBLINGS: u32 = 20;

/// Outages of late.
#[derive(Debug, Default)]
pub struct Damping {
    /// When the latest outage began.
    down: Option<Nanos>,
    doublings: u32,
    /// Since when nothing is wrong.
    well: Option<Nanos>,
}

impl Damping {
    /// An outage begins.
    pub fn begin(&mut self, now: Nanos) {
        let flaps = self.down.is_some_and(|former| now.since(former) < FLAP_MEMORY);
        self.doublings = if flaps { (self.doublings + 1).min(MOST_DOUBLINGS) } else { 0 };
        self.down = Some(now);
        self.well = None;
    }

    /// During an outage: whether everything is well. Returns whether the outage is over.
    pub fn observe(&mut self, well: bool, settings: &config::Health, now: Nanos) -> bool {
        if !well {
            self.well = None;
            return false;
        }
        let since = *self.well.get_or_insert(now);
        now.since(since) >= self.hold(settings)
    }

    /// How long it must have been well.
    pub fn hold(&self, settings: &config::Health) -> Nanos {
        let doubled = Nanos(settings.hold_down.0.saturating_mul(1 << self.doublings));
        doubled.min(settings.backoff_max).max(settings.hold_down)
    }

    /// When the latest outage began.
    pub fn down_since(&self) -> Nanos {
        self.down.unwrap_or_default()
    }

    /// When the outage ends if all stays well.
    pub fn over_at(&self, settings: &config::Health) -> Option<Nanos> {
        Some(self.well?.plus(self.hold(settings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Nanos {
        Nanos::from_millis(n * 1000)
    }

    #[test]
    fn an_outage_ends_after_a_whole_hold_down_without_a_fault() {
        let (mut damping, settings) = (Damping::default(), config::Health::default());
        damping.begin(seconds(100));
        assert!(!damping.observe(true, &settings, seconds(101)));
        assert!(!damping.observe(false, &settings, seconds(105)));
        assert!(!damping.observe(true, &settings, seconds(106)));
        assert_eq!(damping.over_at(&settings), Some(seconds(108)));
        assert!(!damping.observe(true, &settings, seconds(107)));
        assert!(damping.observe(true, &settings, seconds(108)));
    }

    #[test]
    fn the_hold_down_of_a_flapper_doubles_up_to_its_limit_and_is_forgiven() {
        let (mut damping, settings) = (Damping::default(), config::Health::default());
        let holds: Vec<_> = (0..9)
            .map(|n| {
                damping.begin(seconds(100 + 400 * n));
                damping.hold(&settings).0 / 1_000_000_000
            })
            .collect();
        assert_eq!(holds, [2, 4, 8, 16, 32, 64, 128, 256, 300]);
        damping.begin(seconds(100 + 400 * 8 + 601));
        assert_eq!(damping.hold(&settings), settings.hold_down);
    }
}
