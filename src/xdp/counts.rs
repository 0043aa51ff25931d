//! The per-CPU counters of gate and guard, and where in them each count is.

use std::path::Path;

use aya::maps::{MapData, MapError, MapType, PerCpuArray};

use crate::observe::report::{GateCounts, GuardCounts};
use crate::units::EdgeId;

/// Counters of one edge in the gate's array, as in `gate.bpf.c`.
const GATE_COUNTS: u32 = 8;

/// Counters that the kernel keeps, one value per CPU.
pub(super) struct Counts(PerCpuArray<MapData, u64>);

impl Counts {
    pub(super) const fn new(map: PerCpuArray<MapData, u64>) -> Self {
        Self(map)
    }

    pub(super) fn gate(&self, edge: EdgeId) -> Result<GateCounts, MapError> {
        let at = |offset: u32| self.sum(u32::from(edge.0) * GATE_COUNTS + offset);
        Ok(GateCounts {
            passed: at(0)?,
            redirected: at(1)?,
            transit: at(2)?,
            own_elsewhere: at(3)?,
            no_socket: at(4)?,
            oversize: at(5)?,
        })
    }

    pub(super) fn guard(&self) -> Result<GuardCounts, MapError> {
        Ok(GuardCounts { passed: self.sum(0)?, forwarded: self.sum(1)?, foreign_source: self.sum(2)? })
    }

    fn sum(&self, index: u32) -> Result<u64, MapError> {
        Ok(self.0.get(&index, 0)?.iter().sum())
    }
}

/// Whether the map pinned at `path` can go on counting: the loader takes an existing pin
/// without comparing anything.
pub(super) fn is_adoptable(path: &Path, max_entries: u32) -> bool {
    let Ok(info) = MapData::from_pin(path).and_then(|map| map.info()) else { return false };
    let sizes = (info.key_size(), info.value_size(), info.max_entries());
    info.map_type().is_ok_and(|kind| kind == MapType::PerCpuArray) && sizes == (4, 8, max_entries)
}
