//! Flows that move because somebody wants it: drains, drills, and the ways back; with real connections
//! through the running gateway.

#[path = "../lab/mod.rs"]
mod lab;
mod manual;
mod metered;
mod rehearsal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lab::clients::{Live, LiveFlow};
use lab::gateway::Gateway;
use lab::process::eventually;
use lab::steps::Steps;
use lab::traffic::Server;
use lab::watch::{Outside, Watch, isps_of};
use lab::{H10, ISP_A, ISP_B, Lab, SERVER_PREFIX};
use serde_json::Value;

/// Until the slowest flow has sent again, however long it had waited last.
pub const LIMIT: Duration = Duration::from_secs(40);
const UDP: u8 = 17;

#[test]
fn isps_are_drained_and_their_outage_is_rehearsed() {
    let Some(lab) = Lab::start(1) else { return };
    let _server = Server::start(&lab, "srv", true);
    let _inside = Server::start(&lab, "h10", true);
    let mut gateway = Gateway::start(&lab, "");
    let mut steps = Steps::new(&lab);
    every_isp_is_up(&gateway);
    steps.step("drained: flows stay, new ones avoid it", &mut gateway, |gateway| drained(&lab, gateway));
    steps.step("drained still after a restart, and no more", &mut gateway, |gateway| over_a_restart(&lab, gateway));
    steps.step("drained over a time: flows move", &mut gateway, |gateway| emptied(&lab, gateway));
    steps.step("an ISP that waits for an operator", &mut gateway, |gateway| manual::failback(&lab, gateway));
    steps.step("an outage rehearsed", &mut gateway, |gateway| rehearsal::drill(&lab, gateway));
    steps.step("a rehearsal broken off", &mut gateway, |gateway| rehearsal::broken_off(&lab, gateway));
    steps.step("a rehearsal that would cut off the site", &mut gateway, |gateway| rehearsal::refused(&lab, gateway));
    steps.step("all ISPs down, and packets dropped", &mut gateway, |gateway| rehearsal::all_down(&lab, gateway));
    steps.step("a metered ISP: flows leave in time", &mut gateway, |gateway| metered::max_stay(&lab, gateway));
    steps.step("a metered ISP: its quota is spent", &mut gateway, |gateway| metered::spent(&lab, gateway));
    steps.finish();
}

/// Waits until every ISP is known to be well.
#[track_caller]
pub fn every_isp_is_up(gateway: &Gateway<'_>) {
    eventually("every ISP is up", Duration::from_secs(60), || {
        ["fiber", "cable"].iter().all(|isp| state(gateway, isp) == "up")
    });
}

/// The ISP's state in a word.
#[track_caller]
pub fn state(gateway: &Gateway<'_>, isp: &str) -> String {
    let status: Value = serde_json::from_str(&gateway.ask(&["status", "--json"])).expect("JSON");
    let isps = status["isps"].as_array().expect("ISPs");
    let found = isps.iter().find(|found| found["name"] == isp).expect("the ISP");
    found["health"]["state"].as_str().unwrap_or_default().to_owned()
}

/// By which ISP each of these flows goes now.
#[track_caller]
pub fn ways(lab: &Lab, live: &mut Live, matters: impl Fn(&Outside) -> bool) -> BTreeMap<Outside, &'static str> {
    let watch = Watch::start(lab, "tcp or udp");
    live.these_go_on(LIMIT, &matters);
    let mine: BTreeSet<_> = live.look().iter().map(LiveFlow::name).filter(&matters).collect();
    let mut ways = isps_of(&watch.finish());
    ways.retain(|flow, _| mine.contains(flow));
    assert_eq!(ways.len(), mine.len(), "every flow has gone by an ISP: {ways:?}");
    ways
}

pub fn open(lab: &Lab) -> Live {
    Live::start(lab, "h10", H10, SERVER_PREFIX, 60, 60)
}

pub fn count(ways: &BTreeMap<Outside, &'static str>, isp: &str) -> usize {
    ways.values().filter(|by| **by == isp).count()
}

fn drained(lab: &Lab, gateway: &Gateway<'_>) {
    let mut live = open(lab);
    let before = ways(lab, &mut live, |_| true);
    assert!(count(&before, ISP_A) > 5 && count(&before, ISP_B) > 2, "{before:?}");
    let said = gateway.ask(&["drain", "fiber"]);
    assert!(said.starts_with("fiber is drained: new flows avoid it; "), "{said}");
    let new = ways(lab, &mut open(lab), |_| true);
    assert_eq!(count(&new, ISP_A), 0, "{new:?}");
    assert_eq!(ways(lab, &mut live, |_| true), before, "those that it has stay");
    let page = gateway.ask(&["status"]);
    assert!(page.contains("fiber is drained: new flows avoid it; "), "{page}");
    let twice = gateway.try_ask(&["drain", "fiber"]).expect_err("it is drained");
    assert!(twice.contains("`fiber` is drained already"), "{twice}");
    let unknown = gateway.try_ask(&["drain", "fibre"]).expect_err("there is none");
    assert!(unknown.contains("there is no ISP `fibre`; did you mean `fiber`? (there are fiber, cable)"), "{unknown}");
}

/// Drained as the step before has left it.
fn over_a_restart(lab: &Lab, gateway: &mut Gateway<'_>) {
    assert!(gateway.stop().success(), "{}", gateway.log());
    gateway.restart();
    assert_eq!(count(&ways(lab, &mut open(lab), |_| true), ISP_A), 0, "from the first packet on");
    await_state(gateway, "fiber", "drain");
    gateway.ask(&["undrain", "fiber"]);
    assert!(count(&ways(lab, &mut open(lab), |_| true), ISP_A) > 5);
    let again = gateway.try_ask(&["undrain", "fiber"]).expect_err("it is not drained");
    assert!(again.contains("`fiber` is not drained"), "{again}");
}

/// Waits until the ISP is in this state.
#[track_caller]
pub fn await_state(gateway: &Gateway<'_>, isp: &str, wanted: &str) {
    eventually(wanted, Duration::from_secs(30), || state(gateway, isp) == wanted);
}

fn emptied(lab: &Lab, gateway: &Gateway<'_>) {
    every_isp_is_up(gateway);
    let mut live = open(lab);
    let before = ways(lab, &mut live, |_| true);
    gateway.ask(&["drain", "fiber", "--over", "3s"]);
    // No packet is asked to have moved before the time is over.
    std::thread::sleep(Duration::from_secs(4));
    let by_b: BTreeSet<Outside> = before.iter().filter(|(_, isp)| **isp == ISP_B).map(|(flow, _)| *flow).collect();
    // The world knows TCP connections by the other address: these end, as was said.
    let matters = |flow: &Outside| flow.0 == UDP || by_b.contains(flow);
    let after = ways(lab, &mut live, matters);
    assert_eq!(count(&after, ISP_A), 0, "{after:?}");
    gateway.ask(&["undrain", "fiber"]);
    assert_eq!(ways(lab, &mut live, matters), after, "they stay where they are");
    assert!(count(&ways(lab, &mut open(lab), |_| true), ISP_A) > 5, "new ones do not avoid it");
}
