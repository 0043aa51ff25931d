//! Step 8: the MAC of the next hop.

use super::held::Wanted;
use super::refusal::{Answer, Refusal};
use super::steer::Plan;
use crate::snapshot::{NeighbourState, NeighbourTable};
use crate::units::MacAddr;
use crate::verdict::DropReason;

/// The MAC of `plan`'s next hop.
///
/// # Errors
/// When it is not known yet (hold the packet) or does not answer. Either way control is asked
/// to resolve it.
pub fn resolve(neighbours: &NeighbourTable, wanted: &mut Wanted, plan: &Plan) -> Result<MacAddr, Refusal> {
    let refusal = match neighbours.lookup(plan.egress, plan.next_hop) {
        NeighbourState::Resolved(mac) => return Ok(mac),
        NeighbourState::Unknown => Refusal::Hold(plan.egress, plan.next_hop),
        NeighbourState::Failed => Refusal::Drop(DropReason::NeighbourUnreachable, Answer::ADDRESS_UNREACHABLE),
    };
    wanted.push(plan.egress, plan.next_hop);
    Err(refusal)
}
