//! Frames that wait for a neighbour, and the neighbours that control should ask for.

use std::net::Ipv6Addr;

use super::refusal::Answer;
use super::{Path, discard, forward, originate, settle};
use crate::limits::{HELD, HELD_FOR_INSIDE, HELD_PER_NEIGHBOUR, HELD_PER_WORKER, WORKER_QUEUE};
use crate::port::{Frame, FrameMemory};
use crate::snapshot::{NeighbourState, Role, Snapshot};
use crate::units::{EdgeId, Nanos};
use crate::verdict::DropReason;

/// Frames that wait, as they came in: when the neighbour answers they go the whole way again,
/// and when it does not, an error can quote them.
#[derive(Debug)]
pub struct HeldFrames {
    frames: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    frame: Frame,
    edge: EdgeId,
    address: Ipv6Addr,
    deadline: Nanos,
}

impl HeldFrames {
    pub(super) fn new() -> Self {
        Self { frames: Vec::with_capacity(HELD_PER_WORKER) }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Where the frames are that wait for `address` on `edge`, the oldest first.
    fn waiting_for(&self, edge: EdgeId, address: Ipv6Addr) -> impl Iterator<Item = usize> {
        let waits = move |held: &Held| held.edge == edge && held.address == address;
        self.frames.iter().enumerate().filter(move |(_, held)| waits(held)).map(|(at, _)| at)
    }
}

/// Keeps `frame` until `address` on `edge` is known. When that neighbour already has as many
/// as it may, the oldest of them makes room (RFC 4861 §7.2.2); when all together do, `frame` is
/// dropped.
pub(super) fn hold<M: FrameMemory>(path: &mut Path<'_, M>, frame: Frame, edge: EdgeId, address: Ipv6Addr) {
    let held = &path.state.held;
    let oldest = held.waiting_for(edge, address).next();
    if held.waiting_for(edge, address).count() >= HELD_PER_NEIGHBOUR {
        if let Some(oldest) = oldest {
            let oldest = take(path, oldest);
            discard(path, oldest, DropReason::NeighbourQueueFull);
        }
    } else if held.frames.len() >= room(path.snapshot, frame.origin) {
        return discard(path, frame, DropReason::NeighbourQueueFull);
    }
    let gauge = &path.counters.edge(frame.origin).held;
    gauge.set(gauge.get() + 1);
    path.state.held.frames.push(Held { frame, edge, address, deadline: path.now.plus(HELD) });
}

/// How many frames may wait when one more comes in by `origin`: whoever scans the inside from outside
/// leaves room for what comes from inside.
fn room(snapshot: &Snapshot, origin: EdgeId) -> usize {
    match snapshot.edges[origin.index()].role {
        Role::Lan => HELD_PER_WORKER,
        Role::Isp(_) => HELD_PER_WORKER - HELD_FOR_INSIDE,
    }
}

/// Takes the frame at position `at` out of the wait.
fn take<M: FrameMemory>(path: &mut Path<'_, M>, at: usize) -> Frame {
    let Held { frame, .. } = path.state.held.frames.remove(at);
    let gauge = &path.counters.edge(frame.origin).held;
    gauge.set(gauge.get() - 1);
    frame
}

/// Sends the frames whose neighbour has answered since, and gives up those that waited too long.
/// Call once per turn of the loop.
pub fn release_held<M: FrameMemory>(path: &mut Path<'_, M>) {
    path.state.limiter.advance(path.now);
    let mut next = 0;
    while let Some(held) = path.state.held.frames.get(next) {
        let state = path.neighbours.lookup(held.edge, held.address);
        let expired = path.now >= held.deadline;
        if state == NeighbourState::Unknown && !expired {
            next += 1;
            continue;
        }
        let mut frame = take(path, next);
        if let NeighbourState::Resolved(_) = state {
            let verdict = forward(path, &mut frame);
            settle(path, frame, verdict);
        } else {
            originate::answer(path, &frame, Answer::ADDRESS_UNREACHABLE);
            discard(path, frame, DropReason::NeighbourUnreachable);
        }
    }
}

/// Gives every held frame back: the worker stops, or its ports go.
pub fn drop_held<M: FrameMemory>(path: &mut Path<'_, M>) {
    while let Some(last) = path.state.held.frames.len().checked_sub(1) {
        let frame = take(path, last);
        discard(path, frame, DropReason::NeighbourUnreachable);
    }
}

/// Neighbours to ask for, each once, until control has been told.
#[derive(Debug)]
pub struct Wanted {
    neighbours: Vec<(EdgeId, Ipv6Addr)>,
}

/// Distinct neighbours that one turn of the loop can ask for: a scan of a LAN asks for no more.
const WANTED: usize = 64;
const _: () = assert!(WANTED <= WORKER_QUEUE);

impl Wanted {
    pub(super) fn new() -> Self {
        Self { neighbours: Vec::with_capacity(WANTED) }
    }

    /// Asks for `address` on `edge`, unless it is asked for already or too many are.
    pub fn push(&mut self, edge: EdgeId, address: Ipv6Addr) {
        if self.neighbours.len() < WANTED && !self.neighbours.contains(&(edge, address)) {
            self.neighbours.push((edge, address));
        }
    }

    /// Takes what was asked for.
    pub fn drain(&mut self) -> impl Iterator<Item = (EdgeId, Ipv6Addr)> + '_ {
        self.neighbours.drain(..)
    }
}
