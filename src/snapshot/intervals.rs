//! Longest-prefix match by binary search over disjoint address ranges.

use std::net::Ipv6Addr;

use crate::npt::Prefix;

/// A map from prefixes to values, asked by address: the longest prefix that contains it wins.
///
/// Built once; a lookup is one binary search and touches no heap but the table.
#[derive(Clone, Debug)]
pub struct IntervalMap<V> {
    /// First address of each range, ascending, with the value of the whole range.
    ranges: Box<[(u128, Option<V>)]>,
}

impl<V: Copy + PartialEq> IntervalMap<V> {
    /// The map of `entries`. Of two equal prefixes the later one wins.
    pub fn new(entries: &[(Prefix, V)]) -> Self {
        let mut sorted: Vec<_> = entries.to_vec();
        sorted.sort_by_key(|(prefix, _)| (prefix.address(), prefix.len()));
        let mut ranges: Vec<(u128, Option<V>)> = vec![(0, None)];
        // The prefixes that contain the current address, outermost first: (last address, value).
        let mut open: Vec<(u128, V)> = Vec::new();
        let mut start = |at: u128, value: Option<V>| match ranges.last_mut() {
            Some(last) if last.0 == at => last.1 = value,
            _ => ranges.push((at, value)),
        };
        for (prefix, value) in sorted {
            let first = prefix.address().to_bits();
            close(&mut open, first, &mut start);
            open.push((last_address(prefix), value));
            start(first, Some(value));
        }
        close_all(&mut open, &mut start);
        ranges.dedup_by(|next, kept| next.1 == kept.1);
        Self { ranges: ranges.into() }
    }

    /// The value of the longest prefix that contains `address`.
    pub fn get(&self, address: Ipv6Addr) -> Option<V> {
        let after = self.ranges.partition_point(|(first, _)| *first <= address.to_bits());
        // The first range starts at address zero, so `after` is never 0.
        self.ranges[after.saturating_sub(1)].1
    }
}

fn last_address(prefix: Prefix) -> u128 {
    prefix.address().to_bits() | u128::MAX.checked_shr(u32::from(prefix.len())).unwrap_or(0)
}

/// Ends every open prefix that ends before `next`.
fn close<V: Copy>(open: &mut Vec<(u128, V)>, next: u128, start: &mut impl FnMut(u128, Option<V>)) {
    while let Some((last, _)) = open.pop_if(|(last, _)| *last < next) {
        start(last + 1, open.last().map(|(_, value)| *value));
    }
}

fn close_all<V: Copy>(open: &mut Vec<(u128, V)>, start: &mut impl FnMut(u128, Option<V>)) {
    while let Some((last, _)) = open.pop() {
        if let Some(after) = last.checked_add(1) {
            start(after, open.last().map(|(_, value)| *value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slow(entries: &[(Prefix, u32)], address: Ipv6Addr) -> Option<u32> {
        let longest =
            entries.iter().filter(|(prefix, _)| prefix.contains(address)).map(|(prefix, _)| prefix.len()).max()?;
        entries.iter().rfind(|(prefix, _)| prefix.len() == longest && prefix.contains(address)).map(|(_, value)| *value)
    }

    proptest! {
        #[test]
        fn agrees_with_a_linear_search(
            entries in prop::collection::vec((any::<u8>(), 0u8..=128, any::<u32>()), 0..40),
            probes in prop::collection::vec((any::<u8>(), any::<u8>()), 50),
        ) {
            // Few distinct bits, so that prefixes nest and touch.
            let spread = |seed: u8| Ipv6Addr::from_bits(u128::from(seed & 0xf0) << 120 | u128::from(seed & 0x0f));
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(seed, len, value)| (Prefix::containing(spread(seed), len), value))
                .collect();
            let map = IntervalMap::new(&entries);
            for (high, low) in probes {
                let probe = Ipv6Addr::from_bits(spread(high).to_bits() ^ u128::from(low));
                prop_assert_eq!(map.get(probe), slow(&entries, probe));
            }
        }
    }

    #[test]
    fn the_whole_space_and_its_last_address() {
        let map = IntervalMap::new(&[("::/0".parse().unwrap(), 1), ("ff00::/8".parse().unwrap(), 2)]);
        assert_eq!(map.get(Ipv6Addr::UNSPECIFIED), Some(1));
        assert_eq!(map.get(Ipv6Addr::from_bits(u128::MAX)), Some(2));
        assert_eq!(IntervalMap::<u8>::new(&[]).get(Ipv6Addr::UNSPECIFIED), None);
    }
}
