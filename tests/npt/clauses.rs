//! One test for each clause of RFC 6296 that is about addresses; the packets' side is the data path's.

use sixways::npt::{MappingError, Unmappable};

use super::{address, checksum, mapping, prefix};
use sixways::npt::Mapping;

/// §2.4, §3.1: each pair is a translator of its own.
#[test]
fn each_prefix_pair_is_a_translator_of_its_own() {
    let (fiber, cable) =
        (mapping("fd01:203:405::/48", "2001:db8:1::/48"), mapping("fd01:203:405::/48", "2001:db8:2::/48"));
    let host = address("fd01:203:405:1::1234");
    assert_eq!(fiber.outbound(host), Ok(address("2001:db8:1:d550::1234")));
    assert_eq!(cable.outbound(host), Ok(address("2001:db8:2:d54f::1234")));
    assert_eq!(fiber.inbound(address("2001:db8:2:d54f::1234")), Err(Unmappable::NotInPrefix));
}

/// §2.3, §2.5: no state; another translator with the same configuration takes over.
#[test]
fn translators_with_the_same_prefixes_are_interchangeable() {
    let pair = ("fd12:3456:789a:10::/60", "2001:db8:c:77ab::/64");
    let (one, other) = (mapping(pair.0, pair.1), mapping(pair.0, pair.1));
    for host in 1..1000_u128 {
        let host = std::net::Ipv6Addr::from_bits(one.internal().address().to_bits() | host << 40 | host);
        let image = one.outbound(host).unwrap();
        assert_eq!(other.inbound(image), Ok(host));
        assert_eq!(one.outbound(host), Ok(image), "no translation depends on one before it");
    }
}

/// §2.6: transport checksums stay valid, as the sum over the address stays.
#[test]
fn the_sum_over_an_address_stays() {
    for external in ["2001:db8:1::/48", "2001:db8:1:ab00::/56", "2001:db8:c:77ab::/64"] {
        let mapping = mapping("fd01:203:405::/48", external);
        for host in ["fd01:203:405::1", "fd01:203:405:0:ffff:2ab0:0:1", "fd01:203:405:0:2ab0::"] {
            let image = mapping.outbound(address(host)).unwrap();
            assert_eq!(checksum(image), checksum(address(host)), "{external} {host}");
        }
    }
}

/// §3.1: the shorter prefix is zero-extended; matching goes by the longer length.
#[test]
fn the_shorter_prefix_is_zero_extended() {
    let wide_inside = mapping("fd01:203:405::/48", "2001:db8:1:ab00::/56");
    let same = mapping("fd01:203:405::/56", "2001:db8:1:ab00::/56");
    for host in ["fd01:203:405::1", "fd01:203:405:7f:8000::", "fd01:203:405:ff:ffff::1"] {
        assert_eq!(wide_inside.outbound(address(host)), same.outbound(address(host)), "{host}");
        assert!(same.outbound(address(host)).is_ok(), "{host}");
    }
    let wide_outside = mapping("fd01:203:405:6700::/56", "2001:db8:1::/48");
    let image = wide_outside.outbound(address("fd01:203:405:6742::1")).unwrap();
    assert_eq!(image.segments()[..4], [0x2001, 0xdb8, 1, 0x42]);
}

/// §3.1, §3.6: the adjustment is the internal sum less the external one.
#[test]
fn the_adjustment_is_the_difference_of_the_sums() {
    for (internal, external, adjustment) in [
        ("fd01:203:405::/48", "2001:db8:1::/48", 0xd54f),
        ("2001:db8:1::/48", "fd01:203:405::/48", !0xd54f),
        // All four words count.
        ("fd01:203:405:6789::/64", "2001:db8:1::/48", 0x3cd9),
        ("2001:db8:1::/48", "2001:1:db8::/48", 0),
        // 0xFFFF is never stored.
        ("ffff::/16", "::/16", 0),
    ] {
        assert_eq!(mapping(internal, external).adjustment(), adjustment, "{internal} {external}");
    }
}

/// §3.1: the sums are defined for prefixes of up to 64 bits.
#[test]
fn prefixes_over_64_bits_are_refused() {
    for (internal, external, long) in
        [("fd00::/65", "2001:db8::/48", "fd00::/65"), ("fd00::/48", "2001:db8::/128", "2001:db8::/128")]
    {
        let error = Mapping::new(prefix(internal), prefix(external)).unwrap_err();
        assert_eq!(error, MappingError::LongerThan64(prefix(long)));
    }
    assert!(Mapping::new(prefix("fd00::/64"), prefix("2001:db8::/64")).is_ok());
}

/// §3.2: outbound the prefix is overwritten and the adjustment added.
#[test]
fn outbound_overwrites_the_prefix_and_adds() {
    let mapping = mapping("fd01:203:405::/48", "2001:db8:1::/48");
    assert_eq!(mapping.outbound(address("fd01:203:405:1::1234")), Ok(address("2001:db8:1:d550::1234")));
    assert_eq!(mapping.outbound(address("fd01:203:405:2ab1::1")), Ok(address("2001:db8:1:1::1")), "carried round");
}

