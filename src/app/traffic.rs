//! What each ISP carries, hour by hour, for the event log; and more often, for the case that the gateway is killed.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::control::events::{Event, IspTraffic};
use crate::limits::TRAFFIC_DRAFT;
use crate::observe::sample::Sample;
use crate::units::Nanos;

const HOUR: i64 = 3600;

/// What has been told of each ISP so far.
#[derive(Debug)]
pub(super) struct TrafficMeter {
    /// Hours since the Unix epoch, when it was last told: the whole hours of UTC, so that a month ends
    /// with an hour.
    hour: i64,
    told: BTreeMap<String, IspTraffic>,
    /// From when on the next event counts.
    from: Nanos,
    drafted: Nanos,
}

impl TrafficMeter {
    /// Nothing is told yet. `now` and `moment` are the same on two clocks.
    pub(super) fn new(now: OffsetDateTime, moment: Nanos) -> Self {
        let hour = now.unix_timestamp() / HOUR;
        Self { hour, told: BTreeMap::new(), from: moment, drafted: moment }
    }

    /// What has been carried since the last time, once an hour.
    pub(super) fn hourly(&mut self, sample: &Sample, now: OffsetDateTime, moment: Nanos) -> Option<Event> {
        let hour = now.unix_timestamp() / HOUR;
        (std::mem::replace(&mut self.hour, hour) != hour).then(|| self.take(sample, moment))
    }

    /// What would be told if the gateway ended now, as often as that is to be kept.
    pub(super) fn draft(&mut self, sample: &Sample, moment: Nanos) -> Option<Event> {
        (moment.since(self.drafted) >= TRAFFIC_DRAFT).then(|| {
            self.drafted = moment;
            self.event(sample)
        })
    }

    /// What has been carried since the last time.
    pub(super) fn take(&mut self, sample: &Sample, moment: Nanos) -> Event {
        let event = self.event(sample);
        self.told.extend(totals(sample).map(|total| (total.isp.clone(), total)));
        (self.from, self.drafted) = (moment, moment);
        event
    }

    fn event(&self, sample: &Sample) -> Event {
        let untold = |total: IspTraffic| since(self.told.get(&total.isp).cloned().unwrap_or_default(), total);
        Event::Traffic { counted_from: Some(self.from.0), isps: totals(sample).map(untold).collect() }
    }
}

/// What each ISP has carried in this run.
fn totals(sample: &Sample) -> impl Iterator<Item = IspTraffic> {
    sample.topology.isps.iter().map(|isp| {
        let (received, (sent_packets, sent_bytes)) = (sample.edge(isp.edge), sample.left_by(isp.edge));
        IspTraffic {
            isp: isp.name.clone(),
            received_packets: received.read,
            received_bytes: received.read_bytes,
            sent_packets,
            sent_bytes,
        }
    })
}

/// An ISP that has moved to another interface begins anew.
fn since(told: IspTraffic, total: IspTraffic) -> IspTraffic {
    IspTraffic {
        received_packets: total.received_packets.saturating_sub(told.received_packets),
        received_bytes: total.received_bytes.saturating_sub(told.received_bytes),
        sent_packets: total.sent_packets.saturating_sub(told.sent_packets),
        sent_bytes: total.sent_bytes.saturating_sub(told.sent_bytes),
        isp: total.isp,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::observe::topology::{NamedIsp, Topology};
    use crate::units::{EdgeId, UplinkId};

    fn sample(received: u64, sent: u64) -> Sample {
        let mut sample = Sample::empty();
        let isp = NamedIsp {
            id: UplinkId(0),
            name: "fiber".to_owned(),
            edge: EdgeId(1),
            next_hop: None,
            usable: true,
            share: 1.0,
            mappings: Vec::new(),
        };
        sample.topology = Arc::new(Topology { isps: vec![isp], ..Topology::default() });
        (sample.edges[1].read, sample.edges[1].read_bytes) = (received, received * 100);
        (sample.edges[0].sent[1], sample.edges[0].sent_bytes[1]) = (sent, sent * 1000);
        sample
    }

    fn carried(from: u64, received: u64, sent: u64) -> Event {
        let (received_bytes, sent_bytes) = (received * 100, sent * 1000);
        let isp = "fiber".to_owned();
        Event::Traffic {
            counted_from: Some(at(from).0),
            isps: vec![IspTraffic { isp, received_packets: received, received_bytes, sent_packets: sent, sent_bytes }],
        }
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
        let mut hourly = |sample: Sample, seconds| meter.hourly(&sample, date(seconds), at(seconds));
        assert_eq!(hourly(sample(1, 1), 9), None);
        assert_eq!(hourly(sample(5, 2), 10), Some(carried(0, 5, 2)));
        assert_eq!(hourly(sample(6, 2), 11), None);
        assert_eq!(hourly(sample(9, 4), 3610), Some(carried(10, 4, 2)));
        assert_eq!(meter.take(&sample(10, 4), at(3615)), carried(3610, 1, 0));
    }

    #[test]
    fn drafts_are_of_what_the_next_event_tells() {
        let (mut meter, date) = meter();
        assert_eq!(meter.hourly(&sample(5, 2), date(10), at(10)), Some(carried(0, 5, 2)));
        let mut drafts = (11..=75).filter_map(|seconds| meter.draft(&sample(seconds, 2), at(seconds)));
        assert_eq!(drafts.next(), Some(carried(10, 35, 0)));
        assert_eq!(drafts.next(), Some(carried(10, 65, 0)));
        assert_eq!(drafts.next(), None);
        assert_eq!(meter.take(&sample(80, 2), at(80)), carried(10, 75, 0));
        assert_eq!(meter.draft(&sample(90, 2), at(90)), None);
        assert_eq!(meter.draft(&sample(99, 2), at(110)), Some(carried(80, 19, 0)));
    }
}
