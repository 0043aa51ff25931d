//! What may cross an edge: RFC 4861, RFC 4890, RFC 6092, RFC 6583, RFC 7084, BCP 38.

use std::collections::HashSet;

use sixways::datapath::egress::assert_source;
use sixways::datapath::steer::{Addresses, Plan};
use sixways::limits::{HELD_FOR_INSIDE, HELD_PER_WORKER};
use sixways::units::{MacAddr, MappingId};
use sixways::verdict::DropReason;

use crate::rig::site::{CABLE, COPPER, FIBER, LAN0, Site, WAN0, address};
use crate::{BOTH, HOST, IMAGE, REMOTE, forwarded, inbound, message, outbound, parse, quote, refused, rig, send};

#[test]
fn rfc4861_7_2_2_the_newest_packet_replaces_the_oldest_in_the_queue() {
    let mut rig = rig();
    rig.site.forget(LAN0, address(HOST));
    for len in 1..=6 {
        send(&mut rig, WAN0, &inbound(&format!("hop 64 udp 1 2 len {len}")));
    }
    rig.site.learn(LAN0, address(HOST));
    let lengths: Vec<_> = rig.release().iter().map(|sent| sent.bytes.len() - 62).collect();
    assert_eq!(lengths, [3, 4, 5, 6]);
}

#[test]
fn rfc4861_and_rfc4890_4_3_3_messages_of_a_link_are_not_forwarded() {
    for (edge, packet) in BOTH {
        for kind in (130..=138).chain(141..=143).chain([148, 149, 151, 152, 153]) {
            for hop in [255, 64, 1] {
                let packet = packet(&format!("hop {hop} icmp6 {kind}/0 len 20"));
                assert_eq!(refused(&mut rig(), edge, &packet, DropReason::LinkScopeIcmpv6), None);
            }
        }
    }
}

#[test]
fn rfc4890_4_3_1_and_4_3_2_messages_of_end_to_end_use_are_forwarded() {
    for (edge, packet) in BOTH {
        for kind in [128, 129, 144, 145, 146, 147] {
            forwarded(&mut rig(), edge, &packet(&format!("hop 64 icmp6 {kind}/0 len 20")));
        }
    }
    for (kind, codes) in [(1, 0..8), (2, 0..1), (3, 0..2), (4, 0..4)] {
        for code in codes {
            let about = format!("icmp6 {kind}/{code} quoting {{ {REMOTE} > {HOST} hop 9 udp 1 2 len 9 }}");
            forwarded(&mut rig(), LAN0, &outbound(&format!("hop 64 {about}")));
            let about = format!("icmp6 {kind}/{code} quoting {{ {IMAGE} > {REMOTE} hop 9 udp 1 2 len 9 }}");
            forwarded(&mut rig(), WAN0, &inbound(&format!("hop 64 {about}")));
        }
    }
}

#[test]
fn rfc6092_rec_5_and_bcp38_only_inside_sources_leave() {
    for source in ["2001:db8:a::1", IMAGE, "fd99::1", "2001:db8:2:7c58::5"] {
        let packet = parse(&format!("{source} > {REMOTE} hop 64 udp 1 2 len 9"));
        refused(&mut rig(), LAN0, &packet, DropReason::SourceNotInternal);
    }
}

#[test]
fn rfc6092_rec_6_our_own_sources_do_not_come_in() {
    for source in [HOST, IMAGE, "2001:db8:2:7c58::5", "2001:db8:3:110:7b47::5", "2001:db8:1:ffff::1"] {
        let packet = parse(&format!("{source} > {IMAGE} hop 64 udp 1 2 len 9"));
        assert_eq!(refused(&mut rig(), WAN0, &packet, DropReason::SourceIsOurs), None, "{source}");
    }
}

#[test]
fn rfc6092_rec_7_unique_local_addresses_pass_neither_way() {
    let packet = parse(&format!("fd99::1 > {IMAGE} hop 64 udp 1 2 len 9"));
    assert_eq!(refused(&mut rig(), WAN0, &packet, DropReason::BadSource), None);
    let packet = parse(&format!("{HOST} > fd99::1 hop 64 udp 1 2 len 9"));
    assert!(refused(&mut rig(), LAN0, &packet, DropReason::NoLanRoute).is_some());
}

#[test]
fn rfc7084_wpd_5_what_nobody_has_is_not_sent_back_to_the_isp() {
    for (destination, reason) in [
        ("2001:db8:1:7ce2::1", DropReason::NoLanRoute),
        ("2001:db8:1:ffff::1", DropReason::SubnetFfff),
        ("2001:db8:a::1", DropReason::NotInPrefix),
    ] {
        let packet = parse(&format!("{REMOTE} > {destination} hop 64 udp 1 2 len 9"));
        let answer = refused(&mut rig(), WAN0, &packet, reason).unwrap();
        assert_eq!((message(&answer), quote(&answer).0), ((1, 0, 0), &packet));
    }
}

/// Invariant 3's last witness: it can only speak up when another step is wrong, so it is asked alone.
#[test]
fn bcp38_the_last_look_lets_no_foreign_source_out() {
    let site = Site::standard();
    let plan = |uplink, egress| Plan {
        mapping: MappingId(0),
        uplink,
        addresses: Addresses::default(),
        quote: Addresses::default(),
        egress,
        next_hop: address("fe80::1"),
        largest_segment: None,
        instead_of: None,
    };
    for source in [HOST, IMAGE, "2001:db8:2:7c58::5", "2001:db8:3:110:7b47::5", "2001:db8:a::1", "::", "fe80::1"] {
        let frame = parse(&format!("{source} > {REMOTE} hop 64 udp 1 2 len 9")).frame(MacAddr([2; 6]), MacAddr([2; 6]));
        for uplink in [FIBER, CABLE, COPPER] {
            let (prefix, len) = site.external(uplink);
            let own = (address(source).to_bits() ^ prefix.to_bits()) >> (128 - u32::from(len)) == 0;
            let verdict = assert_source(&site.snapshot, &frame, &plan(uplink, site.wan(uplink)));
            let expected = if own { Ok(()) } else { Err(DropReason::EgressAssertion.into()) };
            assert_eq!(verdict, expected, "{source} by {}", site.snapshot.uplinks[uplink.index()].name);
        }
        assert_eq!(assert_source(&site.snapshot, &frame, &plan(FIBER, LAN0)), Ok(()), "a LAN takes any source");
    }
}

/// A scan of a LAN costs a bounded number of frames and of questions.
#[test]
fn rfc6583_a_scan_of_a_lan_is_bounded() {
    let mut rig = rig();
    for host in 0..300 {
        let packet = parse(&format!("{REMOTE} > 2001:db8:1:7c59::1:{host:x} hop 64 udp 1 2 len 9"));
        assert_eq!(send(&mut rig, WAN0, &packet), vec![]);
    }
    let held = (HELD_PER_WORKER - HELD_FOR_INSIDE) as u64;
    assert_eq!(rig.held(), held);
    assert_eq!(rig.dropped(WAN0, DropReason::NeighbourQueueFull), 300 - held);
    let asked: HashSet<_> = rig.state.wanted.drain().collect();
    assert_eq!(asked.len(), 64);
    // Who is known is served all the same.
    forwarded(&mut rig, WAN0, &inbound("hop 64 udp 1 2 len 9"));
    // What comes from inside still finds room to wait.
    rig.site.forget(WAN0, address("fe80::1"));
    assert_eq!(send(&mut rig, LAN0, &outbound("hop 64 udp 1 2 len 9")), vec![]);
    assert_eq!(rig.held(), held + 1);
}
