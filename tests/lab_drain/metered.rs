//! A metered ISP: flows that fled to it leave it in time, and what it has carried closes it.

use serde_json::Value;

use crate::lab::clients::Live;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab::traffic::connect;
use crate::lab::watch::Watch;
use crate::lab::{H10, H20_PREFIX, ISP_A, ISP_B, Lab, SERVER_PREFIX};
use crate::{LIMIT, count, every_isp_is_up, open, state, ways};

/// `configs/lab.toml`, where cable has the weight of fiber and these keys, from now on.
fn reload(gateway: &Gateway<'_>, keys: &str) {
    let text = include_str!("../../configs/lab.toml");
    let cable = "weight = 1\n";
    assert!(text.contains(cable), "{text}");
    let text = text.replace("probes = []", "probes = []\nhealth = { hold_down = \"0s\" }");
    gateway.configure(&text.replace(cable, &format!("weight = 3\nmetered = true\n{keys}\n")));
    gateway.ask(&["reload"]);
    every_isp_is_up(gateway);
}

/// The flows stay until an ISP that is not metered has been back for long enough, and no longer.
pub fn max_stay(lab: &Lab, gateway: &Gateway<'_>) {
    reload(gateway, "tier = 2\nmax_stay = \"1h\"");
    // TCP does not survive that its ISP changes.
    let mut live = Live::start(lab, "h10", H10, SERVER_PREFIX, 0, 40);
    let by = |live: &mut Live, isp| count(&ways(lab, live, |_| true), isp);
    assert_eq!(by(&mut live, ISP_A), 40, "the first tier has them all");
    lab.unplug("wan0");
    eventually("fiber is down", LIMIT, || state(gateway, "fiber") == "down");
    live.go_on(LIMIT);
    lab.plug("wan0");
    every_isp_is_up(gateway);
    assert_eq!(by(&mut live, ISP_B), 40, "they have fled, and may stay for an hour");
    reload(gateway, "tier = 2\nmax_stay = \"1s\"");
    eventually("they are back", LIMIT, || {
        let watch = Watch::start(lab, "udp");
        live.go_on(LIMIT);
        let [_, by_b] = watch.finish();
        by_b.flows().is_empty()
    });
}

/// Octets of its quota that cable has carried, once `status` knows of a quota.
fn used(gateway: &Gateway<'_>) -> Option<u64> {
    let status: Value = serde_json::from_str(&gateway.ask(&["status", "--json"])).expect("JSON");
    let isps = status["isps"].as_array().expect("ISPs");
    isps.iter().find(|isp| isp["name"] == "cable").expect("the ISP")["quota"]["used_bytes"].as_u64()
}

/// What it carries counts, and once it is enough new flows avoid it.
pub fn spent(lab: &Lab, gateway: &Gateway<'_>) {
    reload(gateway, "quota = \"1TB/month\"");
    eventually("status knows of it", LIMIT, || used(gateway).is_some());
    let megabytes = used(gateway).expect("it does") / 1_000_000 + 2;
    reload(gateway, &format!("quota = \"{megabytes}MB/month\""));
    let mut live = open(lab);
    let before = ways(lab, &mut live, |_| true);
    assert!(count(&before, ISP_A) > 5 && count(&before, ISP_B) > 5, "{before:?}");
    eventually("the quota is spent", LIMIT, || {
        let some = connect(lab, "h20", H20_PREFIX, SERVER_PREFIX, 20, 60_000);
        assert_eq!(some.failures, [""; 0]);
        state(gateway, "cable") == "drain"
    });
    assert!(used(gateway) >= Some(megabytes * 1_000_000));
    let page = gateway.ask(&["status"]);
    let says = |words: &str| page.lines().any(|line| line.starts_with("cable ") && line.contains(words));
    assert!(says("SPENT: new flows avoid it") && says("is closed (quota): new flows avoid it"), "{page}");
    let log = std::fs::read_to_string(lab.dir.join("state/events.jsonl")).expect("an event log");
    assert!(log.contains("\"kind\":\"quota-reached\",\"isp\":\"cable\""), "{log}");
    gateway.ask(&["drain", "cable"]);
    let said = gateway.ask(&["undrain", "cable"]);
    assert!(said.contains("its quota of this month is spent: new flows avoid it"), "{said}");
    let new = ways(lab, &mut open(lab), |_| true);
    assert_eq!(count(&new, ISP_B), 0, "{new:?}");
    assert_eq!(ways(lab, &mut live, |_| true), before, "those that it has stay");
}
