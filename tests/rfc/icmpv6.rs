//! RFC 4443 (ICMPv6) and RFC 8201 (path-MTU discovery).

use sixways::limits::{ERROR_BURST, HELD};
use sixways::snapshot::{ErrorRates, Rate};
use sixways::units::{MacAddr, Nanos};
use sixways::verdict::DropReason;

use crate::rig::Rig;
use crate::rig::packet::{Packet, Upper};
use crate::rig::site::{CABLE, LAN0, WAN0, WAN1, WAN2, address};
use crate::{BOTH, HOST, IMAGE, REMOTE, forwarded, inbound, message, outbound, parse, quote, read, refused, rig, send};

#[test]
fn rfc4443_2_2_errors_bear_an_address_that_their_receiver_can_reach() {
    let mut rig = rig();
    let spent = [
        (LAN0, outbound("hop 1 udp 1 2 len 9"), "fd12:3456:789a:10::1"),
        (WAN0, inbound("hop 1 udp 1 2 len 9"), "2001:db8:1::2"),
        (WAN1, parse(&format!("{REMOTE} > 2001:db8:2:7c58::5 hop 1 udp 1 2 len 9")), "2001:db8:2::2"),
        (WAN2, parse(&format!("{REMOTE} > 2001:db8:3:110:7b47::5 hop 1 udp 1 2 len 9")), "2001:db8:3:100::2"),
    ];
    for (edge, packet, source) in spent {
        let answer = refused(&mut rig, edge, &packet, DropReason::HopLimitExceeded).unwrap();
        assert_eq!((answer.source, answer.destination), (address(source), packet.source));
    }
}

#[test]
fn rfc4443_2_4_c_errors_quote_as_much_as_fits_into_1280_octets() {
    for (edge, packet) in BOTH {
        for (len, cut) in [(0, None), (1184, None), (1185, Some(1232)), (1452, Some(1232))] {
            let packet = packet(&format!("hop 1 udp 1 2 len {len}"));
            let answer = refused(&mut rig(), edge, &packet, DropReason::HopLimitExceeded).unwrap();
            assert_eq!(quote(&answer), (&packet, cut));
            assert!(answer.bytes().len() <= 1280);
        }
    }
}

#[test]
fn rfc4443_2_4_c_inbound_packets_are_quoted_as_the_outside_sent_them() {
    let packet = inbound("hop 1 udp 1 2 len 9");
    let answer = refused(&mut rig(), WAN0, &packet, DropReason::HopLimitExceeded).unwrap();
    assert_eq!(quote(&answer).0.destination, address(IMAGE));
}

#[test]
fn rfc4443_2_4_e1_no_error_about_an_error() {
    for kind in [1, 2, 3, 4, 5, 99, 126] {
        let about = Packet::error(
            address(HOST),
            address(REMOTE),
            kind,
            parse(&format!("{REMOTE} > {HOST} hop 9 udp 1 2 len 9")),
        );
        assert_eq!(refused(&mut rig(), LAN0, &Packet { hop: 1, ..about }, DropReason::HopLimitExceeded), None);
        let about = Packet::error(
            address(REMOTE),
            address(IMAGE),
            kind,
            parse(&format!("{IMAGE} > {REMOTE} hop 9 udp 1 2 len 9")),
        );
        // Errors of unknown types come in for known flows alone.
        let mut rig = rig();
        forwarded(&mut rig, LAN0, &outbound("hop 9 udp 1 2 len 9"));
        assert_eq!(refused(&mut rig, WAN0, &Packet { hop: 1, ..about }, DropReason::HopLimitExceeded), None);
    }
    let request = outbound("hop 1 icmp6 128/0 len 8");
    assert!(refused(&mut rig(), LAN0, &request, DropReason::HopLimitExceeded).is_some(), "an echo request is none");
}

#[test]
fn rfc4443_2_4_e3_no_error_about_multicast() {
    let packet = parse(&format!("{HOST} > ff0e::1 hop 1 udp 1 2 len 9"));
    assert_eq!(refused(&mut rig(), LAN0, &packet, DropReason::BadDestination), None);
}

