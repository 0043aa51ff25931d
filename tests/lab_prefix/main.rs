//! A prefix that is delegated by a real DHCPv6 server to a real client, and changed under load.

mod dhcpv6;
#[path = "../lab/mod.rs"]
mod lab;

use std::fs;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use dhcpv6::{Server as Delegator, client, dispatch, networkd};
use lab::clients::Live;
use lab::gateway::Gateway;
use lab::load::Load;
use lab::process::eventually;
use lab::traffic::{Bursts, Server};
use lab::watch::Watch;
use lab::{H10, H20, H20_PREFIX, ISP_A, Lab, SERVER, SERVER_PREFIX};

/// Both lie in what ISP B routes to the gateway; the server has routes for both all the time.
const OLD: &str = "2001:db8:2:a000::/52";
const NEW: &str = "2001:db8:2:b000::/52";
const LIMIT: Duration = Duration::from_secs(40);
const GRACE: Duration = Duration::from_secs(20);
/// The load, of datagrams, and the connections.
const NEW_FLOWS: &str = "udp and dst net 2001:db8:f::/64";
const LIVE_FLOWS: &str = "tcp and dst net 2001:db8:f::/64";

/// The lab's configuration with cable's prefix out of a file.
fn by_file(lab: &Lab) -> String {
    config(&format!("file = \"{}\"", lab.dir.join("wan1.prefix").display()))
}

/// The lab's configuration with cable's prefix out of `origin`.
fn config(origin: &str) -> String {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/lab.toml")).expect("configs/lab.toml");
    let source = format!("{{ {origin}, grace = \"20s\" }}");
    let text = text.replace("\"2001:db8:2::/48\"", &source);
    assert!(text.contains("grace"), "{text}");
    text
}

/// One host reaches 64 addresses of the server, once neighbours are known: of the first packets to a router
/// that is being asked for, four wait.
#[track_caller]
fn all_reachable(lab: &Lab, gateway: &Gateway<'_>) {
    for (role, source) in [("h10", H10), ("h20", H20)] {
        lab.sh(role, &format!("ping -6 -n -c 1 -w 20 -I {source} {SERVER}"));
    }
    let burst = Bursts::of_one("h10", &format!("{H10}/128")).run(lab);
    assert_eq!((burst.answered, burst.wrong), (burst.sent, 0), "{burst:?}\n{}", gateway.log());
}

/// New flows all the time, each between another pair of addresses.
const LOAD: Bursts<'static> = Bursts {
    role: "h20",
    sources: H20_PREFIX,
    source_count: 100,
    destinations: SERVER_PREFIX,
    destination_count: 100,
    repeat: 200,
    rate: 2_000,
    // It costs time only where an echo is lost.
    wait_ms: 20_000,
};

fn within(address: Ipv6Addr, prefix: &str) -> bool {
    let (first, len) = prefix.split_once('/').expect("a prefix");
    let first: Ipv6Addr = first.parse().expect("an address");
    let shift = 128 - len.parse::<u32>().expect("a length");
    (address.to_bits() ^ first.to_bits()) >> shift == 0
}

