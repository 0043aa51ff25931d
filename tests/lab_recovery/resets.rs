//! `[flows] reset_on_failover`, as a real kernel's TCP takes it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::flows::{LIMIT, TCP, by_isp};
use crate::lab::clients::{Live, LiveFlow};
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab::traffic::connect;
use crate::lab::watch::{Outside, Watch};
use crate::lab::{H10, ISP_A, Lab, SERVER_PREFIX};

/// TCP connections from one host, of which those by ISP A lose it. With `reset_on_failover` each of them ends
/// with a reset, and not from its server, whose resets are dropped; the others go on, and the host
/// connects anew.
#[track_caller]
pub fn are_reset(lab: &Lab, gateway: &Gateway<'_>) {
    let mut live = Live::start(lab, "h10", H10, SERVER_PREFIX, TCP, 0);
    let watch = Watch::start(lab, "tcp");
    live.go_on(LIMIT);
    let by_a = by_isp(watch).into_iter().filter(|(_, isps)| isps[..] == [ISP_A]);
    let by_a: BTreeSet<Outside> = by_a.map(|(flow, _)| flow).collect();
    let mine: BTreeSet<Outside> = live.look().iter().map(LiveFlow::name).filter(|flow| by_a.contains(flow)).collect();
    assert!(mine.len() > 5, "too few connections by ISP A to tell: {mine:?}");
    lab.sh("srv", "nft add table ip6 mute; add chain ip6 mute out { type filter hook output priority 0; }");
    lab.sh("srv", "nft add rule ip6 mute out tcp flags & rst == rst drop");
    let resets = || {
        let page = gateway.metrics();
        let row =
            page.lines().find_map(|row| row.strip_prefix("sixways_tcp_resets_originated_total{interface=\"lan0\"} "));
        row.expect("a counter").parse::<u64>().expect("a number")
    };
    let before = resets();
    lab.unplug("wan0");
    let lost = Instant::now();
    eventually("every connection by ISP A is reset", Duration::from_secs(20), || {
        live.look().iter().filter(|flow| mine.contains(&flow.name())).all(|flow| flow.4.is_some())
    });
    println!("        {} connections reset {:?} after the cable was pulled", mine.len(), lost.elapsed());
    for flow in live.look() {
        let is_reset = flow.4.as_ref().is_some_and(|end| end.contains("ConnectionResetError"));
        assert_eq!(is_reset, mine.contains(&flow.name()), "{flow:?}");
    }
    live.these_go_on(LIMIT, |flow| !mine.contains(flow));
    eventually("the resets are counted", Duration::from_secs(10), || resets() - before >= mine.len() as u64);
    let anew = connect(lab, "h10", &format!("{H10}/128"), SERVER_PREFIX, TCP, 1000);
    assert_eq!(
        (anew.connected, anew.seen.len()),
        (TCP.into(), 1),
        "by ISP B alone: {:?} {:?}",
        anew.failures,
        anew.seen
    );
    lab.sh("srv", "nft delete table ip6 mute");
    lab.plug("wan0");
}
