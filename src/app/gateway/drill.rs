//! Outages that are rehearsed: an ISP is taken for dead for a while, and what came of it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::Gateway;
use super::operator::span_of;
use super::reload::Nothing;
use crate::app::orders::answer;
use crate::control::config::span;
use crate::control::events::Event;
use crate::control::socket::Reply;
use crate::control::takeovers::Failover;
use crate::flow::{FlowStore, Tick};
use crate::observe::flows::Stage;
use crate::os::now;
use crate::snapshot::Snapshot;
use crate::units::{Nanos, UplinkId};
use crate::verdict::DropReason;

/// Arguments of the verb `drill`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DrillRequest {
    /// Which ISP.
    pub(crate) isp: String,
    /// Seconds that it is to last.
    pub(crate) for_seconds: f64,
    /// Even when no other ISP could take over.
    pub(crate) force: bool,
}

/// What a drill has shown, so far or in the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DrillReport {
    /// Of which ISP.
    pub(crate) isp: String,
    /// Seconds that it is to last.
    pub(crate) for_seconds: f64,
    /// Seconds that it has lasted.
    pub(crate) lasted_seconds: f64,
    /// Whether it is over.
    pub(crate) is_over: bool,
    /// Flows opened from inside that the ISP had; `None` while they are being counted.
    pub(crate) flows_from_inside: Option<u64>,
    /// Flows opened from outside, to the ISP's addresses: an outage cuts them off.
    pub(crate) flows_from_outside: Option<u64>,
    /// Flows that other ISPs have taken over. The others have not sent anything meanwhile.
    pub(crate) moved_flows: u64,
    /// Seconds until the first packet that would have been the ISP's had left by another one, unless nothing was
    /// sent for long.
    pub(crate) took_over_after_seconds: Option<f64>,
    /// Packets dropped meanwhile, by reason, at all interfaces.
    pub(crate) dropped: BTreeMap<String, u64>,
}

/// What is refused.
#[derive(Debug, thiserror::Error)]
enum DrillError {
    #[error("a drill of `{0}` is on; one at a time")]
    Running(String),
    #[error("`{0}` is down: there is nothing to rehearse")]
    Down(String),
    #[error("no other ISP is well: without `{0}` the site would be cut off; --force rehearses that as well")]
    Alone(String),
    #[error("no drill is on")]
    None,
    #[error("there has been no drill since the gateway was started")]
    Never,
}

/// The drill that is on, and the report of the latest one.
#[derive(Debug, Default)]
pub(super) struct Drills {
    on: Option<Drill>,
    latest: Option<DrillReport>,
}

#[derive(Debug)]
struct Drill {
    isp: String,
    uplink: UplinkId,
    began: Nanos,
    whole: Nanos,
    before: Counts,
    took_over: Option<Nanos>,
    flows: Arc<OnceLock<FlowsBySide>>,
}

#[derive(Clone, Copy, Debug)]
struct FlowsBySide {
    inside: u64,
    outside: u64,
}

/// What workers have counted.
#[derive(Clone, Debug)]
struct Counts {
    moved: u64,
    dropped: [u64; DropReason::COUNT],
}

impl Drills {
    /// Others carry the packets of an ISP.
    pub(super) fn note(&mut self, failover: &Failover) {
        if let Some(drill) = self.on.as_mut().filter(|drill| drill.isp == failover.isp) {
            drill.took_over = Some(failover.took);
        }
    }
}

impl Gateway {
    /// `sixways drill`: begins one.
    pub(in crate::app) fn order_drill(&mut self, request: DrillRequest, reply: Reply) {
        answer(reply, self.begin_drill(request));
    }

    /// Ends it before its time.
    pub(in crate::app) fn order_drill_end(&mut self, _: Nothing, reply: Reply) {
        let ended = self.end_drill();
        self.mind_health_now();
        answer(reply, ended.ok_or(DrillError::None));
    }

    /// How it goes, or what it was like.
    pub(in crate::app) fn order_drill_report(&mut self, _: Nothing, reply: Reply) {
        let on = self.drills.on.as_ref().map(|drill| drill.report(&self.counts(), now(), false));
        answer(reply, on.or_else(|| self.drills.latest.clone()).ok_or(DrillError::Never));
    }

