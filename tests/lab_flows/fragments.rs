//! Datagrams of 10 kB by flows that are pinned against their bucket.

use std::net::Ipv6Addr;
use std::time::Duration;

use crate::lab::clients::{Datagrams, Echoed, survey};
use crate::lab::gateway::Gateway;
use crate::lab::images::{Images, inside};
use crate::lab::process::eventually;
use crate::lab::steps::Steps;
use crate::lab::traffic::{Server, ping};
use crate::lab::watch::Watch;
use crate::lab::{H20, ISP_A, ISP_B, Lab, SERVER, SERVER_PREFIX};
use crate::{EVEN, SERVICES, config};

const ORDERS: [&str; 4] = ["kernel", "reversed", "shuffled", "first-last"];
const COUNT: u32 = 40;
/// Fragments of 10 000 octets on links of 1500.
const FRAGMENTS: usize = 7;

#[test]
fn large_datagrams_keep_the_isp_of_their_flow() {
    let Some(lab) = Lab::start(1) else { return };
    let mut gateway = Gateway::start_with(&lab, &config(EVEN, SERVICES));
    let mut server = Server::start(&lab, "srv", true);
    let _inside = Server::start(&lab, "h20", true);
    eventually("the first echo", Duration::from_secs(5), || ping(&lab, "h20", SERVER, 1, 10) == 1);
    let images = Images::learn(&lab, &mut server, "h20", H20);
    let pairs = survey(&lab, "h20", H20, SERVER_PREFIX, 64);
    // Eight remote addresses whose pair with the host prefers this ISP.
    let preferring = |isp: &str| -> Vec<String> {
        let addresses = pairs.iter().filter(|(_, seen)| inside(**seen, isp)).map(|(address, _)| address.clone());
        addresses.take(8).collect()
    };
    let mut steps = Steps::new(&lab);
    for (preferred, isp) in [(ISP_A, ISP_B), (ISP_B, ISP_A)] {
        let clients = preferring(preferred);
        steps.step(&format!("opened from outside by {isp}, though its bucket says otherwise"), &mut gateway, |_| {
            let sent = clients.iter().zip(ORDERS).map(|(client, order)| Datagrams {
                role: "srv",
                source: client,
                target: images.by(isp),
                order,
                ..TEN_KB
            });
            by_one_isp(&lab, sent, &clients[..4], isp);
        });
    }
    steps.step("opened from inside while the preferred ISP's cable was out", &mut gateway, |gateway| {
        let targets = &preferring(ISP_A)[4..];
        lab.unplug("wan0");
        eventually("everything by ISP B", Duration::from_secs(5), || {
            survey(&lab, "h20", H20, &format!("{}/128", targets[0]), 1).values().all(|seen| inside(*seen, ISP_B))
        });
        for target in targets {
            let opening = Datagrams { role: "h20", source: H20, target, size: 100, count: 1, ..TEN_KB };
            assert_eq!(opening.run(&lab), Echoed { sent: 1, answered: 1, wrong: 0 }, "{target} by ISP B");
        }
        lab.plug("wan0");
        gateway.every_isp_is_up();
        let sent = targets.iter().zip(ORDERS).map(|(target, order)| Datagrams {
            role: "h20",
            source: H20,
            target,
            order,
            ..TEN_KB
        });
        by_one_isp(&lab, sent, targets, ISP_B);
        // New flows of the same pairs prefer ISP A again: so the old ones were pinned.
        for target in targets {
            let seen = survey(&lab, "h20", H20, &format!("{target}/128"), 1);
            assert!(seen.values().all(|seen| inside(*seen, ISP_A)), "{seen:?}");
        }
    });
    steps.finish();
}

const TEN_KB: Datagrams<'static> =
    Datagrams { role: "", source: "", source_port: 5000, target: "", size: 10_000, count: COUNT, order: "kernel" };

/// Every datagram arrives whole, as its echo does, and what leaves to the `remotes` does so by
/// `isp`, whole as well.
fn by_one_isp<'a>(lab: &Lab, rows: impl Iterator<Item = Datagrams<'a>>, remotes: &[String], isp: &str) {
    let watch = Watch::start(lab, "ip6 proto 44");
    for sent in rows {
        assert_eq!(sent.run(lab), Echoed { sent: COUNT, answered: COUNT, wrong: 0 }, "{sent:?}");
    }
    for seen in watch.finish() {
        let datagrams = seen.datagrams();
        if seen.isp != isp {
            assert!(datagrams.is_empty(), "{} by {}", datagrams.len(), seen.isp);
            continue;
        }
        for remote in remotes {
            let remote: Ipv6Addr = remote.parse().expect("an address");
            let counts: Vec<_> = datagrams.iter().filter(|(key, _)| key.1 == remote).map(|(_, count)| *count).collect();
            assert_eq!(counts, [FRAGMENTS; COUNT as usize], "{remote}: {datagrams:?}");
        }
    }
}
