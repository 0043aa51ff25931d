//! What each ISP carries, hour by hour, for the event log; and more often, for the case that the gateway is killed.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::control::events::{Event, IspTraffic};
use crate::limits::{MAX_EDGES, TRAFFIC_DRAFT};
use crate::observe::sample::Sample;
use crate::units::{EdgeId, Nanos};

const HOUR: i64 = 3600;

/// Packets and octets that came in by an edge and that left by it.
type Carried = [u64; 4];

/// What each ISP has carried. Workers count by edge: so what an edge has carried since the last look is its
/// present ISP's, and an ISP that moves to another edge leaves behind what that had carried before.
#[derive(Debug)]
pub(super) struct TrafficMeter {
    /// Hours since the Unix epoch, when it was last told: the whole hours of UTC, so that a month ends
    /// with an hour.
    hour: i64,
    /// By [`EdgeId`], at the last look.
    seen: [Carried; MAX_EDGES],
    untold: BTreeMap<String, Carried>,
    /// From when on the next event counts.
    from: Nanos,
    drafted: Nanos,
}

impl TrafficMeter {
    /// Nothing is told yet. `now` and `moment` are the same on two clocks.
    pub(super) fn new(now: OffsetDateTime, moment: Nanos) -> Self {
        let hour = now.unix_timestamp() / HOUR;
        Self { hour, seen: [Carried::default(); MAX_EDGES], untold: BTreeMap::new(), from: moment, drafted: moment }
    }

    /// Looks at the counters. Returns the octets that each ISP has carried since the last look. An ISP that is gone
    /// is forgotten: tell before it goes.
    pub(super) fn count(&mut self, sample: &Sample) -> Vec<(String, u64)> {
        let mut octets = Vec::new();
        for (number, seen) in self.seen.iter_mut().enumerate() {
            let edge = EdgeId(number as u8);
            let now = carried_by(sample, edge);
            let before = std::mem::replace(seen, now);
            let Some(isp) = sample.topology.isps.iter().find(|isp| isp.edge == edge) else { continue };
            let more: Carried = std::array::from_fn(|which| since(before[which], now[which]));
            let untold = self.untold.entry(isp.name.clone()).or_default();
            untold.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            octets.push((isp.name.clone(), more[1] + more[3]));
        }
        self.untold.retain(|known, _| octets.iter().any(|(isp, _)| isp == known));
        octets
    }

    /// What has been counted since the last time, once an hour.
    pub(super) fn hourly(&mut self, now: OffsetDateTime, moment: Nanos) -> Option<Event> {
        let hour = now.unix_timestamp() / HOUR;
        (std::mem::replace(&mut self.hour, hour) != hour).then(|| self.take(moment))
    }

    /// What would be told if the gateway ended now, as often as that is to be kept.
    pub(super) fn draft(&mut self, moment: Nanos) -> Option<Event> {
        (moment.since(self.drafted) >= TRAFFIC_DRAFT).then(|| {
            self.drafted = moment;
            self.event()
        })
    }

    /// What has been counted since the last time.
    pub(super) fn take(&mut self, moment: Nanos) -> Event {
        let event = self.event();
        self.untold.clear();
        (self.from, self.drafted) = (moment, moment);
        event
    }

    fn event(&self) -> Event {
        let isps = self.untold.iter().map(|(isp, carried)| {
            let [received_packets, received_bytes, sent_packets, sent_bytes] = *carried;
            IspTraffic { isp: isp.clone(), received_packets, received_bytes, sent_packets, sent_bytes }
        });
        Event::Traffic { counted_from: Some(self.from.0), isps: isps.collect() }
    }
}

/// What `edge` has carried in this run.
fn carried_by(sample: &Sample, edge: EdgeId) -> Carried {
    let (received, (sent_packets, sent_bytes)) = (sample.edge(edge), sample.left_by(edge));
    [received.read, received.read_bytes, sent_packets, sent_bytes]
}

