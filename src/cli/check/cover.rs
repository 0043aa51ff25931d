//! Whether everything that one set of conditions lets through another one does as well.

use std::ops::RangeInclusive;

use crate::npt::Prefix;
use crate::snapshot::Match;

/// Numbers in ascending ranges with gaps between them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Numbers(Vec<(u128, u128)>);

impl Numbers {
    fn new(ranges: impl IntoIterator<Item = (u128, u128)>) -> Self {
        let mut sorted: Vec<(u128, u128)> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::new();
        for (low, high) in sorted {
            match merged.last_mut() {
                Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
                _ => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    /// The addresses in `prefixes`; all addresses where there are none.
    fn addresses(prefixes: &[Prefix]) -> Self {
        let range = |prefix: &Prefix| {
            let low = prefix.address().to_bits();
            (low, low | u128::MAX.checked_shr(u32::from(prefix.len())).unwrap_or(0))
        };
        if prefixes.is_empty() { Self(vec![(0, u128::MAX)]) } else { Self::new(prefixes.iter().map(range)) }
    }

    fn ports(ranges: &[RangeInclusive<u16>]) -> Self {
        Self::new(ranges.iter().map(|range| (u128::from(*range.start()), u128::from(*range.end()))))
    }

    fn and(&self, other: &Self) -> Self {
        let common = |(low, high): &(u128, u128)| {
            let of = |(a, b): &(u128, u128)| (*low.max(a), *high.min(b));
            other.0.iter().map(of).filter(|(low, high)| low <= high).collect::<Vec<_>>()
        };
        Self::new(self.0.iter().flat_map(common))
    }

    fn but(&self, other: &Self) -> Self {
        let mut next = Some(0_u128);
        let mut gaps = Vec::new();
        for (low, high) in &other.0 {
            if let Some(start) = next.filter(|start| start < low) {
                gaps.push((start, low - 1));
            }
            next = high.checked_add(1);
        }
        gaps.extend(next.map(|start| (start, u128::MAX)));
        self.and(&Self(gaps))
    }

    fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(low, high)| self.0.iter().any(|(start, end)| start <= low && high <= end))
    }
}

/// What addresses packets can have at all.
#[derive(Clone, Debug)]
pub struct World {
    sources: Numbers,
    destinations: Numbers,
}

impl World {
    /// From inside to outside.
    pub fn outbound(internal: &[Prefix]) -> Self {
        let inside = Numbers::addresses(internal);
        Self { destinations: Numbers::addresses(&[]).but(&inside), sources: inside }
    }

    /// From outside to inside.
    pub fn inbound(internal: &[Prefix]) -> Self {
        let Self { sources, destinations } = Self::outbound(internal);
        Self { sources: destinations, destinations: sources }
    }

