//! Router on a stick: a LAN and two ISPs in VLANs of one port, and a LAN untagged beside them.

#[path = "../lab/mod.rs"]
mod lab;

mod crafted;
mod judge;
mod stand;

use std::time::Duration;

use lab::gateway::Gateway;
use lab::images::Images;
use lab::process::{eventually, output};
use lab::steps::Steps;
use lab::traffic::{Bursts, Server, connect, ping, traceroute};
use lab::{H20, H20_PREFIX, ISP_A, ISP_B, SERVER, SERVER_PREFIX};
use stand::{H30, Stand};

/// Pairs between the inner router's host and the server.
const MANY: Bursts<'static> = Bursts {
    role: "h20",
    sources: H20_PREFIX,
    source_count: 32,
    destinations: SERVER_PREFIX,
    destination_count: 24,
    repeat: 1,
    rate: 500,
    wait_ms: 2_000,
};

#[test]
fn a_router_on_a_stick() {
    let Some(stand) = Stand::start() else { return };
    let lab = &stand.lab;
    let mut server = Server::start(lab, "srv", true);
    let mut gateway = stand.gateway("");
    let mut steps = Steps::new(lab);
    steps.step("every frame has the tag of its edge", &mut gateway, |gateway| {
        let capture = stand.capture("");
        let before = gateway.settled();
        server.reset();
        let burst = MANY.run(lab);
        assert_eq!((burst.answered, burst.wrong), (burst.sent, 0), "{burst:?}");
        let seen = server.report();
        assert_eq!(seen.keys().map(String::as_str).collect::<Vec<_>>(), [ISP_A, ISP_B]);
        let share = seen[ISP_A].pairs as f64 / burst.pairs as f64;
        assert!((share - 0.75).abs() < 0.08, "ISP A has {share} of the pairs");
        let counted = judge::tags(capture);
        assert!(counted[&20] >= seen[ISP_A].packets, "{counted:?}");
        assert!(counted[&30] >= seen[ISP_B].packets, "{counted:?}");
        assert!(counted[&10] >= burst.answered, "{counted:?}");
        // The edges of one port are counted apart.
        let after = gateway.settled();
        for (edge, isp) in [("trunk0.20", ISP_A), ("trunk0.30", ISP_B)] {
            assert_eq!(after.sent_by(edge) - before.sent_by(edge), seen[isp].packets, "{edge}");
        }
        assert_eq!(after.sent_by("trunk0.10") - before.sent_by("trunk0.10"), burst.answered);
        assert_eq!(after.carried_from("trunk0") - before.carried_from("trunk0"), 0);
    });
    steps.step("a LAN untagged beside the VLANs", &mut gateway, |gateway| {
        let capture = stand.capture("");
        let before = gateway.settled();
        assert_eq!(ping(lab, H30.0, SERVER, 50, 10), 50);
        let counted = judge::tags(capture);
        assert!(counted[&0] >= 50 && counted[&20] + counted[&30] >= 50, "{counted:?}");
        let after = gateway.settled();
        assert_eq!(after.carried_from("trunk0") - before.carried_from("trunk0"), 50);
        // From one LAN to the other the kernel routes.
        assert_eq!(ping(lab, H30.0, H20, 20, 10), 20);
    });
    steps.step("TCP by both ISPs", &mut gateway, |_| {
        let connections = connect(lab, "h20", H20_PREFIX, SERVER_PREFIX, 40, 20_000);
        assert_eq!(connections.connected, 40, "{:?}", connections.failures);
        assert_eq!(connections.seen.len(), 2, "both ISPs: {:?}", connections.seen);
    });
    steps.step("inbound and hairpin", &mut gateway, |_| {
        let images = Images::learn(lab, &mut server, "h20", H20);
        let _h20 = Server::start(lab, "h20", true);
        for isp in [ISP_A, ISP_B] {
            let image = images.by(isp);
            assert_eq!(ping(lab, "srv", image, 20, 10), 20, "{isp} inbound");
            assert_eq!(ping(lab, "h10", image, 20, 10), 20, "{isp} hairpin");
            let connections = connect(lab, "srv", SERVER_PREFIX, &format!("{image}/128"), 2, 50_000);
            assert_eq!(connections.connected, 2, "{isp}: {:?}", connections.failures);
        }
    });
    steps.step("errors come back with the tag", &mut gateway, |_| {
        let hops = traceroute(lab, "h10", SERVER);
        assert_eq!((hops[0].as_str(), hops.last().map(String::as_str)), (lab.own["lan0"].as_str(), Some(SERVER)));
        assert_eq!(traceroute(lab, H30.0, SERVER)[0], "fd12:3456:789a:30::1");
        let images = Images::learn(lab, &mut server, "h20", H20);
        let _h20 = Server::start(lab, "h20", true);
        for (isp, port) in [(ISP_A, "wan0"), (ISP_B, "wan1")] {
            let hops = traceroute(lab, "srv", images.by(isp));
            assert_eq!(hops.get(1), Some(&lab.own[port]), "{isp}: {hops:?}");
        }
        // ISP B carries 1400 octets, and the gateway says so.
        let big: Vec<u32> =
            (1..16).map(|n| ping(lab, "h10", &format!("-Mdo -s1400 2001:db8:f::b:{n:x}"), 1, 10)).collect();
        assert!(big.contains(&0) && big.contains(&1), "some by A, some by B: {big:?}");
    });
    steps.step("neighbour discovery in every VLAN", &mut gateway, |_| {
        for (role, target) in [("h10", SERVER), ("ispa", lab.own["wan0"].as_str()), ("ispb", lab.own["wan1"].as_str())]
        {
            lab.sh(role, "ip -6 neigh flush all");
            assert_eq!(ping(lab, role, target, 3, 10), 3, "{role} with an empty neighbour table");
        }
        assert!(stand.kernel_answers());
    });
    steps.step("what is not ours reaches the kernel as it came", &mut gateway, |gateway| {
        crafted::passed(&stand, gateway);
    });
    steps.step("frames as long as they may be", &mut gateway, |gateway| crafted::longest(&stand, gateway));
    steps.finish();
}