/// §3.2, §3.3: a result of 0xFFFF is stored as 0x0000.
#[test]
fn a_sum_of_ffff_is_stored_as_zero() {
    let subnet = mapping("fd01:203:405::/48", "2001:db8:1::/48");
    assert_eq!(subnet.outbound(address("fd01:203:405:2ab0::1")), Ok(address("2001:db8:1::1")));
    assert_eq!(subnet.inbound(address("2001:db8:1:d54f::1")), Ok(address("fd01:203:405::1")));
    let identifier = mapping("fd01:203:405::/64", "2001:db8:1::/64");
    assert_eq!(identifier.outbound(address("fd01:203:405:0:2ab0::1")), Ok(address("2001:db8:1::1")));
}

/// §3.3: inbound the prefix is overwritten and the adjustment taken away.
#[test]
fn inbound_overwrites_the_prefix_and_subtracts() {
    let mapping = mapping("fd01:203:405::/48", "2001:db8:1::/48");
    assert_eq!(mapping.inbound(address("2001:db8:1:d550::1234")), Ok(address("fd01:203:405:1::1234")));
    assert_eq!(mapping.inbound(address("2001:db8:1:1::1")), Ok(address("fd01:203:405:2ab1::1")), "borrowed round");
}

/// §3.4: up to /48 the subnet word is adjusted; the identifier and the bits before it stay.
#[test]
fn up_to_48_bits_the_subnet_word_is_adjusted() {
    for (internal, external) in [
        ("fd01:203:405::/48", "2001:db8:1::/48"),
        ("fd01:203:404::/47", "2001:db8:2::/47"),
        ("fd01:203:400::/40", "2001:db8:100::/40"),
        ("fd01:203::/32", "2001:db8::/32"),
    ] {
        let mapping = mapping(internal, external);
        let host = mapping.internal().address().to_bits() | 0x1_0007_dead_beef_ffff_0001;
        let host = std::net::Ipv6Addr::from_bits(host);
        let image = mapping.outbound(host).unwrap();
        assert_eq!(image.segments()[4..], host.segments()[4..], "{internal}: the identifier");
        let kept = u128::MAX >> mapping.internal().len() & !(u128::MAX >> 48);
        assert_eq!(image.to_bits() & kept, host.to_bits() & kept, "{internal}: bits up to 48");
        let folded = |sum: u32| (sum % 0xffff) as u16;
        let sum = u32::from(host.segments()[3]) + u32::from(mapping.adjustment());
        assert_eq!(image.segments()[3], folded(sum), "{internal}: the subnet word");
    }
}

/// §3.5: over /48 the first identifier word that is not 0xFFFF is adjusted, as received.
#[test]
fn over_48_bits_the_first_identifier_word_but_ffff_is_adjusted() {
    for external in ["2001:db8:abce:8000::/49", "2001:db8:1:ab00::/56", "2001:db8:c:77ab::/63", "2001:db8:c:77ab::/64"]
    {
        let external = external.replace("77ab::/63", "77aa::/63");
        let mapping = mapping("fd01:203:405::/48", &external);
        for (identifier, word) in [
            ([1, 2, 3, 4], 4),
            ([0, 2, 3, 4], 4),
            ([0xffff, 2, 3, 4], 5),
            ([0xffff, 0xffff, 0, 0xffff], 6),
            ([0xffff, 0xffff, 0xffff, 4], 7),
            ([1, 0xffff, 0xffff, 0xffff], 4),
        ] {
            let [a, b, c, ..] = mapping.internal().address().segments();
            let [e, f, g, h] = identifier;
            let host = std::net::Ipv6Addr::from([a, b, c, 0, e, f, g, h]);
            let image = mapping.outbound(host).unwrap();
            let changed: Vec<_> = (4..8).filter(|at| image.segments()[*at] != host.segments()[*at]).collect();
            assert_eq!(changed, [word], "{external} {host} {image}");
        }
    }
}

/// §3.2, §4.2: subnet 0xFFFF behind up to /48 is discarded.
#[test]
fn subnet_ffff_is_discarded_outbound() {
    for (internal, external) in
        [("fd01:203:405::/48", "2001:db8:1::/48"), ("fd00::/32", "2001:db8::/32"), ("fd00::/32", "2001:db8:1::/48")]
    {
        let [a, b, c, ..] = prefix(internal).address().segments();
        let host = std::net::Ipv6Addr::from([a, b, c, 0xffff, 0, 0, 0, 1]);
        assert_eq!(mapping(internal, external).outbound(host), Err(Unmappable::SubnetFfff), "{internal}");
    }
    let long = mapping("fd01:203:405:ffff::/64", "2001:db8:1:1::/64");
    assert!(long.outbound(address("fd01:203:405:ffff::1")).is_ok(), "the rule is one of short prefixes");
}

/// §3.3 is silent: an external subnet 0xFFFF would be a second name of another subnet's hosts.
#[test]
fn subnet_ffff_is_discarded_inbound() {
    let mapping = mapping("fd01:203:405::/48", "2001:db8:1::/48");
    assert_eq!(mapping.inbound(address("2001:db8:1:ffff::1")), Err(Unmappable::SubnetFfff));
    assert!(mapping.inbound(address("2001:db8:1::1")).is_ok());
}

