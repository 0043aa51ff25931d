//! The lab itself, with the kernel alone as the gateway: what the other lab tests rely on to fail
//! does fail. Without Sixways this very network leaks, and its witnesses say so.

mod lab;

use std::net::Ipv6Addr;

use lab::capture::{Capture, source_of};
use lab::flood::Flood;
use lab::load::Load;
use lab::traffic::{Bursts, Server, connect, ping};
use lab::{DMZ_HOST, H10, H20, Lab, SERVER, VPN_HOST};

#[test]
fn the_network_and_its_witnesses_work() {
    let Some(lab) = Lab::start(2) else { return };
    every_cable_carries(&lab);
    the_isps_count_what_leaks(&lab);
    captures_judge_sources_and_checksums(&lab);
    servers_and_clients_agree(&lab);
    a_lost_load_is_told_with_the_place(&lab);
    devices_come_back(&lab);
    a_flood_reaches_the_gateway(&lab);
}

fn every_cable_carries(lab: &Lab) {
    let pairs = [("h10", H20), ("h20", VPN_HOST), ("vpn", H10), ("h10", DMZ_HOST), ("dmz", SERVER), ("srv", DMZ_HOST)];
    for (role, target) in pairs {
        assert_eq!(ping(lab, role, target, 2, 10), 2, "{role} to {target}");
    }
    for (interface, role) in [("lan0", "h20"), ("wan0", "ispa"), ("wan1", "ispb")] {
        assert_eq!(ping(lab, role, &lab.own[interface], 2, 10), 2, "{role} to {interface}");
    }
}

fn the_isps_count_what_leaks(lab: &Lab) {
    let [a, b] = lab.isp_counts();
    assert_eq!((a.internal, a.foreign, b.internal, b.foreign), (0, 0, 0, 0), "{a:?} {b:?}");
    assert!(a.own > 0, "the DMZ has sent: {a:?}");
    // The kernel forwards an inside source as it is, and answers ISP B's address by ISP A.
    assert_eq!(ping(lab, "h10", SERVER, 3, 10), 0);
    assert_eq!(ping(lab, "srv", &lab.own["wan1"], 2, 10), 0);
    let [a, _] = lab.isp_counts();
    assert_eq!((a.internal, a.foreign), (3, 2), "{a:?}");
}

fn captures_judge_sources_and_checksums(lab: &Lab) {
    let capture = Capture::start(lab, "ispa", "cust", "icmp6");
    ping(lab, "dmz", SERVER, 5, 10);
    let from_dmz: Ipv6Addr = DMZ_HOST.parse().unwrap();
    let frames = capture.finish_judged(|source| source == from_dmz || source.is_unicast_link_local());
    let echoes = frames.iter().filter_map(|frame| source_of(frame)).filter(|(source, _)| *source == from_dmz);
    assert_eq!(echoes.count(), 5);

    // With the checksum left to a device that does not exist, every frame is wrong.
    lab.sh("dmz", "ethtool -K eth0 tx on");
    let capture = Capture::start(lab, "dmz", "eth0", "udp");
    let outgoing = Capture::start(lab, "gw", "dmz0", "udp");
    Bursts {
        role: "dmz",
        sources: "2001:db8:1:d::80/128",
        source_count: 1,
        destinations: "2001:db8:f::53/128",
        destination_count: 1,
        repeat: 1,
        rate: 1000,
        wait_ms: 200,
    }
    .run(lab);
    assert!(capture.finish().is_empty(), "nobody answers yet");
    let judged = std::panic::catch_unwind(|| outgoing.finish_judged(|_| true));
    assert!(judged.is_err(), "a wrong checksum was not noticed");
    lab.sh("dmz", "ethtool -K eth0 tx off gso off gro off tso off");
}

fn servers_and_clients_agree(lab: &Lab) {
    let mut server = Server::start(lab, "srv", true);
    lab.sh("dmz", "ip -6 route add local 2001:db8:1:d:5::/80 dev lo");
    lab.sh("gw", &format!("ip -6 route add 2001:db8:1:d:5::/80 via {DMZ_HOST}"));
    let bursts = Bursts {
        role: "dmz",
        sources: "2001:db8:1:d:5::/80",
        source_count: 30,
        destinations: lab::SERVER_PREFIX,
        destination_count: 20,
        repeat: 2,
        rate: 20_000,
        wait_ms: 2_000,
    };
    let burst = bursts.run(lab);
    assert_eq!((burst.pairs, burst.sent, burst.answered, burst.wrong), (600, 1200, 1200, 0));
    let seen = server.report().remove(lab::ISP_A).expect("the DMZ lies in ISP A's prefix");
    assert_eq!((seen.packets, seen.addresses, seen.pairs), (1200, 30, 600));
    server.reset();
    assert!(server.report().is_empty());
    let connections = connect(lab, "dmz", "2001:db8:1:d:5::/80", lab::SERVER_PREFIX, 10, 100_000);
    assert_eq!(connections.connected, 10, "{:?}", connections.failures);
    assert_eq!(connections.seen[lab::ISP_A], 10);
    let page = lab.sh("dmz", &format!("curl -sS -g http://[{SERVER}]:8080/whoami"));
    assert_eq!(page.trim(), DMZ_HOST);
}

fn a_lost_load_is_told_with_the_place(lab: &Lab) {
    let _server = Server::start(lab, "srv", true);
    let bursts = Bursts {
        role: "dmz",
        sources: "2001:db8:1:d::80/128",
        source_count: 1,
        destinations: lab::SERVER_PREFIX,
        destination_count: 20,
        repeat: 10_000,
        rate: 1_000,
        wait_ms: 500,
    };
    let load = Load::start(lab, None, &bursts);
    std::thread::sleep(std::time::Duration::from_millis(300));
    load.all_answered("by ISP A", None);
    let load = Load::start(lab, None, &bursts);
    lab.sh("ispa", "ip -6 route del 2001:db8:f::/64");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| load.all_answered("by nobody", None)));
    lab.sh("ispa", "ip -6 route add 2001:db8:f::/64 via fe80::53 dev core");
    let told = judged.expect_err("what ISP A has no route for is lost");
    let told = told.downcast_ref::<String>().expect("a text");
    assert!(told.contains("ispa Ip6InNoRoutes: "), "{told}");
}

fn devices_come_back(lab: &Lab) {
    for device in ["lan0", "wan0", "wan1"] {
        lab.recreate(device);
        lab.unplug(device);
        assert_eq!(lab.sh("gw", &format!("cat /sys/class/net/{device}/carrier")).trim(), "0");
        lab.plug(device);
    }
    for (interface, role) in [("lan0", "h20"), ("wan0", "ispa"), ("wan1", "ispb")] {
        assert_eq!(ping(lab, role, &lab.own[interface], 2, 10), 2, "{role} to {interface} made anew");
    }
}

fn a_flood_reaches_the_gateway(lab: &Lab) {
    let received = |lab: &Lab| -> u64 {
        lab.sh("gw", "cat /sys/class/net/lan0/statistics/rx_packets").trim().parse().expect("a number")
    };
    let before = received(lab);
    let flood = Flood::start(lab, 1);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let sent = flood.stop();
    let arrived = received(lab) - before;
    assert!(sent > 10_000, "only {sent} frames in 0.3 s");
    assert!(arrived > sent / 2, "{arrived} of {sent} arrived");
}
