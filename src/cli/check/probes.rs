//! How the ISPs are watched, and what of it surprises.

use serde::Serialize;

use super::table::Table;
use crate::control::config::{Config, DEFAULT_TARGETS, Isp, Probe, span};
use crate::control::health::speed;
use crate::npt::Prefix;
use crate::units::Nanos;

/// Addresses that share a prefix of this length are one network's, as a rule.
const ONE_NETWORK: u8 = 32;

/// How one ISP is watched.
#[derive(Debug, Serialize)]
pub struct WatchReport {
    /// What is asked for beyond its router.
    targets: Vec<TargetReport>,
    /// Whether those are the default ones.
    default_targets: bool,
    /// Targets that must be well.
    need: usize,
    hold_down_seconds: f64,
    backoff_max_seconds: f64,
    /// Time until the death of its router is found, at most.
    router_death_seconds: f64,
    /// Time until a death beyond is found, at most; none: never.
    path_death_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct TargetReport {
    target: String,
    every_seconds: f64,
    timeout_seconds: f64,
    max_loss_percent: Option<u8>,
    max_rtt_seconds: Option<f64>,
}

impl WatchReport {
    pub fn new(isp: &Isp) -> Self {
        let target = |probe: &Probe| TargetReport {
            target: probe.to_string(),
            every_seconds: seconds(probe.every),
            timeout_seconds: seconds(probe.timeout),
            max_loss_percent: probe.max_loss,
            max_rtt_seconds: probe.max_rtt.map(seconds),
        };
        Self {
            targets: isp.probes.iter().map(target).collect(),
            default_targets: isp.probes == DEFAULT_TARGETS.map(Probe::ping),
            need: isp.health.need.min(isp.probes.len()),
            hold_down_seconds: seconds(isp.health.hold_down),
            backoff_max_seconds: seconds(isp.health.backoff_max),
            router_death_seconds: seconds(speed::router(&isp.health)),
            path_death_seconds: speed::path(&isp.health, &isp.probes).map(seconds),
        }
    }
}

/// Both tables, each ISP with its name.
pub fn page<'a>(isps: impl Iterator<Item = (&'a str, &'a WatchReport)> + Clone) -> String {
    let mut targets = Table::new(&["probes", "target", ">every", ">time-out", ">max loss", ">max rtt"]);
    let mut health =
        Table::new(&["health", ">targets", ">needed", ">back after", ">at most", ">router dead", ">path dead"]);
    for (name, watch) in isps.clone() {
        for (at, target) in watch.targets.iter().enumerate() {
            targets.row(vec![
                if at == 0 { name } else { "" }.to_owned(),
                target.target.clone(),
                show(target.every_seconds),
                show(target.timeout_seconds),
                target.max_loss_percent.map_or_else(|| "any".to_owned(), |most| format!("{most}%")),
                target.max_rtt_seconds.map_or_else(|| "any".to_owned(), show),
            ]);
        }
        if watch.targets.is_empty() {
            let nothing = [name, "none", "", "", "", ""];
            targets.row(nothing.map(str::to_owned).into());
        }
        health.row(vec![
            name.to_owned(),
            watch.targets.len().to_string(),
            watch.need.to_string(),
            show(watch.hold_down_seconds),
            show(watch.backoff_max_seconds),
            format!("{:.1} s", watch.router_death_seconds),
            watch.path_death_seconds.map_or_else(|| "unnoticed".to_owned(), |most| format!("{most:.1} s")),
        ]);
    }
    let defaults: Vec<&str> = isps.filter(|(_, watch)| watch.default_targets).map(|(name, _)| name).collect();
    let note = if defaults.is_empty() {
        String::new()
    } else {
        format!(
            "         {} public resolvers (Cloudflare, Google) are pinged by default: {}; probes = [] turns it off\n",
            DEFAULT_TARGETS.len(),
            defaults.join(", ")
        )
    };
    format!("{targets}{note}\n{health}")
}

fn seconds(span: Nanos) -> f64 {
    span.0 as f64 / 1e9
}

fn show(seconds: f64) -> String {
    span::show(Nanos((seconds * 1e9).round() as u64))
}

/// Warnings about what is asked beyond the routers.
pub fn lints(config: &Config) -> Vec<String> {
    config.isps.iter().filter_map(lint).collect()
}

fn lint(isp: &Isp) -> Option<String> {
    let (name, count) = (&isp.name, isp.probes.len());
    let Some(first) = isp.probes.first() else {
        return Some(format!("{name}: probes = [] asks nobody, so an outage beyond its router goes unnoticed"));
    };
    let network = Prefix::containing(first.target, ONE_NETWORK);
    if isp.probes.iter().all(|probe| probe.target == first.target) {
        let target = first.target;
        return Some(format!("{name}: all its probes ask {target}; when that host is down, the ISP counts as down"));
    }
    if isp.probes.iter().all(|probe| network.contains(probe.target)) {
        return Some(format!(
            "{name}: all its probes ask hosts in {network}; when that network is down, the ISP counts as down"
        ));
    }
    (isp.health.need >= count).then(|| {
        format!(
            "{name}: all of its {count} targets must be well (need = {count}), so the outage of one takes the ISP down"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;

    fn of(lines: &str) -> Vec<String> {
        let minimal = include_str!("../../../configs/minimal.toml");
        lints(&parse(&format!("{minimal}{lines}")).unwrap_or_else(|errors| panic!("{errors}")))
    }

    #[test]
    fn targets_that_share_a_fate_are_warned_of() {
        assert_eq!(of(""), [""; 0]);
        for (lines, part) in [
            ("probes = []", "goes unnoticed"),
            ("probes = [{ type = \"icmp\", to = \"2620:fe::9\" }]", "all its probes ask 2620:fe::9"),
            (
                "probes = [{ type = \"icmp\", to = \"2620:fe::9\" }, { type = \"dns\", to = \"2620:fe::9\" }]",
                "all its probes ask 2620:fe::9",
            ),
            ("probes = [{ type = \"icmp\", to = [\"2620:fe::9\", \"2620:fe::fe\"] }]", "hosts in 2620:fe::/32"),
            ("health = { need = 2 }", "need = 2"),
        ] {
            assert!(matches!(&of(lines)[..], [one] if one.starts_with("cable: ") && one.contains(part)), "{lines}");
        }
    }
}
