//! The corpus of malformed and odd frames, each through the very packet path: `tests/data/corpus/*.txt`,
//! explained in its README. The verdicts are written by hand from the RFCs; nothing writes them anew.

#[path = "common/corpus.rs"]
mod corpus;
#[path = "common/judge.rs"]
mod judge;
#[path = "common/rig/mod.rs"]
mod rig;

use std::collections::HashSet;
use std::fmt::Write;
use std::net::Ipv6Addr;

use corpus::{Case, Line, cases};
use judge::{ETHERNET, IPV6};
use rig::site::{FIBER, LAN0, Site, address};
use rig::text::Words;
use rig::{Rig, Sent, explained, slow};
use sixways::flow::HeapFlows;
use sixways::snapshot::{Inbound, Role};
use sixways::units::{EdgeId, UplinkId};
use sixways::verdict::DropReason;

#[test]
fn every_frame_meets_the_verdict_that_is_written() {
    let mut wrong = String::new();
    for case in cases() {
        if let Err(flaw) = run(&case) {
            writeln!(wrong, "{} ({})\n    {flaw}", case.name, case.why).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_corpus_is_large_and_every_case_has_a_name_and_a_reason_of_its_own() {
    let cases = cases();
    assert!(cases.len() >= 200, "{} cases", cases.len());
    let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases share a name");
    for case in &cases {
        assert!(!case.why.is_empty(), "{} says not why", case.name);
        assert!(case.lines.iter().any(|line| matches!(line, Line::Frame { .. })), "{} sends nothing", case.name);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(case.name.chars().all(plain), "{} is no file name", case.name);
    }
}

/// A frame that nobody needs is not here: each way in and each way out is taken.
#[test]
fn the_corpus_goes_every_way() {
    let all = cases();
    let verdicts: Vec<(&str, &str)> = all
        .iter()
        .flat_map(|case| &case.lines)
        .filter_map(|line| match line {
            Line::Frame { edge, verdict, .. } => Some((edge.as_str(), verdict.as_str())),
            Line::Setting(_) => None,
        })
        .collect();
    for (edge, beginning) in [
        ("lan0", "out wan0 source"),
        ("wan0", "out lan0 destination"),
        ("lan0", "out lan0 source destination"),
        ("lan0", "out wan0 source, quote@48 destination"),
        ("wan0", "out lan0 destination, quote@48 source"),
        ("lan0", "drop malformed"),
        ("wan0", "drop malformed"),
        ("wan0", "hold"),
    ] {
        let taken = verdicts.iter().any(|(from, verdict)| *from == edge && verdict.starts_with(beginning));
        assert!(taken, "nothing from {edge} ends as `{beginning}`");
    }
}

/// What must become of a frame.
enum Verdict {
    Drop { reason: String, error: Option<(u8, u8, u32)> },
    Out { edge: String, outer: Rewritten, quote: Option<(usize, Rewritten)> },
    Hold,
}

/// Which addresses change.
struct Rewritten {
    source: bool,
    destination: bool,
}

impl Rewritten {
    fn parse(words: &mut Words<'_>) -> Self {
        Self { source: words.take("source"), destination: words.take("destination") }
    }
}

impl Verdict {
    fn parse(text: &str) -> Self {
        let text = text.replace(',', " ,").replace("quote@", "quote ");
        let words = &mut Words::new(&text);
        let verdict = match words.word() {
            "hold" => Self::Hold,
            "drop" => {
                let reason = words.word().to_owned();
                let error = words.take(",").then(|| {
                    words.expect("error");
                    let (kind, code) = words.word().split_once('/').expect("TYPE/CODE");
                    let word = if words.take("mtu") || words.take("pointer") { words.number() } else { 0 };
                    (kind.parse().unwrap(), code.parse().unwrap(), word)
                });
                Self::Drop { reason, error }
            }
            "out" => {
                let edge = words.word().to_owned();
                let outer = Rewritten::parse(words);
                let quote = words.take(",").then(|| {
                    words.expect("quote");
                    (words.number() as usize, Rewritten::parse(words))
                });
                Self::Out { edge, outer, quote }
            }
            other => panic!("`{other}` is no verdict"),
        };
        words.end();
        verdict
    }
}

fn run(case: &Case) -> Result<(), String> {
    let mut rig = Rig::new(Site::standard());
    rig.site.set_usable(&[FIBER]);
    for line in &case.lines {
        match line {
            Line::Setting(text) => set(&mut rig, &mut Words::new(text)),
            Line::Frame { edge, frame, verdict } => {
                let edge = rig.site.edge(edge);
                let bytes = corpus::frame(&rig.site, edge, frame);
                one(&mut rig, edge, &bytes, &Verdict::parse(verdict))
                    .map_err(|flaw| format!("{verdict}: {flaw}\n    {bytes:02x?}"))?;
            }
        }
    }
    Ok(())
}

fn set(rig: &mut Rig, words: &mut Words<'_>) {
    match words.word() {
        "usable" => {
            let uplink = rig.site.uplink(words.word());
            rig.site.set_usable(&[uplink]);
        }
        "filter" => {
            words.expect("established");
            rig.site.snapshot.filter.inbound = Inbound::Established;
        }
        "allow" => rig.site.allow(words),
        "accept-any-uplink" => rig.site.snapshot.accept_any_uplink = true,
        "mtu" => {
            let edge = rig.site.edge(words.word());
            rig.site.snapshot.edges[edge.index()].mtu = words.number() as u16;
        }
        "mss" => {
            let uplink = rig.site.uplink(words.word());
            rig.site.snapshot.uplinks[uplink.index()].largest_segment = Some(words.number() as u16);
        }
        "bogons" => {
            words.expect("drop");
            rig.site.snapshot.filter.bogons = false;
        }
        "capacity" => rig.flows = HeapFlows::new(u64::from(words.number())),
        "site" => {
            words.expect("identity");
            rig.site = Site::identity();
            rig.site.set_usable(&[FIBER]);
        }
        "forget" => rig.site.forget(LAN0, address(words.word())),
        "fail" => rig.site.fail(LAN0, address(words.word())),
        other => panic!("`{other}` is no setting"),
    }
    words.end();
}

fn drops(rig: &Rig, edge: EdgeId) -> Vec<u64> {
    DropReason::ALL.iter().map(|reason| rig.dropped(edge, *reason)).collect()
}

/// The rig itself checks that no frame is lost and that every packet is counted once.
fn one(rig: &mut Rig, edge: EdgeId, frame: &[u8], verdict: &Verdict) -> Result<(), String> {
    let (before, held) = (drops(rig, edge), rig.held());
    let said = explained::outcome(rig, edge, frame);
    let counts = explained::Counts::of(rig, edge);
    let sent = rig.send_one(edge, frame);
    if let Some(said) = said {
        explained::compare(&said, rig, edge, &counts, &sent).map_err(|flaw| format!("explain: {flaw}"))?;
    }
    let after = drops(rig, edge);
    let of = |at: usize| std::iter::repeat_n(DropReason::ALL[at].label(), (after[at] - before[at]) as usize);
    let dropped: Vec<&str> = (0..after.len()).flat_map(of).collect();
    let told = || format!("dropped {dropped:?}, held {}, sent {sent:02x?}", rig.held() - held);
    match verdict {
        Verdict::Hold => is(dropped.is_empty() && sent.is_empty() && rig.held() == held + 1, told),
        Verdict::Drop { reason, error } => {
            is(dropped == [reason.as_str()] && sent.len() == usize::from(error.is_some()), told)?;
            let (Some(error), Some(sent)) = (error, sent.first()) else { return Ok(()) };
            judge::error_about(&rig.site, edge, frame, sent)?;
            let message = &sent.bytes[ETHERNET + IPV6..];
            let word = u32::from_be_bytes(message[4..8].try_into().unwrap());
            is((message[0], message[1], word) == *error, told)
        }
        Verdict::Out { edge: egress, outer, quote } => {
            is(dropped.is_empty() && sent.len() == 1, told)?;
            let egress = rig.site.edge(egress);
            is(sent[0].edge == egress, told)?;
            judge::forwarded(&rig.site, edge, frame, &sent[0])?;
            let expected = expected(&rig.site, egress, frame, outer, quote.as_ref());
            is(sent[0].bytes == expected, || format!("{}\n    not {expected:02x?}", told_bytes(&sent[0])))
        }
    }
}

fn is(holds: bool, told: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(told()) }
}

fn told_bytes(sent: &Sent) -> String {
    format!("{:02x?}", sent.bytes)
}

/// `frame` without its padding, with one hop less, other MACs, and the images of those addresses that are
/// named: nothing else may differ.
fn expected(
    site: &Site,
    egress: EdgeId,
    frame: &[u8],
    outer: &Rewritten,
    quote: Option<&(usize, Rewritten)>,
) -> Vec<u8> {
    let mut expected = frame.to_vec();
    expected.truncate(ETHERNET + judge::whole(&frame[ETHERNET..]).expect("a header"));
    let packet = &mut expected[ETHERNET..];
    packet[7] -= 1;
    // Whose prefix it is: the egress ISP's, or that of the destination.
    let uplink = match site.snapshot.edges[egress.index()].role {
        Role::Isp(uplink) => uplink,
        Role::Lan => owner(site, judge::destination(packet)),
    };
    rewrite(site, uplink, packet, outer);
    if let Some((at, rewritten)) = quote {
        // What is quoted went the other way: its source is an image, its destination is not.
        let quoted = &mut packet[*at..];
        if rewritten.source {
            let inside = slow::translate(judge::source(quoted), site.external(uplink), site.internal());
            quoted[8..24].copy_from_slice(&inside.expect("an image").octets());
        }
        if rewritten.destination {
            let image = site.outside(uplink, judge::destination(quoted)).expect("an inside address");
            quoted[24..IPV6].copy_from_slice(&image.octets());
        }
    }
    let next_hop = match site.snapshot.edges[egress.index()].role {
        Role::Isp(_) => site.last_hop(egress, address("fe80::1")),
        Role::Lan => site.last_hop(egress, judge::destination(&expected[ETHERNET..])),
    };
    expected[..6].copy_from_slice(&next_hop.0);
    expected[6..12].copy_from_slice(&site.mac(egress).0);
    expected
}

fn rewrite(site: &Site, uplink: UplinkId, packet: &mut [u8], rewritten: &Rewritten) {
    if rewritten.source {
        let image = site.outside(uplink, judge::source(packet)).expect("an inside source");
        packet[8..24].copy_from_slice(&image.octets());
    }
    if rewritten.destination {
        let inside = slow::translate(judge::destination(packet), site.external(uplink), site.internal());
        packet[24..IPV6].copy_from_slice(&inside.expect("an outside destination").octets());
    }
}

/// The ISP whose prefix `image` lies in.
fn owner(site: &Site, image: Ipv6Addr) -> UplinkId {
    let inside = |uplink: &UplinkId| slow::translate(image, site.external(*uplink), site.internal()).is_some();
    (0..3).map(UplinkId).find(inside).expect("an address of one of the ISPs")
}
