use super::*;
use crate::npt::Unmappable;
use std::net::Ipv6Addr;

fn mapping(internal: &str, external: &str) -> Mapping {
    Mapping::new(internal.parse().unwrap(), external.parse().unwrap()).unwrap()
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// Pairs of every kind.
const PAIRS: [(&str, &str); 12] = [
    ("fd12:3456:789a::/48", "2001:db8:1::/48"),
    ("fd12:3456::/32", "2001:db8::/32"),
    ("fd00::/8", "2000::/9"),
    ("fd12:3456:7880::/41", "2001:db8:8000::/33"),
    ("fd12:3456:789a::/48", "2001:db8:1:ab00::/56"),
    ("fd12:3456:789a:10::/64", "2001:db8:c:77ab::/64"),
    ("fd12:3456:789a:10::/60", "2001:db8:c:77ac::/62"),
    ("fd12:3456:789a::/49", "2001:db8:c::/50"),
    // The same sum on both sides: the adjustment is 0.
    ("2001:db8:1:2::/64", "2001:db8:2:1::/64"),
    ("2001:db8:1::/48", "2001:1:db8::/48"),
    ("2001:db8:7::/48", "2001:db8:7::/48"),
    ("2001:db8:7:40::/58", "2001:db8:7:40::/58"),
];

#[test]
fn mappings_of_every_kind_are_proved() {
    for (internal, external) in PAIRS {
        let proof = prove(&mapping(internal, external));
        assert!(proof.is_ok(), "{internal} {external}: {}", proof.unwrap_err());
    }
}

#[test]
fn a_walk_is_whole() {
    let walked = |internal, external| prove(&mapping(internal, external)).unwrap().walked;
    // Two directions, all other bits zero or one, every word but ffff.
    assert_eq!(walked("fd12:3456:789a::/48", "2001:db8:1::/48"), 2 * 2 * 0xffff);
    // Four words; with the other bits zero, the first one has two values less.
    assert_eq!(walked("fd12:3456:789a:10::/64", "2001:db8:c:77ab::/64"), 2 * (2 * 4 * 0xffff - 2));
    assert_eq!(walked("2001:db8:7::/48", "2001:db8:7::/48"), 2 * 2 * 0x1_0000);
}

#[test]
fn the_gaps_of_48_bits_are_the_two_subnets_ffff() {
    let gaps = prove(&mapping("fd12:3456:789a::/48", "2001:db8:1::/48")).unwrap().gaps;
    let subnet = |direction, first: &str| Gap {
        direction,
        reason: Unmappable::SubnetFfff,
        left_out: LeftOut::SubnetWord { first: first.parse().unwrap(), subnets: 1 },
    };
    let inside = subnet(Direction::Outbound, "fd12:3456:789a:ffff::/64");
    assert_eq!(gaps, [inside, subnet(Direction::Inbound, "2001:db8:1:ffff::/64")]);
}

#[test]
fn the_gaps_of_unequal_lengths_are_counted() {
    let gaps = prove(&mapping("fd12:3456:789a::/48", "2001:db8:1:ab00::/56")).unwrap().gaps;
    let subnets: Vec<_> = gaps.iter().filter(|gap| gap.reason == Unmappable::UnmappedSubnet).collect();
    assert_eq!(
        subnets.iter().map(|gap| gap.left_out.to_string()).collect::<Vec<_>>(),
        ["255 of 256 /56 subnets, all but fd12:3456:789a::/56"]
    );
    assert_eq!(subnets[0].direction, Direction::Outbound);
}

#[test]
fn the_identifiers_without_return_are_named_and_real() {
    let mapping = mapping("fd12:3456:789a:10::/64", "2001:db8:c:77ab::/64");
    let gaps = prove(&mapping).unwrap().gaps;
    let identifiers = |direction| {
        let of_side = gaps.iter().filter(move |gap| gap.direction == direction);
        of_side.map(|gap| (gap.reason, gap.left_out)).collect::<Vec<_>>()
    };
    let none = (Unmappable::IidAllZero, LeftOut::InterfaceIdentifier(0));
    let all = (Unmappable::IidAllOnes, LeftOut::InterfaceIdentifier(u64::MAX));
    let no_return = |word: u64| (Unmappable::NoReturn, LeftOut::InterfaceIdentifier(word << 48));
    assert_eq!(mapping.adjustment(), 0x04a3);
    assert_eq!(identifiers(Direction::Outbound), [none, no_return(0xfb5c), all]);
    assert_eq!(identifiers(Direction::Inbound), [none, no_return(0x04a3), all]);
}

#[test]
fn nothing_is_left_out_of_an_identity() {
    assert_eq!(prove(&mapping("2001:db8:7::/48", "2001:db8:7::/48")).unwrap().gaps, []);
}

#[test]
fn a_proof_reads_well() {
    let text = |internal, external| prove(&mapping(internal, external)).unwrap().to_string();
    let expected = "\
fd12:3456:789a:10::/60 <-> 2001:db8:c:77ab::/64
  one to one  every value of the four identifier words, 1048556 addresses there and back
  same word   only ffff becomes ffff, so both ways adjust the same word (RFC 6296 §3.5)
  neutral     adds 0x04a3 outbound, takes it away inbound: checksums stay (RFC 6296 §3.1)
  no mapping  inside   15 of 16 /64 subnets, all but fd12:3456:789a:10::/64  no room for it in the other prefix (RFC 6296 §3.2)
  no mapping  inside   identifier 0:0:0:0                                    all zero must be dropped (RFC 6296 §3.7)";
    let shown = text("fd12:3456:789a:10::/60", "2001:db8:c:77ab::/64");
    assert!(shown.starts_with(expected), "{shown}");
    assert_eq!(
        text("2001:db8:7::/48", "2001:db8:7::/48"),
        "2001:db8:7::/48 <-> 2001:db8:7::/48\n  identity    no bit ever changes: 262144 addresses walked"
    );
}

/// The flaw that the proof finds when `outbound` and `inbound` stand in for the mapping's own.
fn flaw(
    mapping: &Mapping,
    outbound: impl Fn(Ipv6Addr) -> Result<Ipv6Addr, Unmappable>,
    inbound: impl Fn(Ipv6Addr) -> Result<Ipv6Addr, Unmappable>,
) -> Counterexample {
    prove_of(mapping, &outbound, &inbound).unwrap_err()
}

fn with_word(address: Ipv6Addr, position: u32, word: u16) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & !(0xffff << position) | u128::from(word) << position)
}

