//! Who owns the words of a table.

use super::cold::ColdLine;
use super::table::Flows;
use super::word::{Line, MAX_LINE_BITS, SLOTS};

/// Changes whenever the words of hot or cold records are laid out in another way: what an earlier
/// version has stored is then worth nothing.
pub const LAYOUT_VERSION: u32 = 1;

/// Memory for a table of flows.
pub trait FlowStore: std::fmt::Debug + Send + Sync {
    /// The table in it.
    fn flows(&self) -> Flows<'_>;
}

/// Memory on the heap: for tests, benchmarks and whatever runs without a kernel's help.
#[derive(Debug)]
pub struct HeapFlows {
    hot: Box<[Line]>,
    cold: Box<[ColdLine]>,
}

impl HeapFlows {
    /// A table for `capacity` flows; 0: one that remembers nothing.
    pub fn new(capacity: u64) -> Self {
        let lines = lines(capacity);
        Self {
            hot: (0..lines).map(|_| Line::default()).collect(),
            cold: (0..lines).map(|_| ColdLine::default()).collect(),
        }
    }
}

impl FlowStore for HeapFlows {
    fn flows(&self) -> Flows<'_> {
        Flows::new(&self.hot, &self.cold)
    }
}

/// Lines of a table for `capacity` flows: at least two places a flow, and a power of two.
pub const fn lines(capacity: u64) -> usize {
    if capacity == 0 {
        return 0;
    }
    let lines = (2 * capacity).div_ceil(SLOTS as u64).next_power_of_two();
    if lines > 1 << MAX_LINE_BITS { 1 << MAX_LINE_BITS } else { lines as usize }
}

/// Octets of a table for `capacity` flows, hot and cold.
pub const fn octets(capacity: u64) -> u64 {
    (lines(capacity) * (size_of::<Line>() + size_of::<ColdLine>())) as u64
}
