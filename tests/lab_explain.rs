//! `sixways explain` asks a gateway that forwards for real hosts: what it says happens, and asking
//! changes nothing.

mod lab;

use std::time::Duration;

use lab::gateway::Gateway;
use lab::process::eventually;
use lab::traffic::{Bursts, Server, ping};
use lab::{H10, H20, Lab, SERVER, VPN_HOST};
use serde_json::Value;
use sixways::observe::flows::Listing;

fn listing(gateway: &Gateway<'_>, words: &[&str]) -> Listing {
    serde_json::from_str(&gateway.ask(&[&["flows", "--json"], words].concat())).expect("a listing")
}

/// What is said about a datagram.
fn explained(gateway: &Gateway<'_>, from: &str, ends: [(&str, u16); 2], more: &[&str]) -> Value {
    let [(source, sport), (destination, dport)] = ends;
    let (sport, dport) = (sport.to_string(), dport.to_string());
    let question = ["explain", "--from", from, "--source", source, "--destination", destination, "--proto", "udp"];
    let ports = ["--sport", &sport, "--dport", &dport, "--json"];
    serde_json::from_str(&gateway.ask(&[&question[..], &ports, more].concat())).expect("an explanation")
}

/// Step, finding and reason, a line each.
fn told(explanation: &Value) -> String {
    let steps = explanation["told"]["steps"].as_array().expect("steps");
    let word = |step: &Value, key: &str| step[key].as_str().expect("words").to_owned();
    steps.iter().map(|step| ["step", "finding", "because"].map(|key| word(step, key)).join(" | ") + "\n").collect()
}

#[test]
fn what_the_running_gateway_says_happens() {
    let Some(lab) = Lab::start(1) else { return };
    let _server = Server::start(&lab, "srv", true);
    let gateway = Gateway::start(&lab, "");
    eventually("the first echo", Duration::from_secs(5), || ping(&lab, "h10", SERVER, 1, 10) == 1);

    // A flow that is known is told by its record; of one that is not, hash and bucket say the same.
    Bursts::of_one("h10", &format!("{H10}/128")).run(&lab);
    let known = listing(&gateway, &["internal=fd12:3456:789a:10::/64", "proto=udp"]);
    assert_eq!(known.matched, 64);
    let some = |isp: &'static str| known.flows.iter().filter(move |flow| flow.isp == isp).take(3);
    assert_eq!(some("fiber").chain(some("cable")).count(), 6, "both ISPs have flows");
    for flow in some("fiber").chain(some("cable")) {
        let (port, remote_port) = (flow.internal_port.expect("a port"), flow.remote_port.expect("a port"));
        let remote = flow.remote.to_string();
        let said = explained(&gateway, "lan", [(H10, port), (&remote, remote_port)], &[]);
        let text = told(&said);
        assert!(text.contains(&format!("flow | known: {} |", flow.isp)), "{text}");
        assert!(text.contains("established, opened outbound"), "{text}");
        assert_eq!(said["told"]["outcome"]["by"], flow.isp.as_str(), "{text}");
        assert!(text.contains(&format!("→ {}", flow.outside.expect("an image"))), "{text}");
        // The default hash knows no ports: another port is another flow, by the same ISP.
        let other = explained(&gateway, "lan0", [(H10, port ^ 1), (&remote, remote_port)], &[]);
        let text = told(&other);
        assert!(text.contains("flow | not known yet |") && text.contains("| chosen\n"), "{text}");
        assert_eq!(other["told"]["outcome"]["by"], flow.isp.as_str(), "{text}");
        // The reply comes in by that ISP and by no other.
        let outside = flow.outside.expect("an image").to_string();
        for isp in ["fiber", "cable"] {
            let reply = explained(&gateway, isp, [(&remote, remote_port), (&outside, port)], &[]);
            let verdict = if isp == flow.isp { "sent" } else { "dropped" };
            assert_eq!(reply["told"]["outcome"]["verdict"], verdict, "{}", told(&reply));
        }
        let other = if flow.isp == "fiber" { "cable" } else { "fiber" };
        let away = explained(&gateway, "lan", [(H10, port), (&remote, remote_port)], &["--if-down", &flow.isp]);
        assert_eq!(away["alternative"]["told"]["outcome"]["by"], other);
    }

    // Nobody was added, and nobody is younger for having been asked about.
    let after = listing(&gateway, &["internal=fd12:3456:789a:10::/64", "proto=udp"]);
    assert_eq!(after.matched, known.matched);
    for flow in &known.flows {
        let same =
            after.flows.iter().find(|after| (after.remote, after.internal_port) == (flow.remote, flow.internal_port));
        assert!(same.is_some_and(|after| after.idle_seconds >= flow.idle_seconds), "{flow:?} {same:?}");
    }

    // The kernel's own: another LAN, a VPN, the gateway itself.
    for destination in [H20, VPN_HOST, &lab.own["lan0"]] {
        let said = explained(&gateway, "lan", [(H10, 4000), (destination, 4001)], &[]);
        assert_eq!(said["told"]["outcome"]["verdict"], "passed", "{}", told(&said));
    }
    // The router's MAC is the one that the kernel has.
    let said = explained(&gateway, "lan", [(H10, 4000), (SERVER, 4001)], &[]);
    let frame = said["told"]["outcome"]["frame"].as_str().expect("a frame");
    let mac: Vec<&str> = (0..6).map(|at| &frame[2 * at..2 * at + 2]).collect();
    let neighbours = lab.sh("gw", "ip -6 neigh show");
    assert!(neighbours.contains(&format!("lladdr {}", mac.join(":"))), "{mac:?} is not in {neighbours}");
}
