//! The main job on real traffic: a LAN, two ISPs, and kernels that know nothing of Sixways.

mod lab;

use std::net::Ipv6Addr;
use std::process::Command;
use std::time::Duration;

use lab::capture::{Capture, source_of};
use lab::gateway::Gateway;
use lab::images::{Images, inside};
use lab::process::{eventually, run};
use lab::steps::Steps;
use lab::traffic::{Bursts, Server, connect, ping, traceroute};
use lab::{DMZ_HOST, H10, H20, H20_PREFIX, ISP_A, ISP_B, Lab, SERVER, SERVER_PREFIX, VPN_HOST};

/// All pairs between the inner router's host and the server: more than ten thousand.
const MANY: Bursts<'static> = Bursts {
    role: "h20",
    sources: H20_PREFIX,
    source_count: 128,
    destinations: SERVER_PREFIX,
    destination_count: 96,
    repeat: 1,
    rate: 5_000,
    wait_ms: 2_000,
};

#[test]
fn a_lan_reaches_the_internet_by_two_isps() {
    let Some(lab) = Lab::start(1) else { return };
    let mut server = Server::start(&lab, "srv", true);
    let mut gateway = Gateway::start(&lab, "");
    let mut steps = Steps::new(&lab);
    first_echo(&lab);
    steps.step("ping from both subnets", &mut gateway, |_| {
        for role in ["h10", "h20"] {
            assert_eq!(ping(&lab, role, SERVER, 100, 5), 100, "{role}");
        }
    });
    steps.step("over ten thousand pairs, shared out by weight", &mut gateway, |gateway| {
        let (before, counted) = (gateway.settled(), lab.isp_counts());
        shares(&lab, &mut server);
        let after = gateway.settled();
        // The ISPs' counters are the second witness of what the gateway says it sent.
        for (interface, isp) in [("wan0", 0), ("wan1", 1)] {
            let sent = after.sent_by(interface) - before.sent_by(interface);
            assert_eq!(sent, lab.isp_counts()[isp].own - counted[isp].own, "{interface}");
        }
    });
    steps.step("TCP and HTTP by both ISPs", &mut gateway, |_| tcp(&lab));
    steps.step("inbound, by both ISPs", &mut gateway, |_| inbound(&lab, &mut server));
    steps.step("traceroute outbound", &mut gateway, |_| traceroute_outbound(&lab));
    steps.step("traceroute inbound", &mut gateway, |_| traceroute_inbound(&lab, &mut server));
    steps.step("a 1400-byte ISP and path MTU discovery", &mut gateway, |_| path_mtu(&lab));
    steps.step("hairpin", &mut gateway, |_| hairpin(&lab, &mut server));
    steps.step("VPN, DMZ and LAN to LAN", &mut gateway, |_| beside(&lab));
    steps.step("an unassigned subnet never leaves", &mut gateway, |gateway| {
        assert_eq!(ping(&lab, "h10", "fd12:3456:789a:99::1", 10, 10), 0);
        assert_eq!(gateway.settled().dropped("lan0", "no-lan-route"), 10);
    });
    steps.step("neighbour discovery", &mut gateway, |_| {
        for (role, target) in [("h10", SERVER), ("ispa", lab.own["wan0"].as_str()), ("ispb", lab.own["wan1"].as_str())]
        {
            lab.sh(role, "ip -6 neigh flush all");
            assert_eq!(ping(&lab, role, target, 3, 10), 3, "{role} with an empty neighbour table");
        }
    });
    steps.step("scraped ten times a second under load", &mut gateway, |gateway| scrapes(&lab, gateway));
    steps.step("an idle gateway sleeps and wakes", &mut gateway, |gateway| idle(&lab, gateway));
    steps.finish();
}

