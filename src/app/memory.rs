//! Flow memory as control sees it: counted, and rid of mappings that mean something else.

use std::sync::Arc;

use crate::control::ids::Reused;
use crate::flow::{FlowStore, FragmentTable, octets};
use crate::observe::report::MemoryReport;
use crate::worker::World;

/// The workers' memory.
#[derive(Debug)]
pub(super) struct Memory {
    flows: Arc<dyn FlowStore>,
    fragments: Arc<FragmentTable>,
    report: MemoryReport,
}

impl Memory {
    /// The memory in `world`.
    pub(super) fn of(world: &World) -> Self {
        let capacity = world.flows.flows().capacity();
        let report = MemoryReport { capacity, octets: octets(capacity), ..MemoryReport::default() };
        Self { flows: Arc::clone(&world.flows), fragments: Arc::clone(&world.fragments), report }
    }

    /// Forgets whatever has a mapping whose id means something else from now on.
    pub(super) fn forget(&self, reused: &Reused) {
        if reused.mappings.is_empty() {
            return;
        }
        let flows = self.flows.flows();
        for record in (0..flows.lines()).flat_map(|line| flows.records(line)) {
            if reused.mappings.contains(&record.word.mapping()) {
                flows.remove(record);
            }
        }
        self.fragments.forget(&reused.mappings);
    }

    /// What it holds.
    pub(super) const fn report(&self) -> &MemoryReport {
        &self.report
    }
}
