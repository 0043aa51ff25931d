//! What must hold for every pair and every address.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use proptest::prelude::*;
use sixways::npt::{Mapping, Prefix, Unmappable};
use sixways::verdict::DropReason;

use super::{checksum, mapping, slow_npt};

type Answer = Result<Ipv6Addr, Unmappable>;

/// A word of an address: often one of those with which translations go wrong.
#[derive(Clone, Copy, Debug)]
enum Word {
    Zero,
    Ones,
    /// What the mapping adds outbound.
    Adjustment,
    /// What it adds inbound.
    Inverse,
    Other(u16),
}

fn word() -> impl Strategy<Value = Word> {
    let corner = prop_oneof![Just(Word::Zero), Just(Word::Ones), Just(Word::Adjustment), Just(Word::Inverse)];
    prop_oneof![corner, any::<u16>().prop_map(Word::Other)]
}

fn address_of(mapping: &Mapping, words: [Word; 8]) -> Ipv6Addr {
    Ipv6Addr::from(words.map(|word| match word {
        Word::Zero => 0,
        Word::Ones => 0xffff,
        Word::Adjustment => mapping.adjustment(),
        Word::Inverse => !mapping.adjustment(),
        Word::Other(word) => word,
    }))
}

/// How much of an address is the prefix's.
#[derive(Clone, Copy, Debug)]
enum Inside {
    /// As many bits as the longer prefix has, as when an address can have an image.
    Extension,
    /// As many bits as the prefix has.
    Prefix,
    Nowhere,
}

fn placed(inside: Inside, prefix: Prefix, other: Prefix, address: Ipv6Addr) -> Ipv6Addr {
    let length = match inside {
        Inside::Extension => prefix.len().max(other.len()),
        Inside::Prefix => prefix.len(),
        Inside::Nowhere => return address,
    };
    let host_bits = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
    Ipv6Addr::from_bits(address.to_bits() & host_bits | prefix.address().to_bits())
}

fn any_mapping() -> impl Strategy<Value = Mapping> {
    let kind = prop_oneof![6 => Just(0), 1 => Just(1), 1 => Just(2)];
    (0..=64u8, 0..=64u8, any::<u128>(), any::<u128>(), kind).prop_map(|(one, other, internal, external, kind)| {
        let prefix = |bits: u128, len| Prefix::containing(Ipv6Addr::from_bits(bits), len);
        let (internal, external) = match kind {
            // Two words exchanged: another prefix with the same sum, so that the adjustment is 0.
            1 => {
                let [a, b, rest @ ..] = Ipv6Addr::from_bits(internal).segments();
                let rotated = [&[b, a], &rest[..]].concat();
                let rotated: [u16; 8] = rotated.try_into().unwrap();
                let length = one.max(32);
                (prefix(internal, length), prefix(Ipv6Addr::from(rotated).to_bits(), length))
            }
            2 => (prefix(internal, one), prefix(internal, one)),
            _ => (prefix(internal, one), prefix(external, other)),
        };
        Mapping::new(internal, external).unwrap()
    })
}

fn slowly(from: Prefix, to: Prefix, address: Ipv6Addr) -> Result<Ipv6Addr, &'static str> {
    let words = |address: Ipv6Addr| address.segments().map(u32::from);
    let prefix = |prefix: Prefix| (words(prefix.address()), usize::from(prefix.len()));
    slow_npt::translate(prefix(from), prefix(to), words(address))
        .map(|image| Ipv6Addr::from(image.map(|word| word as u16)))
}

fn labelled(answer: Answer) -> Result<Ipv6Addr, &'static str> {
    answer.map_err(|reason| DropReason::from(reason).label())
}

/// Everything that must hold for one address in both roles.
fn holds(mapping: &Mapping, inside: Ipv6Addr, outside: Ipv6Addr) -> Result<(), TestCaseError> {
    let (internal, external) = (mapping.internal(), mapping.external());
    prop_assert_eq!(labelled(mapping.outbound(inside)), slowly(internal, external, inside), "outbound {}", inside);
    prop_assert_eq!(labelled(mapping.inbound(outside)), slowly(external, internal, outside), "inbound {}", outside);
    if let Ok(image) = mapping.outbound(inside) {
        prop_assert_eq!(mapping.inbound(image), Ok(inside), "back from {}", image);
        prop_assert_eq!(checksum(image), checksum(inside), "{} {}", inside, image);
        prop_assert!(external.contains(image), "{}", image);
    }
    if let Ok(image) = mapping.inbound(outside) {
        prop_assert_eq!(mapping.outbound(image), Ok(outside), "back from {}", image);
        prop_assert_eq!(checksum(image), checksum(outside), "{} {}", outside, image);
        prop_assert!(internal.contains(image), "{}", image);
    }
    Ok(())
}

/// Addresses of one case of the comparison below: as many rotations as words, in three places.
const DRAWS_A_CASE: u32 = 24;

