//! Step 10: the last look, the tag of a VLAN, and the frames that wait for the end of the batch.

use super::refusal::Refusal;
use super::steer::Plan;
use crate::limits::{HELD_PER_WORKER, MAX_BATCH, MAX_PORTS, MAX_UPLINKS};
use crate::port::{Frame, FrameMemory};
use crate::snapshot::{Edge, Role, Snapshot};
use crate::units::{EdgeId, PortId, UplinkId};
use crate::verdict::DropReason;
use crate::wire::ethernet;
use crate::wire::ipv6::Ipv6;

/// Frames that one batch can stage for one port: every frame of the batch or an error about
/// it, and every held frame or an error about it.
pub const STAGED_PER_PORT: usize = MAX_BATCH + HELD_PER_WORKER;

/// Reads the source back from the finished frame: on an ISP edge it lies in an external prefix
/// of that very ISP. Can only fail through a bug here; the guard and BCP 38 filters of the ISP
/// would be the next witnesses.
///
/// # Errors
/// When it does not.
pub fn assert_source(snapshot: &Snapshot, frame: &[u8], plan: &Plan) -> Result<(), Refusal> {
    let Role::Isp(uplink) = snapshot.edges[plan.egress.index()].role else { return Ok(()) };
    let source = Ipv6::new(&frame[ethernet::HEADER..]).map(Ipv6::source);
    let owner = source.and_then(|source| snapshot.mappings.inbound(source)).map(|mapping| mapping.uplink);
    if owner != Some(uplink) {
        return Err(DropReason::EgressAssertion.into());
    }
    Ok(())
}

/// Frames on their way out, by port.
#[derive(Debug)]
pub struct Staging {
    ports: Box<[Staged]>,
}

/// Frames for one port, in order, and the edge of that port that each leaves by.
#[derive(Debug)]
pub struct Staged {
    /// The frames.
    pub frames: Vec<Frame>,
    /// Their edges.
    pub edges: Vec<EdgeId>,
    /// Of each ISP that may carry nothing, the first frame that would have been its own.
    pub taken_over: Vec<TakenOver>,
}

/// A frame that leaves by another ISP than that of its flow or its bucket, which may carry nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// Which ISP.
    pub lost: UplinkId,
    /// Generation of the snapshot that says so.
    pub generation: u64,
    /// How many frames are staged before it.
    pub place: usize,
}

impl Staging {
    /// Room for every port's share of a batch.
    pub(super) fn new() -> Self {
        let staged = || Staged {
            frames: Vec::with_capacity(STAGED_PER_PORT),
            edges: Vec::with_capacity(STAGED_PER_PORT),
            taken_over: Vec::with_capacity(MAX_UPLINKS),
        };
        Self { ports: (0..MAX_PORTS).map(|_| staged()).collect() }
    }

    /// Puts `frame`, tagged if the edge is a VLAN, behind the others that leave by `edge`.
    pub fn push<M: FrameMemory>(&mut self, memory: &mut M, snapshot: &Snapshot, edge: EdgeId, mut frame: Frame) {
        let Edge { port, vlan, .. } = snapshot.edges[edge.index()];
        if let Some(vlan) = vlan {
            tag(memory, &mut frame, vlan);
        }
        let staged = self.port(port);
        staged.frames.push(frame);
        staged.edges.push(edge);
    }

    /// The frame that is staged next for `edge` would have been that of `lost`.
    #[cold]
    pub(super) fn take_over(&mut self, snapshot: &Snapshot, edge: EdgeId, lost: UplinkId) {
        let staged = self.port(snapshot.edges[edge.index()].port);
        if staged.taken_over.iter().all(|taken| taken.lost != lost) {
            let (generation, place) = (snapshot.generation, staged.frames.len());
            staged.taken_over.push(TakenOver { lost, generation, place });
        }
    }

    /// The frames for `port`.
    pub fn port(&mut self, port: PortId) -> &mut Staged {
        &mut self.ports[port.index()]
    }
}

/// The MTU of a VLAN's edge leaves room for the tag, so what a full buffer has no room for is
/// padding, and that is cut.
fn tag<M: FrameMemory>(memory: &mut M, frame: &mut Frame, vlan: u16) {
    let room = memory.room(frame).min(ethernet::TAG);
    frame.len += room as u16;
    ethernet::push_tag(memory.bytes_mut(frame), vlan);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::memory::HeapMemory;

    /// What a frame of `len` octets in a buffer for 1792 becomes.
    fn tagged(len: usize) -> (Vec<u8>, Vec<u8>) {
        let mut memory = HeapMemory::new(1, 2048);
        let packet: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let mut frame = memory.receive(&packet).unwrap();
        tag(&mut memory, &mut frame, 30);
        let bytes = memory.bytes(&frame).to_vec();
        memory.free(frame);
        (packet, bytes)
    }

    #[test]
    fn a_tag_makes_a_frame_longer_as_far_as_the_buffer_goes() {
        for (len, cut) in [(60, 0), (1788, 0), (1789, 1), (1792, 4)] {
            let (packet, bytes) = tagged(len);
            assert_eq!(bytes[..12], packet[..12]);
            assert_eq!(bytes[12..16], [0x81, 0, 0, 30]);
            assert_eq!(bytes[16..], packet[12..len - cut], "{len} octets");
        }
    }
}
