//! Prefixes that are learnt, in `sixways status`.

use serde::{Deserialize, Serialize};

use crate::observe::prefixes::LearntPrefix;
use crate::units::Nanos;

/// The prefixes of one ISP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixStatus {
    /// The source: a path, or `interface NAME`.
    pub learnt_from: String,
    /// What new flows get; `None`: the ISP carries nothing new.
    pub prefix: Option<String>,
    /// The delegation that it is a part of, or all of.
    pub delegated: Option<String>,
    /// Seconds that it has been in force, over restarts.
    pub seconds: Option<f64>,
    /// Why that is not what the source shows now.
    pub trouble: Option<String>,
    /// Seconds until the prefix counts as gone, where the source shows none.
    pub gone_in_seconds: Option<f64>,
    /// Those that have a grace, the oldest first.
    pub former: Vec<FormerStatus>,
    /// How often another prefix, or none, came into force since the start.
    pub changes: u64,
}

/// A prefix that new flows get no longer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FormerStatus {
    /// It.
    pub prefix: String,
    /// Seconds for which its flows still keep it.
    pub grace_left_seconds: f64,
}

impl PrefixStatus {
    /// As of `at`.
    pub(super) fn of(learnt: &LearntPrefix, at: Nanos) -> Self {
        let current = learnt.current;
        let seconds = |span: Nanos| span.0 as f64 / 1e9;
        let left = |until: Nanos| seconds(until.since(at));
        Self {
            learnt_from: learnt.learnt_from.clone(),
            prefix: current.map(|current| current.prefix.to_string()),
            delegated: current.map(|current| current.delegated.to_string()),
            seconds: current.map(|current| seconds(current.age)),
            trouble: learnt.trouble.clone(),
            gone_in_seconds: current.and_then(|current| current.gone_at).map(left),
            former: learnt
                .former
                .iter()
                .map(|former| FormerStatus {
                    prefix: former.prefix.to_string(),
                    grace_left_seconds: left(former.until),
                })
                .collect(),
            changes: learnt.changes,
        }
    }
}
