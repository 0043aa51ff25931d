//! From staged frames to transmit rings, at the end of every batch.

use super::{Punt, Worker};
use crate::datapath::egress::TakenOver;
use crate::limits::{LINK_RETRY, MAX_PORTS, TRANSMIT_TRIES};
use crate::os;
use crate::port::{Flush, FrameMemory, Port};
use crate::units::{Nanos, PortId};
use crate::verdict::DropReason;

impl<P: Port> Worker<P> {
    /// Hands all staged frames to their ports, and times those that carried a stamp.
    pub(super) fn send_staged(&mut self, now: Nanos) {
        for port in 0..MAX_PORTS {
            self.send(PortId(port as u8), now);
        }
        if !self.state.stamps.is_empty() {
            let sent = os::now();
            for (direction, stamp) in self.state.stamps.drain(..) {
                self.latency.record(direction, sent.since(stamp));
            }
        }
    }

    fn send(&mut self, id: PortId, now: Nanos) {
        let staged = self.state.staging.port(id);
        if staged.frames.is_empty() {
            return;
        }
        self.outgoing.clear();
        let described = staged.frames.iter().zip(&staged.edges).map(|(frame, edge)| (frame.origin, *edge, frame.len));
        self.outgoing.extend(described);
        staged.edges.clear();
        let (sent, reason) = self.transmit(id, now);
        self.tell_taken_over(id, sent);
        for frame in self.state.staging.port(id).frames.drain(..) {
            self.channel.counters.edge(frame.origin).dropped[reason.index()].add(1);
            self.memory.free(frame);
        }
    }

    /// Puts the frames of `outgoing` into the port's ring and kicks, a bounded number of times.
    /// Returns how many of them are on their way, and why the frames that are still staged afterwards are
    /// dropped.
    fn transmit(&mut self, id: PortId, now: Nanos) -> (usize, DropReason) {
        let Some(served) = &mut self.ports[id.index()] else { return (0, DropReason::TxLinkDown) };
        if served.down_until.is_some_and(|until| now < until) {
            return (0, DropReason::TxLinkDown);
        }
        served.down_until = None;
        let frames = &mut self.state.staging.port(id).frames;
        let mut reason = DropReason::TxRingFull;
        let mut sent = 0;
        for _ in 0..TRANSMIT_TRIES {
            sent += served.port.transmit(&mut self.memory, frames);
            let flush = served.port.flush(&mut self.memory);
            served.pending = flush != Flush::Done;
            if flush == Flush::LinkDown {
                served.down_until = Some(now.plus(LINK_RETRY));
                self.channel.tell(Punt::LinkDown { port: id });
                reason = DropReason::TxLinkDown;
                break;
            }
            if frames.is_empty() {
                break;
            }
        }
        for (origin, edge, len) in self.outgoing.drain(..sent) {
            let counters = self.channel.counters.edge(origin);
            counters.sent[edge.index()].add(1);
            counters.sent_bytes[edge.index()].add(u64::from(len));
        }
        // What is in the ring of a port without carrier waits there.
        (if reason == DropReason::TxLinkDown { 0 } else { sent }, reason)
    }

    /// Tells control of the first packet, of the `sent` first ones that were staged for the port, that went
    /// instead of each ISP that may carry nothing.
    fn tell_taken_over(&mut self, id: PortId, sent: usize) {
        for taken in self.state.staging.port(id).taken_over.drain(..) {
            let told = &mut self.told[taken.lost.index()];
            if taken.place < sent && *told != taken.generation {
                *told = taken.generation;
                let TakenOver { lost, generation, .. } = taken;
                self.channel.tell(Punt::TookOver { lost, generation, at: os::now() });
            }
        }
    }
}
