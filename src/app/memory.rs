//! Flow memory as control sees it: swept and counted, and rid of mappings that mean something else.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::control::ids::Reused;
use crate::flow::{FlowStore, FragmentTable, Sweeper, Tick, octets};
use crate::limits::FLOW_SWEEP_STEPS;
use crate::observe::report::MemoryReport;
use crate::snapshot::Snapshot;
use crate::units::Nanos;
use crate::worker::World;

/// The workers' memory.
#[derive(Debug)]
pub(super) struct Memory {
    flows: Arc<dyn FlowStore>,
    fragments: Arc<FragmentTable>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    sweeper: Sweeper,
    report: MemoryReport,
}

impl Memory {
    /// The memory in `world`.
    pub(super) fn of(world: &World) -> Self {
        let capacity = world.flows.flows().capacity();
        let report = MemoryReport { capacity, octets: octets(capacity), ..MemoryReport::default() };
        Self {
            flows: Arc::clone(&world.flows),
            fragments: Arc::clone(&world.fragments),
            snapshot: Arc::clone(&world.snapshot),
            sweeper: Sweeper::new(),
            report,
        }
    }

    /// Forgets whatever has a mapping whose id means something else from now on.
    pub(super) fn forget(&self, reused: &Reused) {
        if reused.mappings.is_empty() {
            return;
        }
        self.flows.flows().forget(&reused.mappings);
        self.fragments.forget(&reused.mappings);
    }

    /// Walks over all of it, so that what an earlier process has left is counted from the start.
    pub(super) fn sweep_all(&mut self, now: Nanos) {
        (0..FLOW_SWEEP_STEPS).for_each(|_| self.sweep(now));
    }

    /// Walks over the next part of it, once a second.
    pub(super) fn sweep(&mut self, now: Nanos) {
        let timeouts = self.snapshot.load().timeouts;
        let swept = self.sweeper.step(&self.flows.flows(), Tick::at(now), &timeouts);
        if swept.abandoned > 0 {
            tracing::warn!(records = swept.abandoned, "flow memory: records that nobody has finished were removed");
        }
        self.fragments.sweep(now);
        let totals = self.sweeper.totals();
        self.report.by_state = totals.by_state;
        self.report.by_mapping.clear();
        self.report.by_mapping.extend(totals.by_mapping);
    }

    /// What it holds.
    pub(super) const fn report(&self) -> &MemoryReport {
        &self.report
    }
}
