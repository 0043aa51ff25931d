//! The path's clock is the captures'.

use crate::captures::{Packet, pcap, pcapng, read};
use crate::mixed::{FIBER, FIBER_MAC, INSIDE, LAN_MAC, START, address, image, tcp, udp};
use crate::{Bench, SITE, drops, named, number};

const HOST: &str = "fd12:3456:789a:1::5";
const SERVER: &str = "2001:db8:f::53";
const SECOND: u64 = 1_000_000_000;

fn framed(to: [u8; 6], packet: &[u8]) -> Vec<u8> {
    [&to[..], &[6, 0, 0, 0, 0, 5, 0x86, 0xdd], packet].concat()
}

/// One ISP, so that everybody knows which.
fn config(bench: &Bench, more: &str) -> String {
    let text = std::fs::read_to_string(SITE).unwrap();
    let cable = text.find("[[isp]]\nname = \"cable\"").unwrap();
    let flows = text.find("[flows]").unwrap();
    let path = bench.path("one.toml");
    std::fs::write(&path, format!("{}{}\n{more}\n", &text[..cable], &text[flows..])).unwrap();
    path.display().to_string()
}

fn request(at: u64) -> Packet {
    (START + at, framed(LAN_MAC, &udp((address(HOST), 5000), (address(SERVER), 53), 10, 64)))
}

fn reply(at: u64) -> Packet {
    let to = image(address(HOST), FIBER).unwrap();
    (START + at, framed(FIBER_MAC, &udp((address(SERVER), 53), (to, 5000), 10, 64)))
}

#[test]
fn flows_are_forgotten_in_the_captures_time() {
    // Two minutes of UDP; a tick of the flow memory is 4.3 s.
    let lan = pcap(&[request(0)], true);
    for (late, comes_in) in [(SECOND, true), (110 * SECOND, true), (140 * SECOND, false), (90_000 * SECOND, false)] {
        let bench = Bench::new(&[("lan0", lan.clone()), ("fiber", pcap(&[reply(late)], true))]);
        let report = bench.replay(&config(&bench, "udp = \"120s\""), "out");
        let received = read(&bench.path("out").join("lan0.pcapng"));
        assert_eq!(received.len(), usize::from(comes_in), "{} s", late / SECOND);
        assert_eq!(drops(&report), if comes_in { vec![] } else { vec!["inbound-filter"] });
        assert!(received.iter().all(|(at, _)| *at == START + late));
    }
}

#[test]
fn a_refused_connection_is_answered_six_seconds_later() {
    let to = image(address(HOST), FIBER).unwrap();
    let syn = framed(FIBER_MAC, &tcp((address(SERVER), 443), (to, 22), 2, 0, 64));
    for last in [None, Some(request(20 * SECOND))] {
        let mut captures = vec![("fiber", pcap(&[(START, syn.clone())], true))];
        captures.extend(last.map(|packet| ("lan", pcap(&[packet], true))));
        let bench = Bench::new(&captures);
        bench.replay(&config(&bench, ""), "out");
        let told = read(&bench.path("out").join("fiber.pcapng"));
        assert_eq!(told[0].0, START + 6 * SECOND);
        let icmp = etherparse::Icmpv6Slice::from_slice(&told[0].1[54..]).unwrap();
        assert_eq!((icmp.type_u8(), icmp.code_u8()), (1, 1));
    }
}

#[test]
fn errors_are_limited_by_the_captures_time() {
    let expired = udp((address(HOST), 5000), (address(SERVER), 33_434), 10, 1);
    for (pause, all) in [(0, false), (SECOND / 10, true)] {
        let packets: Vec<Packet> = (0..300).map(|n| (START + n * pause, framed(LAN_MAC, &expired))).collect();
        let bench = Bench::new(&[("lan", pcap(&packets, true))]);
        let report = bench.replay(&config(&bench, ""), "out");
        let lan = named(&report["edges"], "lan0");
        assert_eq!(number(&lan["originated"]) + number(&lan["errors_suppressed"]), 300);
        assert_eq!(number(&lan["errors_suppressed"]) == 0, all, "{lan}");
    }
}

#[test]
fn captures_are_taken_in_the_order_of_their_times() {
    // The reply stands in the file that is named first, and comes second.
    let bench =
        Bench::new(&[("fiber", pcap(&[reply(2 * SECOND)], true)), ("lan", pcapng(&[request(SECOND)], Some(9), 0))]);
    let report = bench.replay(&config(&bench, ""), "out");
    assert_eq!(drops(&report), Vec::<&str>::new());
    assert_eq!(read(&bench.path("out").join("lan0.pcapng")).len(), 1);
    // At the same time, the order of the command line decides.
    let bench = Bench::new(&[("fiber", pcap(&[reply(0)], true)), ("lan", pcap(&[request(0)], true))]);
    assert_eq!(drops(&bench.replay(&config(&bench, ""), "out")), ["inbound-filter"]);
}

#[test]
fn subnets_are_behind_the_lan_whose_capture_shows_them() {
    let other = "fd12:3456:789a:2::5";
    let packet = |host: &str| framed(LAN_MAC, &udp((address(host), 5000), (address(SERVER), 53), 10, 64));
    let to = image(address(other), FIBER).unwrap();
    let back = framed(FIBER_MAC, &udp((address(SERVER), 53), (to, 5000), 10, 64));
    let bench = Bench::new(&[
        ("lan0", pcap(&[(START, packet(HOST))], true)),
        ("lan1", pcap(&[(START, packet(other))], true)),
        ("fiber", pcap(&[(START + SECOND, back)], true)),
    ]);
    let one = std::fs::read_to_string(config(&bench, "")).unwrap();
    let path = bench.path("two.toml");
    std::fs::write(&path, one.replacen("[[lan]]", "[[lan]]\ninterface = \"lan1\"\n\n[[lan]]", 1)).unwrap();
    let report = bench.replay(path.to_str().unwrap(), "out");
    assert_eq!(number(&named(&report["edges"], "lan1")["left"]), 1, "{INSIDE:?}");
    assert_eq!(number(&named(&report["edges"], "lan0")["left"]), 0);
}
