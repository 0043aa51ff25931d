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
pub mod probe;
pub mod recall;
pub mod refusal;
pub mod remember;
pub mod reset;
pub mod rewrite;
pub mod steer;
pub mod unsolicited;

use crate::flow::{Flows, FragmentTable};
use crate::limits::{MAX_EDGES, PROBE_ANSWERS};
use crate::observe::counters::WorkerCounters;
use crate::port::{Frame, FrameMemory};
use crate::snapshot::{NeighbourTable, Snapshot};
use crate::units::{Direction, EdgeId, Nanos, PortId};
use crate::verdict::DropReason;
use classify::Journey;
use egress::Staging;
use held::{HeldFrames, Wanted};
use limiter::ErrorLimiter;
use parse::Packet;
use probe::ProbeAnswer;
use recall::{Flow, FlowMemory};
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
    /// Answers to the gateway's own probes, for control.
    pub answers: Vec<ProbeAnswer>,
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
            answers: Vec::with_capacity(PROBE_ANSWERS),
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

/// Frames that are read before the first of them is decided: what is remembered of their flows is
/// on its way from memory meanwhile.
const AHEAD: usize = 8;

const _: () = assert!(MAX_EDGES <= u16::BITS as usize, "a bit for each edge");

/// What is known of a packet before memory is asked.
struct Known<'a> {
    packet: Packet,
    journey: Journey<'a>,
    flow: Option<Flow>,
}

/// Takes every frame of `batch`, which came in by `port`, to its verdict: staged for an egress
/// port, held for a neighbour, or dropped with a reason and perhaps an ICMPv6 error.
pub fn process_batch<M: FrameMemory>(path: &mut Path<'_, M>, port: PortId, batch: &mut Vec<Frame>) {
    path.state.limiter.advance(path.now);
    let mut frames = batch.drain(..);
    // Edges that frames came in by: bit by id.
    let mut seen = 0_u16;
    while frames.len() > 0 {
        let mut ahead = [const { None }; AHEAD];
        for (place, mut frame) in ahead.iter_mut().zip(&mut frames) {
            let Some(edge) = path.snapshot.ingress(port, path.memory.bytes(&frame)) else {
                path.memory.free(frame);
                continue;
            };
            frame.origin = edge;
            path.counters.edge(edge).read.add(1);
            path.counters.edge(edge).read_bytes.add(u64::from(frame.len));
            seen |= 1 << edge.0;
            let known = identify(path, &frame);
            *place = Some((frame, known));
        }
        for (mut frame, known) in ahead.into_iter().flatten() {
            let verdict = known.and_then(|known| decide(path, &mut frame, &known));
            settle(path, frame, verdict);
        }
    }
    while seen != 0 {
        path.counters.edge(EdgeId(seen.trailing_zeros() as u8)).arrived.set(path.now.0);
        seen &= seen - 1;
    }
}

/// One packet's way, in both directions: identify, decide, and only then write.
fn forward<M: FrameMemory>(path: &mut Path<'_, M>, frame: &mut Frame) -> Result<Plan, Refusal> {
    let known = identify(path, frame)?;
    decide(path, frame, &known)
}

fn identify<'a, M: FrameMemory>(path: &Path<'a, M>, frame: &Frame) -> Result<Known<'a>, Refusal> {
    let packet = parse::parse(path.memory.bytes(frame))?;
    let journey = classify::classify(path.snapshot, frame.origin, &packet)?;
    if let Journey::Inbound(inside) = &journey {
        probe::intercept(path.snapshot, &packet, inside)?;
    }
    let flow = recall::identify(&path.flow_memory(), &packet, &journey)?;
    Ok(Known { packet, journey, flow })
}

fn decide<M: FrameMemory>(path: &mut Path<'_, M>, frame: &mut Frame, known: &Known<'_>) -> Result<Plan, Refusal> {
    let (snapshot, flows) = (path.snapshot, path.flow_memory());
    let Known { packet, journey, flow } = known;
    let recalled = flow.map(|flow| recall::recall(&flows, packet, flow));
    filter::filter(&flows, packet, journey, recalled.as_ref())?;
    let plan = steer::steer(&flows, packet, journey, recalled.as_ref())?;
    reset::end(&flows, packet, path.memory.bytes(frame), recalled.as_ref(), &plan)?;
    let plan = remember::remember(&flows, packet, journey, recalled.as_ref(), plan);
    rewrite::check_hop_limit(packet)?;
    rewrite::check_mtu(snapshot, packet, &plan)?;
    let next_hop = neighbour::resolve(path.neighbours, &mut path.state.wanted, &plan)?;
    frame.len = packet.frame_length();
    let bytes = path.memory.bytes_mut(frame);
    rewrite::rewrite(snapshot, bytes, packet, &plan, next_hop);
    egress::assert_source(snapshot, bytes, &plan)?;
    Ok(plan)
}

/// Carries out what was decided.
fn settle<M: FrameMemory>(path: &mut Path<'_, M>, frame: Frame, verdict: Result<Plan, Refusal>) {
    match verdict {
        Ok(plan) => {
            for direction in plan.directions() {
                path.counters.translated(plan.uplink, direction).add(1);
            }
            if let Some(stamp) = path.memory.take_stamp(&frame, path.now) {
                path.state.stamps.push((plan.direction(), stamp));
            }
            if let Some(lost) = plan.instead_of {
                path.state.staging.take_over(path.snapshot, plan.egress, lost);
            }
            path.state.staging.push(path.memory, path.snapshot, plan.egress, frame);
        }
        Err(Refusal::Drop(reason, answer)) => {
            originate::answer(path, &frame, answer);
            discard(path, frame, reason);
        }
        Err(Refusal::Hold(edge, address)) => held::hold(path, frame, edge, address),
        Err(Refusal::Punt) => probe::punt(path, frame),
    }
}

/// Counts the drop at the edge where the frame came in, and gives the frame back.
pub(crate) fn discard<M: FrameMemory>(path: &mut Path<'_, M>, frame: Frame, reason: DropReason) {
    path.counters.edge(frame.origin).dropped[reason.index()].add(1);
    path.memory.free(frame);
}
