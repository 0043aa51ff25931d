//! How soon an outage is found at the latest, by the settings.

use crate::control::config::{Health, Probe};
use crate::limits::HEALTH_NANOS;
use crate::units::Nanos;

/// Time from the death of an ISP's router until the ISP is down.
pub fn router(settings: &Health) -> Nanos {
    let tries = u64::from(settings.tries);
    // Each step may wait for the next look.
    Nanos(settings.silence.0 + tries * settings.patience.0 + (tries + 1) * HEALTH_NANOS)
}

/// Time from the death of a target, or of the way there, until it is not well.
pub fn target(settings: &Health, probe: &Probe) -> Nanos {
    let (every, timeout, count) = (probe.every.0, probe.timeout.0, u64::from(settings.down_after));
    let steady = count * every + timeout;
    // The first one lost makes it doubtful: then it is asked twice in each time-out.
    let doubtful = every + 2 * timeout + count.saturating_sub(2) * (timeout / 2);
    let found = if count == 1 { steady } else { steady.min(doubtful) };
    Nanos(found + (count + 1) * HEALTH_NANOS)
}

/// Time from the death of the way beyond until an ISP with these `probes` is down; `None` without any.
pub fn path(settings: &Health, probes: &[Probe]) -> Option<Nanos> {
    let mut times: Vec<Nanos> = probes.iter().map(|probe| target(settings, probe)).collect();
    times.sort_unstable();
    // With that one, fewer than needed are left.
    let last = probes.len().checked_sub(settings.need.clamp(1, probes.len().max(1)))?;
    times.get(last).copied()
}
