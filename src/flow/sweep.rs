//! What control does to the whole table: take away what is over, count what is there, forget
//! mappings. Workers go on meanwhile.

use super::state::{State, Timeouts};
use super::table::{Flows, Record};
use super::tick::Tick;
use super::word::{SLOTS, Slot, Word, Word64};
use crate::limits::{FLOW_SWEEP_STEPS, MAX_MAPPINGS, SUSPECT_CLAIMS};
use crate::units::MappingId;

/// The walk over the table that never ends, a part at each step: a table is through after
/// [`FLOW_SWEEP_STEPS`] of them, whatever its size.
///
/// Without it a record that nobody looks up would seem young again when the clock of ticks comes
/// round.
#[derive(Debug)]
pub struct Sweeper {
    /// Below [`FLOW_SWEEP_STEPS`].
    step: usize,
    counting: Totals,
    counted: Totals,
    /// Claims that stood there in the round before.
    suspects: Claims,
    claims: Claims,
}

/// What one round has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Records by [`State`], in the order of [`State::ALL`].
    pub by_state: [u64; State::ALL.len()],
    /// Flows by [`MappingId`], companions left out.
    pub by_mapping: [u64; MAX_MAPPINGS],
}

/// What one step has removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records whose time was over.
    pub expired: u64,
    /// Claims that were the same a round before: whoever made them is gone.
    pub abandoned: u64,
}

/// A few claims. More are not watched until the next round.
#[derive(Clone, Copy, Debug)]
struct Claims {
    claims: [Option<Record>; SUSPECT_CLAIMS],
    count: usize,
}

impl Claims {
    const NONE: Self = Self { claims: [None; SUSPECT_CLAIMS], count: 0 };

    fn contains(&self, claim: Record) -> bool {
        self.claims[..self.count].contains(&Some(claim))
    }

    fn add(&mut self, claim: Record) {
        if let Some(free) = self.claims.get_mut(self.count) {
            *free = Some(claim);
            self.count += 1;
        }
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self { by_state: [0; State::ALL.len()], by_mapping: [0; MAX_MAPPINGS] }
    }
}

impl Totals {
    fn count(&mut self, word: Word) {
        self.by_state[word.state() as usize] += 1;
        if !matches!(word.state(), State::Companion | State::Claimed) {
            self.by_mapping[word.mapping().index()] += 1;
        }
    }
}

impl Sweeper {
    /// One that has not counted anything yet.
    pub fn new() -> Self {
        Self {
            step: 0,
            counting: Totals::default(),
            counted: Totals::default(),
            suspects: Claims::NONE,
            claims: Claims::NONE,
        }
    }

    /// Walks over the next part of the table.
    pub fn step<A: Word64>(&mut self, flows: &Flows<'_, A>, now: Tick, timeouts: &Timeouts) -> Swept {
        let border = |step: usize| flows.lines() * step / FLOW_SWEEP_STEPS;
        let mut swept = Swept::default();
        for record in (border(self.step)..border(self.step + 1)).flat_map(|line| flows.records(line)) {
            if record.word.is_claim() && self.suspects.contains(record) {
                swept.abandoned += u64::from(flows.remove(record));
                continue;
            }
            if record.word.is_expired(now, timeouts) && flows.remove(record) {
                swept.expired += 1;
                continue;
            }
            if record.word.is_claim() {
                self.claims.add(record);
            }
            self.counting.count(record.word);
        }
        self.step += 1;
        if self.step == FLOW_SWEEP_STEPS {
            self.step = 0;
            self.counted = std::mem::take(&mut self.counting);
            self.suspects = std::mem::replace(&mut self.claims, Claims::NONE);
        }
        swept
    }

    /// What the latest whole round has found.
    pub const fn totals(&self) -> &Totals {
        &self.counted
    }
}

impl Default for Sweeper {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Word64> Flows<'_, A> {
    /// Forgets all that has one of `mappings`, whatever workers do to it meanwhile; returns how
    /// many records it was. No worker may be left that still gives one of them to a flow.
    pub fn forget(&self, mappings: &[MappingId]) -> u64 {
        let mut forgotten = 0;
        for (line, at) in (0..self.lines()).flat_map(|line| (0..SLOTS).map(move |at| (line, at))) {
            let slot = Slot { line, at };
            // A worker that changes a word in between does so once a tick.
            while let Some(record) = self.record(slot).filter(|record| mappings.contains(&record.word.mapping())) {
                forgotten += u64::from(self.remove(record));
            }
        }
        forgotten
    }

    /// Takes away what is over, in the whole table at once.
    pub(super) fn expire(&self, now: Tick, timeouts: &Timeouts) {
        let records = (0..self.lines()).flat_map(|line| self.records(line));
        records.filter(|record| record.word.is_expired(now, timeouts)).for_each(|record| _ = self.remove(record));
    }
}
