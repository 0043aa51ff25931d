//! `sixways flows` against a control socket that answers as a gateway does.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use assert_cmd::Command;
use sixways::flow::{FlowStore, State, Tick};
use sixways::hash::FlowKey;
use sixways::limits::{CONTROL_ANSWER_OCTETS, LISTED_FLOWS};
use sixways::observe::flows::Listing;
use sixways::os;
use sixways::snapshot::Snapshot;
use sixways::units::{Direction, MappingId, Nanos};

use crate::control::Control;
use crate::gateway::Gateway;

const SECOND: u64 = 1_000_000_000;

fn key(internal: &str, remote: &str, protocol: u8, internal_port: u16, remote_port: u16) -> FlowKey {
    let address = |text: &str| text.parse().unwrap();
    FlowKey { internal: address(internal), remote: address(remote), protocol, internal_port, remote_port }
}

/// A TCP flow by fiber with its pair, a ping by cable, an inbound TCP flow that was moved from
/// cable to fiber, and ESP.
fn gateway() -> Gateway {
    let gateway = Gateway::new(2, 1);
    let now = os::now();
    let at = |seconds: u64| now.since(Nanos(seconds * SECOND));
    let (host, server) = ("fd12:3456:789a:1::10", "2001:db8:ff::1");
    let web = key(host, server, 6, 51_234, 443);
    let out = Direction::Outbound;
    let record = gateway.remember(web, 0, State::TcpOutbound, out, at(125));
    gateway.flows.flows().refresh(record, State::TcpEstablished, Tick::at(now));
    gateway.remember(FlowKey::pair(web.internal, web.remote), 0, State::Companion, out, now);
    gateway.remember(key(host, "2001:db8:ff::2", 58, 4711, 4711), 1, State::Icmpv6Outbound, out, at(9));
    let ssh = key("fd12:3456:789a:1::22", "2001:db8:fe::9", 6, 22, 60_000);
    let record = gateway.remember(ssh, 1, State::TcpInbound, Direction::Inbound, at(30));
    let moved = gateway.flows.flows().reassign(record, MappingId(0), State::TcpEstablished, Tick::at(at(20)));
    moved.expect("nobody else is there");
    gateway.remember(key("fd12:3456:789a:2::1", server, 50, 0, 0), 1, State::OtherOutbound, out, at(15));
    // Its time is over.
    gateway.remember(key("fd12:3456:789a:2::2", server, 58, 1, 1), 1, State::Icmpv6Outbound, out, at(70));
    gateway
}

fn flows(socket: &Path, more: &[&str]) -> Output {
    Command::cargo_bin("sixways").unwrap().arg("flows").arg("--socket").arg(socket).args(more).output().unwrap()
}

fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Lines with single spaces, and what differs with the clock left out.
fn lines(page: &str) -> Vec<String> {
    page.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn flows_as_people_read_them() {
    let gateway = gateway();
    let control = Control::of(&gateway);
    let page = text(flows(&control.path, &[]));
    let lines = lines(&page);
    assert_eq!(lines[0], "INTERNAL REMOTE OUTSIDE PROTOCOL ISP STATE AGE IDLE OPENED FORMER ISP");
    assert!(
        lines[1].starts_with(
            "[fd12:3456:789a:1::10]:51234 [2001:db8:ff::1]:443 [2001:db8:1:7c4a::10]:51234 tcp fiber established \
             2 min "
        ),
        "seen last, and outside as `sixways map` has it:\n{page}"
    );
    for start in [
        "fd12:3456:789a:1::10 2001:db8:ff::2 2001:db8:2:7c49::10 icmpv6 id 4711 cable unanswered",
        "[fd12:3456:789a:1::22]:22 [2001:db8:fe::9]:60000 [2001:db8:1:7c4a::22]:22 tcp fiber established",
        "fd12:3456:789a:2::1 2001:db8:ff::1 2001:db8:2:7c4a::1 esp cable unanswered",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(start)), "`{start}` is missing in\n{page}");
    }
    assert!(lines[3].ends_with("outbound") || lines[3].ends_with("inbound cable"), "{page}");
    assert!(lines.iter().any(|line| line.ends_with("s inbound cable")), "{page}");
    assert_eq!(lines.last().unwrap(), "4 of 4 flows; cable 2, fiber 2");
    assert_eq!(lines.len(), 6, "companions and what is over are not shown:\n{page}");
    let columns: Vec<usize> = page
        .lines()
        .take(5)
        .map(|line| line.find(" 2001").or(line.find(" [2001")).or(line.find(" REMOTE")).unwrap())
        .collect();
    assert!(columns.iter().all(|column| *column == columns[0]), "columns are aligned:\n{page}");
}