/// How many addresses are compared, each both ways: `SIXWAYS_NPT_DRAWS`, or 10^5.
fn cases() -> u32 {
    let draws: u32 =
        std::env::var("SIXWAYS_NPT_DRAWS").map_or(100_000, |text| text.parse().expect("a number of draws"));
    draws.div_ceil(DRAWS_A_CASE)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn the_library_agrees_with_the_slow_reference_leads_back_and_is_neutral(
        mapping in any_mapping(),
        mut words in prop::array::uniform8(word()),
    ) {
        let (internal, external) = (mapping.internal(), mapping.external());
        for _ in 0..words.len() {
            words.rotate_left(1);
            let address = address_of(&mapping, words);
            for inside in [Inside::Extension, Inside::Prefix, Inside::Nowhere] {
                let inside_address = placed(inside, internal, external, address);
                let outside_address = placed(inside, external, internal, address);
                holds(&mapping, inside_address, outside_address)?;
            }
        }
    }
}

/// Every pair of lengths from /0 to /64, the uneven ones included, with addresses of all corners.
#[test]
fn every_pair_of_lengths_leads_back_and_is_neutral() {
    let (inside, outside) = (0xfd5a_a5c3_9669_f00f_u128 << 64, 0x2a5a_3cc3_6996_0ff1_u128 << 64);
    for (one, other) in (0..=64).flat_map(|one| (0..=64).map(move |other| (one, other))) {
        let prefix = |bits, len| Prefix::containing(Ipv6Addr::from_bits(bits), len);
        let (internal, external) = (prefix(inside, one), prefix(outside, other));
        let mapping = Mapping::new(internal, external).unwrap();
        let (adjustment, zero, ones) = (Word::Adjustment, Word::Zero, Word::Ones);
        for identifier in [
            [zero, zero, zero, zero],
            [ones, ones, ones, ones],
            [adjustment, zero, zero, zero],
            [Word::Inverse, zero, zero, zero],
            [ones, Word::Inverse, zero, Word::Other(1)],
            [Word::Other(0x1234), zero, ones, Word::Other(0x5678)],
        ] {
            for subnet in [zero, ones, adjustment, Word::Inverse, Word::Other(0x0123)] {
                let [a, b, c, d] = identifier;
                let address = address_of(&mapping, [subnet, subnet, subnet, subnet, a, b, c, d]);
                let inside = placed(Inside::Extension, internal, external, address);
                let outside = placed(Inside::Extension, external, internal, address);
                holds(&mapping, inside, outside).unwrap_or_else(|flaw| panic!("{internal} {external}: {flaw}"));
            }
        }
    }
}

/// Every image of `addresses`; panics when two have the same.
fn distinct(mapping: &Mapping, addresses: impl Iterator<Item = Ipv6Addr>) -> usize {
    let mut images = HashMap::new();
    for address in addresses {
        if let Ok(image) = mapping.outbound(address)
            && let Some(other) = images.insert(image, address)
        {
            panic!("{address} and {other} both become {image}");
        }
    }
    images.len()
}

#[test]
fn no_two_of_all_subnets_share_an_image() {
    let mapping = mapping("fd12:3456:789a::/48", "2001:db8:1::/48");
    for host in [0, 1, u64::MAX] {
        let base = mapping.internal().address().to_bits() | u128::from(host);
        let addresses = (0..=0xffff_u128).map(|subnet| Ipv6Addr::from_bits(base | subnet << 64));
        assert_eq!(distinct(&mapping, addresses), 0xffff);
    }
}

#[test]
fn no_two_identifiers_made_of_the_corner_words_share_an_image() {
    for external in ["2001:db8:1:ab00::/56", "2001:db8:c:77ab::/64", "fd12:789a:3456::/49", "2001:db8:8000::/52"] {
        let mapping = mapping("fd12:3456:789a::/48", external);
        let adjustment = mapping.adjustment();
        let corners = [0, 1, adjustment, !adjustment, adjustment.wrapping_add(1), 0x8000, 0xfffe, 0xffff];
        let base = mapping.internal().address().segments();
        let addresses = (0..8_usize.pow(4)).map(|number| {
            let corner = |digit: u32| corners[number / 8_usize.pow(digit) % 8];
            Ipv6Addr::from([base[0], base[1], base[2], base[3], corner(0), corner(1), corner(2), corner(3)])
        });
        let mut addresses: Vec<_> = addresses.collect();
        addresses.sort();
        addresses.dedup();
        let mapped = distinct(&mapping, addresses.iter().copied());
        let left_out = addresses.iter().filter(|address| mapping.outbound(**address).is_err()).count();
        assert_eq!(mapped + left_out, addresses.len());
        // All zero, all ones, and what would become all zero unless that is all zero itself.
        assert_eq!(left_out, if adjustment == 0 { 2 } else { 3 }, "{external}");
    }
}