#[test]
fn a_mapper_that_leaves_the_checksum_is_refuted() {
    let good = mapping("fd12:3456:789a::/48", "2001:db8:1::/48");
    let prefix_only = |from: Prefix, to: Prefix| {
        move |address: Ipv6Addr| {
            let image = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX >> 48) | to.address().to_bits());
            let subnet = (address.to_bits() >> 64) as u16;
            match from.contains(address) {
                false => Err(Unmappable::NotInPrefix),
                true if subnet == 0xffff => Err(Unmappable::SubnetFfff),
                true => Ok(image),
            }
        }
    };
    let (internal, external) = (good.internal(), good.external());
    let found = flaw(&good, prefix_only(internal, external), prefix_only(external, internal));
    assert_eq!(found.address, address("fd12:3456:789a::"));
    assert_eq!(found.flaw, Flaw::Checksum(address("2001:db8:1::")));
}

#[test]
fn a_mapper_that_maps_subnet_ffff_is_refuted() {
    let good = mapping("fd12:3456:789a::/48", "2001:db8:1::/48");
    let like_zero = |address: Ipv6Addr| match good.outbound(address) {
        Err(Unmappable::SubnetFfff) => good.outbound(with_word(address, 64, 0)),
        image => image,
    };
    let found = flaw(&good, like_zero, |address| good.inbound(address));
    assert_eq!(found.address, address("fd12:3456:789a:ffff::"));
    let image = Ok(address("2001:db8:1:7c49::"));
    assert!(
        matches!(found.flaw, Flaw::NotRefused { image: is, due: Unmappable::SubnetFfff } if is == image),
        "{found}"
    );
}

