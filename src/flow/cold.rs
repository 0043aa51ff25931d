//! What a look-up does not need of a record, at the same place in a second array.

use std::net::Ipv6Addr;
use std::sync::atomic::AtomicU64;

use super::word::{SLOTS, Word64};
use crate::hash::FlowKey;
use crate::units::{Direction, MappingId, Nanos};

/// Words of a cold record.
const WORDS: usize = 6;
const OPENED_INBOUND: u64 = 1 << 40;
const HAS_FORMER: u64 = 1 << 41;
const FORMER_SHIFT: u32 = 48;

/// The cold records of one line.
#[derive(Debug)]
#[repr(C)]
pub struct ColdLine<A = AtomicU64>(pub(super) [[A; WORDS]; SLOTS]);

impl<A: Default> Default for ColdLine<A> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| std::array::from_fn(|_| A::default())))
    }
}

/// A cold record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdRecord {
    /// Which flow.
    pub key: FlowKey,
    /// The way of the flow's first packet.
    pub opened: Direction,
    /// The mapping that it had before it was moved.
    pub former: Option<MappingId>,
    /// When the record was made.
    pub created: Nanos,
}

impl ColdRecord {
    /// A record as it is made.
    pub const fn new(key: FlowKey, opened: Direction, created: Nanos) -> Self {
        Self { key, opened, former: None, created }
    }

    /// Whether the host outside sent the first packet: it knows the flow by one ISP's address.
    pub fn is_from_outside(self) -> bool {
        self.opened == Direction::Inbound
    }

    /// Only who sees a claim of this very flow in the hot word calls this. When it is late, and the
    /// place has gone to another flow meanwhile, that one's cold part is spoilt: readers compare
    /// the key, or its hash with the hot word.
    pub(super) fn write<A: Word64>(&self, words: &[A; WORDS]) {
        let (internal, remote) = (self.key.internal.to_bits(), self.key.remote.to_bits());
        let ports = u64::from(self.key.protocol) << 32
            | u64::from(self.key.internal_port) << 16
            | u64::from(self.key.remote_port);
        let opened = if self.opened == Direction::Inbound { OPENED_INBOUND } else { 0 };
        let former = self.former.map_or(0, |mapping| HAS_FORMER | u64::from(mapping.0) << FORMER_SHIFT);
        let values = [
            (internal >> 64) as u64,
            internal as u64,
            (remote >> 64) as u64,
            remote as u64,
            ports | opened | former,
            self.created.0,
        ];
        for (word, value) in words.iter().zip(values) {
            word.store_cold(value);
        }
    }

    pub(super) fn read<A: Word64>(words: &[A; WORDS]) -> Self {
        let [i0, i1, r0, r1, rest, created] = std::array::from_fn(|n| words[n].load_cold());
        let address = |high: u64, low: u64| Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        Self {
            key: FlowKey {
                internal: address(i0, i1),
                remote: address(r0, r1),
                protocol: (rest >> 32) as u8,
                internal_port: (rest >> 16) as u16,
                remote_port: rest as u16,
            },
            opened: if rest & OPENED_INBOUND != 0 { Direction::Inbound } else { Direction::Outbound },
            former: (rest & HAS_FORMER != 0).then_some(MappingId((rest >> FORMER_SHIFT) as u8)),
            created: Nanos(created),
        }
    }

    /// The word that says which mapping the flow had.
    pub(super) const fn former_word<A>(words: &[A; WORDS]) -> &A {
        &words[4]
    }

    /// Its value when the flow has had `former` until now.
    pub(super) const fn with_former(word: u64, former: MappingId) -> u64 {
        word & !(0xff << FORMER_SHIFT) | HAS_FORMER | (former.0 as u64) << FORMER_SHIFT
    }
}
