//! Step 10: the last look, and the frames that wait for the end of the batch.

use super::refusal::Refusal;
use super::steer::Plan;
use crate::limits::{HELD_PER_WORKER, MAX_BATCH, MAX_PORTS};
use crate::port::Frame;
use crate::snapshot::{Role, Snapshot};
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

    /// Puts `frame` behind the others that leave by `edge`.
    pub fn push(&mut self, snapshot: &Snapshot, edge: EdgeId, frame: Frame) {
        let staged = self.port(snapshot.edges[edge.index()].port);
        staged.frames.push(frame);
        staged.edges.push(edge);
    }

    /// The frames for `port`.
    pub fn port(&mut self, port: PortId) -> &mut Staged {
        &mut self.ports[port.index()]
    }
}