#[test]
fn two_queues_and_two_workers_carry_both_directions() {
    let Some(lab) = Lab::start(2) else { return };
    let mut server = Server::start(&lab, "srv", true);
    let mut gateway = Gateway::start(&lab, "");
    first_echo(&lab);
    let mut steps = Steps::new(&lab);
    steps.step("both directions over two queues", &mut gateway, |gateway| {
        shares(&lab, &mut server);
        // The kernel spreads what it makes over a veth's queues, but not what it forwards: so the
        // ISPs' routers themselves are the senders.
        let images = Images::learn(&lab, &mut server, "h10", H10);
        let mut host = Server::start(&lab, "h10", false);
        for (role, isp) in [("ispa", ISP_A), ("ispb", ISP_B)] {
            host.reset();
            let target = format!("{}/128", images.by(isp));
            let asked = Bursts { role, sources: SERVER_PREFIX, destinations: &target, wait_ms: 300, ..MANY };
            let sent = Bursts { source_count: 1000, destination_count: 1, ..asked }.run(&lab).sent;
            let seen: u64 = host.report().values().map(|from| from.packets).sum();
            assert_eq!(seen, sent, "{isp} to h10: not all delivered");
        }
        // veth's own counters tell which queue the gate took frames from.
        for device in ["lan0", "wan0", "wan1"] {
            for queue in 0..2 {
                let count = gateway.redirected(device, queue);
                assert!(count > 100, "queue {queue} of {device}: {count}");
            }
        }
        let metrics = gateway.metrics();
        for worker in 0..2 {
            let name = format!("sixways_worker_busy_iterations_total{{worker=\"{worker}\"}} ");
            let count = metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse::<f64>().ok());
            assert!(count > Some(100.0), "worker {worker} of two: {count:?}");
        }
    });
    steps.step("TCP over two queues", &mut gateway, |_| tcp(&lab));
    steps.finish();
}

/// Waits until the gateway forwards and knows its LAN neighbours: few packets are held for one
/// that it does not know yet. Without this nothing else can be true.
fn first_echo(lab: &Lab) {
    for role in ["h10", "h20"] {
        eventually("the first echo", Duration::from_secs(5), || ping(lab, role, SERVER, 1, 10) == 1);
    }
}

fn shares(lab: &Lab, server: &mut Server) {
    server.reset();
    let captures =
        [("ispa", ISP_A), ("ispb", ISP_B)].map(|(role, prefix)| (Capture::start(lab, role, "cust", "udp"), prefix));
    let burst = MANY.run(lab);
    assert_eq!((burst.answered, burst.wrong), (burst.pairs, 0), "{burst:?}");
    let seen = server.report();
    assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), [ISP_A, ISP_B]);
    assert_eq!(seen.values().map(|isp| isp.pairs).sum::<u64>(), burst.pairs);
    // fiber : cable = 3 : 1. Chance adds 0.4 points to the table's exact quarter.
    let share = seen[ISP_A].pairs as f64 / burst.pairs as f64;
    assert!((share - 0.75).abs() < 0.02, "ISP A has {share} of the pairs");
    for (capture, prefix) in captures {
        let frames = capture.finish_judged(|source| inside(source, prefix));
        assert!(frames.len() as u64 >= seen[prefix].pairs, "{prefix}: {} frames captured", frames.len());
    }
}

fn tcp(lab: &Lab) {
    let connections = connect(lab, "h20", H20_PREFIX, SERVER_PREFIX, 60, 100_000);
    assert_eq!(connections.connected, 60, "{:?}", connections.failures);
    assert_eq!(connections.seen.len(), 2, "both ISPs: {:?}", connections.seen);
    let size =
        lab.sh("h10", &format!("curl -sSg -o /dev/null -w %{{size_download}} http://[{SERVER}]:8080/bytes/20000000"));
    assert_eq!(size, "20000000");
}