#[test]
fn filters_narrow_down() {
    let gateway = gateway();
    let control = Control::of(&gateway);
    for (words, summary) in [
        (&["fd12:3456:789a:1::/64"][..], "3 of 4 flows; fiber 2, cable 1"),
        (&["2001:db8:ff::1"], "2 of 4 flows; cable 1, fiber 1"),
        (&["fd12:3456:789a:1::10", "2001:db8:ff::2"], "1 of 4 flows; cable 1"),
        (&["internal=fd12:3456:789a:2::/64"], "1 of 4 flows; cable 1"),
        (&["remote=2001:db8:ff::/48", "isp=fiber"], "1 of 4 flows; fiber 1"),
        (&["proto=tcp"], "2 of 4 flows; fiber 2"),
        (&["proto=50"], "1 of 4 flows; cable 1"),
        (&["port=443"], "1 of 4 flows; fiber 1"),
        (&["port=22", "port=60000"], "1 of 4 flows; fiber 1"),
        (&["port=4711"], "1 of 4 flows; cable 1"),
        (&["state=established"], "2 of 4 flows; fiber 2"),
        (&["state=companion"], "1 of 1 companion; fiber 1"),
    ] {
        let page = text(flows(&control.path, words));
        assert_eq!(page.lines().last().unwrap(), summary, "{words:?}:\n{page}");
    }
    let page = text(flows(&control.path, &["state=closing", "isp=cable"]));
    assert_eq!(
        page,
        "none of 4 flows matches state=closing isp=cable; leave out a filter, or see `sixways flows --count`\n"
    );
}

#[test]
fn what_means_nothing_is_told_before_anybody_is_asked() {
    let nowhere = Path::new("/nonexistent/control.sock");
    for (word, message) in [
        ("colour=red", "sixways: there is no filter `colour=`; there are internal=PREFIX, remote=PREFIX, isp=NAME,"),
        ("established", "sixways: `established` is no filter; there are internal=PREFIX"),
        ("10.0.0.1", "sixways: `10.0.0.1` is no filter"),
        ("internal=10.0.0.1", "sixways: `internal=10.0.0.1`: `10.0.0.1` is no IPv6 address; write one like"),
        ("2001:db8::1/32", "sixways: `2001:db8::1/32`: `2001:db8::1/32` has bits set beyond its length; did you mean"),
        ("proto=tpc", "sixways: `tpc` is no protocol; write tcp, udp, icmpv6,"),
        ("proto=0", "sixways: `0` is no protocol"),
        ("port=65536", "sixways: `65536` is no port"),
        (
            "state=ESTABLISHED",
            "sixways: `ESTABLISHED` is no state; write established, unanswered, closing or companion",
        ),
    ] {
        let output = flows(nowhere, &[word]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with(message), "{word}: {error}");
        assert_eq!(output.status.code(), Some(1));
    }
    let twice = flows(nowhere, &["isp=fiber", "isp=cable"]);
    let error = String::from_utf8(twice.stderr).unwrap();
    assert_eq!(error, "sixways: `isp=` is given twice; a flow must match all filters, so leave one out\n");
    let nobody = String::from_utf8(flows(nowhere, &[]).stderr).unwrap();
    assert!(nobody.contains("no gateway answers at /nonexistent/control.sock"), "{nobody}");
}

#[test]
fn the_gateway_knows_its_isps_and_its_limits() {
    let control = Control::of(&Gateway::new(2, 1));
    let error = |more: &[&str]| String::from_utf8(flows(&control.path, more).stderr).unwrap();
    assert_eq!(error(&["isp=dsl"]), "sixways: the gateway says: there is no ISP `dsl`; there are fiber, cable\n");
    let too_many = (LISTED_FLOWS + 1).to_string();
    assert!(error(&["--limit", &too_many]).contains("at most 8000 flows are listed at once, 8001 were asked for"));
    let page = text(flows(&control.path, &[]));
    assert_eq!(page, "no flows yet; `sixways status` shows whether packets arrive, and what is dropped\n");
}

