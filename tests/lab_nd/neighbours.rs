//! The ISP's router as a neighbour: it finds hosts, keeps them, and is told of duplicates.

use std::net::Ipv6Addr;
use std::time::Duration;

use crate::lab::capture::Capture;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab::steps::Steps;
use crate::lab::traffic::{Bursts, Server, connect, ping};
use crate::lab::{H10, H20, Lab, SERVER};
use crate::solicitation::{Advertisement, Solicitation, solicited_node};
use crate::stand::{ASKER, NOBODY, OWN, Wire, config, image, images, outcome, put_on_link};

/// Until whatever is answered at once has been answered.
const SOON: Duration = Duration::from_millis(1500);
/// Until a host that does not answer has been given up.
const GIVEN_UP: Duration = Duration::from_millis(4500);

#[test]
fn hosts_behind_an_on_link_64_are_reached_and_reach() {
    let Some(lab) = Lab::start(1) else { return };
    put_on_link(&lab);
    let _servers = ["srv", "h10", "h20"].map(|role| Server::start(&lab, role, true));
    let mut gateway = Gateway::start_with(&lab, &config("false"));
    let mut steps = Steps::new(&lab);
    steps.step("without the proxy nothing finds its way", &mut gateway, |_| {
        assert_eq!(ping(&lab, "h10", SERVER, 2, 100), 0, "there is a route after all");
        assert_eq!(Wire::new(&lab).answers(&Wire::new(&lab).asks(images()[0]), SOON), []);
    });
    assert!(gateway.stop().success(), "{}", gateway.log());
    gateway.configure(&config("true"));
    gateway.restart();
    steps.step("TCP both ways", &mut gateway, |_| tcp(&lab));
    steps.step("the router makes sure and stays content", &mut gateway, |_| kept(&lab));
    steps.step("answers as RFC 4861 §7.2.8 has them", &mut gateway, |gateway| answers(&lab, gateway));
    steps.step("duplicates", &mut gateway, |_| duplicates(&lab));
    steps.step("what must be discarded is", &mut gateway, |gateway| discarded(&lab, gateway));
    steps.step("own addresses are the kernel's", &mut gateway, |_| own(&lab));
    steps.step("switches are told of the groups", &mut gateway, |_| groups(&lab));
    steps.step("a device made anew", &mut gateway, |_| {
        lab.recreate("wan0");
        put_on_link(&lab);
        eventually("TCP again", Duration::from_secs(10), || {
            connect(&lab, "srv", &format!("{SERVER}/128"), &format!("{}/128", images()[0]), 1, 100).connected == 1
        });
    });
    steps.finish();
}

fn tcp(lab: &Lab) {
    let to_server = format!("{SERVER}/128");
    for (role, inside, image) in [("h10", H10, images()[0]), ("h20", H20, images()[1])] {
        lab.sh("ispa", "ip -6 neigh flush all");
        let out = connect(lab, role, &format!("{inside}/128"), &to_server, 20, 100_000);
        assert_eq!(out.connected, 20, "{role} to the server: {:?}", out.failures);
        lab.sh("ispa", "ip -6 neigh flush all");
        let back = connect(lab, "srv", &to_server, &format!("{image}/128"), 20, 100_000);
        assert_eq!(back.connected, 20, "the server to {role}: {:?}", back.failures);
        let neighbour = lab.sh("ispa", &format!("ip -6 neigh show {image} dev cust"));
        assert!(neighbour.contains("lladdr") && !neighbour.contains("router"), "{neighbour}");
    }
}

/// Traffic over many times the second for which the router believes an answer.
fn kept(lab: &Lab) {
    let [host, _] = images();
    let target = host.to_string();
    let believes = |milliseconds: u32, patience: u32| {
        for setting in [format!("base_reachable_time_ms={milliseconds}"), format!("delay_first_probe_time={patience}")]
        {
            lab.sh("ispa", &format!("sysctl -qw net.ipv6.neigh.cust.{setting}"));
        }
    };
    believes(1_000, 1);
    let asked = Capture::start(lab, "gw", "wan0", &format!("icmp6 and dst host {target} and ip6[40] == 135"));
    let told = Capture::start(lab, "ispa", "cust", "icmp6");
    // Neither ping nor TCP: they tell the kernel that an answer came, and a veth hands that on.
    let (source, target_only) = (format!("{SERVER}/128"), format!("{target}/128"));
    let datagrams = Bursts {
        role: "srv",
        sources: &source,
        source_count: 1,
        destinations: &target_only,
        destination_count: 1,
        repeat: 300,
        rate: 50,
        wait_ms: 1_000,
    };
    let burst = datagrams.run(lab);
    believes(30_000, 5);
    assert_eq!((burst.sent, burst.answered, burst.wrong), (300, 300, 0), "packets are lost");
    let (asked, told) = (asked.finish(), told.finish());
    assert!(asked.len() >= 2, "{} unicast solicitations in six seconds", asked.len());
    let answers = told.iter().filter_map(|frame| Advertisement::read(frame)).filter(|told| told.target == host);
    assert!(answers.clone().count() >= asked.len(), "{} of {}", answers.clone().count(), asked.len());
    // Neither errors nor redirects of the kernel about what is not for it.
    let kinds: Vec<u8> = told.iter().map(|frame| frame[54]).filter(|kind| matches!(kind, 1..=4 | 137)).collect();
    assert_eq!(kinds, [0; 0]);
    let neighbour = lab.sh("ispa", &format!("ip -6 neigh show {target} dev cust"));
    assert!(
        neighbour.contains("REACHABLE") || neighbour.contains("STALE") || neighbour.contains("DELAY"),
        "{neighbour}"
    );
}

