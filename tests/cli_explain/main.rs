//! `sixways explain` as users meet it: what network engineers ask, and the answers, written down in
//! `answers/`. The first line of each is the question. `BLESS=1` writes the answers anew; read the
//! difference before you believe it.

#[path = "../common/captures.rs"]
mod captures;

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use captures::{Packet, pcap};
use serde_json::Value;

/// Where the questions are asked: configurations are named as in a clone.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn sixways(arguments: &[&str]) -> Output {
    Command::cargo_bin("sixways").unwrap().current_dir(ROOT).args(arguments).output().unwrap()
}

/// The words of a question; `CAPTURE` stands for the file at `capture`.
fn words(question: &str, capture: &Path) -> Vec<String> {
    let question = question.strip_prefix("$ sixways ").expect("a command");
    question.split_whitespace().map(|word| word.replace("CAPTURE", &capture.display().to_string())).collect()
}

/// From the side of fiber: a reply to nobody, and from the LAN's a datagram that is answered.
fn capture(directory: &Path) -> std::path::PathBuf {
    let udp = |payload: usize| {
        let mut frame = vec![2, 0xaa, 0, 0, 0, 1, 6, 0, 0, 0, 0, 5, 0x86, 0xdd, 0x60, 0, 0, 0];
        frame.extend((8 + payload as u16).to_be_bytes());
        frame.extend([17, 64]);
        let address = |text: &str| text.parse::<std::net::Ipv6Addr>().unwrap().octets();
        frame.extend(address("fd12:3456:789a:10::7"));
        frame.extend(address("2001:db8:f::53"));
        frame.extend([0x13, 0x88, 0, 53]);
        frame.extend((8 + payload as u16).to_be_bytes());
        frame.extend([0; 2]);
        frame.resize(frame.len() + payload, 0);
        frame
    };
    let second = 1_000_000_000;
    let packets: [Packet; 3] = [(7 * second, udp(10)), (16 * second, udp(1400)), (40 * second, udp(1500))];
    let path = directory.join("lan.pcap");
    std::fs::write(&path, pcap(&packets, true)).unwrap();
    path
}

