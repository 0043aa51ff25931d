//! The table: look up, insert, refresh, move.

use std::sync::atomic::AtomicU64;

use super::cold::{ColdLine, ColdRecord};
use super::state::{Rank, State, Timeouts};
use super::tick::Tick;
use super::word::{Line, SLOTS, Slot, Word, Word64};
use crate::units::MappingId;

/// Rounds of an insertion before it gives up: each lost round is another worker's progress.
const TRIES: usize = 16;

/// A table over words that somebody else owns. The number of lines is a power of two, or zero for
/// a table that remembers nothing.
#[derive(Debug)]
pub struct Flows<'a, A = AtomicU64> {
    hot: &'a [Line<A>],
    /// As many lines as there are hot ones, or none.
    cold: &'a [ColdLine<A>],
}

impl<A> Clone for Flows<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Flows<'_, A> {}

/// A record as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where.
    pub slot: Slot,
    /// What.
    pub word: Word,
}

/// The record that gave way to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// Its time was over.
    Expired,
    /// Nobody had answered, the oldest of them.
    Unanswered,
    /// After FIN or RST, the oldest of them.
    Closing,
}

impl Evicted {
    /// All, in the order of [`Evicted::index`].
    pub const ALL: [Self; Self::COUNT] = [Self::Expired, Self::Unanswered, Self::Closing];
    /// How many there are.
    pub const COUNT: usize = 3;

    /// Position in an array of [`Evicted::COUNT`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether its time was not over.
    pub const fn is_early(self) -> bool {
        !matches!(self, Self::Expired)
    }

    /// The word used in metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Unanswered => "unanswered",
            Self::Closing => "closing",
        }
    }
}

/// What became of a new record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there, in the place of another or of none.
    New(Record, Option<Evicted>),
    /// Another worker was first: this is the flow's record.
    Existing(Record),
    /// Every place is taken by an established flow: the flow goes without a record.
    Full,
}

impl<'a, A: Word64> Flows<'a, A> {
    /// The table in `hot` and `cold`.
    pub fn new(hot: &'a [Line<A>], cold: &'a [ColdLine<A>]) -> Self {
        debug_assert!(hot.is_empty() || hot.len().is_power_of_two());
        debug_assert!(cold.is_empty() || cold.len() == hot.len());
        Self { hot, cold }
    }

    /// Whether this table remembers nothing, ever.
    pub const fn is_disabled(&self) -> bool {
        self.hot.is_empty()
    }

    /// Number of lines.
    pub const fn lines(&self) -> usize {
        self.hot.len()
    }

    /// Flows that the table is made for: half as many as it has places.
    pub const fn capacity(&self) -> u64 {
        (self.hot.len() * SLOTS / 2) as u64
    }

    /// The record of the flow with this hash, if it is alive.
    pub fn look_up(&self, hash: u64, now: Tick, timeouts: &Timeouts) -> Option<Record> {
        let line = self.line(hash)?;
        let mut claimed = false;
        for (at, cell) in self.hot[line].0.iter().enumerate() {
            let word = Word(cell.load());
            if word.is_of(hash) {
                match word.state() {
                    State::Claimed => claimed = true,
                    _ if word.is_expired(now, timeouts) => {}
                    _ => return Some(Record { slot: Slot { line, at }, word }),
                }
            }
        }
        if claimed { self.settle(line, hash, now, timeouts) } else { None }
    }

    /// Makes a record with `mapping` in `state` for the flow with this hash, unless it has one.
    ///
    /// Claim, write the cold part, publish. Two workers may claim different places for one flow:
    /// [`Self::settle`] lets exactly one of the claims be published, and both get that one.
    pub fn insert(
        &self,
        hash: u64,
        cold: &ColdRecord,
        mapping: MappingId,
        state: State,
        timeouts: &Timeouts,
    ) -> Inserted {
        let Some(line) = self.line(hash) else { return Inserted::Full };
        let now = Tick::at(cold.created);
        let mut evicted = None;
        for _ in 0..TRIES {
            let words = self.read(line);
            if words.iter().any(|word| word.is_of(hash) && !word.is_expired(now, timeouts)) {
                match self.settle(line, hash, now, timeouts) {
                    Some(record) => return Inserted::Existing(record),
                    None => continue,
                }
            }
            let Some((at, victim)) = victim(&words, hash, now, timeouts) else { return Inserted::Full };
            let claim = Word::claim(hash, mapping, state, cold.created);
            if !self.hot[line].0[at].swap(words[at].0, claim.0) {
                continue;
            }
            evicted = evicted.or(victim);
            if let Some(cold_line) = self.cold.get(line) {
                cold.write(&cold_line.0[at]);
            }
            match self.settle(line, hash, now, timeouts) {
                Some(record) if record.slot.at == at => return Inserted::New(record, evicted),
                Some(record) => return Inserted::Existing(record),
                None => {}
            }
        }
        Inserted::Full
    }