fn answers(lab: &Lab, gateway: &Gateway<'_>) {
    let wire = Wire::new(lab);
    let [host, behind] = images();
    let link_local: Ipv6Addr = "fe80::2".parse().expect("an address");
    for target in [host, behind] {
        let meant = Advertisement {
            to_mac: wire.router,
            from_mac: wire.gateway,
            source: link_local,
            destination: ASKER.parse().expect("an address"),
            router: false,
            solicited: true,
            overrides: false,
            target,
            mac: Some(wire.gateway),
        };
        assert_eq!(wire.answered(&wire.asks(target)), [meant]);
        let unicast = Solicitation::unicast(wire.router, meant.destination, wire.gateway, target);
        assert_eq!(wire.answered(&unicast), [meant]);
    }
    // A host that the gateway does not know yet.
    lab.sh("gw", "ip -6 neigh flush dev lan0");
    assert_eq!(wire.answered(&wire.asks(host)).len(), 1);
    let before = outcome(gateway, "no-host");
    assert_eq!(wire.answers(&wire.asks(image(NOBODY)), GIVEN_UP), []);
    assert_eq!(outcome(gateway, "no-host"), before + 1);
}

/// The router's kernel takes an address that a host's image is, and one that nobody has.
fn duplicates(lab: &Lab) {
    let wire = Wire::new(lab);
    let told = wire.answered(&Solicitation::duplicate([2, 0, 0, 0, 0, 9], images()[0]));
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].destination, told[0].to_mac), ("ff02::1".parse().expect("a group"), [0x33, 0x33, 0, 0, 0, 1]));
    assert!(!told[0].solicited && !told[0].overrides, "{told:?}");

    lab.sh("ispa", "sysctl -qw net.ipv6.conf.all.accept_dad=1 net.ipv6.conf.cust.accept_dad=1");
    for (target, defended) in [(images()[0], true), (image(NOBODY), false)] {
        lab.sh("ispa", &format!("ip -6 addr add {target}/64 dev cust"));
        let state = || lab.sh("ispa", &format!("ip -6 addr show dev cust to {target}"));
        eventually("detection ends", Duration::from_secs(5), || {
            !state().contains("tentative") || state().contains("dadfailed")
        });
        assert_eq!(state().contains("dadfailed"), defended, "{target}: {}", state());
        lab.sh("ispa", &format!("ip -6 addr del {target}/64 dev cust"));
    }
    lab.sh("ispa", "sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.cust.accept_dad=0");
}

fn discarded(lab: &Lab, gateway: &Gateway<'_>) {
    let wire = Wire::new(lab);
    let [host, _] = images();
    let good = wire.asks(host);
    let bad = [
        Solicitation { hop_limit: 64, ..good.clone() },
        Solicitation { code: 1, ..good.clone() },
        Solicitation { checksum_is_right: false, ..good.clone() },
        Solicitation { options: Vec::new(), cut: 4, ..good.clone() },
        Solicitation { options: vec![1, 0, 0, 0, 0, 0, 0, 0], ..good.clone() },
        Solicitation { options: good.options.clone(), ..Solicitation::duplicate(wire.router, host) },
        Solicitation { destination: "ff02::1".parse().expect("a group"), ..Solicitation::duplicate(wire.router, host) },
    ];
    // These are no solicitations of this link by the gate's and the socket's measure.
    let unheard = [
        Solicitation { hop_limit: 64, ..Solicitation::unicast(wire.router, good.source, wire.gateway, host) },
        Solicitation { kind: 136, ..good.clone() },
    ];
    let before = outcome(gateway, "invalid");
    let frames: Vec<_> = bad.iter().chain(&unheard).map(Solicitation::frame).collect();
    let told = wire.advertised(SOON, || wire.send(&frames));
    assert!(told.iter().all(|told| told.target != host), "{told:?}");
    eventually("they are counted", Duration::from_secs(5), || outcome(gateway, "invalid") == before + bad.len() as u64);
    assert_eq!(wire.answered(&good).len(), 1, "and the good one is answered");
}

fn own(lab: &Lab) {
    let wire = Wire::new(lab);
    let target: Ipv6Addr = OWN.parse().expect("an address");
    let asked = wire.asks(target);
    let unicast = Solicitation { to_mac: wire.gateway, destination: target, ..asked.clone() };
    for solicitation in [asked, unicast] {
        let told = wire.answered(&solicitation);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].router, "not the kernel's answer: {told:?}");
    }
    assert_eq!(ping(lab, "srv", OWN, 5, 20), 5);
    // The image of the gateway's inside address leads nowhere, so nobody is told that it is here.
    assert_eq!(wire.answers(&wire.asks(image("fd12:3456:789a:10::1")), GIVEN_UP), []);
}

fn groups(lab: &Lab) {
    let group = solicited_node(images()[0]).to_string();
    eventually("the group is joined", Duration::from_secs(5), || {
        lab.sh("gw", "ip -6 maddr show dev wan0").contains(&group)
    });
}
