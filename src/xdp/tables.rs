//! Keeps BPF maps equal to what is wanted, in place: what is new comes before what is old goes,
//! so that no moment has less than both have in common.

use std::borrow::BorrowMut;
use std::collections::BTreeMap;

use aya::Pod;
use aya::maps::lpm_trie::Key;
use aya::maps::{HashMap, LpmTrie, MapData, MapError};

/// Makes `map` hold exactly `wanted`.
pub(super) fn reconcile<K, V, T>(map: &mut HashMap<T, K, V>, wanted: &BTreeMap<K, V>) -> Result<(), MapError>
where
    K: Pod + Ord,
    V: Pod,
    T: BorrowMut<MapData>,
{
    for (key, value) in wanted {
        map.insert(key, value, 0)?;
    }
    let stale: Vec<K> =
        map.keys().filter(|key| key.as_ref().is_ok_and(|key| !wanted.contains_key(key))).collect::<Result<_, _>>()?;
    for key in stale {
        map.remove(&key)?;
    }
    Ok(())
}

/// Makes `trie` hold exactly `wanted`, whose keys are (length in bits, octets).
pub(super) fn reconcile_trie<const N: usize, T>(
    trie: &mut LpmTrie<T, [u8; N], u32>,
    wanted: &BTreeMap<(u32, [u8; N]), u32>,
) -> Result<(), MapError>
where
    T: BorrowMut<MapData>,
{
    for ((length, octets), value) in wanted {
        trie.insert(&Key::new(*length, *octets), value, 0)?;
    }
    let present: Vec<Key<[u8; N]>> = trie.keys().collect::<Result<_, _>>()?;
    for key in present {
        if !wanted.contains_key(&(key.prefix_len(), key.data())) {
            trie.remove(&key)?;
        }
    }
    Ok(())
}
