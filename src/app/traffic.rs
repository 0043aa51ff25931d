//! What each ISP carries, hour by hour, for the event log.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::control::events::{Event, IspTraffic};
use crate::observe::sample::Sample;

const HOUR: i64 = 3600;

/// What has been told of each ISP so far.
#[derive(Debug)]
pub(super) struct TrafficMeter {
    /// Hours since the Unix epoch, when it was last told: the whole hours of UTC, so that a month ends
    /// with an hour.
    hour: i64,
    told: BTreeMap<String, IspTraffic>,
}

impl TrafficMeter {
    /// Nothing is told yet.
    pub(super) fn new(now: OffsetDateTime) -> Self {
        Self { hour: now.unix_timestamp() / HOUR, told: BTreeMap::new() }
    }

    /// What has been carried since the last time, once an hour.
    pub(super) fn hourly(&mut self, sample: &Sample, now: OffsetDateTime) -> Option<Event> {
        let hour = now.unix_timestamp() / HOUR;
        (std::mem::replace(&mut self.hour, hour) != hour).then(|| self.take(sample))
    }

    /// What has been carried since the last time.
    pub(super) fn take(&mut self, sample: &Sample) -> Event {
        let isps = sample.topology.isps.iter().map(|isp| {
            let (received, (sent_packets, sent_bytes)) = (sample.edge(isp.edge), sample.left_by(isp.edge));
            let total = IspTraffic {
                isp: isp.name.clone(),
                received_packets: received.read,
                received_bytes: received.read_bytes,
                sent_packets,
                sent_bytes,
            };
            since(self.told.insert(isp.name.clone(), total.clone()).unwrap_or_default(), total)
        });
        Event::Traffic { isps: isps.collect() }
    }
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

    fn carried(received: u64, sent: u64) -> Event {
        let (received_bytes, sent_bytes) = (received * 100, sent * 1000);
        let isp = "fiber".to_owned();
        Event::Traffic {
            isps: vec![IspTraffic { isp, received_packets: received, received_bytes, sent_packets: sent, sent_bytes }],
        }
    }

    #[test]
    fn each_hour_is_told_once_and_the_rest_at_the_end() {
        let start = OffsetDateTime::from_unix_timestamp(1_795_546_800 + 3590).unwrap();
        let mut meter = TrafficMeter::new(start);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(meter.hourly(&sample(1, 1), at(9)), None);
        assert_eq!(meter.hourly(&sample(5, 2), at(10)), Some(carried(5, 2)));
        assert_eq!(meter.hourly(&sample(6, 2), at(11)), None);
        assert_eq!(meter.hourly(&sample(9, 4), at(3610)), Some(carried(4, 2)));
        assert_eq!(meter.take(&sample(10, 4)), carried(1, 0));
    }
}
