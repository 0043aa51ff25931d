//! What the event log tells about the past: outages, what each ISP was good for, what it carried, and when
//! the gateway itself was away.
//!
//! While the gateway is away nobody knows how the ISPs are: that time is no outage of theirs, and no
//! availability either.

mod months;
mod timeline;

use serde::Serialize;
use time::OffsetDateTime;

use super::events::{Recorded, millis};
use super::health::Cause;
pub use months::Month;
use timeline::Timeline;

/// An ISP was down.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outage {
    /// Which.
    pub isp: String,
    /// When it began, as far as a gateway saw it.
    #[serde(with = "millis")]
    pub began: OffsetDateTime,
    /// Seconds that it lasted, as far as a gateway saw it.
    pub seconds: f64,
    /// What told: a word, like `carrier`.
    pub cause: String,
    /// Seconds from its last sign of life until other ISPs carried its packets; `None`: nobody sent any soon.
    pub failover_seconds: Option<f64>,
    /// How it ended.
    pub end: End,
}

impl Outage {
    /// Whether an operator has asked for it (`sixways drill`).
    pub fn is_rehearsed(&self) -> bool {
        is_rehearsal(&self.cause)
    }
}

fn is_rehearsal(cause: &str) -> bool {
    cause == Cause::Drill.label()
}

/// How an outage ended, or what else it was that nobody saw it any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The ISP came back.
    Recovered,
    /// It was a rehearsal, and a fault took its place.
    BecameReal,
    /// It lasts.
    GoesOn,
    /// The gateway ended meanwhile.
    GatewayStopped,
    /// The ISP was taken out of the configuration.
    Removed,
}

/// The gateway was away, and packets were dropped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Away {
    /// Since when.
    #[serde(with = "millis")]
    pub began: OffsetDateTime,
    /// Whether nobody said goodbye: it began up to 10 s later than told.
    pub approximate: bool,
    /// Until when, if it is back.
    #[serde(with = "millis::option")]
    pub ended: Option<OffsetDateTime>,
    /// Seconds in between.
    pub seconds: f64,
    /// Why: a word, and what more there is to say.
    pub why: String,
}

/// All that is asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct History {
    /// The earliest moment that is recorded; `None`: nothing is.
    #[serde(with = "millis::option")]
    pub recorded_since: Option<OffsetDateTime>,
    /// Whether a gateway runs.
    pub running: bool,
    /// In the order in which they began.
    pub outages: Vec<Outage>,
    /// By month and ISP.
    pub months: Vec<Month>,
    /// In the order in which they began.
    pub away: Vec<Away>,
    /// Events that could not be recorded.
    pub lost_events: u64,
    /// Lines of the log that no event could be read from.
    pub unreadable_lines: usize,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Nothing that was over before.
    pub since: Option<OffsetDateTime>,
    /// This ISP alone.
    pub isp: Option<String>,
}

impl History {
    /// What `recorded` tells at `now`; `running` is whether a gateway runs.
    pub fn of(recorded: &Recorded, running: bool, now: OffsetDateTime, selection: &Selection) -> Self {
        let Timeline { began, stays, away, traffic, lost } = Timeline::of(recorded, running, now);
        let from = selection.since.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let wanted = |isp: &str| selection.isp.as_deref().is_none_or(|wanted| wanted == isp);
        let stays: Vec<_> = stays.into_iter().filter(|stay| wanted(&stay.isp) && stay.end > from).collect();
        let traffic = traffic.into_iter().filter(|(at, traffic)| wanted(&traffic.isp) && *at >= from);
        let months = months::sum(&stays, traffic, &away, from);
        let mut outages: Vec<_> = stays.iter().filter_map(timeline::Stay::outage).collect();
        outages.sort_by_key(|outage| outage.began);
        Self {
            recorded_since: began,
            running,
            outages,
            months,
            away: away.into_iter().filter(|away| away.ended.is_none_or(|ended| ended > from)).collect(),
            lost_events: lost,
            unreadable_lines: recorded.unreadable,
        }
    }

    /// The ISPs that anything is recorded of.
    pub fn isps(&self) -> Vec<&str> {
        let mut isps: Vec<&str> = self.months.iter().map(|month| month.isp.as_str()).collect();
        isps.sort_unstable();
        isps.dedup();
        isps
    }
}

#[cfg(test)]
mod tests;
