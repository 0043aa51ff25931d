//! The hot word of a record, and the lines of eight that they stand in.
//!
//! ```text
//! 63            26 25     18 17  14 13     0
//!  fingerprint 38 | mapping | state | tick      0: empty
//! ```
//!
//! The fingerprint is the upper part of the flow's hash and the line's number the lower part, so
//! that the two share no bit with up to 2²⁶ lines. In a claim the place of the tick holds the state
//! that will be published and ten bits that tell one claim from another.

use std::sync::atomic::{AtomicU64, Ordering};

use super::state::{State, Timeouts};
use super::tick::Tick;
use crate::units::{MappingId, Nanos};

/// Hot words of a line.
pub const SLOTS: usize = 8;
/// Bits of the hash that are not in the fingerprint: at most 2²⁶ lines.
pub const MAX_LINE_BITS: u32 = FINGERPRINT_SHIFT;

const FINGERPRINT_SHIFT: u32 = 26;
const MAPPING_SHIFT: u32 = 18;
const STATE_SHIFT: u32 = 14;
const STATE_BITS: u64 = 0xf;
const TICK_BITS: u64 = 0x3fff;

/// An atomic word of 64 bits: the standard library's, or a model checker's.
///
/// Hot words are loaded and swapped in one order that all workers agree on. On x86-64 that costs
/// nothing: a load is a plain load, and a swap is the same instruction in any order.
pub trait Word64: Send + Sync {
    /// The value.
    fn load(&self) -> u64;
    /// Puts `new` in the place of `old`, and says whether it was there.
    fn swap(&self, old: u64, new: u64) -> bool;
    /// The value of a cold word. What is read later is no older.
    fn load_cold(&self) -> u64;
    /// Replaces the value of a cold word. Who sees it sees what came before it.
    fn store_cold(&self, value: u64);
}

impl Word64 for AtomicU64 {
    fn load(&self) -> u64 {
        self.load(Ordering::SeqCst)
    }

    fn swap(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn load_cold(&self) -> u64 {
        self.load(Ordering::Acquire)
    }

    fn store_cold(&self, value: u64) {
        self.store(value, Ordering::Release);
    }
}

/// Eight hot words: a cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Line<A = AtomicU64>(pub(super) [A; SLOTS]);

impl<A: Default> Default for Line<A> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| A::default()))
    }
}

/// The place of a record: line and position within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The line.
    pub line: usize,
    /// Below eight.
    pub at: usize,
}

/// A hot word's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u64);

impl Word {
    /// No record.
    pub const EMPTY: Self = Self(0);

    pub(super) const fn new(hash: u64, mapping: MappingId, state: State, tick: Tick) -> Self {
        let fingerprint = hash >> FINGERPRINT_SHIFT << FINGERPRINT_SHIFT;
        Self(fingerprint | (mapping.0 as u64) << MAPPING_SHIFT | (state as u64) << STATE_SHIFT | tick.0 as u64)
    }

    /// A claim, to be published in `state`. `now` tells it from others: who has read a claim must not
    /// take a later one in its place for it.
    pub(super) const fn claim(hash: u64, mapping: MappingId, state: State, now: Nanos) -> Self {
        let nonce = (now.0 ^ now.0 >> 10 ^ now.0 >> 20) as u16 & 0x3ff;
        Self::new(hash, mapping, State::Claimed, Tick(nonce << 4 | state as u16))
    }

    /// What a claim becomes.
    pub(super) const fn published(self, tick: Tick) -> Self {
        let state = self.0 & STATE_BITS;
        Self(self.0 & !(STATE_BITS << STATE_SHIFT | TICK_BITS) | state << STATE_SHIFT | tick.0 as u64)
    }

    /// The same record in another state, seen at `tick`.
    pub(super) const fn seen(self, state: State, tick: Tick) -> Self {
        Self(self.0 & !(STATE_BITS << STATE_SHIFT | TICK_BITS) | (state as u64) << STATE_SHIFT | tick.0 as u64)
    }

    /// The same record with another mapping.
    pub(super) const fn moved(self, mapping: MappingId) -> Self {
        Self(self.0 & !(0xff << MAPPING_SHIFT) | (mapping.0 as u64) << MAPPING_SHIFT)
    }

    /// Whether this could be the record of a flow with this hash, found in its line.
    pub const fn is_of(self, hash: u64) -> bool {
        self.0 != 0 && (self.0 ^ hash) >> FINGERPRINT_SHIFT == 0
    }

    /// Whether this is a record that is being made.
    pub const fn is_claim(self) -> bool {
        matches!(self.state(), State::Claimed)
    }

    /// The mapping.
    pub const fn mapping(self) -> MappingId {
        MappingId((self.0 >> MAPPING_SHIFT) as u8)
    }

    /// The state.
    pub const fn state(self) -> State {
        State::ALL[(self.0 >> STATE_SHIFT & STATE_BITS) as usize]
    }

    /// When it was last seen.
    pub const fn tick(self) -> Tick {
        Tick((self.0 & TICK_BITS) as u16)
    }

    /// Whether a record has been idle for longer than its state allows. A claim never is.
    pub const fn is_expired(self, now: Tick, timeouts: &Timeouts) -> bool {
        let state = self.state();
        !matches!(state, State::Claimed | State::Empty) && self.tick().age(now) > timeouts.of(state)
    }

    /// Whether this is a published record whose time is not over.
    pub const fn is_alive(self, now: Tick, timeouts: &Timeouts) -> bool {
        !matches!(self.state(), State::Claimed | State::Empty) && !self.is_expired(now, timeouts)
    }
}