/// §3.2, §3.7: subnets that the other prefix has no room for are discarded.
#[test]
fn subnets_without_room_are_discarded() {
    let inside = mapping("fd01:203:405::/48", "2001:db8:1:ab00::/56");
    assert_eq!(inside.outbound(address("fd01:203:405:100::1")), Err(Unmappable::UnmappedSubnet));
    assert!(inside.outbound(address("fd01:203:405:ff::1")).is_ok());
    let outside = mapping("fd01:203:405:6700::/56", "2001:db8:1::/48");
    assert_eq!(outside.inbound(address("2001:db8:1:100::1")), Err(Unmappable::UnmappedSubnet));
    assert!(outside.inbound(address("2001:db8:1:ff::1")).is_ok());
}

/// Nothing outside a prefix is ever translated.
#[test]
fn addresses_outside_the_prefix_are_not_translated() {
    let mapping = mapping("fd01:203:405::/48", "2001:db8:1::/48");
    for stranger in ["fd01:203:404::1", "2001:db8:1:1::1", "::", "fe80::1"] {
        assert_eq!(mapping.outbound(address(stranger)), Err(Unmappable::NotInPrefix), "{stranger}");
    }
}

/// §3.7: an all-zero identifier is dropped behind prefixes over /48, and only there.
#[test]
fn an_all_zero_identifier_is_dropped_behind_long_prefixes() {
    let long = mapping("fd01:203:405::/48", "2001:db8:1:ab00::/56");
    assert_eq!(long.outbound(address("fd01:203:405:13::")), Err(Unmappable::IidAllZero));
    assert_eq!(long.inbound(address("2001:db8:1:ab13::")), Err(Unmappable::IidAllZero));
    let short = mapping("fd01:203:405::/48", "2001:db8:1::/48");
    assert_eq!(short.outbound(address("fd01:203:405:1::")), Ok(address("2001:db8:1:d550::")));
}

/// §3.5: an all-ones identifier has no word to adjust.
#[test]
fn an_all_ones_identifier_is_dropped_behind_long_prefixes() {
    let long = mapping("fd01:203:405::/48", "2001:db8:1:ab00::/56");
    let ones = "ffff:ffff:ffff:ffff";
    assert_eq!(long.outbound(address(&format!("fd01:203:405:13:{ones}"))), Err(Unmappable::IidAllOnes));
    assert_eq!(long.inbound(address(&format!("2001:db8:1:ab13:{ones}"))), Err(Unmappable::IidAllOnes));
    let short = mapping("fd01:203:405::/48", "2001:db8:1::/48");
    assert!(short.outbound(address(&format!("fd01:203:405:1:{ones}"))).is_ok());
}

/// A consequence of §3.7: what would become an all-zero identifier could not be answered.
#[test]
fn an_identifier_that_would_become_all_zero_is_dropped() {
    let mapping = mapping("fd01:203:405::/48", "2001:db8:1:ab00::/56");
    assert_eq!(mapping.adjustment(), 0x2a4f);
    assert_eq!(mapping.outbound(address("fd01:203:405:0:d5b0::")), Err(Unmappable::NoReturn));
    assert_eq!(mapping.inbound(address("2001:db8:1:ab00:2a4f::")), Err(Unmappable::NoReturn));
    assert!(mapping.outbound(address("fd01:203:405:0:d5b0::1")).is_ok());
    assert!(mapping.outbound(address("fd01:203:405:0:2a4f::")).is_ok());
}

/// Equal prefixes change nothing, whatever the clauses above say.
#[test]
fn an_identity_pair_changes_nothing() {
    for (pair, hosts) in [
        ("2001:db8:1::/48", ["2001:db8:1:ffff::", "2001:db8:1::", "2001:db8:1:1:ffff:ffff:ffff:ffff"]),
        ("2001:db8:1:2::/64", ["2001:db8:1:2::", "2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"]),
    ] {
        let mapping = mapping(pair, pair);
        for host in hosts.map(address) {
            assert_eq!((mapping.outbound(host), mapping.inbound(host)), (Ok(host), Ok(host)));
        }
        assert_eq!(mapping.outbound(address("2001:db8:2::1")), Err(Unmappable::NotInPrefix));
    }
}

/// §4.1: any prefix may be configured, unique-local, global or reserved for documentation.
#[test]
fn any_unicast_prefix_makes_a_pair() {
    for internal in ["fd12:3456:789a::/48", "2a00:1450:4001::/48", "2001:db8:1::/48", "3fff:1::/48"] {
        for external in ["2a02:8108::/48", "2001:db8:2::/48", "fdff::/48"] {
            let mapping = mapping(internal, external);
            let host = std::net::Ipv6Addr::from_bits(mapping.internal().address().to_bits() | 1 << 64 | 7);
            assert_eq!(mapping.outbound(host).and_then(|image| mapping.inbound(image)), Ok(host));
        }
    }
}