fn inbound(lab: &Lab, server: &mut Server) {
    for (role, host) in [("h10", H10), ("h20", H20)] {
        let images = Images::learn(lab, server, role, host);
        let mut host_server = Server::start(lab, role, true);
        for isp in [ISP_A, ISP_B] {
            host_server.reset();
            let image = format!("{}/128", images.by(isp));
            let asked = Bursts {
                role: "srv",
                sources: SERVER_PREFIX,
                source_count: 100,
                destinations: &image,
                destination_count: 1,
                wait_ms: 300,
                ..MANY
            };
            let burst = asked.run(lab);
            let seen: u64 = host_server.report().values().map(|from| from.packets).sum();
            assert_eq!(seen, burst.sent, "{isp} to {role}: not all delivered");
            assert_eq!((burst.answered, burst.wrong), (burst.sent, 0), "{isp} to {role}: {burst:?}");
            let connections = connect(lab, "srv", SERVER_PREFIX, &image, 3, 100_000);
            assert_eq!(connections.connected, 3, "{isp} to {role}: {:?}", connections.failures);
        }
    }
}

fn traceroute_outbound(lab: &Lab) {
    let hops = traceroute(lab, "h10", SERVER);
    assert_eq!(hops.len(), 3, "{hops:?}");
    assert_eq!(hops[0], lab.own["lan0"]);
    assert!(["2001:db8:a::1", "2001:db8:b::1"].contains(&hops[1].as_str()), "{hops:?}");
    assert_eq!(hops[2], SERVER);
}

fn traceroute_inbound(lab: &Lab, server: &mut Server) {
    let images = Images::learn(lab, server, "h20", H20);
    let _echo = Server::start(lab, "h20", true);
    for (isp, router, port) in [(ISP_A, "2001:db8:a::1", "wan0"), (ISP_B, "2001:db8:b::1", "wan1")] {
        let image = images.by(isp);
        let hops = traceroute(lab, "srv", image);
        assert_eq!(hops.len(), 4, "{hops:?}");
        assert_eq!(hops[..2], [router, lab.own[port].as_str()], "{isp}");
        assert!(inside(hops[2].parse().expect("the inner router answers"), isp), "{hops:?}");
        assert_eq!(hops[3], image);
    }
}

fn path_mtu(lab: &Lab) {
    // The gateway says it itself: ISP B carries 1400 octets.
    let by_b = (1..64)
        .map(|i| format!("2001:db8:f::b:{i:x}"))
        .find(|target| traceroute(lab, "h10", target).get(1).is_some_and(|hop| hop == "2001:db8:b::1"))
        .expect("one of 63 pairs goes by ISP B");
    let capture = Capture::start(lab, "h10", "eth0", "icmp6 and ip6[40] == 2");
    assert_eq!(ping(lab, "h10", &format!("-Mdo -s1400 {by_b}"), 1, 10), 0);
    let errors = capture.finish_judged(|source| source.to_string() == lab.own["lan0"]);
    assert_eq!(errors.len(), 1, "one Packet Too Big");
    assert_eq!(errors[0][58..62], 1400u32.to_be_bytes(), "and it says 1400");

    let capture = Capture::start(lab, "ispb", "cust", "tcp");
    let connections = connect(lab, "h10", &format!("{H10}/128"), &format!("{by_b}/128"), 2, 300_000);
    assert_eq!(connections.connected, 2, "{:?}", connections.failures);
    let frames = capture.finish_judged(|source| inside(source, ISP_B));
    let longest = frames.iter().map(Vec::len).max().expect("TCP by ISP B");
    assert_eq!(longest, 14 + 1400);

    // A narrower link beyond ISP B: its router's error comes in, and its quote is led back.
    lab.sh("ispb", &format!("ip -6 route add {by_b}/128 via fe80::53 dev core mtu 1300"));
    let capture = Capture::start(lab, "ispb", "cust", "tcp and greater 1300");
    let connections = connect(lab, "h10", &format!("{H10}/128"), &format!("{by_b}/128"), 3, 300_000);
    assert_eq!(connections.connected, 3, "{:?}", connections.failures);
    let route = lab.sh("h10", &format!("ip -6 route get {by_b}"));
    assert!(route.contains("mtu 1300"), "the host has learnt: {route}");
    capture.finish_judged(|source| inside(source, ISP_B));

    // A narrower link behind the inner router: its error goes out, by the ISP of its quote.
    lab.sh("inn", &format!("ip -6 route add {H20}/128 dev far mtu 1320"));
    let connections = connect(lab, "h20", &format!("{H20}/128"), SERVER_PREFIX, 40, 50_000);
    assert_eq!(connections.connected, 40, "{:?}", connections.failures);
    assert_eq!(connections.seen.len(), 2, "both ISPs: {:?}", connections.seen);
    lab.sh("inn", &format!("ip -6 route del {H20}/128 dev far mtu 1320"));
}

