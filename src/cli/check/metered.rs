//! Metered ISPs of a good configuration.

use serde::Serialize;

use crate::control::config::{Config, Isp, Metered, Probe, span};
use crate::control::health::probe::build;
use crate::wire::ethernet;

/// A metered ISP.
#[derive(Debug, Serialize)]
pub struct MeteredReport {
    max_stay_seconds: f64,
    /// Octets a month; none: anything.
    quota_bytes: Option<u64>,
    #[serde(skip)]
    words: String,
}

impl MeteredReport {
    pub fn new(Metered { max_stay, quota }: Metered) -> Self {
        let stay = format!("flows leave it within {} after an ISP that is not metered is back", span::show(max_stay));
        Self {
            max_stay_seconds: max_stay.0 as f64 / 1e9,
            quota_bytes: quota.map(|quota| quota.0),
            words: quota.map_or_else(|| stay.clone(), |quota| format!("{stay}; new flows avoid it beyond {quota}")),
        }
    }

    pub fn words(&self) -> &str {
        &self.words
    }
}

/// What metered ISPs may surprise with.
pub fn lints(config: &Config) -> Vec<String> {
    let metered = || config.isps.iter().filter_map(|isp| Some((isp, isp.metered?)));
    let mut warnings = Vec::new();
    if metered().next().is_some() && metered().count() == config.isps.len() {
        warnings.push("every ISP is metered: max_stay does nothing, as there is no other one to go back to".to_owned());
    }
    for (isp, Metered { quota, .. }) in metered() {
        let (octets, quota) = (probe_octets(isp), quota.map_or(u64::MAX, |quota| quota.0));
        if octets > quota / 20 {
            warnings.push(format!(
                "{}: its probes take {} MB a month, {} % of its quota; `every` says how often they are sent",
                isp.name,
                octets / 1_000_000,
                octets.saturating_mul(100) / quota
            ));
        }
    }
    warnings
}

const MONTH: u64 = 31 * 86_400 * 1_000_000_000;

/// Octets of all probes in a month, and of answers as long as they are.
fn probe_octets(isp: &Isp) -> u64 {
    let octets = |probe: &Probe| {
        let packet = build(&probe.kind, probe.target, probe.target, 0, 0);
        2 * (ethernet::HEADER + packet.len()) as u64 * (MONTH / probe.every.0.max(1))
    };
    isp.probes.iter().map(octets).sum()
}
