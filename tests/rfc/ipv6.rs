//! RFC 8200 (IPv6), RFC 4291 (addresses), RFC 5095 (routing header 0), RFC 6437 (flow label).

use sixways::verdict::DropReason;

use crate::rig::Rig;
use crate::rig::site::{CABLE, FIBER, LAN0, WAN0};
use crate::{BOTH, HOST, IMAGE, REMOTE, forwarded, message, outbound, parse, read, refused, rig, send};

#[test]
fn rfc8200_3_hop_limit_is_decremented_once() {
    for (edge, packet) in BOTH {
        assert_eq!(forwarded(&mut rig(), edge, &packet("hop 2 udp 1 2 len 9")).hop, 1);
        assert_eq!(forwarded(&mut rig(), edge, &packet("hop 255 udp 1 2 len 9")).hop, 254);
    }
    let hairpin = parse(&format!("{HOST} > 2001:db8:1:7c59::6 hop 64 udp 1 2 len 9"));
    let sent = send(&mut rig(), LAN0, &hairpin);
    assert_eq!(read(&sent[0]).hop, 63, "a hairpin passes one router, not two");
}

#[test]
fn rfc8200_4_extension_headers_pass_unchanged() {
    for (edge, packet) in BOTH {
        for headers in ["hbh 8", "dstopts 40", "routing 4 2", "ah", "hbh 16 dstopts 8 routing 2 1 dstopts 24"] {
            let packet = packet(&format!("hop 64 {headers} tcp 1 2 len 9"));
            let out = forwarded(&mut rig(), edge, &packet);
            assert_eq!((out.extensions, out.upper), (packet.extensions, packet.upper));
        }
    }
}

#[test]
fn rfc8200_4_unknown_next_headers_are_forwarded() {
    for (edge, packet) in BOTH {
        for protocol in [4, 41, 46, 47, 50, 59, 89, 103, 115, 132, 135, 136, 139, 140, 142, 253, 254] {
            let packet = packet(&format!("hop 64 proto {protocol} len 40"));
            assert_eq!(forwarded(&mut rig(), edge, &packet).upper, packet.upper);
        }
    }
}

#[test]
fn rfc8200_4_1_hop_by_hop_options_come_first_or_not_at_all() {
    for (edge, packet) in BOTH {
        forwarded(&mut rig(), edge, &packet("hop 64 hbh 8 dstopts 8 udp 1 2 len 9"));
        let wrong = packet("hop 64 dstopts 8 hbh 8 udp 1 2 len 9");
        assert_eq!(refused(&mut rig(), edge, &wrong, DropReason::Malformed), None);
    }
}

#[test]
fn rfc8200_5_routers_do_not_fragment() {
    let mut rig = rig();
    rig.site.set_usable(&[CABLE]);
    forwarded(&mut rig, LAN0, &outbound("hop 64 udp 1 2 len 1352"));
    let answer = refused(&mut rig, LAN0, &outbound("hop 64 udp 1 2 len 1353"), DropReason::PacketTooBig).unwrap();
    assert_eq!(message(&answer), (2, 0, 1400));
}

#[test]
fn rfc8200_6_7_class_and_flow_label_pass_unchanged() {
    for (edge, packet) in BOTH {
        let out = forwarded(&mut rig(), edge, &packet("hop 64 class 255 flow 0xfffff udp 1 2 len 9"));
        assert_eq!((out.class, out.flow), (255, 0xfffff));
        let out = forwarded(&mut rig(), edge, &packet("hop 64 udp 1 2 len 9"));
        assert_eq!((out.class, out.flow), (0, 0), "a zero label stays zero");
    }
}

#[test]
fn rfc8200_8_1_a_udp_checksum_of_zero_stays_zero() {
    for (edge, packet) in BOTH {
        let packet = packet("hop 64 udp 1 2 len 9 sum 0");
        assert_eq!(forwarded(&mut rig(), edge, &packet).upper, packet.upper);
    }
}

#[test]
fn rfc5095_3_routing_header_0_is_not_forwarded() {
    for (edge, packet) in BOTH {
        for left in [0, 1] {
            let packet = packet(&format!("hop 64 routing 0 {left} udp 1 2 len 9"));
            assert_eq!(refused(&mut rig(), edge, &packet, DropReason::RoutingHeaderZero), None);
        }
    }
}

#[test]
fn rfc4291_2_5_addresses_without_a_node_are_not_forwarded() {
    for bad in ["::", "::1", "::ffff:192.0.2.1"] {
        for (edge, source, destination) in [(LAN0, HOST, REMOTE), (WAN0, REMOTE, IMAGE)] {
            let from = parse(&format!("{bad} > {destination} hop 64 udp 1 2 len 9"));
            assert_eq!(refused(&mut rig(), edge, &from, DropReason::BadSource), None);
            let to = parse(&format!("{source} > {bad} hop 64 udp 1 2 len 9"));
            assert_eq!(refused(&mut rig(), edge, &to, DropReason::BadDestination), None);
        }
    }
}

#[test]
fn rfc6437_3_the_flow_label_does_not_choose_the_isp() {
    let mut rig = rig();
    rig.site.set_usable(&[FIBER, CABLE]);
    for remote in 0..50 {
        let by = |rig: &mut Rig, label: u32| {
            send(rig, LAN0, &parse(&format!("{HOST} > 2001:db8:f::{remote:x} hop 64 flow {label} udp 1 2 len 9")))[0]
                .edge
        };
        let first = by(&mut rig, 0);
        assert!((1..20).all(|label| by(&mut rig, label * 7919) == first));
    }
}
