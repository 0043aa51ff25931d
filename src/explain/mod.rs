//! What happens to one packet, step by step in words (`sixways explain`).
//!
//! No decision is taken here. Each step of the packet path is called by itself on the memory at hand,
//! which it only reads, and what it says is put into words; the outcome is that of the whole path,
//! run on the packet in a place of its own ([`Stand`](crate::replay::Stand)) which has a copy of what
//! is remembered of the flow. So the running gateway is asked without being changed: no record is
//! made or refreshed, no neighbour counts as used.

mod choice;
mod outcome;
mod packet;
mod question;
mod walk;
mod words;

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

pub use outcome::{Answered, Outcome, Verdict};
pub use question::{Asked, Fields, Question, QuestionError};

use crate::flow::{Flows, FragmentTable};
use crate::limits::MAX_UPLINKS;
use crate::snapshot::{GateTables, NeighbourState, Snapshot};
use crate::units::{EdgeId, Nanos};

/// What a packet would meet.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// The data plane's picture of the world.
    pub snapshot: &'a Snapshot,
    /// The gates' tables.
    pub gate: &'a GateTables,
    /// Who has which MAC.
    pub neighbour: &'a dyn Fn(EdgeId, Ipv6Addr) -> NeighbourState,
    /// Flow memory.
    pub flows: Flows<'a>,
    /// The fragment table.
    pub fragments: &'a FragmentTable,
    /// The time, on the clock of the flow memory.
    pub now: Nanos,
    /// Longest frame that the gate lets through to a worker.
    pub max_frame: usize,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("generation", &self.snapshot.generation).field("now", &self.now).finish()
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Where the packet comes in: an ISP's name or a LAN's interface.
    pub from: String,
    /// What becomes of it.
    pub told: Told,
    /// What would, were some ISPs down.
    pub alternative: Option<Alternative>,
}

/// What becomes of a packet, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// In the order in which they are taken, as far as the packet comes.
    pub steps: Vec<Step>,
    /// What becomes of it in the end.
    pub outcome: Outcome,
}

/// One step in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name; empty for more of the step before.
    pub step: String,
    /// What is found or decided.
    pub finding: String,
    /// By what, or what it means.
    pub because: String,
}

/// The same packet in another world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// The ISPs that are down there.
    pub down: Vec<String>,
    /// What becomes of the packet.
    pub told: Told,
}

/// Explains what becomes of the packet that `question` describes.
///
/// # Errors
/// When a name means nothing here, or the packet cannot be made.
pub fn explain(world: &World<'_>, question: &Question) -> Result<Explanation, QuestionError> {
    let snapshot = world.snapshot;
    let edge = snapshot.edge_named(&question.from);
    let edge = edge.ok_or_else(|| QuestionError::unknown_edge(snapshot, &question.from))?;
    let frame = question.frame(world, edge)?;
    let alternative = if question.if_down.is_empty() {
        None
    } else {
        let snapshot = without(snapshot, &question.if_down)?;
        let told = walk::tell(&World { snapshot: &snapshot, ..*world }, edge, &frame);
        Some(Alternative { down: question.if_down.clone(), told })
    };
    Ok(Explanation { from: snapshot.name_of(edge).to_owned(), told: walk::tell(world, edge, &frame), alternative })
}

/// The world in which the ISPs of these names carry nothing. As in [`crate::control::compile`] the set
/// of usable ISPs is never empty: where that leaves nobody, all whose router is known are kept.
fn without(snapshot: &Snapshot, names: &[String]) -> Result<Snapshot, QuestionError> {
    let mut left = snapshot.usable;
    for name in names {
        let at = snapshot.uplinks.iter().position(|uplink| !name.is_empty() && *uplink.name == **name);
        let at = at.ok_or_else(|| QuestionError::unknown_isp(snapshot, name))?;
        left &= !(1 << at);
    }
    if left == 0 {
        let known = |at: &usize| {
            snapshot.uplinks.get(*at).is_some_and(|uplink| !uplink.name.is_empty() && uplink.next_hop.is_some())
        };
        left = (0..MAX_UPLINKS).filter(known).fold(0, |bits, at| bits | 1 << at);
    }
    Ok(Snapshot { usable: left, accepting: snapshot.accepting & left, ..snapshot.clone() })
}
