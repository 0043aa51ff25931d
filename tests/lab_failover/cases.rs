//! The cases in which ISP A dies, or seems to: each makes it happen under load, measures, and counts what
//! must not be.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::notice::Notice;
use crate::record::Toll;
use crate::site::Site;
use crate::stand::{Fault, await_isp_a};
use crate::streams::Streams;
use crate::tcp::Connections;

/// ISP A's number.
pub const A: u8 = 0;
/// ISP B's number.
pub const B: u8 = 1;
/// Time in which flows run before something happens.
pub const WARM: Duration = Duration::from_millis(700);
/// Time in which every target is asked for the first time: none is missed that has never answered.
const PROBED: Duration = Duration::from_secs(2);
/// What a change may still bring afterwards.
pub const AFTER: Duration = Duration::from_millis(700);

/// What one run of a case has shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Outcome {
    /// From the first packet that was lost to the last one, as their senders sent them; no case without.
    pub seconds: Option<f64>,
    /// What else was measured: times in seconds, counts.
    pub beside: BTreeMap<&'static str, f64>,
    /// Packets sent a second.
    pub load: u32,
    /// Packets that were lost on their way out, of flows that the case may cost something.
    pub lost: u64,
    /// What the UDP flows paid that it must not cost anything.
    pub udp: Toll,
    /// What such TCP connections paid.
    pub tcp: Toll,
    /// Packets or echoes that came twice.
    pub twice: u64,
    /// Flows that moved without need.
    pub moved: u64,
    /// Packets that an ISP got with a source that is not its own.
    pub foreign: u64,
}

/// ISP A dies by `fault`, and comes back. With the `site` or without: the gateway itself, a container, IPv4.
pub fn outage(lab: &Lab, gateway: &Gateway<'_>, fault: Fault, with_site: bool, load: u32) -> Outcome {
    let foreign = foreign(lab);
    let connections = Connections::open(lab);
    let site = with_site.then(|| Site::ask(lab));
    let streams = Streams::start(lab, load);
    sleep(if fault == Fault::Beyond { PROBED } else { WARM });
    let notice = (fault == Fault::Carrier).then(|| Notice::listen(lab, "wan0"));
    let (struck, struck_at) = (streams.now(), Instant::now());
    fault.strike(lab);
    streams.await_arrivals("all flows go by ISP B", |_, isp| isp == B);
    let mut beside = BTreeMap::new();
    if let Some(site) = site {
        site.await_answers("the site is answered by ISP B");
        beside.extend(site.outages(struck_at).into_iter().map(|(name, outage)| (name, outage.as_secs_f64())));
    }
    await_isp_a(gateway, false);
    notice.iter().for_each(Notice::stop_at_next_change);
    let mended = streams.now();
    fault.mend(lab);
    let notice = notice.and_then(Notice::came).map(|at| streams.time_of(at));
    await_isp_a(gateway, true);
    sleep(AFTER);
    let tcp = connections.toll_beside(A);
    let record = streams.finish();
    assert!(new_flows_use_isp_a(lab), "ISP A is up, and no new flow uses it");
    let outage = record.outage_of(A, struck);
    let notice = notice.map(|at| (f64::from(at) - f64::from(outage.begin)) / 1e6);
    beside.extend(notice.map(|after| ("the kernel's own notice", after)));
    Outcome {
        seconds: Some(outage.lasted.as_secs_f64()),
        beside,
        load,
        lost: outage.lost,
        udp: record.toll_beside(A, struck),
        tcp,
        twice: record.twice,
        moved: record.moved(mended),
        foreign: self::foreign(lab) - foreign,
    }
}

/// ISP A loses one packet of twenty each way for `time`, and stays what it is.
pub fn loss(lab: &Lab, gateway: &Gateway<'_>, time: Duration, load: u32) -> Outcome {
    let (foreign, told) = (foreign(lab), gateway.log().len());
    let connections = Connections::open(lab);
    let streams = Streams::start(lab, load);
    sleep(WARM);
    let struck = streams.now();
    Fault::Loss.strike(lab);
    sleep(time);
    Fault::Loss.mend(lab);
    let tcp = connections.toll_beside(A);
    let record = streams.finish();
    let failovers = gateway.log().split_off(told).matches("to=\"down\"").count();
    Outcome {
        beside: BTreeMap::from([("failovers", failovers as f64)]),
        load,
        lost: record.outage_of(A, struck).lost,
        udp: record.toll_beside(A, struck),
        tcp,
        twice: record.twice,
        moved: record.moved(struck),
        foreign: self::foreign(lab) - foreign,
        ..Outcome::default()
    }
}

/// Whether ISP A carries any of many flows that begin now.
fn new_flows_use_isp_a(lab: &Lab) -> bool {
    let streams = Streams::start(lab, 1000);
    let now = streams.now();
    streams.finish().isps_at(now).contains(&Some(A))
}

/// Packets with a source that is not the ISP's, at both of them.
pub fn foreign(lab: &Lab) -> u64 {
    lab.isp_counts().iter().map(|counts| counts.internal + counts.foreign).sum()
}
