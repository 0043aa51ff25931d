//! MAC addresses of next hops and LAN hosts: a fixed table that control writes and workers read.
//!
//! Not part of the snapshot, because neighbours change far more often than anything in it. Each
//! slot is a sequence lock over the key and one atomic word for MAC and state.

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crate::units::{EdgeId, MacAddr};

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// Nothing yet: ask for it and hold the packet.
    Unknown,
    /// Packets go to this MAC.
    Resolved(MacAddr),
    /// The kernel gave up on it.
    Failed,
}

/// The table.
#[derive(Debug)]
pub struct NeighbourTable {
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    /// Odd while control writes.
    sequence: AtomicU32,
    high: AtomicU64,
    low: AtomicU64,
    /// MAC in bits 0..48, edge in 48..56, kind in 56..64; kind 0 is an empty slot.
    word: AtomicU64,
    /// 1 after a worker found the MAC here, until control asks.
    used: AtomicU32,
}

/// The table is full around this address: nothing was stored.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the neighbour table is full")]
pub struct NeighbourTableFull;

const KIND_RESOLVED: u64 = 1;
const KIND_FAILED: u64 = 2;
/// Was in use: a search goes on past it.
const KIND_REMOVED: u64 = 3;
/// Slots that a search looks at.
const PROBES: usize = 16;

impl NeighbourTable {
    /// A table of at least `slots` slots.
    pub fn new(slots: usize) -> Self {
        Self { slots: (0..slots.next_power_of_two().max(PROBES)).map(|_| Slot::default()).collect() }
    }

    /// What is known of `address` on `edge`. Wait-free but for a writer in the same slot.
    pub fn lookup(&self, edge: EdgeId, address: Ipv6Addr) -> NeighbourState {
        let (state, slot) = self.find(edge, address);
        slot.map(Slot::mark_used);
        state
    }

    /// Like [`NeighbourTable::lookup`], for who only looks: it does not count as use.
    pub fn peek(&self, edge: EdgeId, address: Ipv6Addr) -> NeighbourState {
        self.find(edge, address).0
    }

    /// What is known, and the slot that has a MAC.
    fn find(&self, edge: EdgeId, address: Ipv6Addr) -> (NeighbourState, Option<&Slot>) {
        for slot in self.probe(edge, address) {
            let (key, word) = slot.read();
            match word >> 56 {
                0 => return (NeighbourState::Unknown, None),
                KIND_RESOLVED if key == address.to_bits() && edge_of(word) == edge => {
                    let [_, _, mac @ ..] = word.to_be_bytes();
                    return (NeighbourState::Resolved(MacAddr(mac)), Some(slot));
                }
                KIND_FAILED if key == address.to_bits() && edge_of(word) == edge => {
                    return (NeighbourState::Failed, None);
                }
                _ => {}
            }
        }
        (NeighbourState::Unknown, None)
    }

    /// Every neighbour that packets can go to; none counts as used.
    pub fn resolved(&self) -> impl Iterator<Item = (EdgeId, Ipv6Addr)> {
        self.slots.iter().filter_map(|slot| {
            let (key, word) = slot.read();
            (word >> 56 == KIND_RESOLVED).then(|| (edge_of(word), Ipv6Addr::from_bits(key)))
        })
    }

    /// Whether packets can go to `address` on `edge`; it does not count as used.
    pub fn is_resolved(&self, edge: EdgeId, address: Ipv6Addr) -> bool {
        let is_it =
            |(key, word): (u128, u64)| word >> 56 == KIND_RESOLVED && key == address.to_bits() && edge_of(word) == edge;
        self.probe(edge, address).map(Slot::read).take_while(|(_, word)| word >> 56 != 0).any(is_it)
    }

    /// Stores what is known of `address` on `edge`. Control alone calls this.
    ///
    /// # Errors
    /// When no slot near the address is free.
    pub fn set(&self, edge: EdgeId, address: Ipv6Addr, state: NeighbourState) -> Result<(), NeighbourTableFull> {
        let mut free = None;
        for slot in self.probe(edge, address) {
            let (key, word) = slot.read();
            match word >> 56 {
                KIND_RESOLVED | KIND_FAILED if key == address.to_bits() && edge_of(word) == edge => {
                    slot.write(address, edge, state);
                    return Ok(());
                }
                KIND_REMOVED => free = free.or(Some(slot)),
                0 => {
                    free = free.or(Some(slot));
                    break;
                }
                _ => {}
            }
        }
        match (state, free) {
            (NeighbourState::Unknown, _) => Ok(()),
            (_, Some(slot)) => {
                slot.write(address, edge, state);
                Ok(())
            }
            (_, None) => Err(NeighbourTableFull),
        }
    }

    /// Whether a worker used `address` on `edge` since the last call. Control alone calls this:
    /// the kernel sees none of the traffic, so it cannot know which neighbours to keep fresh.
    pub fn take_used(&self, edge: EdgeId, address: Ipv6Addr) -> bool {
        for slot in self.probe(edge, address) {
            let (key, word) = slot.read();
            match word >> 56 {
                0 => return false,
                KIND_RESOLVED if key == address.to_bits() && edge_of(word) == edge => {
                    return slot.used.swap(0, Ordering::Relaxed) != 0;
                }
                _ => {}
            }
        }
        false
    }

    fn probe(&self, edge: EdgeId, address: Ipv6Addr) -> impl Iterator<Item = &Slot> {
        let bits = address.to_bits();
        let start = crate::hash::mix((bits >> 64) as u64 ^ (bits as u64).rotate_left(17) ^ u64::from(edge.0));
        let mask = self.slots.len() - 1;
        (0..PROBES).map(move |step| &self.slots[(start as usize).wrapping_add(step) & mask])
    }
}

