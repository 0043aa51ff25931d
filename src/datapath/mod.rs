//! The packet path: what happens to every frame, one file per step.
//!
//! Runs in a worker, over any [`FrameMemory`]; has never heard of AF_XDP or of config files. No
//! allocation, lock, system call, division or clock read per packet. Everything is decided
//! before anything is written, so that a refused packet is still as its sender sent it, and
//! an ICMPv6 error can quote it.

pub mod classify;
pub mod egress;
pub mod filter;
pub mod held;
pub mod limiter;
pub mod neighbour;
pub mod originate;
pub mod parse;
pub mod recall;
pub mod refusal;
pub mod remember;
pub mod rewrite;
pub mod steer;
pub mod unsolicited;

use crate::flow::{Flows, FragmentTable};
use crate::observe::counters::WorkerCounters;
use crate::port::{Frame, FrameMemory};
use crate::snapshot::{NeighbourTable, Snapshot};
use crate::units::{Direction, Nanos, PortId};
use crate::verdict::DropReason;
use egress::Staging;
use held::{HeldFrames, Wanted};
use limiter::ErrorLimiter;
use recall::FlowMemory;
use refusal::Refusal;
use steer::Plan;
use unsolicited::Unsolicited;

/// What one worker keeps between batches.
#[derive(Debug)]
pub struct State {
    /// Frames on their way out.
    pub staging: Staging,
    /// Frames that wait for a neighbour.
    pub held: HeldFrames,
    /// Neighbours that control should ask for.
    pub wanted: Wanted,
    /// How many ICMPv6 errors may be made.
    pub limiter: ErrorLimiter,
    /// Refused connections that are answered later.
    pub unsolicited: Unsolicited,
    /// Arrival stamps of the frames that this batch sends.
    pub stamps: Vec<(Direction, Nanos)>,
}

impl State {
    /// An empty state, with all the memory that it will ever use.
    pub fn new() -> Self {
        Self {
            staging: Staging::new(),
            held: HeldFrames::new(),
            wanted: Wanted::new(),
            limiter: ErrorLimiter::new(),
            unsolicited: Unsolicited::new(),
            stamps: Vec::with_capacity(egress::STAGED_PER_PORT),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

/// Everything that the packets of one batch meet.
#[derive(Debug)]
pub struct Path<'a, M> {
    /// The world, the same for the whole batch.
    pub snapshot: &'a Snapshot,
    /// Who has which MAC.
    pub neighbours: &'a NeighbourTable,
    /// Which mapping a flow has.
    pub flows: Flows<'a>,
    /// Which mapping a fragmented datagram has.
    pub fragments: &'a FragmentTable,
    /// The worker's counters.
    pub counters: &'a WorkerCounters,
    /// Where the frames lie.
    pub memory: &'a mut M,
    /// What stays between batches.
    pub state: &'a mut State,
    /// The time of this batch.
    pub now: Nanos,
}

impl<'a, M> Path<'a, M> {
    fn flow_memory(&self) -> FlowMemory<'a> {
        FlowMemory {
            snapshot: self.snapshot,
            flows: self.flows,
            fragments: self.fragments,
            counters: &self.counters.flows,
            now: self.now,
        }
    }
}

/// Takes every frame of `batch`, which came in by `port`, to its verdict: staged for an egress
/// port, held for a neighbour, or dropped with a reason and perhaps an ICMPv6 error.
pub fn process_batch<M: FrameMemory>(path: &mut Path<'_, M>, port: PortId, batch: &mut Vec<Frame>) {
    path.state.limiter.advance(path.now);
    for mut frame in batch.drain(..) {
        let Some(edge) = classify::ingress(path.snapshot, port) else {
            path.memory.free(frame);
            continue;
        };
        frame.origin = edge;
        path.counters.edge(edge).read.add(1);
        path.counters.edge(edge).read_bytes.add(u64::from(frame.len));
        let verdict = forward(path, &mut frame);
        settle(path, frame, verdict);
    }
}

/// One packet's way, in both directions: decide, then write.
fn forward<M: FrameMemory>(path: &mut Path<'_, M>, frame: &mut Frame) -> Result<Plan, Refusal> {
    let snapshot = path.snapshot;
    let packet = parse::parse(path.memory.bytes(frame))?;
    let journey = classify::classify(snapshot, frame.origin, &packet)?;
    let flows = path.flow_memory();
    let recalled = recall::recall(&flows, &packet, &journey)?;
    filter::filter(&flows, &packet, &journey, recalled.as_ref())?;
    let plan = steer::steer(&flows, &packet, &journey, recalled.as_ref())?;
    let plan = remember::remember(&flows, &packet, &journey, recalled.as_ref(), plan);
    rewrite::check_hop_limit(&packet)?;
    rewrite::check_mtu(snapshot, &packet, &plan)?;
    let next_hop = neighbour::resolve(path.neighbours, &mut path.state.wanted, &plan)?;
    let bytes = path.memory.bytes_mut(frame);
    rewrite::rewrite(snapshot, bytes, &packet, &plan, next_hop);
    egress::assert_source(snapshot, bytes, &plan)?;
    Ok(plan)
}

/// Carries out what [`forward`] decided.
fn settle<M: FrameMemory>(path: &mut Path<'_, M>, frame: Frame, verdict: Result<Plan, Refusal>) {
    match verdict {
        Ok(plan) => {
            for direction in plan.directions() {
                path.counters.translated(plan.uplink, direction).add(1);
            }
            if let Some(stamp) = path.memory.take_stamp(&frame, path.now) {
                path.state.stamps.push((plan.direction(), stamp));
            }
            path.state.staging.push(path.snapshot, plan.egress, frame);
        }
        Err(Refusal::Drop(reason, answer)) => {
            originate::answer(path, &frame, answer);
            discard(path, frame, reason);
        }
        Err(Refusal::Hold(edge, address)) => held::hold(path, frame, edge, address),
    }
}

/// Counts the drop at the edge where the frame came in, and gives the frame back.
pub(crate) fn discard<M: FrameMemory>(path: &mut Path<'_, M>, frame: Frame, reason: DropReason) {
    path.counters.edge(frame.origin).dropped[reason.index()].add(1);
    path.memory.free(frame);
}