    /// Agrees with all other workers on the one record of the flow with this hash: the published
    /// one, or else the claim in the lowest place, which is published here and now on behalf of
    /// whoever made it. All other claims are taken back first. `None`: there is none any more.
    ///
    /// Why two are never published: each publisher has seen, after a fence, no other claim alive,
    /// and each claimer looks at all places after its own claim and a fence. Of two claims at
    /// least one claimer sees the other's, and a claim that is taken back cannot be published,
    /// since both compare and swap the same word.
    fn settle(&self, line: usize, hash: u64, now: Tick, timeouts: &Timeouts) -> Option<Record> {
        for _ in 0..TRIES {
            A::fence();
            let words = self.read(line);
            let mut own = (0..SLOTS).filter(|at| words[*at].is_of(hash) && !words[*at].is_expired(now, timeouts));
            let published = own.clone().find(|at| words[*at].state() != State::Claimed);
            let chosen = published.or_else(|| own.next())?;
            let mut others = (0..SLOTS).filter(|at| *at != chosen && is_claim(words[*at], hash));
            if !others.all(|at| self.hot[line].0[at].swap(words[at].0, Word::EMPTY.0)) {
                continue;
            }
            let word = words[chosen];
            let slot = Slot { line, at: chosen };
            if word.state() != State::Claimed {
                return Some(Record { slot, word });
            }
            if self.hot[line].0[chosen].swap(word.0, word.published(now).0) {
                return Some(Record { slot, word: word.published(now) });
            }
        }
        None
    }

    /// Notes a packet of the flow at `now`, after which it is in `state`. Writes only when that
    /// says something new, and returns whether it did. Lost when another worker was faster: it
    /// has noted the same, or the next packet will.
    pub fn refresh(&self, record: Record, state: State, now: Tick) -> bool {
        let Record { slot, word } = record;
        // A clock a little behind another worker's must not turn the record back.
        let current = word.state() == state && word.tick().age(now) == 0;
        !current && self.cell(slot).swap(word.0, word.seen(state, now).0)
    }

    /// Gives the flow another mapping. Returns the record as it is now, or `None` when another
    /// worker has changed it meanwhile: look it up again.
    pub fn reassign(&self, record: Record, mapping: MappingId, state: State, now: Tick) -> Option<Record> {
        let Record { slot, word } = record;
        let new = word.moved(mapping).seen(state, now);
        if !self.cell(slot).swap(word.0, new.0) {
            return None;
        }
        if let Some(cold) = self.cold.get(slot.line) {
            ColdRecord::write_former(&cold.0[slot.at], word.mapping());
        }
        Some(Record { slot, word: new })
    }

    /// The cold part of the record at `slot`. It may be of another flow, or half written: compare
    /// its key.
    pub fn cold(&self, slot: Slot) -> Option<ColdRecord> {
        Some(ColdRecord::read(&self.cold.get(slot.line)?.0[slot.at]))
    }

    /// The records of one line as they are, claims included.
    pub fn records(&self, line: usize) -> impl Iterator<Item = Record> + use<A> {
        let records = self.read(line).into_iter().enumerate();
        records.filter(|(_, word)| *word != Word::EMPTY).map(move |(at, word)| Record { slot: Slot { line, at }, word })
    }

    /// Removes `record` if it still is as it was found.
    pub fn remove(&self, record: Record) -> bool {
        self.cell(record.slot).swap(record.word.0, Word::EMPTY.0)
    }

    fn line(&self, hash: u64) -> Option<usize> {
        if self.hot.is_empty() { None } else { Some(hash as usize & (self.hot.len() - 1)) }
    }

    fn cell(&self, slot: Slot) -> &A {
        &self.hot[slot.line].0[slot.at]
    }

    fn read(&self, line: usize) -> [Word; SLOTS] {
        std::array::from_fn(|at| Word(self.hot[line].0[at].load()))
    }
}

fn is_claim(word: Word, hash: u64) -> bool {
    word.is_of(hash) && word.state() == State::Claimed
}

/// The place for a new record of the flow with this hash, and what gives way there: the flow's own
/// expired record, an empty place, then expired, unanswered and closing records, the oldest first.
fn victim(words: &[Word; SLOTS], hash: u64, now: Tick, timeouts: &Timeouts) -> Option<(usize, Option<Evicted>)> {
    if let Some(at) = words.iter().position(|word| word.is_of(hash)) {
        return Some((at, Some(Evicted::Expired)));
    }
    if let Some(at) = words.iter().position(|word| *word == Word::EMPTY) {
        return Some((at, None));
    }
    let worth = |word: &Word| {
        let rank = if word.is_expired(now, timeouts) { None } else { Some(word.state().rank()) };
        (rank, std::cmp::Reverse(word.tick().age(now)))
    };
    // A claim is somebody's work of this moment.
    let candidates = (0..SLOTS).filter(|at| words[*at].state() != State::Claimed);
    let at = candidates.min_by_key(|at| worth(&words[*at]))?;
    match worth(&words[at]).0 {
        None => Some((at, Some(Evicted::Expired))),
        Some(Rank::Unanswered) => Some((at, Some(Evicted::Unanswered))),
        Some(Rank::Closing) => Some((at, Some(Evicted::Closing))),
        Some(Rank::Established) => None,
    }
}