/// The port stays, and with it gate and sockets; guard, addresses and neighbours are the new device's.
#[test]
fn the_device_of_a_vlan_comes_anew() {
    let Some(stand) = Stand::start() else { return };
    let lab = &stand.lab;
    let mut server = Server::start(lab, "srv", true);
    let mut gateway = stand.gateway("");
    let mut steps = Steps::new(lab);
    let leak = |gateway: &Gateway<'_>| {
        let before = gateway.settled().dropped("trunk0.30", "guard-foreign-source");
        assert_eq!(ping(lab, "gw", "-I fd12:3456:789a:10::1 2001:db8:b::1", 3, 10), 0);
        gateway.settled().dropped("trunk0.30", "guard-foreign-source") - before
    };
    let mut isps = || {
        server.reset();
        let burst = MANY.run(lab);
        assert_eq!((burst.answered, burst.wrong), (burst.sent, 0), "{burst:?}");
        server.report().into_keys().collect::<Vec<_>>()
    };
    steps.step("before", &mut gateway, |gateway| {
        assert!(leak(gateway) >= 3);
        assert_eq!(isps(), [ISP_A, ISP_B]);
    });
    stand.recreate_isp_b();
    steps.step("after", &mut gateway, |gateway| {
        assert!(leak(gateway) >= 3, "the guard is on the new device");
        eventually("both ISPs", Duration::from_secs(10), || isps() == [ISP_A, ISP_B]);
        assert!(!gateway.log().contains("binding the sockets again"), "{}", gateway.log());
    });
    steps.finish();
}

#[test]
fn a_start_without_the_vlans_device_says_how_to_make_it() {
    let Some(stand) = Stand::start() else { return };
    let text = stand::config().replace("vlan = 30", "vlan = 40");
    let file = stand.lab.dir.join("wrong.toml");
    std::fs::write(&file, text).expect("a configuration");
    let mut command = stand.lab.command("gw", env!("CARGO_BIN_EXE_sixways"));
    command.arg("run").arg("--config").arg(&file).arg("--bpffs").arg(stand.lab.dir.join("bpf"));
    command.arg("--state").arg(stand.lab.dir.join("state"));
    let refused = output(&mut command, Duration::from_secs(20));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("ip link add link trunk0 name trunk0.40 type vlan id 40"), "{said}");
}