fn hairpin(lab: &Lab, server: &mut Server) {
    let images = Images::learn(lab, server, "h20", H20);
    let _h20 = Server::start(lab, "h20", true);
    for isp in [ISP_A, ISP_B] {
        let image = images.by(isp);
        assert_eq!(ping(lab, "h10", image, 20, 5), 20, "{isp}");
        let connections = connect(lab, "h10", &format!("{H10}/128"), &format!("{image}/128"), 3, 100_000);
        assert_eq!(connections.connected, 3, "{isp}: {:?}", connections.failures);
    }
}

fn beside(lab: &Lab) {
    for (role, target) in
        [("h10", H20), ("h10", VPN_HOST), ("vpn", H20), ("h20", DMZ_HOST), ("dmz", SERVER), ("srv", DMZ_HOST)]
    {
        assert_eq!(ping(lab, role, target, 20, 5), 20, "{role} to {target}");
    }
    let capture = Capture::start(lab, "vpn", "wg0", "icmp6 and ip6[40] == 128");
    assert_eq!(ping(lab, "h10", VPN_HOST, 5, 10), 5);
    let sources: Vec<_> = capture.finish().iter().filter_map(|frame| source_of(frame)).map(|pair| pair.0).collect();
    assert_eq!(sources, [H10.parse::<Ipv6Addr>().unwrap(); 5], "the VPN sees the inside address");
}

fn scrapes(lab: &Lab, gateway: &Gateway<'_>) {
    std::thread::scope(|scope| {
        let load = scope.spawn(|| Bursts { repeat: 2, ..MANY }.run(lab));
        let mut scrapes = 0;
        while !load.is_finished() {
            let page = gateway.metrics();
            assert!(page.contains("sixways_drop_packets_total"), "{page}");
            scrapes += 1;
            std::thread::sleep(Duration::from_millis(100));
        }
        let burst = load.join().expect("the burst ran");
        assert_eq!((burst.answered, burst.wrong), (burst.sent, 0), "{burst:?}");
        assert!(scrapes >= 10, "only {scrapes} scrapes");
    });
    let page = lab.dir.join("metrics");
    std::fs::write(&page, gateway.metrics()).expect("a file");
    let check = format!("promtool check metrics < {}", page.display());
    let said = run(Command::new("sh").args(["-c", &check]), Duration::from_secs(20));
    assert_eq!(said, "", "promtool has something to say");
}

fn idle(lab: &Lab, gateway: &Gateway<'_>) {
    let span = Duration::from_secs(3);
    let before = gateway.processor_time();
    std::thread::sleep(span);
    let used = gateway.processor_time() - before;
    // Fifty looks a second at the ISPs' health, unoptimised, are most of it; one that spins takes all.
    assert!(used < span / 8, "{used:?} of {span:?} on one core");
    // One echo at a time, far apart: each one has to wake the worker. Other work on this machine
    // may delay one or the other, but not the fastest of fifty.
    let output = lab.sh("h10", &format!("ping -6 -n -q -c 50 -i 0.05 {SERVER}"));
    let fastest = output.split("= ").nth(1).and_then(|times| times.split('/').next()?.parse::<f64>().ok());
    assert!(fastest.is_some_and(|milliseconds| milliseconds < 1.0), "{output}");
}