#[test]
fn counts_by_isp_and_state() {
    let gateway = gateway();
    let control = Control::of(&gateway);
    let page = text(flows(&control.path, &["--count"]));
    let lines = lines(&page);
    assert_eq!(
        lines,
        [
            "ISP STATE TCP UDP ICMPV6 OTHER ALL",
            "cable unanswered 0 0 1 1 2",
            "fiber established 2 0 0 0 2",
            "4 of 4 flows; cable 2, fiber 2"
        ]
    );
}

#[test]
fn json_has_every_field() {
    let gateway = gateway();
    let control = Control::of(&gateway);
    let listing: Listing = serde_json::from_slice(&flows(&control.path, &["--json", "port=22"]).stdout).unwrap();
    let [ssh] = &listing.flows[..] else { panic!("{listing:?}") };
    assert_eq!((ssh.internal_port, ssh.remote_port), (Some(22), Some(60_000)));
    assert_eq!((ssh.isp.as_str(), ssh.former_isp.as_deref()), ("fiber", Some("cable")));
    assert_eq!((ssh.opened.as_str(), ssh.state.as_str()), ("inbound", "established"));
    assert!((30..35).contains(&ssh.age_seconds), "{ssh:?}");
    assert!((15..=26).contains(&ssh.idle_seconds), "seen 20 s ago, give or take a tick: {ssh:?}");
    assert_eq!((listing.matched, listing.known, listing.unreadable), (1, 4, 0));
    assert!((listing.read_ratio - 1.0).abs() < f64::EPSILON);
}

/// Addresses, names and numbers as long as they can be.
fn longest_key(number: u32) -> FlowKey {
    let (high, low) = ((number >> 16) as u16, number as u16);
    let internal = format!("fd12:3456:789a:ff1f:{:x}:ffff:{high:04x}:{low:04x}", 0xf000 + high % 15);
    key(&internal, "2001:1db8:ffff:ffff:ffff:ffff:ffff:ffff", 136, 65_535, 65_534)
}

#[test]
fn a_full_memory_is_answered_in_time_and_within_the_limit() {
    let mut gateway = Gateway::new(2, 1);
    let mut snapshot = snapshot_with_long_names(&gateway);
    snapshot.generation += 1;
    gateway.snapshot.store(Arc::new(snapshot));
    gateway.now = os::now();
    let table = gateway.flows.flows();
    for number in 0..60_000 {
        let record = gateway.remember(longest_key(number), 0, State::OtherOutbound, Direction::Outbound, gateway.now);
        let moved = table.reassign(record, MappingId(1), State::OtherOutbound, Tick::at(gateway.now));
        moved.expect("nobody else is there");
    }
    // Some had no place and took another's.
    let all = (0..table.lines()).map(|line| table.records(line).count()).sum::<usize>();
    let control = Control::of(&gateway);
    let page = text(flows(&control.path, &[]));
    assert_eq!(page.lines().filter(|line| line.starts_with('[')).count(), 1000);
    let longest = LISTED_FLOWS.to_string();
    let output = flows(&control.path, &["--limit", &longest, "--json"]);
    let listing: Listing = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listing.flows.len(), LISTED_FLOWS);
    if listing.read_ratio >= 1.0 {
        assert_eq!((listing.matched, listing.unreadable), (all as u64, 0));
        let more = format!("{},{:03} more match: add a filter, or --limit\n", (all - 1000) / 1000, all % 1000);
        assert!(page.ends_with(&more), "{}", &page[page.len() - 200..]);
    }
    let octets = serde_json::to_vec(&serde_json::json!({ "ok": listing })).unwrap().len();
    assert!(octets < CONTROL_ANSWER_OCTETS, "{octets} octets");
    assert!(octets > CONTROL_ANSWER_OCTETS / 2, "these flows are long ones: {octets} octets");
}

/// The longest names that a configuration may have.
fn snapshot_with_long_names(gateway: &Gateway) -> Snapshot {
    let mut snapshot = Snapshot::clone(&gateway.snapshot.load());
    for (number, uplink) in snapshot.uplinks.iter_mut().enumerate() {
        uplink.name = format!("{number}{}", "x".repeat(31)).into();
    }
    snapshot
}
