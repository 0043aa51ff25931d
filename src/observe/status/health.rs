//! The ISPs' health in `sixways status`.

use serde::{Deserialize, Serialize};

use crate::observe::isp_health::{IspHealth, IspState, TargetHealth, Wait};
use crate::units::Nanos;

/// One ISP's health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthStatus {
    /// What it is fit for.
    pub state: IspState,
    /// Why, in a word.
    pub cause: String,
    /// Seconds that it has been so.
    pub seconds: f64,
    /// What an ISP that is not up has to wait for: `prefix`, `route`, `carrier`, `next-hop`, `probes` or
    /// `hold-down`.
    pub waits_for: Option<String>,
    /// Seconds until its hold-down is over, if all stays well.
    pub hold_down_left_seconds: Option<f64>,
    /// The whole of its hold-down.
    pub hold_down_seconds: Option<f64>,
    /// Its router: `mute`, `alive`, `doubtful` or `dead`.
    pub router: String,
    /// Seconds since a packet came in by the ISP; `None` before the first one.
    pub heard_seconds: Option<f64>,
    /// Changes of its state so far.
    pub transitions: u64,
    /// What is asked for beyond its router.
    pub targets: Vec<TargetStatus>,
}

/// One target of an ISP's probes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// What is asked of whom.
    pub target: String,
    /// `unheard`, `well` or `lost`.
    pub state: String,
    /// Round-trip time of the latest answer.
    pub rtt_seconds: Option<f64>,
    /// Share of the latest probes that were lost, 0 to 1.
    pub loss_ratio: f64,
    /// Probes sent.
    pub sent: u64,
    /// Probes without an answer in time.
    pub lost: u64,
}

impl HealthStatus {
    /// As of `at`.
    pub(super) fn of(isp: &IspHealth, at: Nanos) -> Self {
        let hold_down = match isp.waits {
            Some(Wait::HoldDown { until, whole }) => Some((seconds(until.since(at)), seconds(whole))),
            _ => None,
        };
        Self {
            state: isp.state,
            cause: isp.cause.to_owned(),
            seconds: seconds(at.since(isp.since)),
            waits_for: isp.waits.map(|wait| wait.label().to_owned()),
            hold_down_left_seconds: hold_down.map(|(left, _)| left),
            hold_down_seconds: hold_down.map(|(_, whole)| whole),
            router: isp.router.state.label().to_owned(),
            heard_seconds: isp.router.heard.map(|heard| seconds(at.since(heard))),
            transitions: isp.transitions,
            targets: isp.targets.iter().map(TargetStatus::of).collect(),
        }
    }
}

impl TargetStatus {
    fn of(target: &TargetHealth) -> Self {
        Self {
            target: target.name.clone(),
            state: target.state.label().to_owned(),
            rtt_seconds: target.rtt.map(seconds),
            loss_ratio: target.loss,
            sent: target.sent,
            lost: target.lost,
        }
    }
}

fn seconds(span: Nanos) -> f64 {
    span.0 as f64 / 1e9
}
