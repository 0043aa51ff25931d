//! A server inside that the world reaches by both ISPs at once.

use std::time::Duration;

use crate::lab::clients::reach;
use crate::lab::gateway::Gateway;
use crate::lab::images::Images;
use crate::lab::process::{eventually, run};
use crate::lab::steps::Steps;
use crate::lab::traffic::{Bursts, Server, ping};
use crate::lab::watch::Watch;
use crate::lab::{H20, ISP_A, ISP_B, Lab, SERVER, SERVER_PREFIX};
use crate::{EVEN, SERVICES, config};

const CONNECTIONS: u32 = 1500;
const DATAGRAMS: u32 = 3000;

#[test]
fn a_server_inside_answers_by_the_isp_that_asked() {
    let Some(lab) = Lab::start(2) else { return };
    spread(&lab);
    let mut gateway = Gateway::start_with(&lab, &config(EVEN, SERVICES));
    let mut server = Server::start(&lab, "srv", true);
    eventually("the first echo", Duration::from_secs(5), || ping(&lab, "h20", SERVER, 1, 10) == 1);
    let images = Images::learn(&lab, &mut server, "h20", H20);
    drop(server);
    let mut inside = Server::start(&lab, "h20", true);
    let images = [images.by(ISP_A), images.by(ISP_B)];
    let mut steps = Steps::new(&lab);
    for (clients, name) in [(1, "TCP and UDP from one client"), (500, "TCP and UDP from many clients")] {
        steps.step(name, &mut gateway, |gateway| {
            let before = gateway.settled();
            inside.reset();
            let watch = Watch::start(&lab, "tcp or udp");
            std::thread::scope(|scope| {
                let bursts = images.map(|image| {
                    let lab = &lab;
                    scope.spawn(move || datagrams(lab, image, clients))
                });
                let reached = reach(&lab, "srv", (SERVER_PREFIX, clients), &images, CONNECTIONS, 20_000);
                assert_eq!(reached.connected, CONNECTIONS, "{:?}", reached.failures);
                for burst in bursts {
                    burst.join().expect("the burst is answered");
                }
            });
            // Every answer reached its client from the address that was asked: the clients compare.
            // Now the wires: each ISP got its own half, and nothing of the other's.
            for seen in watch.finish() {
                let flows = seen.flows();
                let tcp = flows.iter().filter(|flow| (flow.0, flow.1) == (6, 9001)).count();
                assert_eq!(tcp, CONNECTIONS as usize / 2, "{}", seen.isp);
                let udp = flows.iter().filter(|flow| (flow.0, flow.1) == (17, 9000)).count();
                assert_eq!(udp, clients as usize, "{}", seen.isp);
            }
            let after = gateway.settled();
            for port in ["lan0", "wan0", "wan1"] {
                assert_eq!(after.all_dropped(port) - before.all_dropped(port), 0, "{port}: {after:?}");
            }
        });
    }
    steps.step("flows met both workers, in both directions", &mut gateway, |gateway| {
        for device in ["lan0", "wan0", "wan1"] {
            for queue in 0..2 {
                let count = gateway.redirected(device, queue);
                assert!(count > 1000, "queue {queue} of {device}: {count}");
            }
        }
    });
    steps.finish();
}

/// Lets the ISPs' routers spread flows over the two queues of the cable to the gateway: by
/// itself the kernel uses one queue for what it forwards. Each flow keeps its core (RPS), and each
/// core has its queue (XPS).
fn spread(lab: &Lab) {
    let script = "for queue in /sys/class/net/core/queues/rx-*; do echo 3 > $queue/rps_cpus; done
        echo 1 > /sys/class/net/cust/queues/tx-0/xps_cpus
        echo 2 > /sys/class/net/cust/queues/tx-1/xps_cpus";
    for role in ["ispa", "ispb"] {
        run(lab.command(role, "sh").args(["-ec", script]), Duration::from_secs(5));
    }
}

/// Datagrams to one image, from the same addresses as those to the other: all answered.
fn datagrams(lab: &Lab, image: &str, clients: u32) {
    let burst = Bursts {
        role: "srv",
        sources: SERVER_PREFIX,
        source_count: clients,
        destinations: &format!("{image}/128"),
        destination_count: 1,
        repeat: DATAGRAMS / clients,
        rate: 1_500,
        wait_ms: 2_000,
    };
    let burst = burst.run(lab);
    assert_eq!((burst.answered, burst.wrong), (u64::from(DATAGRAMS), 0), "{image}: {burst:?}");
}
