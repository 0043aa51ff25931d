//! Which mapping a fragmented datagram has: whichever fragment comes first says it for the others.

use std::net::Ipv6Addr;

use super::cold::ColdRecord;
use super::state::{State, Timeouts};
use super::table::{Evicted, Flows, Inserted, Record};
use super::tick::Tick;
use super::word::Line;
use crate::hash::{FlowKey, HashKey};
use crate::limits::{FRAGMENT_LINES, FRAGMENT_MEMORY};
use crate::units::{Direction, MappingId, Nanos};

/// What the fragments of one datagram have in common (RFC 8200 §4.5), with inside addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentKey {
    /// Source.
    pub source: Ipv6Addr,
    /// Destination.
    pub destination: Ipv6Addr,
    /// Identification.
    pub id: u32,
    /// Next header of the fragment header.
    pub next_header: u8,
}

impl FragmentKey {
    /// The hash.
    pub fn hash(&self, key: &HashKey) -> u64 {
        FlowKey {
            internal: self.source,
            remote: self.destination,
            protocol: self.next_header,
            internal_port: (self.id >> 16) as u16,
            remote_port: self.id as u16,
        }
        .hash(key)
    }
}

/// The table, shared by all workers. When a line is full the oldest datagram gives way.
#[derive(Debug)]
pub struct FragmentTable {
    lines: Box<[Line]>,
    timeouts: Timeouts,
}

impl FragmentTable {
    /// An empty table.
    pub fn new() -> Self {
        Self { lines: (0..FRAGMENT_LINES).map(|_| Line::default()).collect(), timeouts: Timeouts::all(FRAGMENT_MEMORY) }
    }

    /// The mapping of the datagram with this hash.
    pub fn look_up(&self, hash: u64, now: Nanos) -> Option<MappingId> {
        Some(self.find(hash, now)?.word.mapping())
    }

    /// Gives the datagram with this hash `mapping`, unless another fragment has said otherwise.
    /// Returns what it has, and whether another datagram gave way.
    pub fn assign(&self, hash: u64, mapping: MappingId, now: Nanos) -> (MappingId, Option<Evicted>) {
        // The table has no cold part: the hash says all.
        let nobody =
            ColdRecord::new(FlowKey::pair(Ipv6Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED), Direction::Outbound, now);
        match self.table().insert(hash, &nobody, mapping, State::Companion, &self.timeouts) {
            Inserted::New(record, evicted) => (record.word.mapping(), evicted),
            Inserted::Existing(record) => (record.word.mapping(), None),
            Inserted::Full => (mapping, None),
        }
    }

    /// Gives the datagram with this hash another mapping, because its own is out of order.
    pub fn reassign(&self, hash: u64, mapping: MappingId, now: Nanos) {
        if let Some(record) = self.find(hash, now) {
            // Lost to another worker: that one has found the same.
            let _ = self.table().reassign(record, mapping, State::Companion, Tick::at(now));
        }
    }

    /// Forgets the datagrams of `mappings`.
    pub fn forget(&self, mappings: &[MappingId]) {
        self.table().forget(mappings);
    }

    /// Takes away what is over: what nobody looks up would seem young again after a round of ticks.
    pub fn sweep(&self, now: Nanos) {
        self.table().expire(Tick::at(now), &self.timeouts);
    }

    fn find(&self, hash: u64, now: Nanos) -> Option<Record> {
        self.table().look_up(hash, Tick::at(now), &self.timeouts)
    }

    fn table(&self) -> Flows<'_> {
        Flows::new(&self.lines, &[])
    }
}

impl Default for FragmentTable {
    fn default() -> Self {
        Self::new()
    }
}
