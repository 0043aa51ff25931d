//! Properties of the packet path over packets that nobody thought of.
//!
//! The rig checks after every batch that each packet is counted once and each frame is somewhere.

#[path = "common/rig/mod.rs"]
mod rig;

use std::net::Ipv6Addr;

use etherparse::{Ethernet2Header, Icmpv6Slice, Ipv6Header};
use proptest::prelude::*;
use rig::packet::{Check, Extension, Flags, Packet, Upper};
use rig::site::{CABLE, COPPER, FIBER, LAN0, LAN1, Site, WAN0, WAN1, WAN2, address};
use rig::{Rig, Sent, read};
use sixways::flow::HeapFlows;
use sixways::limits::FRAGMENT_MEMORY;
use sixways::snapshot::Role;
use sixways::units::{EdgeId, Nanos, UplinkId};

const ETHERNET: usize = 14;
const UPLINKS: [UplinkId; 3] = [FIBER, CABLE, COPPER];
const EDGES: [EdgeId; 5] = [LAN0, LAN1, WAN0, WAN1, WAN2];

/// A site in which every subnet has a route.
fn rig() -> Rig {
    let mut site = Site::standard();
    site.route_everything();
    Rig::with_frames(site, 512)
}

/// Any inside address, often one at the edges of what can be mapped.
fn inside() -> impl Strategy<Value = Ipv6Addr> {
    let subnet = prop_oneof![any::<u16>(), 0u16..0x100, Just(0xffff), Just(0xfffe), Just(0x83b6)];
    let words =
        prop::array::uniform4(prop_oneof![4 => any::<u16>(), 1 => Just(0), 1 => Just(0xffff), 1 => Just(0x84b8)]);
    (subnet, words).prop_map(|(subnet, [a, b, c, d])| Ipv6Addr::new(0xfd12, 0x3456, 0x789a, subnet, a, b, c, d))
}

/// Any address of the Internet that is none of the site's.
fn remote() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(0x2400 << 112 | bits >> 16))
}

fn upper() -> impl Strategy<Value = Upper> {
    let (ports, len, sum) = ((any::<u16>(), any::<u16>()), 0usize..1200, Check::Right);
    prop_oneof![
        3 => (ports, len.clone())
            .prop_map(move |((source, destination), len)| Upper::Udp { source, destination, len, sum }),
        3 => (ports, prop::sample::select(Flags::ALL.to_vec()), len.clone())
            .prop_map(move |((source, destination), flags, len)| Upper::Tcp { source, destination, flags, mss: None, len, sum }),
        1 => (any::<u32>(), len.clone()).prop_map(move |(word, len)| Upper::Icmpv6 {
            kind: 128,
            code: 0,
            word,
            body: rig::packet::Body::Pattern(len),
            sum,
        }),
        1 => (61u8..130, len).prop_map(|(protocol, len)| Upper::Other { protocol, len }),
    ]
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let one = prop_oneof![
        (1usize..5).prop_map(|units| Extension::Destination(units * 8)),
        (1u8..6, any::<u8>()).prop_map(|(kind, left)| Extension::Routing { kind, left }),
        any::<u32>().prop_map(|id| Extension::Fragment { offset: 0, more: false, id }),
        Just(Extension::Authentication),
    ];
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(one, 1..4)]
}

prop_compose! {
    /// A good packet between two addresses to be filled in.
    fn packet()(upper in upper(), extensions in extensions(), hop in 2u8.., class: u8, flow in 0u32..1 << 20) -> Packet {
        let nobody = Ipv6Addr::UNSPECIFIED;
        Packet { hop, class, flow, extensions, upper, ..Packet::udp(nobody, nobody, 0) }
    }
}

fn between(packet: &Packet, source: Ipv6Addr, destination: Ipv6Addr) -> Packet {
    Packet { source, destination, ..packet.clone() }
}

fn frame(site: &Site, edge: EdgeId, packet: &Packet) -> Vec<u8> {
    packet.frame(site.last_hop(edge, packet.source), site.mac(edge))
}

fn header(sent: &Sent) -> Ipv6Header {
    let (_, packet) = Ethernet2Header::from_slice(&sent.bytes).unwrap();
    Ipv6Header::from_slice(packet).unwrap().0
}

