//! `sixways replay` as users meet it: captures in, captures and counters out.
//!
//! The traffic is made octet by octet (`mixed`), the captures are written by hand
//! (`tests/common/captures.rs`), and what comes out is judged by etherparse.

#[path = "../common/captures.rs"]
mod captures;
mod mixed;
#[path = "../common/random.rs"]
mod random;
#[path = "../common/slow_npt.rs"]
mod slow_npt;

mod clock;
mod errors;
mod judge;
mod learnt;
mod page;

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use captures::{pcap, pcapng, read};
use judge::judge;
use mixed::{Mixed, mixed};
use serde_json::Value;

pub const SITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/replay/site.toml");
/// Packets in the mixed capture; `SIXWAYS_REPLAY_PACKETS` makes it longer.
const PACKETS: usize = 20_000;

pub fn sixways(arguments: &[&str]) -> Output {
    Command::cargo_bin("sixways").unwrap().args(arguments).output().unwrap()
}

/// A directory with captures in it, and one for those that come out.
pub struct Bench {
    directory: tempfile::TempDir,
    inputs: Vec<String>,
}

impl Bench {
    pub fn new(captures: &[(&str, Vec<u8>)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut inputs = Vec::new();
        for (number, (name, octets)) in captures.iter().enumerate() {
            let path = directory.path().join(format!("{number}.cap"));
            std::fs::write(&path, octets).unwrap();
            inputs.extend(["--in".to_owned(), format!("{name}={}", path.display())]);
        }
        Self { directory, inputs }
    }

    pub fn of(mixed: &Mixed) -> Self {
        let [lan, fiber, cable] = [&mixed.lan, &mixed.fiber, &mixed.cable].map(|packets| pcap(packets, true));
        Self::new(&[("lan", lan), ("fiber", fiber), ("cable", cable)])
    }

    /// Replays into the directory `out`; returns what is printed as JSON.
    #[track_caller]
    pub fn replay(&self, config: &str, out: &str) -> Value {
        self.replay_with(&[], config, out)
    }

    /// As [`Bench::replay`], with more arguments.
    #[track_caller]
    pub fn replay_with(&self, more: &[&str], config: &str, out: &str) -> Value {
        let out = self.path(out).display().to_string();
        let mut arguments = vec!["replay", "--config", config, "--json", "--out-dir", &out];
        arguments.extend(more);
        arguments.extend(self.inputs.iter().map(String::as_str));
        let output = sixways(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// The entry of `list` that is called `name`.
pub fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap()
}

fn drops(report: &Value) -> Vec<&str> {
    report["drops"].as_array().unwrap().iter().map(|drop| drop["reason"].as_str().unwrap()).collect()
}

#[test]
fn every_packet_of_a_mixed_capture_is_accounted_for() {
    let count = std::env::var("SIXWAYS_REPLAY_PACKETS").map_or(PACKETS, |count| count.parse().unwrap());
    let mixed = mixed(count);
    let bench = Bench::of(&mixed);
    let report = bench.replay(SITE, "out");
    if count > PACKETS {
        println!("{report:#}");
    }
    assert_eq!(report["adds_up"], true);
    assert!(report["accounting"].as_array().unwrap().iter().all(|account| account["difference"] == 0));
    for (name, packets) in [("lan0", &mixed.lan), ("fiber", &mixed.fiber), ("cable", &mixed.cable)] {
        let edge = named(&report["edges"], name);
        assert_eq!(number(&edge["seen"]), packets.len() as u64, "{name}");
        let gate = number(&edge["passed"]) + number(&edge["gate_dropped"]) + number(&edge["read"]);
        assert_eq!(gate, packets.len() as u64, "{name}");
        let path = number(&edge["read"]) + number(&edge["originated"]);
        assert_eq!(path, number(&edge["sent"]) + number(&edge["dropped"]), "{name}");
        assert_eq!(named(&report["inputs"], name)["mac_of_capture"], true);
        let file = read(&bench.path("out").join(format!("{name}.pcapng")));
        assert_eq!(number(&edge["left"]), file.len() as u64, "{name}");
    }
    let reasons = drops(&report);
    for reason in [
        "gate-transit",
        "malformed",
        "routing-header-0",
        "source-not-internal",
        "source-is-ours",
        "subnet-ffff",
        "hop-limit-exceeded",
        "packet-too-big",
        "inbound-filter",
        "wrong-uplink",
    ] {
        assert!(reasons.contains(&reason), "no packet was dropped for {reason}: {reasons:?}");
    }
    judge(&mixed, &bench.path("out"));
}

fn octets(directory: &Path) -> Vec<Vec<u8>> {
    ["lan0", "fiber", "cable"].map(|name| std::fs::read(directory.join(format!("{name}.pcapng"))).unwrap()).to_vec()
}

#[test]
fn the_same_again_gives_the_same_octets() {
    let bench = Bench::of(&mixed(3000));
    let (first, again) = (bench.replay(SITE, "first"), bench.replay(SITE, "again"));
    assert_eq!(octets(&bench.path("first")), octets(&bench.path("again")));
    let text = |report: Value| report.to_string().replace("/again/", "/first/");
    assert_eq!(text(first), text(again));
}

/// All times are whole microseconds, so every kind of file can tell them.
#[test]
fn every_kind_of_capture_gives_the_same() {
    let mixed = mixed(2000);
    let expected = Bench::of(&mixed);
    expected.replay(SITE, "out");
    let expected = octets(&expected.path("out"));
    type Kind = fn(&[captures::Packet]) -> Vec<u8>;
    let kinds: [(&str, Kind); 5] = [
        ("pcap, microseconds", |packets| pcap(packets, false)),
        ("pcapng, no resolution", |packets| pcapng(packets, None, 0)),
        ("pcapng, nanoseconds", |packets| pcapng(packets, Some(9), 0)),
        ("pcapng, nanoseconds from an offset", |packets| pcapng(packets, Some(9), 1_700_000_000)),
        ("pcapng, picoseconds from an offset", |packets| pcapng(packets, Some(12), 1_749_999_000)),
    ];
    for (kind, write) in kinds {
        let [lan, fiber, cable] = [&mixed.lan, &mixed.fiber, &mixed.cable].map(|packets| write(packets));
        let bench = Bench::new(&[("lan", lan), ("fiber", fiber), ("cable", cable)]);
        bench.replay(SITE, "out");
        assert_eq!(octets(&bench.path("out")), expected, "{kind}");
    }
    // 2⁻³² s is finer than a nanosecond: rounded up when written, cut when read.
    let [lan, fiber, cable] =
        [&mixed.lan, &mixed.fiber, &mixed.cable].map(|packets| pcapng(packets, Some(0x80 | 32), 0));
    let bench = Bench::new(&[("lan", lan), ("fiber", fiber), ("cable", cable)]);
    bench.replay(SITE, "out");
    assert_eq!(octets(&bench.path("out")), expected, "pcapng, a power of two");
}