    /// Whether `outer` matches every packet that `inner` matches.
    pub fn covers(&self, outer: &Match, inner: &Match) -> bool {
        let addresses = |world: &Numbers, outer: &[Prefix], inner: &[Prefix]| {
            Numbers::addresses(outer).covers(&Numbers::addresses(inner).and(world))
        };
        // Without a condition on either there need not even be ports.
        let has_ports = !inner.source_ports.is_empty() || !inner.destination_ports.is_empty();
        let ports = |outer: &[RangeInclusive<u16>], inner: &[RangeInclusive<u16>]| {
            let inner = if inner.is_empty() { &[0..=u16::MAX] } else { inner };
            outer.is_empty() || has_ports && Numbers::ports(outer).covers(&Numbers::ports(inner))
        };
        let code_points = |set: u64| if set == 0 { u64::MAX } else { set };
        addresses(&self.sources, &outer.sources, &inner.sources)
            && addresses(&self.destinations, &outer.destinations, &inner.destinations)
            && outer.protocol.is_none_or(|protocol| inner.protocol == Some(protocol))
            && ports(&outer.source_ports, &inner.source_ports)
            && ports(&outer.destination_ports, &inner.destination_ports)
            && code_points(inner.dscp) & !code_points(outer.dscp) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;
    use crate::snapshot::Traffic;
    use proptest::prelude::*;

    fn prefixes(texts: &[&str]) -> Box<[Prefix]> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn from(sources: &[&str]) -> Match {
        Match { sources: prefixes(sources), ..Match::anything() }
    }

    #[test]
    fn the_whole_site_is_everybody_and_its_halves_together_are_too() {
        let world = World::outbound(&prefixes(&["fd12::/48", "2001:db8:1::/48"]));
        assert!(world.covers(&from(&["fd12::/48", "2001:db8:1::/48"]), &from(&[])));
        assert!(world.covers(&from(&["fd12::/49", "fd12:0:0:8000::/49", "2001:db8:1::/48"]), &from(&[])));
        assert!(!world.covers(&from(&["fd12::/48"]), &from(&[])));
        assert!(!world.covers(&from(&["fd12::/49", "2001:db8:1::/48"]), &from(&["fd12::/48"])));
    }

    #[test]
    fn whoever_has_a_port_has_two() {
        let world = World::outbound(&prefixes(&["fd12::/48"]));
        let any_source = Match { source_ports: [0..=u16::MAX].into(), ..Match::anything() };
        let to_one = Match { destination_ports: [443..=443].into(), ..Match::anything() };
        assert!(world.covers(&any_source, &to_one) && !world.covers(&any_source, &Match::anything()));
    }

    #[test]
    fn everywhere_is_everywhere_outside() {
        let world = World::outbound(&prefixes(&["8000::/1"]));
        let to = |destinations: &[&str]| Match { destinations: prefixes(destinations), ..Match::anything() };
        assert!(world.covers(&to(&["::/1"]), &to(&[])));
        assert!(!world.covers(&to(&["::/2"]), &to(&[])));
        let inbound = World::inbound(&prefixes(&["8000::/1"]));
        assert!(inbound.covers(&to(&["8000::/1"]), &to(&[])) && !inbound.covers(&to(&["::/1"]), &to(&[])));
    }

    /// Four addresses, three ports and three code points, one beyond of each, and no ports.
    fn universe() -> impl Iterator<Item = Traffic> {
        let addresses = || (0..5_u128).map(Ipv6Addr::from_bits);
        let ports = || (0..4_u16).flat_map(|a| (0..4_u16).map(move |b| Some((a, b)))).chain([None]);
        addresses().flat_map(move |source| {
            addresses().flat_map(move |destination| {
                [None, Some(6), Some(17)].into_iter().flat_map(move |protocol| {
                    ports().flat_map(move |ports| {
                        (0..4).map(move |dscp| Traffic { source, destination, protocol, ports, dscp })
                    })
                })
            })
        })
    }

    fn conditions() -> impl Strategy<Value = Match> {
        let prefix =
            (0..4_u128, 126..=128_u8).prop_map(|(bits, len)| Prefix::containing(Ipv6Addr::from_bits(bits), len));
        let prefixes = prop::collection::vec(prefix, 0..3);
        let range = (0..3_u16, 0..3_u16).prop_map(|(a, b)| a.min(b)..=a.max(b));
        let ranges = prop::collection::vec(range, 0..3);
        let protocol = prop_oneof![Just(None), Just(Some(6)), Just(Some(17))];
        (prefixes.clone(), prefixes, protocol, ranges.clone(), ranges, 0..8_u64).prop_map(
            |(sources, destinations, protocol, source_ports, destination_ports, dscp)| Match {
                sources: sources.into(),
                destinations: destinations.into(),
                protocol,
                source_ports: source_ports.into(),
                destination_ports: destination_ports.into(),
                dscp,
            },
        )
    }

    /// Conditions that hold for more: those of another with some taken away.
    fn wider(inner: Match) -> impl Strategy<Value = (Match, Match)> {
        (Just(inner), conditions(), 0..64_u8).prop_map(|(inner, other, which)| {
            let own = |bit: u8| which >> bit & 1 != 0;
            let outer = Match {
                sources: if own(0) { inner.sources.clone() } else { other.sources },
                destinations: if own(1) { inner.destinations.clone() } else { other.destinations },
                protocol: if own(2) { inner.protocol } else { other.protocol },
                source_ports: if own(3) { inner.source_ports.clone() } else { other.source_ports },
                destination_ports: if own(4) { inner.destination_ports.clone() } else { other.destination_ports },
                dscp: if own(5) { inner.dscp } else { other.dscp },
            };
            (outer, inner)
        })
    }

    proptest! {
        #[test]
        fn covering_is_what_packets_say((outer, inner) in conditions().prop_flat_map(wider)) {
            let everybody = Numbers::addresses(&[]);
            let world = World { sources: everybody.clone(), destinations: everybody };
            let every_packet = universe().all(|packet| !inner.matches(&packet) || outer.matches(&packet));
            prop_assert_eq!(world.covers(&outer, &inner), every_packet);
        }
    }
}
