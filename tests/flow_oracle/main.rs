//! Random interleavings of packets, judged by a model of `docs/flows.md`: the same verdict and the same ISP for
//! every packet, however they stand in batches.

#[path = "../common/rig/mod.rs"]
mod rig;

mod oracle;

use std::collections::HashMap;
use std::net::Ipv6Addr;

use etherparse::{Ethernet2Header, Ipv6Header};
use oracle::{ALLOWED, DROPPED, Key, Later, Mode, Oracle, PINNED, Proto, RULED, Sign, Verdict, Way, What};
use proptest::prelude::*;
use rig::packet::{Body, Check, Extension, Flags, Packet, Upper};
use rig::site::{CABLE, FIBER, LAN0, Site, WAN0, WAN1, address};
use rig::text::Words;
use rig::{Rig, Sent};
use sixways::flow::HeapFlows;
use sixways::npt::Mapping;
use sixways::snapshot::{Inbound, MappingTable, Scope, UplinkMapping};
use sixways::units::{EdgeId, MappingId, Nanos, UplinkId};
use sixways::verdict::DropReason;

const ISPS: [UplinkId; 2] = [FIBER, CABLE];
const WANS: [EdgeId; 2] = [WAN0, WAN1];

fn hosts() -> [Ipv6Addr; 2] {
    ["fd12:3456:789a:10::5", "fd12:3456:789a:10::6"].map(address)
}

fn remotes() -> [Ipv6Addr; 2] {
    ["2001:db8:f::1", "2001:db8:e::1"].map(address)
}

#[derive(Clone, Debug)]
enum Step {
    /// One batch.
    Packets(Way, Vec<What>),
    Usable(Vec<usize>),
    Filter(Mode),
    Wait(u64),
}

fn key() -> impl Strategy<Value = Key> {
    let ports = (prop::sample::select(vec![ALLOWED, 1000]), prop::sample::select(vec![PINNED, DROPPED, 7]));
    let proto = prop_oneof![
        4 => Just(Proto::Tcp),
        4 => Just(Proto::Udp),
        2 => Just(Proto::Echo),
        1 => Just(Proto::Esp),
    ];
    let any = (0..2usize, 0..2usize, proto, ports).prop_map(|(host, remote, proto, (here, there))| {
        let (here, there) = match proto {
            Proto::Tcp | Proto::Udp => (here, there),
            Proto::Echo => (here, here),
            Proto::Esp => (0, 0),
        };
        Key { host, remote, proto, here, there }
    });
    // One connection that sees all there is to see.
    let favourite = Key { host: 1, remote: 0, proto: Proto::Tcp, here: ALLOWED, there: 7 };
    prop_oneof![1 => Just(favourite), 2 => any]
}

fn later() -> impl Strategy<Value = Later> {
    (0..2usize, 0..2usize, 1..3u32).prop_map(|(host, remote, id)| Later { host, remote, id })
}

