//! What can be seen of flow memory while real hosts talk.

mod lab;

use std::time::Duration;

use lab::gateway::Gateway;
use lab::process::eventually;
use lab::steps::Steps;
use lab::traffic::{Bursts, Server, ping};
use lab::{H10, ISP_A, ISP_B, Lab, SERVER};
use sixways::observe::flows::Listing;

fn listing(gateway: &Gateway<'_>, words: &[&str]) -> Listing {
    serde_json::from_str(&gateway.ask(&[&["flows", "--json"], words].concat())).expect("a listing")
}

#[test]
fn flows_are_listed_as_hosts_and_servers_have_them() {
    let Some(lab) = Lab::start(1) else { return };
    let mut server = Server::start(&lab, "srv", true);
    let mut gateway = Gateway::start(&lab, "");
    eventually("the first echo", Duration::from_secs(5), || ping(&lab, "h10", SERVER, 1, 10) == 1);
    let mut steps = Steps::new(&lab);
    steps.step("an answered ping", &mut gateway, |gateway| {
        let pings = listing(gateway, &[H10, SERVER, "proto=icmpv6"]);
        assert!(pings.matched >= 1 && pings.unreadable == 0, "{pings:?}");
        let latest = &pings.flows[0];
        assert_eq!((latest.state.as_str(), latest.opened.as_str()), ("established", "outbound"), "{latest:?}");
    });
    steps.step("datagrams by two ISPs", &mut gateway, |gateway| {
        server.reset();
        Bursts::of_one("h10", &format!("{H10}/128")).run(&lab);
        let seen = server.report();
        let listed = listing(gateway, &["internal=fd12:3456:789a:10::/64", "proto=udp"]);
        assert_eq!((listed.matched, listed.unreadable), (64, 0));
        for (isp, prefix) in [("A", ISP_A), ("B", ISP_B)] {
            let outside = &seen[prefix].examples[0];
            let mut flows = 0;
            for flow in listed.flows.iter().filter(|flow| Some(flow.outside) == Some(outside.parse().ok())) {
                assert_eq!(flow.state, "established", "the server answered: {flow:?}");
                flows += 1;
            }
            assert_eq!(flows, seen[prefix].pairs, "ISP {isp}: the server saw as many pairs");
        }
        let page = gateway.ask(&["flows", "proto=udp", "--count"]);
        assert!(page.lines().last().is_some_and(|line| line.starts_with("64 of ")), "{page}");
    });
    steps.step("metrics and status", &mut gateway, |gateway| {
        // A whole round through the memory, which begins behind the flows, and a sample.
        eventually("the records in the metrics", Duration::from_secs(40), || {
            let metrics = gateway.metrics();
            let value = |name: &str| -> u64 {
                let mine = metrics.lines().filter(|line| line.starts_with(name));
                mine.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
            };
            value("sixways_flow_records{state=\"established\",protocol=\"udp\"}") == 64
                && value("sixways_isp_flows{") >= 65
                && value("sixways_flow_inserts_total") >= 65
                && value("sixways_flow_capacity") >= 1_000_000
        });
        let page = gateway.ask(&["status"]);
        assert!(page.lines().any(|line| line.starts_with("udp ") && line.contains(" 64 ")), "{page}");
    });
    steps.finish();
}
