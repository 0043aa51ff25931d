//! What is known of the prefixes that are learnt, as plain data for metrics and `status`.

use crate::npt::Prefix;
use crate::units::Nanos;

/// The prefixes of one ISP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LearntPrefix {
    /// Whose.
    pub isp: String,
    /// The source: a path, or `interface NAME`.
    pub learnt_from: String,
    /// What new flows get; none: the ISP carries nothing new.
    pub current: Option<CurrentPrefix>,
    /// Those that have a grace, the oldest first.
    pub former: Vec<FormerPrefix>,
    /// Why that is not what the source shows now.
    pub trouble: Option<String>,
    /// How often another prefix, or none, came into force since the start.
    pub changes: u64,
}

/// A prefix in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentPrefix {
    /// The ISP's part of the delegation.
    pub prefix: Prefix,
    /// The whole of it.
    pub delegated: Prefix,
    /// How long it has been so by the time of day, over restarts.
    pub age: Nanos,
    /// When it counts as gone, unless the source shows it again.
    pub gone_at: Option<Nanos>,
}

/// A prefix that new flows get no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerPrefix {
    /// It.
    pub prefix: Prefix,
    /// The end of its grace.
    pub until: Nanos,
}
