//! Golden cases of the packet path: `tests/golden/*.txt`, explained in `tests/golden/README.md`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` writes down what the path does now; read the
//! difference before you believe it.

#[path = "common/rig/mod.rs"]
mod rig;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use rig::packet::Packet;
use rig::site::{Site, address};
use rig::text::Words;
use rig::{Rig, Sent, explained, read};
use sixways::flow::HeapFlows;
use sixways::limits::MAX_UPLINKS;
use sixways::snapshot::{HashFields, Inbound, Moves, Scope};
use sixways::units::{EdgeId, MacAddr, Nanos};
use sixways::verdict::{DropReason, Place};

fn cases() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_case_comes_out_as_written() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = String::new();
    for (path, text) in cases() {
        let told = Case::run(&text);
        if update {
            std::fs::write(&path, &told).unwrap();
        } else if told != text {
            writeln!(wrong, "\n{}\n{}", path.display(), difference(&text, &told)).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// `explain` is asked about every frame before it is sent, and the path then does what was said.
#[test]
fn explain_says_what_the_path_does() {
    let (mut asked, mut wrong) = (0, String::new());
    for (path, text) in cases() {
        let case = Case::follow(|site| site, &text);
        asked += case.asked;
        for difference in case.differences {
            writeln!(wrong, "\n{}: {difference}", path.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(asked > 300, "only {asked} frames were asked about");
}

/// Where all edges are VLANs of one port, or its untagged frames, every case comes out the same; each
/// frame has the tag of the edge that it leaves by.
#[test]
fn every_case_comes_out_the_same_on_a_trunk() {
    for (path, text) in cases() {
        let (told, text) = (by_edge(&Case::run_at(Site::on_a_trunk, &text)), by_edge(&text));
        assert!(told == text, "{}\n{}", path.display(), difference(&text, &told));
    }
}

/// Frames of one port leave in the order in which they were made, whatever their edges: what leaves at
/// the same time is put in another one.
fn by_edge(text: &str) -> String {
    let mut lines: Vec<_> = text.lines().collect();
    lines.chunk_by_mut(|a, b| a.starts_with("  out") && b.starts_with("  out")).for_each(<[_]>::sort);
    lines.join("\n")
}

/// A reason of the path that no case shows is a promise that nobody has seen kept. Three are
/// beyond its frames: two are the worker's, and one can only be given by a bug.
#[test]
fn every_drop_reason_of_the_path_has_a_case() {
    let elsewhere = [DropReason::TxRingFull, DropReason::TxLinkDown, DropReason::EgressAssertion];
    let all: String = cases().into_iter().map(|(_, text)| text).collect();
    let missing: Vec<_> = DropReason::ALL
        .iter()
        .filter(|reason| reason.place() == Place::Path && !elsewhere.contains(reason))
        .filter(|reason| !all.lines().any(|line| line.starts_with("  drop ") && line.contains(reason.label())))
        .map(|reason| reason.label())
        .collect();
    assert!(missing.is_empty(), "no golden case drops for: {missing:?}");
}

fn difference(expected: &str, told: &str) -> String {
    let (expected, told): (Vec<_>, Vec<_>) = (expected.lines().collect(), told.lines().collect());
    let same = expected.iter().zip(&told).take_while(|(a, b)| a == b).count();
    let rest = |lines: &[&str], mark: &str| -> String {
        lines.iter().skip(same).take(6).map(|line| format!("  {mark} {line}\n")).collect()
    };
    format!("line {}:\n{}{}", same + 1, rest(&expected, "-"), rest(&told, "+"))
}

struct Case {
    rig: Rig,
    place: fn(Site) -> Site,
    out: String,
    drops: Vec<u64>,
    held: u64,
    /// Frames that `explain` was asked about.
    asked: usize,
    /// Where it was wrong.
    differences: Vec<String>,
}

impl Case {
    /// The text of a case with what the path does now written below each event.
    fn run(text: &str) -> String {
        Self::run_at(|site| site, text)
    }

    /// The same with the sites changed by `place`.
    fn run_at(place: fn(Site) -> Site, text: &str) -> String {
        let mut case = Self::follow(place, text);
        case.out.push('\n');
        for count in case.rig.counts() {
            writeln!(case.out, "count {count}").unwrap();
        }
        case.out
    }

    /// Everything that `text` says happens.
    fn follow(place: fn(Site) -> Site, text: &str) -> Self {
        let rig = Rig::new(place(Site::standard()));
        let (out, drops, differences) = (String::new(), Vec::new(), Vec::new());
        let mut case = Self { rig, place, out, drops, held: 0, asked: 0, differences };
        case.drops = case.drop_counts();
        let events: Vec<_> = text.lines().filter(|line| !is_outcome(line)).collect();
        for line in events.join("\n").trim_end().lines() {
            writeln!(case.out, "{line}").unwrap();
            let event = line.split('#').next().unwrap().trim();
            if !event.is_empty() {
                case.event(&mut Words::new(event));
            }
        }
        case
    }

    fn event(&mut self, words: &mut Words<'_>) {
        let sent = match words.word() {
            "in" => self.receive(words),
            "wait" => {
                self.rig.wait(Nanos::from_millis(u64::from(words.number())));
                words.expect("ms");
                Vec::new()
            }
            event => {
                self.change(event, words);
                Vec::new()
            }
        };
        words.end();
        let released = self.rig.release();
        self.tell(sent.into_iter().chain(released).collect());
    }

    fn change(&mut self, event: &str, words: &mut Words<'_>) {
        let site = &mut self.rig.site;
        match event {
            "site" => {
                let named = match words.word() {
                    "standard" => Site::standard(),
                    "identity" => Site::identity(),
                    other => panic!("no site `{other}`"),
                };
                *site = (self.place)(named);
            }
            "usable" => {
                let mut uplinks = Vec::new();
                while !words.peek().is_empty() {
                    uplinks.push(site.uplink(words.word()));
                }
                site.set_usable(&uplinks);
            }
            "closed" => {
                let uplink = site.uplink(words.word());
                site.snapshot.accepting &= !(1 << uplink.0);
            }
            "open" => {
                let uplink = site.uplink(words.word());
                site.snapshot.accepting |= 1 << uplink.0;
            }
            "leaving" | "returning" => {
                let mut parts = [[0; MAX_UPLINKS]; 2];
                let uplink = site.uplink(words.word());
                parts[usize::from(event == "returning")][uplink.index()] = words.number();
                site.snapshot.moves = Moves::new(parts[0], parts[1]);
            }
            "overstayed" => {
                let uplink = site.uplink(words.word());
                site.snapshot.moves = Moves::default().with_overstayed(1 << uplink.0);
            }
            "accept-any-uplink" => site.snapshot.accept_any_uplink = true,
            "no-next-hop" => {
                let uplink = site.uplink(words.word());
                site.snapshot.uplinks[uplink.index()].next_hop = None;
            }
            "filter" => {
                let filter = &mut site.snapshot.filter;
                (filter.inbound, filter.scope) = match words.word() {
                    "established" => (Inbound::Established, Scope::Flow),
                    "endpoint" => (Inbound::Established, Scope::Endpoint),
                    "open" => (Inbound::Open, Scope::Flow),
                    other => panic!("no filter `{other}`"),
                };
            }
            "allow" => site.allow(words),
            "rule" => site.add_rule(words),
            "hash" => {
                site.snapshot.steering.policies[0].hash = match words.word() {
                    "source+destination" => HashFields::SourceAndDestination,
                    "source" => HashFields::Source,
                    "source-64" => HashFields::Source64,
                    "five-tuple" => HashFields::FiveTuple,
                    other => panic!("no hash `{other}`"),
                };
            }
            "capacity" => self.rig.flows = HeapFlows::new(u64::from(words.number())),
            "no-error-source" => {
                let edge = site.edge(words.word());
                site.snapshot.edges[edge.index()].error_source = None;
            }
            "mss" => {
                let uplink = site.uplink(words.word());
                site.snapshot.uplinks[uplink.index()].largest_segment = Some(words.number() as u16);
            }
            "prefix-on-link" => {
                let uplink = site.uplink(words.word());
                site.snapshot.uplinks[uplink.index()].prefix_on_link = true;
            }
            "bogons" => {
                site.snapshot.filter.bogons = match words.word() {
                    "pass" => true,
                    "drop" => false,
                    other => panic!("bogons `{other}`"),
                }
            }
            "reset-on-failover" => site.snapshot.reset_on_failover = true,
            "no-unreachable" => site.snapshot.errors.unreachable = false,
            "mtu" => {
                let edge = site.edge(words.word());
                site.snapshot.edges[edge.index()].mtu = words.number() as u16;
            }
            "learn" | "forget" | "fail" => {
                let (edge, host) = (site.edge(words.word()), address(words.word()));
                match event {
                    "learn" => site.learn(edge, host),
                    "forget" => site.forget(edge, host),
                    _ => site.fail(edge, host),
                }
            }
            other => panic!("no event `{other}`"),
        }
    }

    fn receive(&mut self, words: &mut Words<'_>) -> Vec<Sent> {
        let edge = self.rig.site.edge(words.word());
        let times = words.peek().strip_prefix('x').and_then(|times| times.parse().ok());
        if times.is_some() {
            words.word();
        }
        let bytes = self.frame(edge, words);
        let is_alone = self.rig.site.snapshot.edges.iter().all(|edge| edge.vlan.is_none());
        let said = if times.is_none() && is_alone { explained::outcome(&self.rig, edge, &bytes) } else { None };
        let before = explained::Counts::of(&self.rig, edge);
        let sent = self.rig.send(edge, vec![bytes; times.unwrap_or(1)]);
        if let Some(said) = said {
            self.asked += 1;
            self.differences.extend(explained::compare(&said, &self.rig, edge, &before, &sent).err());
        }
        sent
    }

    fn frame(&self, edge: EdgeId, words: &mut Words<'_>) -> Vec<u8> {
        if words.take("hex") {
            return unhex(words.word());
        }
        let mac = |text: &str| text.parse::<MacAddr>().unwrap();
        let from = words.take("from").then(|| mac(words.word()));
        let to = words.take("to").then(|| mac(words.word()));
        let packet = Packet::parse(words);
        let site = &self.rig.site;
        let from = from.unwrap_or_else(|| site.last_hop(edge, packet.source));
        let mut bytes = packet.frame(from, to.unwrap_or_else(|| site.mac(edge)));
        if words.take("pad") {
            bytes.resize(bytes.len() + words.number() as usize, 0);
        }
        if words.take("short") {
            bytes.truncate(bytes.len() - words.number() as usize);
        }
        bytes
    }

    /// Writes down what came of an event. What happened many times is told once.
    fn tell(&mut self, sent: Vec<Sent>) {
        let mut lines: Vec<(String, u64)> = Vec::new();
        let drops = self.drop_counts();
        for (slot, (now, before)) in drops.iter().zip(&self.drops).enumerate() {
            let edge = self.rig.site.edge_name(EdgeId((slot / DropReason::COUNT) as u8));
            let reason = DropReason::ALL[slot % DropReason::COUNT].label();
            lines.push((format!("drop {edge} {reason}"), now - before));
        }
        let held = self.rig.held();
        lines.push(("hold".to_owned(), held.saturating_sub(self.held)));
        for (edge, host) in self.rig.state.wanted.drain() {
            lines.push((format!("want {} {host}", self.rig.site.edge_name(edge)), 1));
        }
        (self.drops, self.held) = (drops, held);
        for sent in sent {
            let line = describe(&self.rig.site, &sent);
            match lines.last_mut() {
                Some((last, times)) if *last == line => *times += 1,
                _ => lines.push((line, 1)),
            }
        }
        for (line, times) in lines.into_iter().filter(|(_, times)| *times > 0) {
            let times = if times > 1 { format!(" x{times}") } else { String::new() };
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            writeln!(self.out, "{}", format!("  {word}{times} {rest}").trim_end()).unwrap();
        }
    }

    fn drop_counts(&self) -> Vec<u64> {
        let rig = &self.rig;
        rig.site
            .edge_ids()
            .flat_map(|edge| DropReason::ALL.iter().map(move |reason| rig.dropped(edge, *reason)))
            .collect()
    }
}

fn is_outcome(line: &str) -> bool {
    ["  out", "  drop", "  hold", "  want", "count "].iter().any(|word| line.starts_with(word))
}

fn describe(site: &Site, sent: &Sent) -> String {
    let edge = sent.edge;
    let (link, mut packet) = etherparse::Ethernet2Header::from_slice(&sent.bytes).unwrap();
    if let Some(vlan) = site.snapshot.edges[edge.index()].vlan {
        assert_eq!(link.ether_type, etherparse::EtherType::VLAN_TAGGED_FRAME);
        let (tag, tagged) = etherparse::SingleVlanHeader::from_slice(packet).unwrap();
        let (priority, id) = (tag.pcp.value(), tag.vlan_id.value());
        assert_eq!((priority, id, tag.ether_type), (0, vlan, etherparse::EtherType::IPV6));
        packet = tagged;
    } else {
        assert_eq!(link.ether_type, etherparse::EtherType::IPV6);
    }
    let (to, from) = (MacAddr(link.destination), MacAddr(link.source));
    let via = site.whose(edge, to).map_or_else(|| to.to_string(), |host| host.to_string());
    let mut line = format!("out {} via {via}", site.edge_name(edge));
    if from != site.mac(edge) {
        write!(line, " from {from}").unwrap();
    }
    let whole = etherparse::Ipv6Header::from_slice(packet).map_or(0, |(ip, _)| 40 + usize::from(ip.payload_length));
    match read::packet(&packet[..whole.min(packet.len())]) {
        Some(read) => write!(line, " {read}").unwrap(),
        None => write!(line, " hex {}", hex(packet)).unwrap(),
    }
    let padding = packet.len().saturating_sub(whole);
    if padding > 0 {
        write!(line, " pad {padding}").unwrap();
    }
    line
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "{text}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
