//! The inbound filter as the world and the hosts meet it, with the default configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::lab::capture::{Capture, source_of};
use crate::lab::clients::{Knocked, knock};
use crate::lab::gateway::Gateway;
use crate::lab::images::{Images, inside};
use crate::lab::process::eventually;
use crate::lab::steps::Steps;
use crate::lab::traffic::{Bursts, Server, connect, ping, traceroute};
use crate::lab::{H10, H20, ISP_A, ISP_B, Lab, SERVER, SERVER_PREFIX};
use crate::{EVEN, SERVICES, config};

/// A port of `h20` that is served inside and not allowed from outside.
const HTTP: u16 = 8080;

#[test]
fn the_world_gets_in_by_invitation_only() {
    let Some(lab) = Lab::start(1) else { return };
    let mut gateway = Gateway::start_with(&lab, &config(EVEN, SERVICES));
    let mut server = Server::start(&lab, "srv", true);
    let mut host = Server::start(&lab, "h10", true);
    let _services = Server::start(&lab, "h20", true);
    for role in ["h10", "h20"] {
        eventually("the first echo", Duration::from_secs(5), || ping(&lab, role, SERVER, 1, 10) == 1);
    }
    let closed = Images::learn(&lab, &mut server, "h10", H10);
    let open = Images::learn(&lab, &mut server, "h20", H20);
    let mut steps = Steps::new(&lab);
    steps.step("unsolicited datagrams vanish", &mut gateway, |gateway| {
        for isp in [ISP_A, ISP_B] {
            let target = format!("{}/128", closed.by(isp));
            let burst = Bursts { destinations: &target, ..UNSOLICITED }.run(&lab);
            assert_eq!((burst.sent, burst.answered, burst.wrong), (100, 0, 0), "{burst:?}");
        }
        assert!(host.report().is_empty(), "{:?}", host.report());
        let accounts = gateway.settled();
        for port in ["wan0", "wan1"] {
            assert_eq!(accounts.dropped(port, "inbound-filter"), 100, "{port}");
        }
    });
    steps.step("unsolicited SYNs are refused after six seconds", &mut gateway, |_| {
        let lab = &lab;
        let refusals = Capture::start(lab, "srv", "a0", "icmp6 and ip6[40] == 1");
        std::thread::scope(|scope| {
            let doors = [(closed.by(ISP_A), 9001), (closed.by(ISP_B), 9001), (open.by(ISP_A), HTTP)];
            let knocks =
                doors.map(|(image, port)| (image, scope.spawn(move || knock(lab, "srv", SERVER, image, port))));
            for (image, knock) in knocks {
                let knocked = knock.join().expect("an answer");
                assert_refused_late(image, &knocked);
            }
        });
        let frames = refusals.finish_judged(|source| inside(source, ISP_A) || source.to_string() == lab.own["wan0"]);
        assert_eq!(frames.len(), 2, "one refusal for each connection by ISP A");
        assert!(frames.iter().all(|frame| frame[54..56] == [1, 1]), "administratively prohibited: {frames:02x?}");
    });
    steps.step("allowed services and ping are reached by both ISPs", &mut gateway, |_| {
        for isp in [ISP_A, ISP_B] {
            let target = format!("{}/128", open.by(isp));
            let connections = connect(&lab, "srv", SERVER_PREFIX, &target, 5, 10_000);
            assert_eq!(connections.connected, 5, "{isp}: {:?}", connections.failures);
            let burst = Bursts { destinations: &target, ..UNSOLICITED }.run(&lab);
            assert_eq!((burst.answered, burst.wrong), (100, 0), "{isp}: {burst:?}");
            for images in [&closed, &open] {
                assert_eq!(ping(&lab, "srv", images.by(isp), 10, 10), 10, "{isp}");
            }
        }
    });
    steps.step("what hosts inside ask is answered, errors included", &mut gateway, |_| answers(&lab));
    steps.finish();
}

const UNSOLICITED: Bursts<'static> = Bursts {
    role: "srv",
    sources: SERVER_PREFIX,
    source_count: 100,
    destinations: "",
    destination_count: 1,
    repeat: 1,
    rate: 1_000,
    wait_ms: 500,
};

/// RFC 6092 REC-34: not before six seconds. The client's kernel fails the connection at once when
/// the error comes: EACCES is Linux's word for code 1.
fn assert_refused_late(image: &str, knocked: &Knocked) {
    assert_eq!(knocked.outcome, "EACCES", "{image}: {knocked:?}");
    assert!((6.0..8.0).contains(&knocked.seconds), "{image}: {knocked:?}");
}

/// Time Exceeded, Packet Too Big and Destination Unreachable about flows from inside come in, by
/// both ISPs.
fn answers(lab: &Lab) {
    // Sixteen address pairs: by both ISPs, but for one lab in 30 000.
    let targets: Vec<String> = (1..=16).map(|i| format!("2001:db8:f::f1:{i:x}")).collect();
    let mut routers = BTreeSet::new();
    for target in &targets {
        let hops = traceroute(lab, "h10", target);
        assert_eq!(hops.len(), 3, "{hops:?}");
        assert_eq!(hops[2], SERVER, "{hops:?}");
        routers.insert(hops[1].clone());
    }
    assert_eq!(routers.into_iter().collect::<Vec<_>>(), ["2001:db8:a::1", "2001:db8:b::1"]);
    for isp in ["ispa", "ispb"] {
        for target in &targets {
            lab.sh(isp, &format!("ip -6 route add {target}/128 via fe80::53 dev core mtu 1300"));
        }
    }
    for target in &targets[..4] {
        // The first is lost, and its error teaches the host the size for the second.
        assert_eq!(ping(lab, "h10", &format!("-Mdo -s1300 {target}"), 1, 10), 0);
        let route = lab.sh("h10", &format!("ip -6 route get {target}"));
        assert!(route.contains("mtu 1300"), "{route}");
    }
    for target in &targets[..4] {
        let connections = connect(lab, "h20", &format!("{H20}/128"), &format!("{target}/128"), 1, 200_000);
        assert_eq!(connections.connected, 1, "{target}: {:?}", connections.failures);
    }
    // A port that nobody has: the server's kernel says so, and the client hears it.
    let capture = Capture::start(lab, "h20", "eth0", "icmp6 and ip6[40] == 1");
    lab.sh("h20", &format!("traceroute -6 -n -q 1 -w 1 -f 4 -m 4 {SERVER}"));
    let frames = capture.finish();
    assert!(frames.iter().all(|frame| source_of(frame).is_some_and(|pair| pair.0.to_string() == SERVER)), "{frames:?}");
    assert_eq!(frames.len(), 1, "one Port Unreachable");
}