/// Invariant 3: what leaves by an ISP bears a source of that ISP.
fn check_sources(site: &Site, sent: &[Sent]) {
    for sent in sent {
        if let Role::Isp(uplink) = site.snapshot.edges[sent.edge.index()].role {
            let (prefix, len) = site.external(uplink);
            let source = header(sent).source_addr();
            let foreign = (source.to_bits() ^ prefix.to_bits()) >> (128 - u32::from(len));
            assert_eq!(foreign, 0, "{source} left by {}", site.edge_name(sent.edge));
        }
    }
}

/// RFC 4443 2.4 c: an error that the gateway made quotes what came in, exactly, and is no longer than 1280.
fn check_error(site: &Site, received: &[u8], error: &Sent) {
    assert_eq!(error.edge, error.origin, "an error goes back where its packet came from");
    let ip = header(error);
    assert_eq!(Some(ip.source_addr()), site.snapshot.edges[error.edge.index()].error_source);
    let message = &error.bytes[ETHERNET + Ipv6Header::LEN..];
    assert!(Ipv6Header::LEN + message.len() <= 1280);
    let icmp = Icmpv6Slice::from_slice(message).unwrap();
    assert!(icmp.is_checksum_valid(ip.source, ip.destination));
    let whole = Ipv6Header::LEN + usize::from(Ipv6Header::from_slice(&received[ETHERNET..]).unwrap().0.payload_length);
    assert_eq!(&message[8..], &received[ETHERNET..][..whole.min(1232)], "the quote");
}

