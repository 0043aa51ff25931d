//! Which configuration is in force, for the metrics and for `status`.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// What the run loop tells of the configuration: at the start and after each reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFacts {
    /// The file that it was read from.
    pub file: String,
    /// SHA-256 of that file's octets, in hexadecimal digits.
    pub sha256: String,
    /// When it came into force, since the Unix epoch.
    pub since: Duration,
    /// The latest attempt to put another one in force, if that failed.
    pub failure: Option<ReloadFailure>,
    /// When the former one returns unless somebody confirms this one.
    pub confirm_until: Option<Nanos>,
    /// When the file was first seen to have something else than what is in force, since the Unix epoch;
    /// `None`: it has not.
    pub differs_since: Option<Duration>,
}

/// A reload that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadFailure {
    /// Why.
    pub reason: String,
    /// When, since the Unix epoch.
    pub at: Duration,
}

/// The configuration as `status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The file that it was read from.
    pub file: String,
    /// SHA-256 of that file's octets, in hexadecimal digits.
    pub sha256: String,
    /// Seconds for which it has been in force.
    pub age_seconds: f64,
    /// Why the latest reload failed; `None`: it did not, or there was none.
    pub failure: Option<String>,
    /// Seconds since then.
    pub failure_age_seconds: Option<f64>,
    /// Seconds that are left to confirm it, where it waits for that.
    pub confirm_within_seconds: Option<f64>,
    /// Seconds for which the file has had something else than what is in force; `None`: it has not.
    pub file_differs_seconds: Option<f64>,
}

impl ConfigStatus {
    /// What there is to say at `now`.
    pub fn of(facts: &ConfigFacts, now: Nanos) -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let age = |at: Duration| since_epoch.saturating_sub(at).as_secs_f64();
        Self {
            file: facts.file.clone(),
            sha256: facts.sha256.clone(),
            age_seconds: age(facts.since),
            failure: facts.failure.as_ref().map(|failure| failure.reason.clone()),
            failure_age_seconds: facts.failure.as_ref().map(|failure| age(failure.at)),
            confirm_within_seconds: facts.confirm_until.map(|until| until.since(now).0 as f64 / 1e9),
            file_differs_seconds: facts.differs_since.map(age),
        }
    }
}
