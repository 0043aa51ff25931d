//! Interfaces that come late, and not as the gateway would have them.

use std::time::Duration;

use crate::everybody_is_answered;
use crate::flows::survive;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab::traffic::ping;
use crate::lab::{ISP_A, ISP_B, Lab};

const SOON: Duration = Duration::from_secs(20);
/// It would get nearly all new flows.
const ISP: &str = r#"[[isp]]
name = "late"
interface = "late0"
prefix = "2001:db8:3::/48"
next_hop = "fe80::1"
probes = []
weight = 100

"#;
/// To be put in place of the head of what follows.
const LAN: &str = "[[lan]]\ninterface = \"late0\"\n\n[filter]";

/// The device of an ISP comes, and the packet buffers have no frames for it, whatever is bound anew: the others go on
/// as if there were no such ISP.
pub fn in_vain(lab: &Lab, gateway: &mut Gateway<'_>, config: &str) {
    // Four interfaces of a queue for each of the two workers take 8256 of them, this one with twice as many 10 304.
    let config = config.to_owned() + "\n[dataplane]\nfill_ring = 2048\nframes = 9000\n";
    restart(lab, gateway, &config);
    gateway.configure(&config.replace("[filter]", &(ISP.to_owned() + "[filter]")));
    gateway.ask(&["reload"]);
    let before = gateway.log().len();
    survive(lab, &[ISP_A, ISP_B], || {
        add(lab, 4);
        let said = || gateway.log()[before..].to_owned();
        eventually("it is told", SOON, || said().contains("left out, while the others go on"));
        eventually("its router is heard of", SOON, || lab.sh("gw", "ip -6 neigh show dev late0").contains("REACHABLE"));
        for host in 1..=30 {
            let server = format!("2001:db8:f::{host}");
            assert_eq!(ping(lab, "h10", &server, 1, 10), 1, "a new flow to {server}: {}", said());
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(said().matches("left out").count(), 1, "told once: {}", said());
        assert!(!said().contains("binding the sockets again"), "{}", said());
    });
    lab.sh("gw", "ip link del late0");
}

/// The device of a LAN has fewer queues than there are workers: all sockets are bound anew, and it is served.
pub fn with_one_queue(lab: &Lab, gateway: &mut Gateway<'_>, config: &str) {
    restart(lab, gateway, config);
    gateway.configure(&config.replace("[filter]", LAN));
    gateway.ask(&["reload"]);
    add(lab, 1);
    eventually("it is served", SOON, || gateway.log().contains("capped_by=late0"));
    everybody_is_answered(lab);
    lab.sh("gw", "ip link del late0");
    restart(lab, gateway, config);
}

/// The device of a LAN comes, and for a while it is down.
pub fn down_at_first(lab: &Lab, gateway: &mut Gateway<'_>, config: &str) {
    gateway.configure(&config.replace("[filter]", LAN));
    gateway.ask(&["reload"]);
    let before = gateway.log().len();
    let said = |what: &str| gateway.log()[before..].contains(what);
    survive(lab, &[ISP_A, ISP_B], || {
        make(lab, 2);
        // Long enough for a pause that grows to be longer than the patience below.
        std::thread::sleep(Duration::from_secs(9));
        lab.sh("gw", "ip link set late0 up");
        eventually("it is served", Duration::from_secs(4), || said("opened, while the others go on"));
        everybody_is_answered(lab);
    });
    assert!(!said("binding the sockets again"), "{}", gateway.log());
    lab.sh("gw", "ip link del late0");
    gateway.configure(config);
    gateway.ask(&["reload"]);
}

fn make(lab: &Lab, queues: u32) {
    let queues = format!("numtxqueues {queues} numrxqueues {queues}");
    lab.sh("gw", &format!("ip link add late0 {queues} type veth peer name late1 {queues}"));
}

fn add(lab: &Lab, queues: u32) {
    make(lab, queues);
    for command in ["addr add fe80::1/64 dev late1 nodad", "link set late1 up", "link set late0 up"] {
        lab.sh("gw", &format!("ip {command}"));
    }
}

fn restart(lab: &Lab, gateway: &mut Gateway<'_>, config: &str) {
    assert!(gateway.stop().success(), "{}", gateway.log());
    gateway.configure(config);
    gateway.restart();
    everybody_is_answered(lab);
}
