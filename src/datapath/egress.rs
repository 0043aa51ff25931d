//! Step 10: the last look, the tag of a VLAN, and the frames that wait for the end of the batch.

use super::refusal::Refusal;
use super::steer::Plan;
use crate::limits::{HELD_PER_WORKER, MAX_BATCH, MAX_PORTS};
use crate::port::{Frame, FrameMemory};
use crate::snapshot::{Edge, Role, Snapshot};
use crate::units::{EdgeId, PortId};
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
}

impl Staging {
    /// Room for every port's share of a batch.
    pub(super) fn new() -> Self {
        let staged =
            || Staged { frames: Vec::with_capacity(STAGED_PER_PORT), edges: Vec::with_capacity(STAGED_PER_PORT) };
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
