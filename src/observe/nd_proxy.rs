//! What the ND proxy counts.

use crate::limits::MAX_UPLINKS;
use crate::observe::counters::Counter;
use crate::units::UplinkId;

/// What became of a Neighbor Solicitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdOutcome {
    /// The ISP was told that the address is here.
    Answered,
    /// No host inside has the address, or it did not answer in time.
    NoHost,
    /// The same question was waiting for the host inside already.
    Repeated,
    /// Too many answers, or too many hosts to look for.
    RateLimited,
    /// For an address that is not answered for: another prefix, an own one, the router's, or one
    /// that has no image inside.
    NotProxied,
    /// Not a valid Neighbor Solicitation (RFC 4861 §7.1.1).
    Invalid,
}

impl NdOutcome {
    /// Every outcome, in the order of [`NdOutcome::index`].
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::NoHost, Self::Repeated, Self::RateLimited, Self::NotProxied, Self::Invalid];

    /// Position in an array of all.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word in metric labels and in `status`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NoHost => "no-host",
            Self::Repeated => "repeated",
            Self::RateLimited => "rate-limited",
            Self::NotProxied => "not-proxied",
            Self::Invalid => "invalid",
        }
    }
}

/// Solicitations of one ISP by [`NdOutcome::index`].
pub type NdCounts = [u64; NdOutcome::ALL.len()];

/// The counters of every ISP. The control thread alone writes.
#[derive(Debug)]
pub struct NdCounters(Box<[OfUplink]>);

#[derive(Debug, Default)]
struct OfUplink {
    /// 1 once the ISP's link was listened on.
    heard: Counter,
    outcomes: [Counter; NdOutcome::ALL.len()],
}

impl Default for NdCounters {
    fn default() -> Self {
        Self((0..MAX_UPLINKS).map(|_| OfUplink::default()).collect())
    }
}

impl NdCounters {
    /// From now on the counts of `uplink` are shown.
    pub fn show(&self, uplink: UplinkId) {
        self.0[uplink.index()].heard.set(1);
    }

    /// Counts one solicitation.
    pub fn count(&self, uplink: UplinkId, outcome: NdOutcome) {
        self.0[uplink.index()].outcomes[outcome.index()].add(1);
    }

    /// The counts of every ISP that is shown.
    pub fn load(&self) -> Vec<(UplinkId, NdCounts)> {
        let shown = self.0.iter().enumerate().filter(|(_, counters)| counters.heard.get() != 0);
        shown.map(|(id, counters)| (UplinkId(id as u8), counters.outcomes.each_ref().map(Counter::get))).collect()
    }
}
