//! What is wrong is said: what, where, and what would be right.

use crate::captures::{pcap, pcapng};
use crate::mixed::mixed;
use crate::{Bench, SITE, sixways};

/// The complaint about a replay of `octets` as the capture of `name`, with the file called `CAPTURE`.
#[track_caller]
fn complaint(name: &str, octets: Vec<u8>) -> String {
    let bench = Bench::new(&[(name, octets)]);
    let path = bench.path("0.cap").display().to_string();
    let output = sixways(&["replay", "--config", SITE, "--in", &format!("{name}={path}")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap().replace(&path, "CAPTURE")
}

#[test]
fn a_capture_that_cannot_be_used_is_told_with_the_packet() {
    let packets = mixed(100).lan;
    let whole = pcap(&packets, true);
    let first = 24 + 16 + packets[0].1.len();
    let with = |at: usize, octet: u8| {
        let mut file = whole.clone();
        file[at] = octet;
        file
    };
    assert_eq!(
        complaint("lan", b"a text that is no capture, whatever its name".to_vec()),
        "sixways: CAPTURE is neither pcap nor pcapng (PcapHeader: wrong magic number); `capinfos CAPTURE` tells what \
         kind of file it is\n"
    );
    assert_eq!(
        complaint("lan", whole[..first + 20].to_vec()),
        "sixways: CAPTURE: packet 2: unexpected end of file; `capinfos CAPTURE` tells how far the file is whole\n"
    );
    assert_eq!(
        complaint("lan", with(20, 113)),
        "sixways: CAPTURE: packet 1 was captured on a link of type LINUX_SLL; capture on an Ethernet interface, not \
         on `any`\n"
    );
    assert_eq!(
        complaint("lan", with(24 + 13, 9)),
        "sixways: CAPTURE: packet 1 was cut at 74 of 2378 octets; capture whole packets (`tcpdump -s 0`)\n"
    );
    let mut simple = pcapng(&[], None, 0);
    simple.extend([0, 0, 0, 3, 0, 0, 0, 20, 0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 20]);
    assert_eq!(
        complaint("lan", simple),
        "sixways: CAPTURE: packet 1 has no time-stamp; `editcap -F pcap` makes a file whose packets have one\n"
    );
}

#[test]
fn names_are_told() {
    let file = pcap(&mixed(10).lan, true);
    assert_eq!(complaint("lan1", file), "sixways: there is no LAN or ISP `lan1`; there are lan0, fiber, cable\n");
    let missing = sixways(&["replay", "--config", SITE, "--in", "lan=/nonexistent.pcap"]);
    assert_eq!(
        String::from_utf8(missing.stderr).unwrap(),
        "sixways: cannot read /nonexistent.pcap: No such file or directory (os error 2)\n"
    );
    let usage = sixways(&["replay", "--config", SITE, "--in", "lan"]);
    assert_eq!(usage.status.code(), Some(1));
    assert!(String::from_utf8(usage.stderr).unwrap().contains("write NAME=FILE, as in lan=lan.pcapng"));
}

#[test]
fn no_capture_is_overwritten_that_is_read() {
    let bench = Bench::new(&[]);
    let path = bench.path("fiber.pcapng");
    let octets = pcapng(&mixed(10).fiber, Some(9), 0);
    std::fs::write(&path, &octets).unwrap();
    let directory = bench.path("").display().to_string();
    let input = format!("fiber={}", path.display());
    let output = sixways(&["replay", "--config", SITE, "--in", &input, "--out-dir", &directory]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.ends_with("fiber.pcapng is read and would be written; choose another --out-dir\n"), "{stderr}");
    assert_eq!(std::fs::read(&path).unwrap(), octets);
    assert!(!bench.path("cable.pcapng").exists(), "nothing was begun");
}
