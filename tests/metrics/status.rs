//! `sixways status` against a control socket that answers as a gateway does.

use std::path::Path;

use assert_cmd::Command;
use sixways::observe::status::Status;
use sixways::os;
use sixways::units::Nanos;

use crate::busy_gateway;
use crate::control::Control;
use crate::gateway::Gateway;

pub fn status(socket: &Path, more: &[&str]) -> std::process::Output {
    Command::cargo_bin("sixways").unwrap().arg("status").arg("--socket").arg(socket).args(more).output().unwrap()
}

#[test]
fn status_of_a_gateway_as_people_read_it() {
    let mut gateway = busy_gateway();
    // Two more seconds by the real clock, with traffic in the last one.
    gateway.now = os::now();
    gateway.tick();
    gateway.forward(0, 0, 1, 12_345, 125);
    gateway.workers[1].flows.inserted.add(60_000);
    gateway.tick();
    let output = status(&Control::of(&gateway).path, &[]);
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = page.lines().map(words).collect();
    for expected in [
        "fiber degraded fe80::1 1 33.33 % 100.00 % 3,000 0 pps 0 0 pps 7",
        "cable DOWN, kept fe80::2 2 66.67 % 0.00 % 0 0 pps 0 0 pps 1",
        "cable 2 0 /s 1 0 1 0 0",
        "cable 50.0 GB 100.00 % 50.0 GB SPENT: new flows avoid it",
        "cable 2001:db8:2::/48 1 h 2 min /run/sixways/wan1.prefix: part of 2001:db8:2::/47",
        "lan0 LAN up copy veth 2 12.3 kpps 12.3 Mbit/s 0 pps 0 bit/s",
        "wan0 ISP fiber up copy veth 2 0 pps 0 bit/s 12.3 kpps 12.3 Mbit/s",
        "No more workers than lan0 has queues, the fewest of all interfaces.",
        "tcp 4 2 1",
        "udp 0 1",
        "8 flows and 2 companions take 0.01 % of the places; room for 65,536 flows in 7.34 MB.",
        "records made 70,010 60.0 k/s",
        "gave way: expired 5 0 /s",
        "refused: no place 3 0 /s",
        "fragments: ISP known 11 0 /s",
        "outbound 4 1.73 µs 90.1 µs 90.1 µs 90.1 µs",
        "inbound 0 - - - -",
        "lan0 hop-limit-exceeded 7 0 pps The hop limit ran out (RFC 8200 §3).",
        "wan0 guard-forwarded 8 0 pps The kernel tried to forward it to an ISP untranslated.",
        "ACCOUNTING exact: every frame explained",
        "socket 16,368 redirected = 16,357 read + 11 dropped",
        "path 16,357 read + 4 injected + 7 originated = 16,355 sent + 10 dropped + 3 held",
    ] {
        assert!(lines.iter().any(|line| line == expected), "`{expected}` is missing in\n{page}");
    }
    for expected in [
        "/etc/sixways/sixways.toml in force for ",
        ", sha256 0123456789ab\n",
        "s ago: error: the first\n",
        "cable: former prefix 2001:db8:7::/48, its flows keep it for ",
    ] {
        assert!(page.contains(expected), "`{expected}` is missing in\n{page}");
    }
}

#[test]
fn status_as_json_is_the_whole_of_it() {
    let mut gateway = busy_gateway();
    // One frame read and not yet sent.
    gateway.forward(0, 1, 0, 1, 94);
    gateway.workers[0].edge(sixways::units::EdgeId(1)).read.add(1);
    gateway.report.gates[1].1.redirected += 1;
    gateway.tick();
    let output = status(&Control::of(&gateway).path, &["--json"]);
    let status: Status = serde_json::from_slice(&output.stdout).unwrap();
    let differences: i64 = status.accounting.iter().map(|account| account.difference).sum();
    assert_eq!(differences, 1);
    assert_eq!(status.accounting.len(), 3 * 3 + 2, "gate, socket and path of three interfaces, two buffers");
    assert_eq!((status.flows.records[0].state.as_str(), status.flows.records[0].records), ("established", 0));
    assert!(status.not_ready.contains("has not turned"), "{}", status.not_ready);
}

#[test]
fn rates_are_those_of_a_second_or_two_however_often_somebody_asks() {
    let mut gateway = Gateway::new(1, 1);
    gateway.tick();
    for step in 0..400 {
        // Ticks of a second with three requests between them, two of which come at once.
        let millis = [300, 1, 399, 300][step % 4];
        gateway.forward(0, 0, 1, millis * 1000, 94);
        gateway.pass(millis);
        let (sample, earlier) = (gateway.observed.sample(), gateway.observed.earlier().unwrap());
        assert_eq!(sample.at, gateway.now);
        let span = sample.at.since(earlier.at);
        assert!(span >= Nanos::from_millis(900) && span < Nanos::from_millis(2000), "{span:?}");
        let received = Status::of(&gateway.observed, gateway.now).interfaces[0].received.packets.per_second;
        // Rates before the traffic began are behind it after two seconds.
        assert!(step < 8 || (received - 1e6).abs() < 1.0, "step {step}: {received}");
    }
}

#[test]
fn without_a_gateway_status_says_where_to_look() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let output = status(&path, &[]);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "sixways: no gateway answers at {}; is `sixways run` running in this network namespace?\n",
        path.display()
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}