#[test]
fn rfc4443_2_4_e4_no_error_about_link_layer_multicast_but_packet_too_big() {
    for group in [[0x33, 0x33, 0, 0, 0, 1], [0xff; 6]] {
        let mut rig = rig();
        rig.site.set_usable(&[CABLE]);
        let from = rig.site.last_hop(LAN0, address(HOST));
        assert_eq!(rig.send_one(LAN0, &outbound("hop 1 udp 1 2 len 9").frame(from, MacAddr(group))), vec![]);
        let sent = rig.send_one(LAN0, &outbound("hop 9 udp 1 2 len 1400").frame(from, MacAddr(group)));
        assert_eq!(message(&read(&sent[0])), (2, 0, 1400));
    }
}

#[test]
fn rfc4443_2_4_e6_no_error_to_a_source_that_is_no_node() {
    for source in ["::", "ff02::1", "ff0e::1", "::1"] {
        for (edge, destination) in [(LAN0, REMOTE), (WAN0, IMAGE)] {
            let packet = parse(&format!("{source} > {destination} hop 1 udp 1 2 len 9"));
            assert_eq!(refused(&mut rig(), edge, &packet, DropReason::BadSource), None);
        }
    }
}

#[test]
fn rfc4443_2_4_f_errors_are_limited_and_a_traceroute_is_not() {
    for (edge, packet) in BOTH {
        let mut rig = rig();
        let told = |rig: &mut Rig, times: u64| {
            (0..times).filter(|_| !send(rig, edge, &packet("hop 1 udp 1 2 len 9")).is_empty()).count() as u64
        };
        assert_eq!(told(&mut rig, 90), 90, "thirty hops, three probes each");
        assert_eq!(told(&mut rig, 1000), ERROR_BURST - 90);
        rig.wait(Nanos::from_millis(1000));
        assert_eq!(told(&mut rig, 1000), 50);
        assert_eq!(rig.dropped(edge, DropReason::HopLimitExceeded), 2090, "limits hold back errors, not counts");
    }
}

#[test]
fn rfc4443_2_4_f_the_rates_are_those_of_the_configuration() {
    let mut rig = rig();
    rig.site.set_usable(&[CABLE]);
    rig.site.snapshot.errors =
        ErrorRates { edge: Rate::new(30), source: Rate::new(7), too_big: Rate::new(5), unreachable: true };
    let told = |rig: &mut Rig, packet: &dyn Fn(u32) -> Packet| {
        (0..1000).filter(|n| !send(rig, LAN0, &packet(*n)).is_empty()).count()
    };
    let one = |_| outbound("hop 1 udp 1 2 len 9");
    let many = |n| parse(&format!("fd12:3456:789a:10::{n:x} > {REMOTE} hop 1 udp 1 2 len 9"));
    let large = |n| parse(&format!("fd12:3456:789a:10::{n:x} > {REMOTE} hop 9 udp 1 2 len 1400"));
    told(&mut rig, &one);
    told(&mut rig, &large);
    rig.wait(Nanos::from_millis(1000));
    assert_eq!((told(&mut rig, &one), told(&mut rig, &many), told(&mut rig, &large)), (7, 30 - 7, 5));
}

#[test]
fn rfc4443_2_4_f_packet_too_big_is_not_held_back_by_other_errors() {
    let mut rig = rig();
    rig.site.set_usable(&[CABLE]);
    for _ in 0..1000 {
        send(&mut rig, LAN0, &outbound("hop 1 udp 1 2 len 9"));
    }
    assert!(refused(&mut rig, LAN0, &outbound("hop 9 udp 1 2 len 1400"), DropReason::PacketTooBig).is_some());
}

#[test]
fn rfc4443_2_4_f_errors_in_transit_are_not_limited() {
    let mut rig = rig();
    let error = Packet::error(
        address("2001:db8:e::1"),
        address(IMAGE),
        2,
        parse(&format!("{IMAGE} > {REMOTE} hop 9 udp 1 2 len 9")),
    );
    for _ in 0..1000 {
        forwarded(&mut rig, WAN0, &error);
    }
}

#[test]
fn rfc4443_3_1_code_0_where_there_is_no_route() {
    let mut rig = rig();
    rig.site.set_usable(&[]);
    let answer = refused(&mut rig, LAN0, &outbound("hop 64 udp 1 2 len 9"), DropReason::NoUplink).unwrap();
    assert_eq!(message(&answer), (1, 0, 0));
    let nowhere = parse(&format!("{HOST} > fd12:3456:789a:99::1 hop 64 udp 1 2 len 9"));
    assert_eq!(message(&refused(&mut rig, LAN0, &nowhere, DropReason::NoLanRoute).unwrap()), (1, 0, 0));
}

