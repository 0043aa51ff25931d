//! What became of every packet of the streams, and what that says about an ISP and its neighbours.

use std::ops::Range;
use std::time::Duration;

/// Microseconds since the streams began.
pub type Micros = u32;

/// An echo that takes longer was delayed.
pub const LATE: Duration = Duration::from_millis(50);

/// A packet at its server.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    pub flow: usize,
    pub sequence: u32,
    /// 0: ISP A, 1: ISP B, 2: ISP A with its other prefix.
    pub isp: u8,
}

/// An echo at its client.
#[derive(Clone, Copy, Debug)]
pub struct Echo {
    pub sequence: u32,
    pub at: Micros,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    sent: Micros,
    arrived: Option<u8>,
    echoed: Option<Micros>,
}

/// All packets of all flows.
pub struct Record {
    flows: Vec<Vec<Packet>>,
    /// Packets and echoes that came twice.
    pub twice: u64,
}

/// The time in which what a flow sent to an ISP was lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outage {
    /// When the first lost packet was sent.
    pub begin: Micros,
    /// From there to when the last one was.
    pub lasted: Duration,
    pub lost: u64,
}

/// What flows that had nothing to do with a fault paid for it: all of it should be zero but the flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Toll {
    pub flows: u64,
    /// Flows that changed their ISP.
    pub moved: u64,
    /// Packets that did not arrive, or whose echo did not.
    pub lost: u64,
    /// Packets whose echo took more than 50 ms.
    pub late: u64,
    /// The longest that an echo took, in microseconds.
    pub slowest: Micros,
}

impl Record {
    pub fn of(sent: &[Vec<Micros>], arrivals: Vec<Arrival>, echoes: &[Vec<Echo>]) -> Self {
        let packet = |sent: &Micros| Packet { sent: *sent, arrived: None, echoed: None };
        let mut flows: Vec<Vec<Packet>> = sent.iter().map(|sent| sent.iter().map(packet).collect()).collect();
        let mut twice = 0;
        for arrival in arrivals {
            let packet = &mut flows[arrival.flow][arrival.sequence as usize];
            twice += u64::from(packet.arrived.replace(arrival.isp).is_some());
        }
        for (flow, echoes) in flows.iter_mut().zip(echoes) {
            for echo in echoes {
                twice += u64::from(flow[echo.sequence as usize].echoed.replace(echo.at).is_some());
            }
        }
        Self { flows, twice }
    }

    /// Packets of all flows that were sent in that time.
    pub fn sent_within(&self, time: Range<Micros>) -> usize {
        self.flows.iter().flatten().filter(|packet| time.contains(&packet.sent)).count()
    }

    /// The ISP of each flow at a time: that of its latest packet that arrived.
    pub fn isps_at(&self, at: Micros) -> Vec<Option<u8>> {
        let latest = |flow: &Vec<Packet>| flow.iter().filter(|packet| packet.sent < at).rev().find_map(|p| p.arrived);
        self.flows.iter().map(latest).collect()
    }

    /// What the flows that had `isp` at `since` lost from then on on their way to the servers.
    pub fn outage_of(&self, isp: u8, since: Micros) -> Outage {
        self.outage(since, |by| by == Some(isp))
    }

    /// What all flows lost from `since` on on their way to the servers.
    pub fn outage_of_all(&self, since: Micros) -> Outage {
        self.outage(since, |_| true)
    }

    fn outage(&self, since: Micros, counts: impl Fn(Option<u8>) -> bool) -> Outage {
        let flows = self.flows.iter().zip(self.isps_at(since)).filter(|(_, by)| counts(*by));
        let lost = flows.flat_map(|(flow, _)| flow).filter(|packet| packet.sent >= since && packet.arrived.is_none());
        let (mut begin, mut end, mut count) = (Micros::MAX, 0, 0);
        for packet in lost {
            (begin, end, count) = (begin.min(packet.sent), end.max(packet.sent), count + 1);
        }
        if count == 0 {
            return Outage::default();
        }
        Outage { begin, lasted: Duration::from_micros(u64::from(end - begin)), lost: count }
    }

    /// What the flows that had not `isp` at `since` paid from then on.
    pub fn toll_beside(&self, isp: u8, since: Micros) -> Toll {
        self.toll(since, |by| by != isp)
    }

    /// What all flows paid from `since` on.
    pub fn toll_of_all(&self, since: Micros) -> Toll {
        self.toll(since, |_| true)
    }

    /// How many flows changed their ISP after `since`.
    pub fn moved(&self, since: Micros) -> u64 {
        self.toll_of_all(since).moved
    }

    fn toll(&self, since: Micros, counts: impl Fn(u8) -> bool) -> Toll {
        let mut toll = Toll::default();
        for (flow, by) in self.flows.iter().zip(self.isps_at(since)) {
            let Some(by) = by.filter(|by| counts(*by)) else { continue };
            toll.flows += 1;
            let after = || flow.iter().filter(|packet| packet.sent >= since);
            toll.moved += u64::from(after().filter_map(|packet| packet.arrived).any(|isp| isp != by));
            for packet in after() {
                match packet.echoed {
                    Some(at) => {
                        let took = at - packet.sent;
                        toll.late += u64::from(u128::from(took) > LATE.as_micros());
                        toll.slowest = toll.slowest.max(took);
                    }
                    None => toll.lost += 1,
                }
            }
        }
        toll
    }
}
