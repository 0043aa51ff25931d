//! What the gateway tells of what happens: event log, history, and the last words about a worker that hangs.

#[path = "../lab/mod.rs"]
mod lab;
mod stalled;
mod told;

use std::time::Duration;

use lab::clients::Live;
use lab::gateway::Gateway;
use lab::process::eventually;
use lab::service::Supervisor;
use lab::steps::Steps;
use lab::traffic::{Server, ping};
use lab::{H10, Lab, SERVER, SERVER_PREFIX};
use serde_json::Value;
use told::Addressees;

/// Behind wan0.
const ISP_A: &str = "fiber";

/// What `sixways history --json` says.
#[track_caller]
pub fn history(lab: &Lab) -> Value {
    let words = format!("{} history --json --state {}", env!("CARGO_BIN_EXE_sixways"), lab.dir.join("state").display());
    serde_json::from_str(&lab.sh("gw", &words)).expect("one JSON document")
}

/// The events of the log so far.
#[track_caller]
pub fn events(lab: &Lab) -> Vec<Value> {
    let log = std::fs::read_to_string(lab.dir.join("state/events.jsonl")).expect("an event log");
    log.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

#[test]
fn what_happens_is_told() {
    let Some(lab) = Lab::start(2) else { return };
    let addressees = Addressees::start(&lab);
    let _server = Server::start(&lab, "srv", true);
    let supervisor = Supervisor::listen(&lab);
    let mut gateway = Gateway::start(&lab, &addressees.config());
    let mut steps = Steps::new(&lab);
    eventually("an echo", Duration::from_secs(10), || ping(&lab, "h10", SERVER, 1, 10) == 1);
    steps.step("an outage", &mut gateway, |gateway| outage(&lab, gateway));
    steps.step("a supervisor", &mut gateway, |_| {
        supervisor.hears("READY=1");
        supervisor.hears("WATCHDOG=1");
    });
    steps.step("a program that hangs and a server", &mut gateway, |gateway| {
        addressees.were_told("isp-state");
        let page = gateway.metrics();
        assert!(page.contains("sixways_notifications_total{target=\"webhook\",outcome=\"failed\"} 0\n"), "{page}");
    });
    steps.step("an interface that goes and comes back", &mut gateway, |_| {
        lab.recreate("wan0");
        eventually("both are told", Duration::from_secs(20), || {
            let kinds = ["interface-gone", "interface-back"];
            kinds
                .iter()
                .all(|kind| events(&lab).iter().any(|event| event["kind"] == *kind && event["interface"] == "wan0"))
        });
    });
    steps.step("a worker that hangs", &mut gateway, |gateway| stalled::hangs(&lab, gateway, &supervisor));
    steps.step("kill -9", &mut gateway, |gateway| {
        gateway.kill();
        eventually("its files are closed", Duration::from_secs(10), || history(&lab)["running"] == false);
        gateway.restart();
        let away = history(&lab)["away"].as_array().expect("a list").last().cloned().expect("it was away");
        assert_eq!(away["why"], "killed, or without power");
        assert_eq!(away["approximate"], true);
    });
    steps.step_alone("the end", || {
        eventually("an echo", Duration::from_secs(10), || ping(&lab, "h10", SERVER, 1, 10) == 1);
        // So that there is room for more.
        supervisor.forget();
        assert!(gateway.stop().success(), "{}", gateway.log());
        supervisor.hears("STOPPING=1");
        let last = events(&lab).pop().expect("an event");
        assert_eq!((&last["kind"], &last["outcome"]), (&"gateway-stopped".into(), &"blocking".into()));
        let months = history(&lab)["months"].as_array().cloned().expect("a list");
        let carried = |key: &str| months.iter().filter_map(|month| month[key].as_u64()).sum::<u64>();
        assert!(carried("received_bytes") > 0 && carried("sent_packets") > 0, "{months:?}");
    });
    steps.finish();
}

/// A cable is pulled and put back.
fn outage(lab: &Lab, gateway: &Gateway<'_>) {
    let first = |state: &str| {
        let of = |event: &&Value| event["kind"] == "isp-state" && event["isp"] == ISP_A && event["to"] == state;
        events(lab).iter().find(of).cloned()
    };
    let mut flows = Live::start(lab, "h10", H10, SERVER_PREFIX, 0, 20);
    flows.go_on(Duration::from_secs(30));
    lab.unplug("wan0");
    eventually("it is told", Duration::from_secs(10), || first("down").is_some());
    assert_eq!(first("down").expect("told")["cause"], "carrier");
    let outage = || history(lab)["outages"][0].clone();
    let failover = || outage()["failover_seconds"].as_f64();
    eventually("the flows go by the other ISP", Duration::from_secs(30), || failover().is_some());
    // Each flow sends ten times a second, and something comes back as often.
    let took = failover().expect("it is over");
    assert!(took > 0.0 && took < 10.0, "{took} s");
    let page = gateway.metrics();
    assert!(page.contains("\nsixways_failover_seconds_count{cause=\"carrier\"} 1\n"), "{page}");
    let sum = page.lines().find_map(|line| line.strip_prefix("sixways_failover_seconds_sum{cause=\"carrier\"} "));
    assert_eq!(sum.and_then(|sum| sum.parse().ok()), Some(took), "the log and the histogram say the same");
    drop(flows);
    assert_eq!(outage()["end"], "goes-on");
    lab.plug("wan0");
    eventually("it is over", Duration::from_secs(60), || outage()["end"] == "recovered");
    let outage = outage();
    assert_eq!((&outage["isp"], &outage["cause"]), (&ISP_A.into(), &"carrier".into()));
    assert!(outage["seconds"].as_f64().expect("a number") > 0.0);
    let page = gateway.metrics();
    let written = page.lines().find_map(|line| line.strip_prefix("sixways_events_written_total ")?.parse::<u64>().ok());
    assert!(written.is_some_and(|written| written >= 3), "{page}");
    assert!(page.contains("\nsixways_events_lost_total 0\n"), "{page}");
}
