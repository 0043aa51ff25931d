//! What fuzzing starts from: the named frames of the corpus, as each target takes them; the
//! configurations of the repository; the requests of the command line.

use std::path::{Path, PathBuf};

use crate::corpus::{Line, cases, frame};
use crate::judge::{ETHERNET, IPV6};
use crate::pipeline::CHECKSUM;
use crate::rig::site::{Site, address};

/// The folder that seeds are wanted in, if they are.
const WANTED: &str = "SIXWAYS_FUZZ_SEEDS";

/// Writes the seeds of `target` and ends the process, if that is what it was started for.
pub fn write_if_asked(target: &str) {
    let Some(folder) = std::env::var_os(WANTED).map(PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).expect("a folder for the seeds");
    for (name, octets) in seeds(target) {
        std::fs::write(folder.join(name), octets).expect("a seed");
    }
    std::process::exit(0);
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    match target {
        "parser" => frames().map(|(name, _, octets)| (name, octets)).collect(),
        "pipeline" => sequences().into_iter().chain(golden()).collect(),
        "icmpv6-error" => quotes(),
        "config" => configurations(),
        "control-socket" => requests(),
        "npt" => pairs(),
        other => panic!("no target `{other}`"),
    }
}

/// Every frame of the corpus, and the edge that it comes in by.
fn frames() -> impl Iterator<Item = (String, u8, Vec<u8>)> {
    let site = Site::standard();
    cases().into_iter().flat_map(move |case| {
        let frames: Vec<_> = case.lines.iter().filter_map(|line| received(&site, line)).collect();
        (0..).zip(frames).map(move |(at, (edge, octets)): (u32, _)| (format!("{}-{at}", case.name), edge, octets))
    })
}

fn received(site: &Site, line: &Line) -> Option<(u8, Vec<u8>)> {
    let Line::Frame { edge, frame: text, .. } = line else { return None };
    let edge = site.edge(edge);
    Some((edge.0, frame(site, edge, text)))
}

/// All that a case sends, under every filter.
fn sequences() -> Vec<(String, Vec<u8>)> {
    let site = Site::standard();
    let mut seeds = Vec::new();
    for case in cases() {
        for (filter, setup) in [("open", 0x0101_u16), ("established", 0), ("endpoint", 2), ("identity", 0x8001)] {
            let mut input = setup.to_be_bytes().to_vec();
            for (edge, octets) in case.lines.iter().filter_map(|line| received(&site, line)) {
                arrival(&mut input, edge | if setup >> 15 == 1 { CHECKSUM } else { 0 }, &octets);
            }
            seeds.push((format!("{}-{filter}", case.name), input));
        }
    }
    seeds
}

/// The golden cases: flows that are opened, answered, closed and moved, with time and ISPs that go.
fn golden() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(root().join("tests/golden")).expect("the golden cases");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let cases = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    cases.map(|path| (stem(&path), story(&std::fs::read_to_string(&path).expect("a golden case")))).collect()
}

fn story(text: &str) -> Vec<u8> {
    let site = Site::standard();
    let says = |line: &str, bits: u16| if text.lines().any(|found| found == line) { bits } else { 0 };
    let filter = if says("filter established", 1) | says("filter endpoint", 1) == 0 { 1 } else { 0 };
    let setup = filter | says("filter endpoint", 2) | says("capacity 0", 0x40) | says("site identity", 0x8000);
    // Two of the three ISPs are in use.
    let (mut input, mut usable) = ((setup | 0x20).to_be_bytes().to_vec(), 0b011_u8);
    for line in text.lines() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        match words.as_slice() {
            ["in", edge, rest @ ..] => {
                let times = rest.first().and_then(|word| word.strip_prefix('x')?.parse().ok());
                let frame_words = if times.is_some() { &rest[1..] } else { rest };
                let edge = site.edge(edge);
                let octets = frame(&site, edge, &frame_words.join(" "));
                for _ in 0..times.unwrap_or(1).min(6) {
                    arrival(&mut input, edge.0, &octets);
                }
            }
            ["usable", names @ ..] => {
                let now = names.iter().fold(0, |bits, name| bits | 1 << site.uplink(name).0);
                input.push(7 | (usable ^ now) << 3);
                usable = now;
            }
            ["wait", span, "ms"] => {
                let span: u64 = span.parse().expect("milliseconds");
                let shift = (0..).find(|shift| span >> shift < 32).expect("a short enough wait");
                input.extend([5 | ((span >> shift) as u8) << 3, shift]);
            }
            ["learn", ..] => input.push(6),
            ["fail", ..] => input.push(6 | 8),
            _ => {}
        }
    }
    input
}

/// One event of the pipeline.
fn arrival(input: &mut Vec<u8>, kind: u8, octets: &[u8]) {
    input.push(kind);
    input.extend((octets.len() as u16).to_be_bytes());
    input.extend(octets);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

/// Every packet may be what an error is about: once to a host, once from one.
fn quotes() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (name, _, octets) in frames() {
        let Some(packet) = octets.get(ETHERNET..).filter(|packet| packet.len() >= IPV6) else { continue };
        for (way, addresses) in [("inbound", [0x12, 0, 0, 0x10, 2]), ("outbound", [3, 0x10, 0x10, 3, 0])] {
            let head = [&[0, 1][..], &addresses, &[0, 3, 0, 0, 0, 0, 0]].concat();
            seeds.push((format!("{name}-{way}"), [&head, packet].concat()));
        }
    }
    seeds
}

fn configurations() -> Vec<(String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for folder in ["configs", "tests/data/wrong-configs"] {
        for entry in std::fs::read_dir(root().join(folder)).expect("configurations") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                seeds.push((stem(&path), std::fs::read(&path).expect("a configuration")));
            }
        }
    }
    seeds
}

fn requests() -> Vec<(String, Vec<u8>)> {
    let lines = [
        ("status", r#"{"verb":"status"}"#),
        ("flows", r#"{"verb":"flows","arguments":{"words":["isp=fiber","proto=udp","port=53"],"limit":10}}"#),
        ("ends", r#"{"verb":"flows","arguments":{"words":["fd12:3456:789a::/48","state=companion"],"limit":0}}"#),
        ("unknown", r#"{"verb":"reload"}"#),
    ];
    let once = |(name, line): (&str, &str)| (name.to_owned(), format!("{line}\n").into_bytes());
    let twice = |(name, line): (&str, &str)| (format!("{name}-twice"), format!("{line}\n{line}").into_bytes());
    lines.into_iter().map(once).chain(lines.into_iter().map(twice)).collect()
}

fn pairs() -> Vec<(String, Vec<u8>)> {
    let prefixes = [address("fd12:3456:789a::"), address("2001:db8:1::")].map(|prefix| prefix.octets());
    let host = address("fd12:3456:789a:10::5").octets();
    let mut seeds = Vec::new();
    for (name, lengths) in [("48", [48, 48]), ("56", [48, 56]), ("64", [64, 64]), ("odd", [49, 63])] {
        for place in 0..3 {
            let input = [&lengths[..], &[place], prefixes.as_flattened(), &host].concat();
            seeds.push((format!("{name}-{place}"), input));
        }
    }
    seeds
}