    fn begin_drill(&mut self, request: DrillRequest) -> Result<DrillReport, String> {
        let DrillRequest { isp, for_seconds, force } = request;
        let whole = span_of(for_seconds, "for")?;
        let (_, uplink) = self.control.isp(&isp).map_err(|error| error.to_string())?;
        self.may_begin(&isp, uplink, force).map_err(|error| error.to_string())?;
        let flows = Arc::default();
        let drill = Drill {
            isp,
            uplink,
            began: now(),
            whole,
            before: self.counts(),
            took_over: None,
            flows: Arc::clone(&flows),
        };
        let (memory, snapshot) = (Arc::clone(&self.around.world.flows), self.around.world.snapshot.load_full());
        // It takes a while with many flows, and the run loop has others to serve.
        tokio::task::spawn_blocking(move || flows.set(by_side(&*memory, &snapshot, uplink)));
        let report = drill.report(&self.counts(), now(), false);
        tracing::warn!(isp = %drill.isp, "a drill of {} begins: it is taken for dead", span::show(whole));
        self.events.tell(Event::DrillBegan { isp: drill.isp.clone(), for_seconds });
        self.drills.on = Some(drill);
        self.mind_health_now();
        Ok(report)
    }

    fn may_begin(&self, isp: &str, uplink: UplinkId, force: bool) -> Result<(), DrillError> {
        if let Some(drill) = &self.drills.on {
            return Err(DrillError::Running(drill.isp.clone()));
        }
        if self.health.health.outages().any(|down| down == isp) {
            return Err(DrillError::Down(isp.to_owned()));
        }
        if !force && !self.control.could_spare(uplink) {
            return Err(DrillError::Alone(isp.to_owned()));
        }
        Ok(())
    }

    /// Tells health of a drill, and ends it when its time is over or its ISP is gone.
    pub(super) fn mind_drill(&mut self) {
        let Some(drill) = &self.drills.on else { return };
        let is_there = self.control.isp(&drill.isp).is_ok_and(|(_, uplink)| uplink == drill.uplink);
        if !is_there || now().since(drill.began) >= drill.whole {
            self.end_drill();
            return;
        }
        self.health.health.force_down(drill.uplink, true);
    }

    fn end_drill(&mut self) -> Option<DrillReport> {
        let drill = self.drills.on.take()?;
        self.health.health.force_down(drill.uplink, false);
        let report = drill.report(&self.counts(), now(), true);
        let moved_flows = report.moved_flows;
        tracing::info!(isp = %drill.isp, moved_flows, "the drill is over after {:.1} s", report.lasted_seconds);
        self.events.tell(Event::DrillEnded { isp: drill.isp, moved_flows });
        self.drills.latest = Some(report.clone());
        Some(report)
    }

    fn counts(&self) -> Counts {
        let threads = || self.dataplane.iter().flat_map(|dataplane| &dataplane.threads);
        let snapshot = self.around.world.snapshot.load();
        let edges = || (0..snapshot.edges.len() as u8).map(crate::units::EdgeId);
        Counts {
            moved: threads().map(|thread| thread.channel.counters.flows.moved.get()).sum(),
            dropped: std::array::from_fn(|reason| {
                threads()
                    .flat_map(|thread| {
                        edges().map(move |edge| thread.channel.counters.edge(edge).dropped[reason].get())
                    })
                    .sum()
            }),
        }
    }
}

impl Drill {
    fn report(&self, counts: &Counts, now: Nanos, is_over: bool) -> DrillReport {
        let seconds = |span: Nanos| span.0 as f64 / 1e9;
        let dropped = DropReason::ALL.iter().map(|reason| {
            // Workers that were made anew count from the beginning.
            let packets = counts.dropped[reason.index()].saturating_sub(self.before.dropped[reason.index()]);
            (reason.label().to_owned(), packets)
        });
        DrillReport {
            isp: self.isp.clone(),
            for_seconds: seconds(self.whole),
            lasted_seconds: seconds(now.since(self.began)),
            is_over,
            flows_from_inside: self.flows.get().map(|flows| flows.inside),
            flows_from_outside: self.flows.get().map(|flows| flows.outside),
            moved_flows: counts.moved.saturating_sub(self.before.moved),
            took_over_after_seconds: self.took_over.map(seconds),
            dropped: dropped.filter(|(_, packets)| *packets > 0).collect(),
        }
    }
}

/// The flows that `uplink` has, by who opened them.
fn by_side(memory: &dyn FlowStore, snapshot: &Snapshot, uplink: UplinkId) -> FlowsBySide {
    let flows = memory.flows();
    let mut counted = FlowsBySide { inside: 0, outside: 0 };
    for record in (0..flows.lines()).flat_map(|line| flows.records(line)) {
        let word = record.word;
        let is_its = snapshot.mappings.get(word.mapping()).is_some_and(|mapping| mapping.uplink == uplink);
        let is_flow = word.is_alive(Tick::at(now()), &snapshot.timeouts)
            && !matches!(Stage::of(word.state()), None | Some(Stage::Companion));
        if is_its
            && is_flow
            && let Some(cold) = flows.cold(record.slot)
        {
            *(if cold.is_from_outside() { &mut counted.outside } else { &mut counted.inside }) += 1;
        }
    }
    counted
}