#[test]
fn rfc4443_3_1_code_2_beyond_the_scope_of_the_source() {
    for (edge, destination) in [(LAN0, REMOTE), (WAN0, IMAGE)] {
        let packet = parse(&format!("fe80::1 > {destination} hop 64 udp 1 2 len 9"));
        let answer = refused(&mut rig(), edge, &packet, DropReason::BadSource).unwrap();
        assert_eq!((message(&answer), answer.destination), ((1, 2, 0), address("fe80::1")));
    }
}

#[test]
fn rfc4443_3_1_code_3_when_the_neighbour_does_not_answer() {
    let mut rig = rig();
    rig.site.forget(LAN0, address(HOST));
    let packet = inbound("hop 64 udp 1 2 len 9");
    assert_eq!(send(&mut rig, WAN0, &packet), vec![]);
    rig.wait(HELD);
    let answer = read(&rig.release()[0]);
    assert_eq!((message(&answer), quote(&answer)), ((1, 3, 0), (&packet, None)));
    rig.site.fail(LAN0, address(HOST));
    let answer = refused(&mut rig, WAN0, &packet, DropReason::NeighbourUnreachable).unwrap();
    assert_eq!(message(&answer), (1, 3, 0));
}

#[test]
fn rfc4443_3_1_code_5_for_a_source_that_may_not_leave() {
    for (source, reason) in [
        ("2001:db8:a::1", DropReason::SourceNotInternal),
        ("fd99::1", DropReason::SourceNotInternal),
        ("fd12:3456:789a:ffff::1", DropReason::SubnetFfff),
    ] {
        let packet = parse(&format!("{source} > {REMOTE} hop 64 udp 1 2 len 9"));
        assert_eq!(message(&refused(&mut rig(), LAN0, &packet, reason).unwrap()), (1, 5, 0));
    }
}

#[test]
fn rfc4443_3_1_no_error_about_congestion() {
    let mut rig = rig();
    rig.site.forget(LAN0, address(HOST));
    for _ in 0..10 {
        assert_eq!(send(&mut rig, WAN0, &inbound("hop 64 udp 1 2 len 9")), vec![]);
    }
    assert_eq!(rig.dropped(WAN0, DropReason::NeighbourQueueFull), 6);
}

#[test]
fn rfc4443_3_2_packet_too_big_tells_the_mtu_of_the_next_link() {
    let mut rig = rig();
    rig.site.snapshot.edges[LAN0.index()].mtu = 1320;
    let packet = inbound("hop 64 udp 1 2 len 1300");
    let answer = refused(&mut rig, WAN0, &packet, DropReason::PacketTooBig).unwrap();
    assert_eq!((message(&answer), quote(&answer)), ((2, 0, 1320), (&packet, Some(1232))));
}

#[test]
fn rfc4443_3_3_time_exceeded_for_hop_limits_0_and_1() {
    for (edge, packet) in BOTH {
        for hop in [0, 1] {
            let packet = packet(&format!("hop {hop} udp 1 2 len 9"));
            let answer = refused(&mut rig(), edge, &packet, DropReason::HopLimitExceeded).unwrap();
            assert_eq!((message(&answer), quote(&answer)), ((3, 0, 0), (&packet, None)));
        }
    }
}

#[test]
fn rfc8201_5_errors_for_path_mtu_discovery_reach_the_host_in_its_own_terms() {
    let about = format!("{IMAGE} > {REMOTE} hop 60 tcp 1 2 len 1400");
    let error = Packet::error(address("2001:db8:e::1"), address(IMAGE), 2, parse(&about));
    let told = forwarded(&mut rig(), WAN0, &error);
    assert_eq!(told.destination, address(HOST));
    assert_eq!(quote(&told), (&outbound("hop 60 tcp 1 2 len 1400"), Some(1232)));
}

#[test]
fn rfc8201_4_a_packet_too_big_below_1280_passes_and_none_is_made() {
    let about = format!("{IMAGE} > {REMOTE} hop 60 tcp 1 2 len 1400");
    let mut error = Packet::error(address("2001:db8:e::1"), address(IMAGE), 2, parse(&about));
    if let Upper::Icmpv6 { word, .. } = &mut error.upper {
        *word = 576;
    }
    assert_eq!(message(&forwarded(&mut rig(), WAN0, &error)).2, 576);
    forwarded(&mut rig(), WAN0, &inbound("hop 64 udp 1 2 len 1232"));
}
