//! By which edge a frame came in.
//!
//! XDP metadata would be the place to say so, but not every driver has it. So where a port has
//! several edges the gate says it in the frame: it has just found the destination MAC to be that
//! of the edge, and puts the edge's id over the last octet, which nobody reads any more.

use super::Snapshot;
use crate::units::{EdgeId, PortId};

/// How the edge of a port's frames is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// No edge is on this port.
    Nowhere,
    /// All came in by this one.
    Edge(EdgeId),
    /// By one of several, whose id the frame carries in the octet at [`MARK`].
    Marked,
}

/// Where a marked frame carries its edge's id: the last octet of the destination MAC.
pub const MARK: usize = 5;

impl Snapshot {
    /// The edge by which `frame`, received on `port`, came in; `None` when that edge is gone.
    pub fn ingress(&self, port: PortId, frame: &[u8]) -> Option<EdgeId> {
        match *self.ingress.get(port.index())? {
            Ingress::Nowhere => None,
            Ingress::Edge(edge) => Some(edge),
            Ingress::Marked => {
                let edge = EdgeId(*frame.get(MARK)?);
                let there = self.edges.get(edge.index())?;
                (there.port == port && !there.name.is_empty()).then_some(edge)
            }
        }
    }

    /// Does to `frame`, whose tag is off, what the gate does when it came in by `edge`.
    pub fn mark(&self, edge: EdgeId, frame: &mut [u8]) {
        let port = self.edges[edge.index()].port;
        if self.ingress.get(port.index()) == Some(&Ingress::Marked)
            && let Some(mark) = frame.get_mut(MARK)
        {
            *mark = edge.0;
        }
    }
}
