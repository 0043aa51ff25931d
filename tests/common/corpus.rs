//! The corpus of malformed and odd frames: `tests/data/corpus/*.txt`, explained in its README.

use std::path::{Path, PathBuf};

use sixways::units::{EdgeId, MacAddr};

use crate::judge::{self, ETHERNET, IPV6};
use crate::rig::packet::Packet;
use crate::rig::site::Site;
use crate::rig::text::Words;

/// A named case.
pub struct Case {
    /// Unique among all files.
    pub name: String,
    /// What makes it odd, and the section that says what to do.
    pub why: String,
    /// Settings and frames in order.
    pub lines: Vec<Line>,
}

/// A line of a case.
pub enum Line {
    /// What is different from the usual site.
    Setting(String),
    /// What arrives, and what must become of it.
    Frame { edge: String, frame: String, verdict: String },
}

/// Short names, so that a case fits on a line.
const NAMES: [(&str, &str); 13] = [
    ("HOST", "fd12:3456:789a:10::5"),
    ("FIBER", "2001:db8:1:7c59::5"),
    ("CABLE", "2001:db8:2:7c58::5"),
    ("COPPER", "2001:db8:3:110:7b47::5"),
    ("HOST2", "fd12:3456:789a:10::6"),
    ("FIBER2", "2001:db8:1:7c59::6"),
    ("INNER", "fd12:3456:789a:41::9"),
    ("INNER-FIBER", "2001:db8:1:7c8a::9"),
    ("PEER", "2001:db8:f::53"),
    ("ROUTER", "2001:db8:e::fe"),
    ("FORGED", "2001:db8:bad::1"),
    ("ULA", "fdee::1"),
    ("GATEWAY", "fd12:3456:789a:10::1"),
];

/// Every case of every file.
pub fn cases() -> Vec<Case> {
    // The fuzz targets, which read it too, have their manifest in a folder of the repository.
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let folder = above.map(|root| root.join("tests/data/corpus")).find(|folder| folder.is_dir()).expect("the corpus");
    let entries = std::fs::read_dir(folder).expect("the corpus");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files.iter().flat_map(|file| read(&std::fs::read_to_string(file).expect("a file of the corpus"))).collect()
}

fn read(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut lines =
        text.lines().map(str::trim_end).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("== ") {
            let (name, why) = title.split_once(": ").unwrap_or_else(|| panic!("`NAME: WHY` in {line}"));
            cases.push(Case { name: name.to_owned(), why: why.to_owned(), lines: Vec::new() });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("`{line}` before the first case"));
        case.lines.push(match line.strip_prefix("in ") {
            None => Line::Setting(named(line)),
            Some(arrival) => {
                let (edge, frame) = arrival.split_once(' ').unwrap_or_else(|| panic!("`in EDGE FRAME`: {line}"));
                let verdict = lines.next_if(|line| line.starts_with("  "));
                let verdict = verdict.unwrap_or_else(|| panic!("no verdict below {line}")).trim().to_owned();
                Line::Frame { edge: edge.to_owned(), frame: named(frame), verdict }
            }
        });
    }
    cases
}

/// `line` with the addresses in the place of their names.
fn named(line: &str) -> String {
    let word = |word| NAMES.iter().find(|(name, _)| *name == word).map_or(word, |(_, address)| *address);
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

/// The frame that `text` describes, as it arrives by `edge`.
pub fn frame(site: &Site, edge: EdgeId, text: &str) -> Vec<u8> {
    let words = &mut Words::new(text);
    let mac = |text: &str| text.parse::<MacAddr>().unwrap_or_else(|error| panic!("{error}"));
    if words.take("hex") {
        let octets = unhex(words.word());
        words.end();
        return octets;
    }
    let from = words.take("from").then(|| mac(words.word()));
    let to = words.take("to").then(|| mac(words.word()));
    let ether_type = words.take("type").then(|| unhex(words.word()));
    let packet = Packet::parse(words);
    let from = from.unwrap_or_else(|| site.last_hop(edge, packet.source));
    let mut frame = packet.frame(from, to.unwrap_or_else(|| site.mac(edge)));
    if let Some(octets) = ether_type {
        frame[12..ETHERNET].copy_from_slice(&octets);
    }
    while words.take("patch") {
        let (at, octets) = (ETHERNET + words.number() as usize, unhex(words.word()));
        frame[at..at + octets.len()].copy_from_slice(&octets);
    }
    if words.take("checksum") {
        checksum(&mut frame[ETHERNET..], words.number() as usize);
    }
    if words.take("pad") {
        frame.resize(frame.len() + words.number() as usize, 0);
    }
    if words.take("short") {
        frame.truncate(frame.len() - words.number() as usize);
    }
    words.end();
    frame
}

/// Gives the ICMPv6 message from `at` to the end of `packet` its right checksum.
pub fn checksum(packet: &mut [u8], at: usize) {
    assert!(packet.len() >= IPV6.max(at + 4), "no room for a checksum");
    let (source, destination) = (judge::source(packet), judge::destination(packet));
    packet[at + 2..at + 4].fill(0);
    let checksum = 0xffff - judge::icmpv6_sum(source, destination, &packet[at..]) as u16;
    packet[at + 2..at + 4].copy_from_slice(&checksum.to_be_bytes());
}

fn unhex(text: &str) -> Vec<u8> {
    let octet = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap_or_else(|_| panic!("{text} is no octets"));
    (0..text.len()).step_by(2).map(octet).collect()
}
