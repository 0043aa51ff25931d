//! Connections that nobody inside asked for: refused in silence at first, since the other side may
//! be opening the same one, and with an error when it has not (RFC 6092 REC-34).

use super::refusal::Answer;
use super::{Path, originate};
use crate::flow::State;
use crate::limits::{UNSOLICITED, UNSOLICITED_OCTETS, UNSOLICITED_WAIT};
use crate::port::{Frame, FrameMemory};
use crate::units::{EdgeId, Nanos};

/// SYNs that wait for their answer, by the hash of their flow: one for each flow, and a flow that
/// finds its place taken is not answered.
#[derive(Debug)]
pub struct Unsolicited {
    places: Box<[Option<Waiting>]>,
    /// No answer is due before.
    next_due: Nanos,
}

#[derive(Debug)]
struct Waiting {
    flow: u64,
    edge: EdgeId,
    due: Nanos,
    length: usize,
    frame: [u8; UNSOLICITED_OCTETS],
}

const NEVER: Nanos = Nanos(u64::MAX);

impl Unsolicited {
    pub(super) fn new() -> Self {
        Self { places: (0..UNSOLICITED).map(|_| None).collect(), next_due: NEVER }
    }

    /// Whether an answer is due.
    pub fn is_due(&self, now: Nanos) -> bool {
        now >= self.next_due
    }

    /// No answer is due before; the end of time while none waits.
    pub const fn next_due(&self) -> Nanos {
        self.next_due
    }

    /// Takes what waits at `place` if its time has come.
    fn take_due(&mut self, place: usize, now: Nanos) -> Option<Waiting> {
        let due = self.places[place].as_ref()?.due;
        if now < due {
            self.next_due = self.next_due.min(due);
            return None;
        }
        self.places[place].take()
    }
}

/// Keeps a copy of `frame`, a SYN of the flow with this hash, to be answered later.
pub(super) fn keep<M: FrameMemory>(path: &mut Path<'_, M>, frame: &Frame, flow: u64) {
    let bytes = path.memory.bytes(frame);
    let place = &mut path.state.unsolicited.places[flow as usize % UNSOLICITED];
    if place.as_ref().is_some_and(|waiting| waiting.flow == flow) {
        return;
    }
    if place.is_some() || bytes.len() > UNSOLICITED_OCTETS {
        path.counters.edge(frame.origin).errors_suppressed.add(1);
        return;
    }
    let due = path.now.plus(UNSOLICITED_WAIT);
    let mut copy = [0; UNSOLICITED_OCTETS];
    copy[..bytes.len()].copy_from_slice(bytes);
    *place = Some(Waiting { flow, edge: frame.origin, due, length: bytes.len(), frame: copy });
    path.state.unsolicited.next_due = path.state.unsolicited.next_due.min(due);
}

/// Answers what has waited long enough, unless the flow was opened from inside meanwhile. Call
/// when something [is due](Unsolicited::is_due).
pub fn answer_unsolicited<M: FrameMemory>(path: &mut Path<'_, M>) {
    path.state.limiter.advance(path.now);
    path.state.unsolicited.next_due = NEVER;
    for place in 0..UNSOLICITED {
        let Some(waiting) = path.state.unsolicited.take_due(place, path.now) else { continue };
        let opened = path.flow_memory().look_up(waiting.flow).map(|record| record.word.state());
        if matches!(opened, None | Some(State::TcpClosing)) {
            originate::answer_about(path, waiting.edge, &waiting.frame[..waiting.length], Answer::PROHIBITED);
        }
    }
}