#[test]
fn questions_of_network_engineers_are_answered_as_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let capture = capture(directory.path());
    let answers = Path::new(ROOT).join("tests/cli_explain/answers");
    let mut files: Vec<_> = std::fs::read_dir(answers).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5);
    let mut wrong = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let question = text.lines().next().unwrap();
        let words = words(question, &capture);
        let output = sixways(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{question}: {}", String::from_utf8_lossy(&output.stderr));
        let told = format!("{question}\n{}", String::from_utf8(output.stdout).unwrap());
        if std::env::var_os("BLESS").is_some_and(|bless| bless == "1") {
            std::fs::write(&path, &told).unwrap();
        } else if told != text {
            wrong.push(format!("{}:\n{told}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The page shows an answer that is tested.
#[test]
fn the_documentation_shows_what_is_told() {
    let read = |path: &str| std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap();
    let answer = read("tests/cli_explain/answers/7-is-voice-marked-right.txt");
    let (_, told) = answer.split_once('\n').unwrap();
    assert!(read("docs/replay.md").contains(told), "docs/replay.md does not show:\n{told}");
}

#[test]
fn json_has_what_the_page_has() {
    let arguments = [
        "explain",
        "--config",
        "configs/rules.toml",
        "--from",
        "lan",
        "--source",
        "fd12:3456:789a:10::7",
        "--destination",
        "2001:db8:f::53",
        "--proto",
        "tcp",
        "--sport",
        "40000",
        "--dport",
        "22",
        "--if-down",
        "fiber",
    ];
    let page = String::from_utf8(sixways(&arguments).stdout).unwrap();
    let json = sixways(&[&arguments[..], &["--json"]].concat());
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["from"], "lan0");
    for step in json["told"]["steps"].as_array().unwrap() {
        let line = page.lines().any(|line| {
            let words = ["step", "finding", "because"].map(|key| step[key].as_str().unwrap());
            words.iter().all(|word| line.contains(word))
        });
        assert!(line, "{step} is not on the page");
    }
    assert_eq!(json["told"]["outcome"]["verdict"], "sent");
    assert_eq!(json["alternative"]["down"][0], "fiber");
    assert_ne!(json["told"]["outcome"]["by"], json["alternative"]["told"]["outcome"]["by"]);
    let frame = json["told"]["outcome"]["frame"].as_str().unwrap();
    let octets: Vec<u8> =
        (0..frame.len()).step_by(2).map(|at| u8::from_str_radix(&frame[at..at + 2], 16).unwrap()).collect();
    let sliced = etherparse::SlicedPacket::from_ethernet(&octets).unwrap();
    let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("no TCP: {frame}") };
    assert!(tcp.syn() && tcp.source_port() == 40_000 && tcp.destination_port() == 22);
    let Some(etherparse::NetSlice::Ipv6(ip)) = sliced.net else { panic!("no IPv6: {frame}") };
    let (source, destination) = (ip.header().source(), ip.header().destination());
    assert_eq!(tcp.checksum(), tcp.to_header().calc_checksum_ipv6_raw(source, destination, &[]).unwrap());
}

/// A frame in hexadecimal and the fields that it is made of are one packet.
#[test]
fn a_packet_in_hexadecimal_is_the_packet_in_words() {
    let site = ["explain", "--config", "tests/replay/site.toml", "--from", "lan"];
    for (protocol, ports) in [("tcp", true), ("udp", true), ("icmpv6", false), ("sctp", true), ("esp", false)] {
        let ports: &[&str] = if ports { &["--sport", "4000", "--dport", "53"] } else { &[] };
        let fields = ["--source", "fd12:3456:789a:10::7", "--destination", "2001:db8:f::53", "--proto", protocol];
        let by_fields = sixways(&[&site[..], &fields, ports, &["--dscp", "af21", "--json"]].concat());
        let json: Value = serde_json::from_slice(&by_fields.stdout).unwrap();
        assert!(json["told"]["steps"][1]["because"].as_str().unwrap().contains("DSCP af21"), "{json:#}");
        // What was sent out, but for addresses, MACs and hop limit, is what came in.
        let sent = json["told"]["outcome"]["frame"].as_str().unwrap();
        let packet = format!("{}40{}{}", &sent[28..42], hex("fd12:3456:789a:10::7"), &sent[76..]);
        let by_hex = sixways(&[&site[..], &["--hex", &packet]].concat());
        let page = sixways(&[&site[..], &fields, ports, &["--dscp", "af21"]].concat());
        assert_eq!(String::from_utf8(by_hex.stdout).unwrap(), String::from_utf8(page.stdout).unwrap(), "{protocol}");
    }
}

fn hex(address: &str) -> String {
    let octets = address.parse::<std::net::Ipv6Addr>().unwrap().octets();
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn questions_that_mean_nothing_are_refused() {
    let site = ["explain", "--config", "tests/replay/site.toml", "--from", "lan"];
    let packet = ["--source", "fd12:3456:789a:10::7", "--destination", "2001:db8:f::53", "--proto"];
    let refused = |more: &[&str]| {
        let output = sixways(&[&site[..], more].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    let with = |more: &[&str]| refused(&[&packet[..], more].concat());
    assert_eq!(
        with(&["tcp"]),
        "sixways: a packet of protocol 6 has two ports; give both, as in --sport 40000 --dport 443\n"
    );
    assert_eq!(
        with(&["esp", "--dport", "5"]),
        "sixways: a packet of protocol 50 has no ports; leave --sport and --dport out\n"
    );
    assert_eq!(with(&["esp", "--if-down", "dsl"]), "sixways: there is no ISP `dsl`; there are cable, fiber\n");
    assert!(with(&["banana"]).contains("there are tcp, udp, icmpv6"));
    assert!(with(&["44"]).contains("an extension header is no protocol"));
    assert!(with(&["esp", "--dscp", "64"]).contains("write a name such as ef"));
    assert_eq!(
        refused(&["--hex", "zz"]),
        "sixways: `zz` is not an octet in hexadecimal; write the octets as in 33330000, with or without spaces and \
         colons between them\n"
    );
    assert!(refused(&["--hex", "6000"]).contains("the 2 octets are neither"));
    let elsewhere =
        sixways(&[&["explain", "--config", "tests/replay/site.toml", "--from", "dmz"], &packet[..], &["esp"]].concat());
    let elsewhere = String::from_utf8(elsewhere.stderr).unwrap();
    assert_eq!(elsewhere, "sixways: there is no LAN or ISP `dmz`; there are lan0, fiber, cable\n");
    let nobody = sixways(&[&["explain", "--socket", "/nonexistent", "--from", "lan"], &packet[..], &["esp"]].concat());
    assert!(String::from_utf8(nobody.stderr).unwrap().starts_with("sixways: no gateway answers at /nonexistent"));
    let directory = tempfile::tempdir().unwrap();
    let input = format!("lan={}", capture(directory.path()).display());
    let beyond = sixways(&["explain", "--config", "tests/replay/site.toml", "--in", &input, "--frame", "4"]);
    let beyond = String::from_utf8(beyond.stderr).unwrap();
    assert!(beyond.ends_with("lan.pcap has 3 packets, so no frame 4; frames are counted from 1\n"), "{beyond}");
}
