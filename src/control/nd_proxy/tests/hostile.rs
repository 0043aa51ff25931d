//! What is not a solicitation, or not a valid one.

use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::solicitation::{self, Advertisement, Solicitation};
use super::{OUR_MAC, ROUTER_MAC, Reaction, Setting, Stand, asks, ip};

#[test]
fn what_must_be_discarded_is() {
    let mut stand = Stand::new(Setting::Static);
    stand.resolve(stand.lan, "fd12:3456:789a:10::5");
    let good = asks(stand.image("fd12:3456:789a:10::5"));
    let duplicate = Solicitation::duplicate(ROUTER_MAC, good.target);
    let own_mac = [&[1, 1], &ROUTER_MAC[..]].concat();
    let bad = [
        Solicitation { hop_limit: 254, ..good.clone() },
        Solicitation { hop_limit: 64, ..good.clone() },
        Solicitation { code: 1, ..good.clone() },
        Solicitation { kind: 136, ..good.clone() },
        Solicitation { checksum_is_right: false, ..good.clone() },
        Solicitation { options: Vec::new(), cut: 1, ..good.clone() },
        Solicitation { options: Vec::new(), cut: 16, ..good.clone() },
        Solicitation { target: solicitation::solicited_node(good.target), ..good.clone() },
        Solicitation { options: vec![1, 0, 0, 0, 0, 0, 0, 0], ..good.clone() },
        Solicitation { options: vec![14, 0, 0, 0, 0, 0, 0, 0], ..good.clone() },
        Solicitation { options: [&own_mac[..], &[14, 2, 0, 0, 0, 0, 0, 0]].concat(), ..good.clone() },
        Solicitation { options: [&own_mac[..], &[14]].concat(), ..good.clone() },
        Solicitation { options: [&[1, 2], &[2; 14][..]].concat(), ..good.clone() },
        Solicitation { options: own_mac.clone(), ..duplicate.clone() },
        Solicitation { destination: good.target, ..duplicate.clone() },
        Solicitation { destination: ip("ff02::1"), ..duplicate.clone() },
        Solicitation { source: ip("ff02::1"), ..good.clone() },
        Solicitation { source: ip("::1"), ..good.clone() },
        Solicitation { options: vec![1, 1, 3, 0, 0, 0, 0, 1], ..good.clone() },
    ];
    for solicitation in &bad {
        assert_eq!(stand.hear(&solicitation.frame()), Reaction::None, "{solicitation:?}");
    }
    assert_eq!(stand.counts(), [("invalid", bad.len() as u64)]);
    let frame = good.frame();
    for length in 0..frame.len() {
        assert_eq!(stand.hear(&frame[..length]), Reaction::None, "cut to {length}");
    }
    stand.answer(&good);
    stand.answer(&Solicitation { options: [&own_mac[..], &[14, 1, 1, 2, 3, 4, 5, 6]].concat(), ..good });
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let target = Stand::new(Setting::Static).image("fd12:3456:789a:10::5");
    let base = prop_oneof![
        Just(asks(target)),
        Just(Solicitation::unicast(ROUTER_MAC, ip("2001:db8:a:77ab::a"), OUR_MAC, target)),
        Just(Solicitation::duplicate(ROUTER_MAC, target)),
    ];
    let options = prop::collection::vec(any::<u8>(), 0..40);
    let fields = (any::<bool>(), prop_oneof![Just(255u8), any::<u8>()], options, 0usize..4, any::<bool>());
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (base, fields, damage, 0usize..200).prop_map(|(base, (change, hop_limit, options, cut, right), damage, length)| {
        let mut solicitation = base;
        if change {
            (solicitation.hop_limit, solicitation.options) = (hop_limit, options);
            (solicitation.cut, solicitation.checksum_is_right) = (cut, right);
        }
        let mut frame = solicitation.frame();
        for (at, octet) in damage {
            let at = at.index(frame.len());
            frame[at] = octet;
        }
        if length < 150 {
            frame.truncate(length.max(86));
        }
        frame
    })
}

/// Whether a solicitation may be answered, as etherparse and RFC 4861 §7.1.1 have it.
fn is_valid(frame: &[u8]) -> bool {
    let Ok(packet) = etherparse::LaxSlicedPacket::from_ethernet(frame) else { return false };
    let Some(etherparse::LaxNetSlice::Ipv6(ip)) = packet.net else { return false };
    let header = ip.header();
    let (source, destination) = (header.source_addr(), header.destination_addr());
    let Some(message) = frame[54..].get(..usize::from(header.payload_length())) else { return false };
    let Ok(icmp) = etherparse::Icmpv6Slice::from_slice(message) else { return false };
    let options = &message[24.min(message.len())..];
    let mut at = 0;
    let mut link_layer = false;
    while at < options.len() {
        let length = options.get(at + 1).map_or(0, |units| usize::from(*units) * 8);
        if length == 0 || at + length > options.len() {
            return false;
        }
        link_layer |= options[at] == 1;
        at += length;
    }
    let unspecified = source == Ipv6Addr::UNSPECIFIED;
    let to_solicited_node = destination.octets()[..13] == ip_octets("ff02::1:ff00:0")[..13];
    header.hop_limit() == 255
        && header.next_header() == etherparse::IpNumber::IPV6_ICMP
        && (icmp.type_u8(), icmp.code_u8()) == (135, 0)
        && icmp.is_checksum_valid(source.octets(), destination.octets())
        && message.len() >= 24
        && message[8] != 0xff
        && (!unspecified || !link_layer && to_solicited_node)
}

fn ip_octets(text: &str) -> [u8; 16] {
    ip(text).octets()
}

proptest! {
    #[test]
    fn only_what_is_valid_is_answered(frame in damaged()) {
        let mut stand = Stand::new(Setting::Static);
        stand.resolve(stand.lan, "fd12:3456:789a:10::5");
        if let Reaction::Send(answer) = stand.hear(&frame) {
            prop_assert!(is_valid(&frame), "{frame:02x?}");
            prop_assert!(Advertisement::read(&answer).is_some());
        }
        let (_, counts) = stand.counters.load()[0];
        prop_assert_eq!(counts.iter().sum::<u64>() + stand.proxy.waiting.len() as u64, 1);
    }

    #[test]
    fn octets_are_never_a_panic(frame in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut stand = Stand::new(Setting::Static);
        prop_assert_eq!(stand.hear(&frame), Reaction::None);
    }
}