const fn edge_of(word: u64) -> EdgeId {
    EdgeId((word >> 48) as u8)
}

impl Slot {
    /// Stores only when it tells something new, so that the line stays shared among the workers.
    fn mark_used(&self) {
        if self.used.load(Ordering::Relaxed) == 0 {
            self.used.store(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> (u128, u64) {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            let high = self.high.load(Ordering::Relaxed);
            let low = self.low.load(Ordering::Relaxed);
            let word = self.word.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if before & 1 == 0 && self.sequence.load(Ordering::Relaxed) == before {
                return (u128::from(high) << 64 | u128::from(low), word);
            }
            std::hint::spin_loop();
        }
    }

    fn write(&self, address: Ipv6Addr, edge: EdgeId, state: NeighbourState) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let bits = address.to_bits();
        self.high.store((bits >> 64) as u64, Ordering::Relaxed);
        self.low.store(bits as u64, Ordering::Relaxed);
        self.word.store(pack(edge, state), Ordering::Relaxed);
        self.sequence.store(sequence.wrapping_add(2), Ordering::Release);
    }
}

fn pack(edge: EdgeId, state: NeighbourState) -> u64 {
    let (kind, mac) = match state {
        NeighbourState::Unknown => (KIND_REMOVED, MacAddr::default()),
        NeighbourState::Resolved(mac) => (KIND_RESOLVED, mac),
        NeighbourState::Failed => (KIND_FAILED, MacAddr::default()),
    };
    let [a, b, c, d, e, f] = mac.0;
    kind << 56 | u64::from(edge.0) << 48 | u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n)
    }

    #[test]
    fn stores_replaces_and_forgets() {
        let table = NeighbourTable::new(64);
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        assert_eq!(table.lookup(EdgeId(1), address(1)), NeighbourState::Unknown);
        table.set(EdgeId(1), address(1), NeighbourState::Resolved(mac)).unwrap();
        assert_eq!(table.lookup(EdgeId(1), address(1)), NeighbourState::Resolved(mac));
        assert_eq!(table.lookup(EdgeId(2), address(1)), NeighbourState::Unknown, "another edge is another neighbour");
        table.set(EdgeId(1), address(1), NeighbourState::Failed).unwrap();
        assert_eq!(table.lookup(EdgeId(1), address(1)), NeighbourState::Failed);
        table.set(EdgeId(1), address(1), NeighbourState::Unknown).unwrap();
        assert_eq!(table.lookup(EdgeId(1), address(1)), NeighbourState::Unknown);
    }

    #[test]
    fn use_is_told_once_and_only_of_the_neighbour_that_was_used() {
        let table = NeighbourTable::new(64);
        for n in 1..=2 {
            table.set(EdgeId(1), address(n), NeighbourState::Resolved(MacAddr([2, 0, 0, 0, 0, n as u8]))).unwrap();
        }
        assert!(!table.take_used(EdgeId(1), address(1)));
        assert_eq!(table.peek(EdgeId(1), address(1)), NeighbourState::Resolved(MacAddr([2, 0, 0, 0, 0, 1])));
        assert!(!table.take_used(EdgeId(1), address(1)), "who only looks does not use");
        table.lookup(EdgeId(1), address(1));
        assert!(!table.take_used(EdgeId(1), address(2)));
        assert!(table.take_used(EdgeId(1), address(1)));
        assert!(!table.take_used(EdgeId(1), address(1)));
        assert!(!table.take_used(EdgeId(2), address(1)));
    }

    #[test]
    fn a_look_that_is_no_use_finds_the_resolved_alone() {
        let table = NeighbourTable::new(64);
        table.set(EdgeId(1), address(1), NeighbourState::Resolved(MacAddr([2; 6]))).unwrap();
        table.set(EdgeId(1), address(2), NeighbourState::Failed).unwrap();
        assert!(table.is_resolved(EdgeId(1), address(1)));
        assert!(!table.is_resolved(EdgeId(2), address(1)) && !table.is_resolved(EdgeId(1), address(2)));
        assert_eq!(table.resolved().collect::<Vec<_>>(), [(EdgeId(1), address(1))]);
        assert!(!table.take_used(EdgeId(1), address(1)));
    }

    #[test]
    fn a_flood_is_bounded_and_forgotten_slots_are_used_again() {
        let table = NeighbourTable::new(64);
        let stored: Vec<u16> =
            (0..1000).filter(|n| table.set(EdgeId(0), address(*n), NeighbourState::Failed).is_ok()).collect();
        assert!(stored.len() <= 64);
        for n in &stored {
            table.set(EdgeId(0), address(*n), NeighbourState::Unknown).unwrap();
        }
        assert!(table.set(EdgeId(0), address(5000), NeighbourState::Failed).is_ok());
    }

    #[test]
    fn readers_never_see_a_mixture() {
        let table = NeighbourTable::new(16);
        let macs = [MacAddr([0x11; 6]), MacAddr([0x22; 6])];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..20_000 {
                    table.set(EdgeId(0), address(7), NeighbourState::Resolved(macs[round % 2])).unwrap();
                }
            });
            for _ in 0..20_000 {
                match table.lookup(EdgeId(0), address(7)) {
                    NeighbourState::Resolved(mac) => assert!(macs.contains(&mac)),
                    other => assert_eq!(other, NeighbourState::Unknown),
                }
            }
        });
    }
}
