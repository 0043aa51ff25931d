//! The table: look up, insert, refresh, move.

use std::sync::atomic::AtomicU64;

use super::cold::{ColdLine, ColdRecord};
use super::state::{Rank, State, Timeouts};
use super::tick::Tick;
use super::word::{Line, SLOTS, Slot, Word, Word64};
use crate::os::prefetch;
use crate::units::{MappingId, Nanos};

/// Rounds of one operation before it gives up: each lost round is another worker's progress.
const TRIES: usize = 32;

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
    /// Nobody had answered, or it was ICMPv6 or a companion; the oldest of them.
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
    /// Every place is taken by an established flow, or fought over: the flow goes without a record.
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

    /// Has the line of the flow with this hash near when it is looked up, some packets later.
    pub fn prefetch(&self, hash: u64) {
        if let Some(line) = self.line(hash) {
            prefetch(&self.hot[line]);
        }
    }

    /// The record of the flow with this hash, if it is alive. A claim is none: the packet that it
    /// is made for has not left yet.
    pub fn look_up(&self, hash: u64, now: Tick, timeouts: &Timeouts) -> Option<Record> {
        let line = self.line(hash)?;
        self.hot[line].0.iter().enumerate().find_map(|(at, cell)| {
            let word = Word(cell.load());
            (word.is_of(hash) && word.is_alive(now, timeouts)).then_some(Record { slot: Slot { line, at }, word })
        })
    }

    /// Makes a record with `mapping` in `state` for the flow with this hash, unless it has one.
    ///
    /// In each round the line is read and one step is made: claim a place; or take away what else
    /// the flow has, write the claim's cold part and publish it, whoever has made it. So a
    /// worker that was stopped half-way stops nobody, and whatever workers find, they agree.
    ///
    /// Why no flow has two records: hot words are read and swapped in one order, and who publishes
    /// a claim has read the whole line since it was there. Let two claims become published, and look
    /// at that reading for the later one. The earlier one was there, as a claim or as a record.
    /// Either the later one was given up for it, or it was taken away before the later one was
    /// published: a claim so that it never was, since both swap the same word; a record because to
    /// this worker's clock it was over.
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
        let (mut mine, mut evicted) = (None, None);
        // A claim that was there before the line is read.
        let mut known = None;
        for round in 0..TRIES {
            let words = self.read(line);
            let Some(at) = chosen(&words, hash, now, timeouts) else {
                let Some((at, victim)) = victim(&words, hash, state, now, timeouts) else { return Inserted::Full };
                let nonce = cold.created.plus(Nanos(round as u64));
                let claim = Record { slot: Slot { line, at }, word: Word::claim(hash, mapping, state, nonce) };
                if self.cell(claim.slot).swap(words[at].0, claim.word.0) {
                    self.write_cold(claim.slot, cold);
                    (mine, known, evicted) = (Some(claim), Some(claim), evicted.or(victim));
                }
                continue;
            };
            let mut record = Record { slot: Slot { line, at }, word: words[at] };
            if record.word.is_claim() && known != Some(record) {
                known = Some(record);
                continue;
            }
            if !self.take_back(line, &words, hash, at) {
                continue;
            }
            let is_mine =
                mine.is_some_and(|mine| mine.slot == record.slot && mine.word.mapping() == record.word.mapping());
            if record.word.is_claim() {
                if mine != Some(record) {
                    self.write_cold(record.slot, cold);
                }
                let published = record.word.published(now);
                if !self.cell(record.slot).swap(record.word.0, published.0) {
                    continue;
                }
                record.word = published;
            }
            return if is_mine { Inserted::New(record, evicted) } else { Inserted::Existing(record) };
        }
        // Nothing half made is left behind.
        mine.map(|mine| self.remove(mine));
        Inserted::Full
    }

    /// Takes away all that the flow with this hash has but what is at `chosen`, as it was read.
    /// Returns whether none of it has changed since.
    fn take_back(&self, line: usize, words: &[Word; SLOTS], hash: u64, chosen: usize) -> bool {
        let others = |at: &usize| *at != chosen && words[*at].is_of(hash);
        (0..SLOTS).filter(others).all(|at| self.hot[line].0[at].swap(words[at].0, Word::EMPTY.0))
    }

    /// Notes a packet of the flow at `now`, after which it is in `state`. Writes only when that
    /// says something new, and returns whether it did. Lost when the flow has got another state or
    /// its record is gone since `record` was found.
    pub fn refresh(&self, record: Record, state: State, now: Tick) -> bool {
        let mut word = record.word;
        for _ in 0..TRIES {
            // A clock a little behind another worker's must not turn the record back.
            let new = word.seen(state, word.tick().latest(now));
            if new == word {
                return false;
            }
            if self.cell(record.slot).swap(word.0, new.0) {
                return true;
            }
            // Another worker has noted the time, or moved the flow: a FIN is not lost to that.
            word = Word(self.cell(record.slot).load());
            if !word.is_of(record.word.0) || word.state() != record.word.state() {
                return false;
            }
        }
        false
    }

    /// Gives the flow another mapping. Returns the record as it is now, or `None` when another
    /// worker has given it another mapping or state meanwhile, or it is gone: look it up again.
    pub fn reassign(&self, record: Record, mapping: MappingId, state: State, now: Tick) -> Option<Record> {
        let Record { slot, mut word } = record;
        let former = self.cold.get(slot.line).map(|cold| ColdRecord::former_word(&cold.0[slot.at]));
        let before = former.map(A::load_cold);
        for _ in 0..TRIES {
            let new = word.moved(mapping).seen(state, word.tick().latest(now));
            if self.cell(slot).swap(word.0, new.0) {
                if let (Some(former), Some(before)) = (former, before) {
                    // Unless the place has gone to another flow already.
                    former.swap(before, ColdRecord::with_former(before, word.mapping()));
                }
                return Some(Record { slot, word: new });
            }
            // Another worker has noted the time: this packet would go by the mapping it had.
            let current = Word(self.cell(slot).load());
            if current.seen(word.state(), word.tick()) != word || current.state() != word.state() {
                return None;
            }
            word = current;
        }
        None
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

    /// What is at `slot`, a claim included.
    pub(super) fn record(&self, slot: Slot) -> Option<Record> {
        let word = Word(self.cell(slot).load());
        (word != Word::EMPTY).then_some(Record { slot, word })
    }

    fn write_cold(&self, slot: Slot, cold: &ColdRecord) {
        if let Some(line) = self.cold.get(slot.line) {
            cold.write(&line.0[slot.at]);
        }
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

/// The place of the record that is, or will be, that of the flow with this hash: the published one,
/// or else the lowest claim.
fn chosen(words: &[Word; SLOTS], hash: u64, now: Tick, timeouts: &Timeouts) -> Option<usize> {
    let position = |wanted: fn(Word, Tick, &Timeouts) -> bool| {
        words.iter().position(|word| word.is_of(hash) && wanted(*word, now, timeouts))
    };
    position(|word, now, timeouts| word.is_alive(now, timeouts)).or_else(|| position(|word, _, _| word.is_claim()))
}

/// The place for a new record of the flow with this hash, and what gives way there: the flow's own
/// expired record, an empty place, then expired records, companions, unanswered and closing ones, the
/// oldest first. A companion displaces nothing but companions.
fn victim(
    words: &[Word; SLOTS],
    hash: u64,
    newcomer: State,
    now: Tick,
    timeouts: &Timeouts,
) -> Option<(usize, Option<Evicted>)> {
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
    // Among those of one tick the hash chooses: the first would always be the newest. A claim is
    // somebody's work of this moment.
    let start = (hash >> 61) as usize;
    let candidates = (0..SLOTS).map(|n| (start + n) % SLOTS).filter(|at| !words[*at].is_claim());
    let at = candidates.min_by_key(|at| worth(&words[*at]))?;
    match worth(&words[at]).0 {
        None => Some((at, Some(Evicted::Expired))),
        Some(Rank::Companion) => Some((at, Some(Evicted::Unanswered))),
        Some(_) if newcomer.rank() == Rank::Companion => None,
        Some(Rank::Unanswered) => Some((at, Some(Evicted::Unanswered))),
        Some(Rank::Closing) => Some((at, Some(Evicted::Closing))),
        Some(Rank::Established) => None,
    }
}