#[test]
fn a_mapper_without_the_fold_to_zero_is_refuted() {
    let good = mapping("fd12:3456:789a:10::/64", "2001:db8:c:77ab::/64");
    // The last word as an example of all four.
    let unfolded = |address: Ipv6Addr| {
        let image = good.outbound(address)?;
        let is_fold = address.to_bits() as u16 != 0 && image.to_bits() as u16 == 0 && address.segments()[6] == 0xffff;
        Ok(if is_fold { with_word(image, 0, 0xffff) } else { image })
    };
    let found = flaw(&good, unfolded, |address| good.inbound(address));
    assert_eq!(found.flaw, Flaw::BecameFfff(address("2001:db8:c:77ab:ffff:ffff:ffff:ffff")));
}

#[test]
fn a_mapper_that_adjusts_another_word_is_refuted() {
    let good = mapping("fd12:3456:789a:10::/64", "2001:db8:c:77ab::/64");
    let last_word = |address: Ipv6Addr| {
        good.outbound(address)?;
        let (word, adjustment) = (address.segments()[7], good.adjustment());
        let sum = (u32::from(word) + u32::from(adjustment)) % 0xffff;
        let replaced = good.external().address().to_bits() | address.to_bits() & u128::from(u64::MAX);
        Ok(with_word(Ipv6Addr::from_bits(replaced), 0, sum as u16))
    };
    let found = flaw(&good, last_word, |address| good.inbound(address));
    assert!(matches!(found.flaw, Flaw::OtherBits(_)), "{found}");
}

#[test]
fn a_mapper_that_gives_two_addresses_one_image_is_refuted() {
    let good = mapping("fd12:3456:789a::/48", "2001:db8:1::/48");
    // Neutral as well, as ffff and 0 are one value in a checksum.
    let shared = |address: Ipv6Addr| match address.segments()[7] {
        0xffff => good.outbound(with_word(address, 0, 0)),
        _ => good.outbound(address),
    };
    let found = flaw(&good, shared, |address| good.inbound(address));
    assert_eq!(found.address, address("fd12:3456:789a::ffff:ffff:ffff:ffff"));
    assert!(matches!(found.flaw, Flaw::OtherBits(_)), "{found}");
}

#[test]
fn a_way_back_that_leads_elsewhere_is_refuted() {
    let good = mapping("fd12:3456:789a::/48", "2001:db8:1::/48");
    let lost = address("2001:db8:1:7c50::");
    let back = |address| if address == lost { Err(Unmappable::NotInPrefix) } else { good.inbound(address) };
    let found = flaw(&good, |address| good.outbound(address), back);
    assert_eq!(found.flaw, Flaw::NoWayBack { image: lost, back: Err(Unmappable::NotInPrefix) });
}

#[test]
fn a_mapper_that_maps_what_cannot_return_is_refuted() {
    let good = mapping("fd12:3456:789a:10::/64", "2001:db8:c:77ab::/64");
    let literal = |address: Ipv6Addr| match good.outbound(address) {
        Err(Unmappable::NoReturn) => Ok(good.external().address()),
        image => image,
    };
    let found = flaw(&good, literal, |address| good.inbound(address));
    assert_eq!(found.address, address("fd12:3456:789a:10:fb5c::"));
    assert!(matches!(found.flaw, Flaw::NotRefused { due: Unmappable::NoReturn, .. }), "{found}");
}

#[test]
fn a_mapper_that_refuses_too_much_is_refuted() {
    let good = mapping("fd12:3456:789a::/48", "2001:db8:1::/48");
    let refuse = |address: Ipv6Addr| match (address.to_bits() >> 64) as u16 {
        0x1234 => Err(Unmappable::SubnetFfff),
        _ => good.outbound(address),
    };
    let found = flaw(&good, refuse, |address| good.inbound(address));
    assert_eq!((found.address, found.flaw), (address("fd12:3456:789a:1234::"), Flaw::Refused(Unmappable::SubnetFfff)));
}

#[test]
fn a_mapper_that_takes_addresses_from_outside_is_refuted() {
    let good = mapping("fd12:3456:789a::/48", "2001:db8:1:ab00::/56");
    // What Linux's translator does with the subnets that the longer prefix has no room for.
    let folded = |address: Ipv6Addr| good.outbound(Ipv6Addr::from_bits(address.to_bits() & !(0xff << 72)));
    let found = flaw(&good, folded, |address| good.inbound(address));
    assert!(matches!(found.flaw, Flaw::NotRefused { due: Unmappable::UnmappedSubnet, .. }), "{found}");
}