proptest! {
    /// Invariant 4, and RFC 6296 2.6: out and back is the identity, and only what must change changes.
    #[test]
    fn out_and_back_is_the_identity(host in inside(), remote in remote(), packet in packet(), uplink in 0usize..3) {
        let mut rig = rig();
        let uplink = UPLINKS[uplink];
        rig.site.set_usable(&[uplink]);
        let wan = rig.site.wan(uplink);
        let outbound = between(&packet, host, remote);
        let sent = rig.send_one(LAN0, &frame(&rig.site, LAN0, &outbound));
        let image = rig.site.outside(uplink, host).filter(|image| !rig.site.is_own(*image));
        let Some(image) = image else {
            prop_assert!(sent.iter().all(|sent| sent.edge == LAN0), "{host} has no image and must stay inside");
            return Ok(());
        };
        let expected = Packet { source: image, hop: packet.hop - 1, ..outbound.clone() };
        let router = rig.site.last_hop(wan, address("fe80::1"));
        prop_assert_eq!(sent.len(), 1);
        prop_assert_eq!(sent[0].edge, wan);
        prop_assert_eq!(&sent[0].bytes, &expected.frame(rig.site.mac(wan), router), "{}", outbound);

        let inbound = between(&packet, remote, image);
        let back = rig.send_one(wan, &frame(&rig.site, wan, &inbound));
        if rig.site.is_own(host) {
            prop_assert!(back.iter().all(|sent| sent.edge == wan));
            return Ok(());
        }
        let expected = Packet { destination: host, hop: packet.hop - 1, ..inbound };
        let router = rig.site.last_hop(LAN0, address("fe80::20"));
        prop_assert_eq!(back.len(), 1);
        prop_assert_eq!(&back[0].bytes, &expected.frame(rig.site.mac(LAN0), router));
    }

    /// The checksums of [`Packet`] are etherparse's: right before, right after, in the quote as well.
    #[test]
    fn errors_in_transit_come_out_with_every_checksum_right(
        host in inside(),
        remote in remote(),
        router in remote(),
        packet in packet(),
        uplink in 0usize..3,
        kind in 1u8..5,
    ) {
        let mut rig = rig();
        let uplink = UPLINKS[uplink];
        rig.site.set_usable(&[uplink]);
        let wan = rig.site.wan(uplink);
        let mappable = |host| rig.site.outside(uplink, host).filter(|image| !rig.site.is_own(*image));
        prop_assume!(!rig.site.is_own(host));
        let Some(image) = mappable(host) else { return Ok(()) };

        let error = Packet::error(router, image, kind, between(&packet, image, remote));
        let sent = rig.send_one(wan, &frame(&rig.site, wan, &error));
        let expected = Packet { hop: 63, ..Packet::error(router, host, kind, between(&packet, host, remote)) };
        prop_assert_eq!(sent.len(), 1);
        prop_assert_eq!(&sent[0].bytes[ETHERNET..], &expected.bytes());
        prop_assert!(read::packet(&sent[0].bytes[ETHERNET..]).is_some());

        let error = Packet::error(host, remote, kind, between(&packet, remote, host));
        let sent = rig.send_one(LAN0, &frame(&rig.site, LAN0, &error));
        let expected = Packet { hop: 63, ..Packet::error(image, remote, kind, between(&packet, remote, image)) };
        prop_assert_eq!(sent.len(), 1);
        prop_assert_eq!(&sent[0].bytes[ETHERNET..], &expected.bytes());
    }

    /// Two hosts of the site talk by their images as if they met outside.
    #[test]
    fn a_hairpin_is_outbound_and_inbound_at_once(one in inside(), other in inside(), packet in packet(), uplink in 0usize..3) {
        let mut rig = rig();
        let uplink = UPLINKS[uplink];
        let image = |host| rig.site.outside(uplink, host).filter(|image| !rig.site.is_own(*image) && !rig.site.is_own(host));
        let (Some(source), Some(destination)) = (image(one), image(other)) else { return Ok(()) };
        let sent = rig.send_one(LAN0, &frame(&rig.site, LAN0, &between(&packet, one, destination)));
        prop_assert_eq!(sent.len(), 1);
        prop_assert_eq!(sent[0].edge, LAN0);
        let expected = Packet { hop: packet.hop - 1, ..between(&packet, source, other) };
        prop_assert_eq!(&sent[0].bytes[ETHERNET..], &expected.bytes());
    }

    /// A packet that had to wait for its neighbour leaves as if it had not.
    #[test]
    fn a_held_packet_leaves_like_any_other(host in inside(), remote in remote(), packet in packet()) {
        let mut rig = rig();
        prop_assume!(!rig.site.is_own(host));
        let Some(image) = rig.site.outside(FIBER, host) else { return Ok(()) };
        let inbound = frame(&rig.site, WAN0, &between(&packet, remote, image));
        let direct = rig.send_one(WAN0, &inbound);
        rig.site.forget(LAN0, address("fe80::20"));
        prop_assert_eq!(rig.send_one(WAN0, &inbound), vec![]);
        prop_assert_eq!(rig.held(), 1);
        rig.site.learn(LAN0, address("fe80::20"));
        prop_assert_eq!(rig.release(), direct);
        prop_assert_eq!(rig.held(), 0);
    }

    /// DESIGN 6: without memory a pair of addresses uses one ISP, whatever its packets look like; a dead
    /// ISP moves its own pairs and no others. With memory a pair stays where it was moved.
    #[test]
    fn a_pair_keeps_its_isp(
        pairs in prop::collection::vec((inside(), remote()), 1..8),
        packets in prop::collection::vec(packet(), 1..5),
        memory: bool,
    ) {
        let mut rig = rig();
        if !memory {
            rig.flows = HeapFlows::new(0);
        }
        for (host, remote) in pairs {
            let both = rig.site.outside(FIBER, host).is_some() && rig.site.outside(CABLE, host).is_some();
            let own = [FIBER, CABLE].iter().any(|uplink| rig.site.outside(*uplink, host).is_some_and(|image| rig.site.is_own(image)));
            if !both || own {
                continue;
            }
            let fragment = Packet {
                extensions: vec![Extension::Fragment { offset: 1208, more: false, id: 5 }],
                upper: Upper::Other { protocol: 17, len: 100 },
                ..packets[0].clone()
            };
            let mut by = |usable: &[UplinkId]| {
                rig.site.set_usable(usable);
                if !memory {
                    // Datagrams are remembered even so.
                    rig.now = rig.now.plus(FRAGMENT_MEMORY).plus(FRAGMENT_MEMORY);
                }
                let mut edges = Vec::new();
                for packet in packets.iter().chain([&fragment]) {
                    let sent = rig.send_one(LAN0, &frame(&rig.site, LAN0, &between(packet, host, remote)));
                    edges.extend(sent.iter().map(|sent| sent.edge));
                }
                edges.dedup();
                edges
            };
            let before = by(&[FIBER, CABLE]);
            prop_assert_eq!(before.len(), 1, "one ISP for {} > {}", host, remote);
            prop_assert_eq!(by(&[FIBER]), vec![WAN0]);
            prop_assert_eq!(by(&[CABLE]), vec![WAN1]);
            // A third one that is not this pair's choice changes nothing for it.
            let with = by(&[FIBER, CABLE, COPPER]);
            if memory {
                prop_assert_eq!(with, vec![WAN1]);
            } else {
                prop_assert!(with == before || with == vec![WAN2]);
            }
        }
    }
}

