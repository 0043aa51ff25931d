//! Sums by calendar month, in UTC.

use std::collections::BTreeMap;

use serde::Serialize;
use time::{Date, Month as Name, OffsetDateTime, Time};

use super::timeline::{Stay, between};
use super::{Away, is_rehearsal};
use crate::control::events::{IspState, IspTraffic};

/// One ISP in one month.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Month {
    /// Like `2026-11`.
    pub month: String,
    /// Which ISP.
    pub isp: String,
    /// Part of the time in which its state was known that it could carry packets; `None`: never known.
    /// Rehearsed outages are left out.
    pub availability_ratio: Option<f64>,
    /// Outages that began in it, rehearsed ones left out.
    pub outages: u64,
    /// Seconds that it could carry packets.
    pub available_seconds: f64,
    /// Those of them that it carried packets badly.
    pub degraded_seconds: f64,
    /// Seconds that it could not.
    pub down_seconds: f64,
    /// Seconds of rehearsed outages.
    pub rehearsed_seconds: f64,
    /// Seconds that a gateway ran and did not know.
    pub unknown_seconds: f64,
    /// Seconds that the gateway was away.
    pub gateway_away_seconds: f64,
    /// Packets that came in by it.
    pub received_packets: u64,
    /// Their octets, Ethernet header included.
    pub received_bytes: u64,
    /// Packets that left by it.
    pub sent_packets: u64,
    /// Their octets, Ethernet header included.
    pub sent_bytes: u64,
}

/// Year and number of a month.
type Number = (i32, u8);

/// The months of what happened from `from` on.
pub fn sum(
    stays: &[Stay],
    traffic: impl Iterator<Item = (OffsetDateTime, IspTraffic)>,
    away: &[Away],
    from: OffsetDateTime,
) -> Vec<Month> {
    let mut months = BTreeMap::<(Number, String), Month>::new();
    let mut of = |number: Number, isp: &str, change: &dyn Fn(&mut Month)| {
        let key = (number, isp.to_owned());
        change(months.entry(key).or_insert_with(|| Month::named(number, isp)));
    };
    for stay in stays {
        let began = stay.began();
        for (number, begin, end) in split(began.max(from), stay.end) {
            let whole = (begin, end) == (began, stay.end);
            let seconds = if whole { stay.seconds } else { between(begin, end) };
            of(number, &stay.isp, &|month| month.add(stay, seconds));
        }
        if stay.state == IspState::Down && !is_rehearsal(&stay.cause) && began >= from {
            of(number(began), &stay.isp, &|month| month.outages += 1);
        }
    }
    for (at, traffic) in traffic {
        of(number(at), &traffic.isp, &|month| month.carry(&traffic));
    }
    for month in months.values_mut() {
        let known = month.available_seconds + month.down_seconds;
        month.availability_ratio = (known > 0.0).then(|| month.available_seconds / known);
    }
    for away in away {
        let end = away.began.saturating_add(time::Duration::saturating_seconds_f64(away.seconds));
        for (number, begin, end) in split(away.began.max(from), end) {
            let these = months.iter_mut().filter(|((of, _), _)| *of == number);
            these.for_each(|(_, month)| month.gateway_away_seconds += between(begin, end));
        }
    }
    months.into_values().collect()
}

impl Month {
    fn named((year, month): Number, isp: &str) -> Self {
        Self { month: format!("{year:04}-{month:02}"), isp: isp.to_owned(), ..Self::default() }
    }

    fn add(&mut self, stay: &Stay, seconds: f64) {
        match stay.state {
            IspState::Unknown => self.unknown_seconds += seconds,
            IspState::Down if is_rehearsal(&stay.cause) => self.rehearsed_seconds += seconds,
            IspState::Down => self.down_seconds += seconds,
            IspState::Degraded => {
                self.available_seconds += seconds;
                self.degraded_seconds += seconds;
            }
            IspState::Up | IspState::Drain => self.available_seconds += seconds,
        }
    }

    fn carry(&mut self, traffic: &IspTraffic) {
        self.received_packets += traffic.received_packets;
        self.received_bytes += traffic.received_bytes;
        self.sent_packets += traffic.sent_packets;
        self.sent_bytes += traffic.sent_bytes;
    }
}

fn number(at: OffsetDateTime) -> Number {
    (at.year(), at.month().into())
}

/// A stretch of time by months. One of no length has none.
fn split(begin: OffsetDateTime, end: OffsetDateTime) -> Vec<(Number, OffsetDateTime, OffsetDateTime)> {
    let mut parts = Vec::new();
    let mut from = begin;
    while from < end {
        let to = next_month(from).map_or(end, |next| next.min(end));
        parts.push((number(from), from, to));
        from = to;
    }
    parts
}

/// `None` after the last month of the calendar.
fn next_month(at: OffsetDateTime) -> Option<OffsetDateTime> {
    let (year, month) = match at.month() {
        Name::December => (at.year() + 1, Name::January),
        month => (at.year(), month.next()),
    };
    let first = Date::from_calendar_date(year, month, 1).ok()?;
    Some(first.with_time(Time::MIDNIGHT).assume_utc())
}