/// The counters of an id that is used again begin anew.
const fn since(before: u64, now: u64) -> u64 {
    if now < before { now } else { now - before }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::observe::topology::{NamedIsp, Topology};
    use crate::units::UplinkId;

    /// ISPs by the numbers of their edges, and by edge the packets received and sent so far.
    fn sample(isps: &[(&str, u8)], carried: &[(u8, u64, u64)]) -> Sample {
        let mut sample = Sample::empty();
        let isp = |(number, (name, edge)): (usize, &(&str, u8))| NamedIsp {
            id: UplinkId(number as u8),
            name: (*name).to_owned(),
            edge: EdgeId(*edge),
            next_hop: None,
            usable: true,
            share: 1.0,
            mappings: Vec::new(),
        };
        let isps = isps.iter().enumerate().map(isp).collect();
        sample.topology = Arc::new(Topology { isps, ..Topology::default() });
        for (edge, received, sent) in carried {
            let edge = usize::from(*edge);
            (sample.edges[edge].read, sample.edges[edge].read_bytes) = (*received, received * 100);
            (sample.edges[0].sent[edge], sample.edges[0].sent_bytes[edge]) = (*sent, sent * 1000);
        }
        sample
    }

    fn fiber(received: u64, sent: u64) -> Sample {
        sample(&[("fiber", 1)], &[(1, received, sent)])
    }

    fn carried(from: u64, isps: &[(&str, u64, u64)]) -> Event {
        let isp = |(isp, received, sent): &(&str, u64, u64)| IspTraffic {
            isp: (*isp).to_owned(),
            received_packets: *received,
            received_bytes: received * 100,
            sent_packets: *sent,
            sent_bytes: sent * 1000,
        };
        Event::Traffic { counted_from: Some(at(from).0), isps: isps.iter().map(isp).collect() }
    }

    const fn at(seconds: u64) -> Nanos {
        Nanos::from_millis(seconds * 1000)
    }

    /// A meter, ten seconds before the hour, and the clock of that day.
    fn meter() -> (TrafficMeter, impl Fn(u64) -> OffsetDateTime) {
        let start = OffsetDateTime::from_unix_timestamp(1_795_546_800 + 3590).unwrap();
        (TrafficMeter::new(start, at(0)), move |seconds| start + Duration::from_secs(seconds))
    }

    #[test]
    fn each_hour_is_told_once_and_the_rest_at_the_end() {
        let (mut meter, date) = meter();
        let mut hourly = |sample: Sample, seconds| {
            meter.count(&sample);
            meter.hourly(date(seconds), at(seconds))
        };
        assert_eq!(hourly(fiber(1, 1), 9), None);
        assert_eq!(hourly(fiber(5, 2), 10), Some(carried(0, &[("fiber", 5, 2)])));
        assert_eq!(hourly(fiber(6, 2), 11), None);
        assert_eq!(hourly(fiber(9, 4), 3610), Some(carried(10, &[("fiber", 4, 2)])));
        meter.count(&fiber(10, 4));
        assert_eq!(meter.take(at(3615)), carried(3610, &[("fiber", 1, 0)]));
    }

    #[test]
    fn drafts_are_of_what_the_next_event_tells() {
        let (mut meter, date) = meter();
        meter.count(&fiber(5, 2));
        assert_eq!(meter.hourly(date(10), at(10)), Some(carried(0, &[("fiber", 5, 2)])));
        let mut drafts = (11..=75).filter_map(|seconds| {
            meter.count(&fiber(seconds, 2));
            meter.draft(at(seconds))
        });
        assert_eq!(drafts.next(), Some(carried(10, &[("fiber", 35, 0)])));
        assert_eq!(drafts.next(), Some(carried(10, &[("fiber", 65, 0)])));
        assert_eq!(drafts.next(), None);
        meter.count(&fiber(80, 2));
        assert_eq!(meter.take(at(80)), carried(10, &[("fiber", 75, 0)]));
        meter.count(&fiber(99, 2));
        assert_eq!(meter.draft(at(90)), None);
        assert_eq!(meter.draft(at(110)), Some(carried(80, &[("fiber", 19, 0)])));
    }

    #[test]
    fn isps_that_swap_their_interfaces_carry_what_they_carried() {
        let (mut meter, _) = meter();
        let octets = meter.count(&sample(&[("fiber", 1), ("lte", 2)], &[(0, 9, 9), (1, 1000, 500), (2, 3, 1)]));
        assert_eq!(octets, [("fiber".to_owned(), 600_000), ("lte".to_owned(), 1300)]);
        let octets = meter.count(&sample(&[("fiber", 2), ("lte", 1)], &[(0, 9, 9), (1, 1001, 500), (2, 8, 2)]));
        assert_eq!(octets, [("lte".to_owned(), 100), ("fiber".to_owned(), 1500)]);
        assert_eq!(meter.take(at(60)), carried(0, &[("fiber", 1005, 501), ("lte", 4, 1)]));
        // To where a LAN was, whose packets were nobody's; and an ISP is gone.
        let octets = meter.count(&sample(&[("lte", 0)], &[(0, 11, 9), (1, 1001, 500), (2, 8, 2)]));
        assert_eq!(octets, [("lte".to_owned(), 200)]);
        assert_eq!(meter.take(at(61)), carried(60, &[("lte", 2, 0)]));
        // An id that is used again.
        meter.count(&sample(&[("new", 1)], &[(1, 7, 1)]));
        assert_eq!(meter.take(at(62)), carried(61, &[("new", 7, 1)]));
    }
}
