//! The gateway's own traffic stays its kernel's, whatever the load.

mod lab;

use lab::flood::Flood;
use lab::gateway::Gateway;
use lab::steps::Steps;
use lab::traffic::{Server, connect, ping_patiently};
use lab::{H10, Lab};

#[test]
fn the_gateways_own_addresses_answer_at_twice_the_load_it_can_carry() {
    // The flood has a queue of its own on the cable, because the cable drops silently.
    let Some(lab) = Lab::start(2) else { return };
    let _own = Server::start(&lab, "gw", true);
    // One packet at a time: so that a flood of twice what it can carry is easy to make.
    let mut gateway = Gateway::start(&lab, "\n[dataplane]\nqueues = 1\nbatch = 1\n");
    let mut steps = Steps::new(&lab);
    steps.step("1000 pings and 100 connections under a flood", &mut gateway, |gateway| {
        let before = gateway.settled();
        let flood = Flood::start(&lab, 1);
        std::thread::scope(|scope| {
            for (interface, role, count) in [("lan0", "h10", 334), ("wan0", "srv", 333), ("wan1", "srv", 333)] {
                let target = &lab.own[interface];
                let lab = &lab;
                scope.spawn(move || {
                    assert_eq!(ping_patiently(lab, role, target, count, 10), count, "{role} to {interface}")
                });
            }
        });
        for (interface, role, source, count) in [
            ("lan0", "h10", H10.to_owned(), 34),
            ("wan0", "srv", lab::SERVER.to_owned(), 33),
            ("wan1", "srv", lab::SERVER.to_owned(), 33),
        ] {
            let target = format!("{}/128", lab.own[interface]);
            let connections = connect(&lab, role, &format!("{source}/128"), &target, count, 4096);
            assert_eq!(connections.connected, u64::from(count), "{interface}: {:?}", connections.failures);
        }
        let sent = flood.stop();
        let carried = gateway.settled().carried_from("lan0") - before.carried_from("lan0");
        println!("        {sent} offered, {carried} carried");
        assert!(sent >= 2 * carried, "no overload: {sent} offered, {carried} carried");
        assert!(carried > 0, "nothing was carried");
    });
    steps.step("neighbour discovery under a flood", &mut gateway, |_| {
        let flood = Flood::start(&lab, 1);
        for (interface, role) in [("lan0", "h10"), ("wan0", "ispa"), ("wan1", "ispb")] {
            for _ in 0..5 {
                lab.sh(role, "ip -6 neigh flush all");
                assert_eq!(ping_patiently(&lab, role, &lab.own[interface], 2, 10), 2, "{role} to {interface}");
            }
        }
        flood.stop();
    });
    steps.finish();
}
