//! BPF maps that are kept equal to what is wanted, in place: what is new comes before what is
//! old goes, so that no moment has less than both have in common.

use std::collections::BTreeMap;

use aya::Pod;
use aya::maps::lpm_trie::Key;
use aya::maps::{HashMap, LpmTrie, MapData, MapError};

/// A map that nobody else writes, and what it holds: only changes cost a system call.
pub(super) struct Table<M, K, V> {
    map: M,
    held: BTreeMap<K, V>,
}

/// A hash map.
pub(super) type HashTable<K, V> = Table<HashMap<MapData, K, V>, K, V>;

/// A longest-match map; keys are (length in bits, octets).
pub(super) type TrieTable<const N: usize> = Table<LpmTrie<MapData, [u8; N], u32>, (u32, [u8; N]), u32>;

impl<M: Store<K, V>, K: Ord + Copy, V: Copy + PartialEq> Table<M, K, V> {
    /// A map that is empty so far.
    pub(super) const fn fresh(map: M) -> Self {
        Self { map, held: BTreeMap::new() }
    }

    /// Makes the map hold `wanted`, and what else it holds already.
    ///
    /// # Errors
    /// When the map is full or the kernel refuses. Then it holds a part of the new besides the old.
    pub(super) fn add(&mut self, wanted: &BTreeMap<K, V>) -> Result<(), MapError> {
        for (key, value) in wanted {
            if self.held.get(key) != Some(value) {
                self.map.put(key, value)?;
                self.held.insert(*key, *value);
            }
        }
        Ok(())
    }

    /// Makes the map hold exactly `wanted`.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub(super) fn set(&mut self, wanted: &BTreeMap<K, V>) -> Result<(), MapError> {
        self.add(wanted)?;
        let stale: Vec<K> = self.held.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        for key in stale {
            self.map.delete(&key)?;
            self.held.remove(&key);
        }
        Ok(())
    }
}

/// A kind of map.
pub(super) trait Store<K, V> {
    fn put(&mut self, key: &K, value: &V) -> Result<(), MapError>;
    fn delete(&mut self, key: &K) -> Result<(), MapError>;
}

impl<K: Pod, V: Pod> Store<K, V> for HashMap<MapData, K, V> {
    fn put(&mut self, key: &K, value: &V) -> Result<(), MapError> {
        self.insert(key, value, 0)
    }

    fn delete(&mut self, key: &K) -> Result<(), MapError> {
        self.remove(key)
    }
}

impl<const N: usize> Store<(u32, [u8; N]), u32> for LpmTrie<MapData, [u8; N], u32> {
    fn put(&mut self, (length, octets): &(u32, [u8; N]), value: &u32) -> Result<(), MapError> {
        self.insert(&Key::new(*length, *octets), value, 0)
    }

    fn delete(&mut self, (length, octets): &(u32, [u8; N])) -> Result<(), MapError> {
        self.remove(&Key::new(*length, *octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes two entries, and keeps a diary.
    #[derive(Default)]
    struct Small {
        held: BTreeMap<u32, u32>,
        diary: Vec<String>,
    }

    impl Store<u32, u32> for Small {
        fn put(&mut self, key: &u32, value: &u32) -> Result<(), MapError> {
            if self.held.len() == 2 && !self.held.contains_key(key) {
                return Err(MapError::OutOfBounds { index: 2, max_entries: 2 });
            }
            self.held.insert(*key, *value);
            self.diary.push(format!("put {key} {value}"));
            Ok(())
        }

        fn delete(&mut self, key: &u32) -> Result<(), MapError> {
            self.held.remove(key);
            self.diary.push(format!("delete {key}"));
            Ok(())
        }
    }

    #[test]
    fn the_new_comes_before_the_old_goes_and_what_stays_is_not_written() {
        let mut table = Table::fresh(Small::default());
        table.set(&BTreeMap::from([(5, 50)])).unwrap();
        table.map.diary.clear();
        table.set(&BTreeMap::from([(7, 70)])).unwrap();
        assert_eq!(table.map.diary, ["put 7 70", "delete 5"]);
        table.map.diary.clear();
        table.set(&BTreeMap::from([(7, 70), (8, 80)])).unwrap();
        table.set(&BTreeMap::from([(7, 71), (8, 80)])).unwrap();
        assert_eq!(table.map.diary, ["put 8 80", "put 7 71"]);
    }

    #[test]
    fn a_full_map_keeps_the_old_and_the_next_attempt_goes_on() {
        let mut table = Table::fresh(Small::default());
        table.set(&BTreeMap::from([(1, 1), (2, 2)])).unwrap();
        assert!(table.set(&BTreeMap::from([(2, 3), (4, 4)])).is_err());
        assert_eq!(table.map.held, BTreeMap::from([(1, 1), (2, 3)]));
        table.set(&BTreeMap::from([(2, 4)])).unwrap();
        assert_eq!(table.map.held, BTreeMap::from([(2, 4)]));
    }
}