/// What arrives in the test of hostile frames.
#[derive(Clone, Debug)]
enum Arrival {
    /// Octets without sense.
    Noise(Vec<u8>),
    /// A good packet between addresses that may or may not belong here, with some octets changed
    /// and its end cut off.
    Mutant { packet: Packet, changes: Vec<(usize, u8)>, keep: usize },
}

/// Any address, often one of the site's. Boxed, as is what is made of it: the nest of strategies
/// would overflow a test's stack.
fn anywhere() -> BoxedStrategy<Ipv6Addr> {
    let site = std::rc::Rc::new(Site::standard());
    let image = |uplink| {
        let site = std::rc::Rc::clone(&site);
        move |host| site.outside(uplink, host).unwrap_or(Ipv6Addr::UNSPECIFIED)
    };
    prop_oneof![
        4 => inside(),
        4 => remote(),
        3 => inside().prop_map(image(FIBER)),
        3 => inside().prop_map(image(CABLE)),
        2 => inside().prop_map(image(COPPER)),
        1 => any::<u128>().prop_map(Ipv6Addr::from_bits),
        1 => prop::sample::select(vec!["::", "::1", "ff02::1", "fe80::1", "2001:db8:1::2", "fd12:3456:789a:10::1"])
            .prop_map(address),
    ]
    .boxed()
}

/// A good packet from anywhere to anywhere.
fn addressed() -> BoxedStrategy<Packet> {
    let addressed = (packet(), anywhere(), anywhere());
    addressed.prop_map(|(packet, source, destination)| between(&packet, source, destination)).boxed()
}

fn arrival() -> BoxedStrategy<Arrival> {
    let whole = prop_oneof![
        3 => addressed(),
        2 => (addressed(), anywhere(), anywhere(), any::<u8>())
            .prop_map(|(quoted, source, destination, kind)| Packet::error(source, destination, kind, quoted)),
    ];
    let mutant = (
        whole,
        prop_oneof![Just(64u8), 0u8..3],
        prop::collection::vec((0usize..120, any::<u8>()), 0..4),
        prop_oneof![3 => Just(usize::MAX), 1 => 0usize..200],
    );
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Arrival::Noise),
        6 => mutant.prop_map(|(packet, hop, changes, keep)| {
            Arrival::Mutant { packet: Packet { hop, ..packet }, changes, keep }
        }),
    ]
    .boxed()
}

impl Arrival {
    fn bytes(&self, site: &Site, edge: EdgeId) -> Vec<u8> {
        match self {
            Self::Noise(bytes) => bytes.clone(),
            Self::Mutant { packet, changes, keep } => {
                let mut bytes = frame(site, edge, packet);
                for (at, value) in changes {
                    if let Some(byte) = bytes.get_mut(*at) {
                        *byte ^= value;
                    }
                }
                bytes.truncate(*keep);
                bytes
            }
        }
    }
}

proptest! {
    /// Invariants 1, 2, 3 and 8: whatever arrives, nothing panics, no frame is lost, every packet is
    /// counted once, and no foreign source leaves.
    #[test]
    fn hostile_frames_do_no_harm(
        batches in prop::collection::vec((0usize..5, prop::collection::vec(arrival(), 1..8), 0u64..2000, any::<bool>()), 1..6),
    ) {
        let mut rig = Rig::with_frames(Site::standard(), 512);
        rig.site.snapshot.accept_any_uplink = true;
        rig.site.set_usable(&UPLINKS);
        for (edge, arrivals, wait, answers) in batches {
            let edge = EDGES[edge];
            for arrival in &arrivals {
                let bytes = arrival.bytes(&rig.site, edge);
                let sent = rig.send_one(edge, &bytes);
                check_sources(&rig.site, &sent);
                for error in sent.iter().filter(|sent| is_ours(&rig.site, sent)) {
                    check_error(&rig.site, &bytes, error);
                }
            }
            rig.wait(Nanos::from_millis(wait));
            if answers {
                for (edge, host) in rig.state.wanted.drain().collect::<Vec<_>>() {
                    rig.site.learn(edge, host);
                }
            }
            let released = rig.release();
            check_sources(&rig.site, &released);
        }
        rig.wait(Nanos::from_millis(3000));
        let released = rig.release();
        check_sources(&rig.site, &released);
        prop_assert_eq!(rig.held(), 0, "nothing waits for ever");
    }
}

/// Whether the gateway made `sent`: nothing that it forwards bears its address.
fn is_ours(site: &Site, sent: &Sent) -> bool {
    site.is_own(header(sent).source_addr())
}
