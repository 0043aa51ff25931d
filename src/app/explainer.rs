//! Answers what becomes of a packet, from what the workers see at this moment.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::explain::{Explanation, Question, QuestionError, World, explain};
use crate::os;
use crate::snapshot::GateTables;
use crate::worker;

/// What a packet would meet.
#[derive(Clone, Debug)]
pub(super) struct Explainer {
    world: worker::World,
    gate: Arc<ArcSwap<GateTables>>,
    max_frame: usize,
}

impl Explainer {
    /// Of the workers' `world`; `gate` holds the tables that are in force.
    pub(super) fn new(world: worker::World, gate: Arc<ArcSwap<GateTables>>, max_frame: usize) -> Self {
        Self { world, gate, max_frame }
    }

    /// The answer. Only reads.
    ///
    /// # Errors
    /// When the question means nothing here.
    pub(super) fn answer(&self, question: &Question) -> Result<Explanation, QuestionError> {
        let (snapshot, gate) = (self.world.snapshot.load_full(), self.gate.load_full());
        let world = World {
            snapshot: &snapshot,
            gate: &gate,
            neighbour: &|edge, address| self.world.neighbours.peek(edge, address),
            flows: self.world.flows.flows(),
            fragments: &self.world.fragments,
            now: os::now(),
            max_frame: self.max_frame,
        };
        explain(&world, question)
    }
}