#[test]
fn a_new_prefix_under_load_costs_no_packet() {
    let Some(lab) = Lab::start(2) else { return };
    let _server = Server::start(&lab, "srv", true);
    let mut gateway = Gateway::start_with(&lab, &by_file(&lab));

    // Nobody delegates yet: all of it goes by the other ISP.
    all_reachable(&lab, &gateway);
    let status = gateway.ask(&["status"]);
    assert!(status.contains("unknown") && status.contains("wan1.prefix: it is missing"), "{status}");

    let delegator = Delegator::start(&lab, OLD);
    let dhcp = client(&lab);
    let has = |prefix: &str| fs::read_to_string(lab.dir.join("wan1.prefix")).is_ok_and(|text| text.trim() == prefix);
    let start = Instant::now();
    while !has(OLD) {
        assert!(start.elapsed() < LIMIT, "no delegation:\n{}\n{}", dhcp.output(), delegator.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    eventually("the first prefix is in force", LIMIT, || gateway.log().contains(&format!("to=\"{OLD}\"")));

    // Connections that live, and new flows one after the other; the prefix changes meanwhile.
    let mut live = Live::start(&lab, "h10", H10, SERVER_PREFIX, 40, 0);
    live.go_on(LIMIT);
    let watch = Watch::start(&lab, NEW_FLOWS);
    let load = Load::start(&lab, Some(&gateway), &LOAD);
    std::thread::sleep(Duration::from_secs(2));
    delegator.delegate(NEW);
    eventually("the client has the new prefix", LIMIT, || has(NEW));
    eventually("the new prefix is in force", LIMIT, || gateway.log().contains(&format!("to=\"{NEW}\"")));
    let changed = Instant::now();
    std::thread::sleep(Duration::from_secs(2));
    load.all_answered("over the change", Some(&gateway));
    // Whatever left had a source of its ISP; by ISP B first out of one prefix, then out of the other.
    let [by_a, by_b] = watch.finish();
    assert!(!by_a.flows().is_empty() && by_a.isp == ISP_A);
    for prefix in [OLD, NEW] {
        let count = by_b.sources().iter().filter(|source| within(**source, prefix)).count();
        assert!(count > 10, "{count} sources in {prefix}");
    }

    let status = gateway.ask(&["status"]);
    assert!(status.contains(&format!("cable: former prefix {OLD}, its flows keep it for ")), "{status}");

    // Through the grace every connection goes on, those of the former prefix by it.
    let watch = Watch::start(&lab, LIVE_FLOWS);
    live.go_on(LIMIT);
    assert!(changed.elapsed() < GRACE, "too slow a machine to tell the grace");
    let [_, by_b] = watch.finish();
    let sources = by_b.sources();
    assert!(!sources.is_empty() && sources.iter().all(|source| within(*source, OLD)), "{sources:?}");
    drop(live);

    // The grace ends, and new flows do not notice.
    eventually("the grace is over", LIMIT, || gateway.log().contains("its grace is over"));
    let watch = Watch::start(&lab, NEW_FLOWS);
    let load = Load::start(&lab, Some(&gateway), &LOAD);
    std::thread::sleep(Duration::from_secs(2));
    load.all_answered("after the grace", Some(&gateway));
    let [_, by_b] = watch.finish();
    assert!(by_b.sources().iter().all(|source| within(*source, NEW)), "{:?}", by_b.sources());
    let history = fs::read_to_string(lab.dir.join("state/prefix-history.json")).expect("kept");
    assert!([OLD, NEW].iter().all(|prefix| history.contains(prefix)), "{history}");

    // A restart knows the prefix, whoever is away.
    drop(dhcp);
    assert!(gateway.stop().success(), "{}", gateway.log());
    let _ = fs::remove_file(lab.dir.join("wan1.prefix"));
    gateway.restart();
    all_reachable(&lab, &gateway);
    let state = fs::read_to_string(lab.dir.join("state/prefixes.json")).expect("kept");
    assert!(state.contains(NEW), "{state}");

    // Another client, which tells nobody but the kernel; and another prefix.
    gateway.configure(&config("interface = \"wan1\""));
    gateway.ask(&["reload"]);
    delegator.delegate(OLD);
    let client = networkd(&lab);
    let in_force = |prefix: &str| {
        let status = gateway.ask(&["status"]);
        let line = status.lines().find(|line| line.starts_with("cable") && line.contains("interface wan1"));
        line.is_some_and(|line| line.contains(prefix))
    };
    eventually("the delegation of networkd is in force", LIMIT, || in_force(OLD));
    delegator.delegate(NEW);
    eventually("its second one is in force", LIMIT, || in_force(NEW));
    dispatch(&lab);
    assert!(has(NEW), "its hook tells the former route apart: {}", client.output());
    all_reachable(&lab, &gateway);
    assert!(gateway.stop().success(), "{}", gateway.log());
}