fn what(outbound: bool) -> impl Strategy<Value = What> {
    let sign =
        prop_oneof![2 => Just(Sign::Open), 1 => Just(Sign::Answer), 3 => Just(Sign::Data), 1 => Just(Sign::Close)];
    let whole = (key(), sign).prop_map(|(key, sign)| match (key.proto, sign) {
        (Proto::Tcp, _) | (Proto::Echo, Sign::Open) => What::Whole(key, sign),
        _ => What::Whole(key, Sign::Data),
    });
    let first = (key(), 1..3u32).prop_map(|(key, id)| match key.proto {
        Proto::Tcp | Proto::Udp => What::First(Key { proto: Proto::Udp, ..key }, id),
        _ => What::Whole(key, Sign::Data),
    });
    let error = (key(), 0..2usize).prop_map(|(key, to)| What::Error(key, to));
    prop_oneof![
        9 => whole,
        2 => first,
        2 => later().prop_map(What::Later),
        1 => error,
        1 => later().prop_map(move |later| if outbound { What::Later(later) } else { What::ErrorAboutLater(later) }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let packets =
        |way: Way| prop::collection::vec(what(way == Way::Out), 1..12).prop_map(move |batch| Step::Packets(way, batch));
    prop_oneof![
        6 => packets(Way::Out),
        3 => packets(Way::In(0)),
        3 => packets(Way::In(1)),
        2 => prop::sample::select(vec![vec![0, 1], vec![0], vec![1], vec![]]).prop_map(Step::Usable),
        1 => prop::sample::select(vec![Mode::Established, Mode::Endpoint, Mode::Open]).prop_map(Step::Filter),
        2 => prop::sample::select(vec![1, 30, 55, 200, 239, 299, 310, 7430, 7600]).prop_map(Step::Wait),
    ]
}

/// The packet as it arrives: from inside with inside addresses, from an ISP with that ISP's.
fn packet(site: &Site, way: Way, what: What, tag: u32) -> Packet {
    let host = |host: usize| match way {
        Way::Out => hosts()[host],
        Way::In(isp) => site.outside(ISPS[isp], hosts()[host]).unwrap(),
    };
    let outbound = way == Way::Out;
    let addresses = |inside: usize, remote: usize, outbound: bool| {
        let (inside, remote) = (host(inside), remotes()[remote]);
        if outbound { (inside, remote) } else { (remote, inside) }
    };
    let made =
        |(source, destination), extensions, upper| Packet { extensions, upper, ..Packet::udp(source, destination, 0) };
    let whole =
        |key: Key, sign, outbound| made(addresses(key.host, key.remote, outbound), vec![], upper(key, sign, outbound));
    let rest = |later: Later, outbound| {
        let extension = Extension::Fragment { offset: 1208, more: false, id: later.id };
        let addresses = addresses(later.host, later.remote, outbound);
        made(addresses, vec![extension], Upper::Other { protocol: 17, len: 100 })
    };
    let error = |to: usize, remote, quoted| {
        let (source, destination) = addresses(to, remote, outbound);
        Packet::error(source, destination, 1, quoted)
    };
    let packet = match what {
        What::Whole(key, sign) => whole(key, sign, outbound),
        What::First(key, id) => {
            let (source, destination) = if outbound { (key.here, key.there) } else { (key.there, key.here) };
            let upper = Upper::Udp { source, destination, len: 1200, sum: Check::Right };
            let extension = Extension::Fragment { offset: 0, more: true, id };
            made(addresses(key.host, key.remote, outbound), vec![extension], upper)
        }
        What::Later(later) => rest(later, outbound),
        What::Error(key, to) => {
            let from = if outbound { key.host } else { to };
            error(from, key.remote, whole(key, Sign::Data, !outbound))
        }
        What::ErrorAboutLater(later) => error(later.host, later.remote, rest(later, !outbound)),
    };
    Packet { flow: tag, ..packet }
}

fn upper(key: Key, sign: Sign, outbound: bool) -> Upper {
    let (source, destination) = if outbound { (key.here, key.there) } else { (key.there, key.here) };
    let (len, sum) = (20, Check::Right);
    match key.proto {
        Proto::Udp => Upper::Udp { source, destination, len, sum },
        Proto::Esp => Upper::Other { protocol: 50, len },
        Proto::Echo => {
            let kind = if sign == Sign::Open { 128 } else { 129 };
            Upper::Icmpv6 { kind, code: 0, word: u32::from(source) << 16, body: Body::Pattern(len), sum }
        }
        Proto::Tcp => {
            let flags = match sign {
                Sign::Open => Flags::Syn,
                Sign::Answer => Flags::SynAck,
                Sign::Data => Flags::Data,
                Sign::Close => Flags::Fin,
            };
            Upper::Tcp { source, destination, flags, mss: None, len, sum }
        }
    }
}

fn site() -> Site {
    let mut site = Site::standard();
    let (host, [friend, ruled]) = (hosts()[1], remotes());
    site.allow(&mut Words::new(&format!("{host}/128 6 {ALLOWED}")));
    site.allow(&mut Words::new(&format!("from {friend}/128 {host}/128 17 {ALLOWED}")));
    site.add_rule(&mut Words::new(&format!("{ruled}/128 port {DROPPED} drop")));
    site.add_rule(&mut Words::new(&format!("{ruled}/128 port {PINNED} cable")));
    assert_eq!(remotes()[RULED], ruled);
    site.snapshot.filter.inbound = Inbound::Established;
    site
}

/// Asks a gateway without memory.
fn preferred() -> HashMap<(usize, usize), usize> {
    let mut rig = Rig::with_frames(site(), 64);
    rig.flows = HeapFlows::new(0);
    let mut prefers = |host, remote| {
        let key = Key { host, remote, proto: Proto::Esp, here: 0, there: 0 };
        let sent = rig.send_one(LAN0, &frame(&rig.site, Way::Out, What::Whole(key, Sign::Data), 1));
        WANS.iter().position(|wan| *wan == sent[0].edge).unwrap()
    };
    [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().map(|(host, remote)| ((host, remote), prefers(host, remote))).collect()
}

fn edge(way: Way) -> EdgeId {
    match way {
        Way::Out => LAN0,
        Way::In(isp) => WANS[isp],
    }
}

fn frame(site: &Site, way: Way, what: What, tag: u32) -> Vec<u8> {
    let packet = packet(site, way, what, tag);
    packet.frame(site.last_hop(edge(way), packet.source), site.mac(edge(way)))
}

fn header(sent: &Sent) -> Ipv6Header {
    let (_, packet) = Ethernet2Header::from_slice(&sent.bytes).unwrap();
    Ipv6Header::from_slice(packet).unwrap().0
}

fn drops(rig: &Rig, way: Way) -> HashMap<&'static str, u64> {
    DropReason::ALL.iter().map(|reason| (reason.label(), rig.dropped(edge(way), *reason))).collect()
}

/// Sends the batch and compares.
fn run(rig: &mut Rig, oracle: &mut Oracle, way: Way, batch: &[What]) -> Result<(), TestCaseError> {
    let frames: Vec<_> = (1..).zip(batch).map(|(tag, what)| frame(&rig.site, way, *what, tag)).collect();
    let before = drops(rig, way);
    let sent = rig.send(edge(way), frames);
    let sent: HashMap<u32, &Sent> = sent.iter().map(|sent| (header(sent).flow_label.value(), sent)).collect();
    let mut dropped: HashMap<&str, u64> = HashMap::new();
    for (tag, what) in (1..).zip(batch) {
        let left = sent.get(&tag);
        let seen = left.and_then(|sent| WANS.iter().position(|wan| *wan == sent.edge));
        let verdict = oracle.judge(way, *what, seen);
        let arrived = packet(&rig.site, way, *what, tag);
        let told = format!("packet {tag} of {way:?} {batch:?}\n{oracle:?}");
        match (verdict, left) {
            (Verdict::Drop(reason), None) => *dropped.entry(reason).or_default() += 1,
            (Verdict::OutBy(isp), Some(sent)) => {
                prop_assert_eq!(sent.edge, WANS[isp], "{}", told);
                let image = rig.site.outside(ISPS[isp], arrived.source);
                prop_assert_eq!(Some(header(sent).source_addr()), image, "{}", told);
            }
            (Verdict::In, Some(sent)) => {
                prop_assert_eq!(sent.edge, LAN0, "{}", told);
                prop_assert!(hosts().contains(&header(sent).destination_addr()), "{}", told);
            }
            (expected, _) => prop_assert!(false, "{:?} expected, left: {}; {}", expected, left.is_some(), told),
        }
    }
    for (reason, count) in drops(rig, way) {
        let expected = dropped.get(reason).copied().unwrap_or_default();
        prop_assert_eq!(count - before[reason], expected, "{} of {:?} {:?}", reason, way, batch);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_packet_fares_as_documented(steps in prop::collection::vec(step(), 1..80)) {
        let mut rig = Rig::with_frames(site(), 64);
        let mut oracle = Oracle::new(rig.now.0, preferred());
        for step in steps {
            match step {
                Step::Packets(way, batch) => run(&mut rig, &mut oracle, way, &batch)?,
                Step::Usable(isps) => {
                    rig.site.set_usable(&isps.iter().map(|isp| ISPS[*isp]).collect::<Vec<_>>());
                    oracle.usable = isps;
                }
                Step::Filter(mode) => {
                    oracle.mode = mode;
                    let filter = &mut rig.site.snapshot.filter;
                    (filter.inbound, filter.scope) = match mode {
                        Mode::Established => (Inbound::Established, Scope::Flow),
                        Mode::Endpoint => (Inbound::Established, Scope::Endpoint),
                        Mode::Open => (Inbound::Open, Scope::Flow),
                    };
                }
                Step::Wait(seconds) => rig.wait(Nanos::from_millis(seconds * 1000)),
            }
            oracle.now = rig.now.0;
            while !oracle.is_sure() {
                rig.wait(Nanos::from_millis(1000));
                oracle.now = rig.now.0;
            }
        }
        let flows = &rig.counters.flows;
        prop_assert_eq!(flows.inserted.get(), oracle.inserted);
        prop_assert_eq!(flows.moved.get(), oracle.moved);
        prop_assert_eq!(flows.repinned.get(), oracle.repinned);
        prop_assert_eq!(flows.refused.get(), 0);
    }
}

/// Two pairs of one ISP: an inner router inside one tells about a packet to a host inside the other, with memory
/// and without.
#[test]
fn an_error_from_inside_another_pair_is_translated_by_both() {
    for capacity in [0, 4096] {
        let mut rig = Rig::with_frames(Site::standard(), 64);
        rig.flows = HeapFlows::new(capacity);
        let pair = |id: u8, internal: &str, external: &str| UplinkMapping {
            id: MappingId(id),
            uplink: FIBER,
            mapping: Mapping::new(internal.parse().unwrap(), external.parse().unwrap()).unwrap(),
            former: false,
        };
        let near = pair(0, "fd12:3456:789a:10::/64", "2001:db8:1:a::/64");
        let far = pair(1, "fd12:3456:789a:40::/64", "2001:db8:1:b::/64");
        let (router, host) = (address("fd12:3456:789a:10::5"), address("fd12:3456:789a:40::7"));
        let images = (near.mapping.outbound(router).unwrap(), far.mapping.outbound(host).unwrap());
        rig.site.snapshot.mappings = MappingTable::new(&[near, far], 3);
        rig.site.set_usable(&[FIBER]);
        let remote = remotes()[0];
        let error = Packet::error(router, remote, 1, Packet::udp(remote, host, 20));
        let sent = rig.send_one(LAN0, &error.frame(rig.site.last_hop(LAN0, router), rig.site.mac(LAN0)));
        let outside = Packet::error(images.0, remote, 1, Packet::udp(remote, images.1, 20));
        assert_eq!(sent.len(), 1, "{capacity}");
        assert_eq!(sent[0].bytes[14..], Packet { hop: 63, ..outside }.bytes(), "{capacity}");
    }
}
