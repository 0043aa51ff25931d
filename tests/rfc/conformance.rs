//! `docs/conformance.md`: every row is there, every test that it names exists, and its table of ICMPv6
//! types is what the packet path does.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use sixways::snapshot::Inbound;

/// The rows of each part of the page.
const PARTS: [(char, usize); 10] =
    [('N', 30), ('I', 16), ('V', 14), ('P', 6), ('D', 10), ('X', 6), ('F', 5), ('C', 6), ('B', 4), ('T', 34)];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The page's table rows whose first cell `is_key`.
fn rows(is_key: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    page.lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'))
        .map(|line| line.split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>())
        .filter(|cells| is_key(&cells[0]))
        .collect()
}

/// The names of all tests below `folder`.
fn tests(folder: &Path, into: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some(name) = name.and_then(|rest| rest.split('(').next())
                    && std::mem::take(&mut is_test)
                {
                    into.insert(name.to_owned());
                }
                // Scenarios that share one lab.
                let scenario = line.strip_prefix("pub fn ").and_then(|rest| rest.strip_suffix("(lab: &Lab) {"));
                into.extend(scenario.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_row_is_there_and_every_test_that_it_names_exists() {
    let is_id = |cell: &str| cell.len() == 4 && cell.as_bytes()[1] == b'-';
    let rows = rows(is_id);
    let found: Vec<&str> = rows.iter().map(|cells| cells[0].as_str()).collect();
    let expected: Vec<String> =
        PARTS.iter().flat_map(|(part, count)| (1..=*count).map(move |n| format!("{part}-{n:02}"))).collect();
    assert_eq!(found, expected);
    let mut known = HashSet::new();
    tests(&root().join("src"), &mut known);
    tests(&root().join("tests"), &mut known);
    for cells in &rows {
        let [.., how, shown_by] = &cells[..] else { panic!("{cells:?}") };
        let names: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
        let exists = |name: &&str| known.contains(*name) || root().join("tests/golden").join(name).is_file();
        let missing: Vec<_> = names.iter().filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "{}: no such test: {missing:?}", cells[0]);
        assert!(!names.is_empty() || how.contains("**not met:**"), "{}: a test, or why it is not met", cells[0]);
    }
}

/// What becomes of a message, in the page's words.
fn fate(rig: &mut Rig, edge: EdgeId, packet: &Packet) -> String {
    let reasons = [DropReason::LinkScopeIcmpv6, DropReason::UnjustifiedIcmpv6, DropReason::InboundFilter];
    let reasons = reasons.into_iter().chain([DropReason::QuoteNoFlow]);
    let before: Vec<_> = reasons.clone().map(|reason| (reason, rig.dropped(edge, reason))).collect();
    if send(rig, edge, packet).iter().any(|sent| sent.edge != edge) {
        return "passes".to_owned();
    }
    let dropped = before.into_iter().find(|(reason, count)| rig.dropped(edge, *reason) > *count);
    format!("`{}`", dropped.unwrap_or_else(|| panic!("neither passed nor dropped: {packet}")).0.label())
}

/// A site with its filter in force that knows one flow each way, by UDP.
fn filtered() -> Rig {
    let mut rig = rig();
    rig.site.snapshot.filter.inbound = Inbound::Open;
    forwarded(&mut rig, LAN0, &outbound("hop 64 udp 1 2 len 9"));
    forwarded(&mut rig, WAN0, &inbound("hop 64 udp 3 4 len 9"));
    rig.site.snapshot.filter.inbound = Inbound::Established;
    rig
}

fn outcome(kind: u8) -> (String, String) {
    if kind < 128 {
        let about = |source: &str, destination: &str, ports: &str| {
            format!("hop 64 icmp6 {kind}/0 quoting {{ {source} > {destination} hop 9 udp {ports} len 9 }}")
        };
        let leaving = fate(&mut filtered(), LAN0, &outbound(&about(REMOTE, HOST, "3 4")));
        let known = fate(&mut filtered(), WAN0, &inbound(&about(IMAGE, REMOTE, "1 2")));
        let unknown = fate(&mut filtered(), WAN0, &inbound(&about(IMAGE, REMOTE, "7 8")));
        let coming = if known == "passes" && unknown == "`quote-no-flow`" { "of a flow".to_owned() } else { known };
        return (leaving, coming);
    }
    let text = |kind: u8| format!("hop 64 icmp6 {kind}/0 word 0x70001 len 8");
    let leaving = fate(&mut filtered(), LAN0, &outbound(&text(kind)));
    let unasked = fate(&mut filtered(), WAN0, &inbound(&text(kind)));
    let mut rig = filtered();
    for asked in [kind, kind ^ 1] {
        send(&mut rig, LAN0, &outbound(&text(asked)));
    }
    let answering = fate(&mut rig, WAN0, &inbound(&text(kind)));
    let of_a_flow = unasked == "`inbound-filter`" && answering == "passes";
    (leaving, if of_a_flow { "of a flow".to_owned() } else { unasked })
}

#[test]
fn rfc4890_4_3_every_type_fares_as_the_table_says() {
    let rows = rows(|cell| cell.as_bytes()[0].is_ascii_digit());
    let mut next = 1;
    for cells in rows {
        let (low, high) = cells[0].split_once('–').unwrap_or((&cells[0], &cells[0]));
        let (low, high): (u8, u8) = (low.parse().unwrap(), high.parse().unwrap());
        assert_eq!(u16::from(low), next, "types are left out");
        next = u16::from(high) + 1;
        for kind in low..=high {
            assert_eq!(outcome(kind), (cells[2].clone(), cells[3].clone()), "type {kind}");
        }
    }
    assert_eq!(next, 256);
}
