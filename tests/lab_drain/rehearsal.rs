//! Outages that are rehearsed, and one that is not.

use std::time::Duration;

use serde_json::Value;

use crate::lab::clients::Live;
use crate::lab::gateway::Gateway;
use crate::lab::process::{Daemon, eventually, output};
use crate::lab::traffic::ping;
use crate::lab::watch::{Outside, Watch};
use crate::lab::{ISP_A, ISP_B, Lab, SERVER};
use crate::{LIMIT, every_isp_is_up, open, state, ways};

/// [`crate::lab::H10`] as ISP A's customers see it.
const H10_BY_A: &str = "2001:db8:1:7c59::10";
const UDP: u8 = 17;

/// Nothing goes to the ISP, its flows move, those from outside are cut off, and it is back by itself.
pub fn drill(lab: &Lab, gateway: &Gateway<'_>) {
    every_isp_is_up(gateway);
    let mut live = open(lab);
    let mut asked = Live::start(lab, "srv", SERVER, &format!("{H10_BY_A}/128"), 0, 1);
    asked.go_on(LIMIT);
    let before = ways(lab, &mut live, |_| true);
    let mut command = gateway.command(&["drill", "fiber", "--for", "5s", "--json"]);
    let mut drill = Daemon::start(&mut command, &lab.dir.join("drill.json"));
    eventually("it begins", LIMIT, || state(gateway, "fiber") == "down");
    let watch = Watch::start(lab, "tcp or udp");
    live.these_go_on(LIMIT, |flow| flow.0 == UDP);
    let [by_a, by_b] = watch.finish();
    assert_eq!((by_a.isp, by_b.isp), (ISP_A, ISP_B));
    assert!(by_a.flows().is_empty(), "sent to the ISP that is taken for dead: {:?}", by_a.flows());
    eventually("it ends", LIMIT, || !drill.alive());
    let report: Value = serde_json::from_str(&drill.output()).expect("a report");
    let number = |key: &str| report[key].as_f64().unwrap_or_else(|| panic!("{key}: {report}"));
    assert!(drill.status().success() && report["is_over"] == true, "{report}");
    assert!(number("lasted_seconds") >= 5.0, "{report}");
    let udp_by_a = before.iter().filter(|(flow, isp)| flow.0 == UDP && **isp == ISP_A).count() as f64;
    assert!(number("moved_flows") >= udp_by_a && number("flows_from_inside") >= number("moved_flows"), "{report}");
    assert!(number("flows_from_outside") >= 1.0 && number("took_over_after_seconds") < 5.0, "{report}");
    assert!(report["dropped"]["no-uplink"].as_u64() > Some(0), "what the flow from outside was answered: {report}");
    eventually("it is back", LIMIT, || state(gateway, "fiber") == "up");
    asked.go_on(LIMIT);
    assert!(ways(lab, &mut open(lab), |_| true).values().any(|isp| *isp == ISP_A), "new flows use it");
    let by_b = |flow: &Outside| before.get(flow) == Some(&ISP_B);
    assert!(ways(lab, &mut live, by_b).values().all(|isp| *isp == ISP_B), "nobody else's flows have moved");
}

/// Ctrl-C ends it.
pub fn broken_off(lab: &Lab, gateway: &Gateway<'_>) {
    every_isp_is_up(gateway);
    let mut command = gateway.command(&["drill", "cable", "--for", "1h"]);
    let mut drill = Daemon::start(&mut command, &lab.dir.join("drill.txt"));
    eventually("it begins", LIMIT, || state(gateway, "cable") == "down");
    let second = gateway.try_ask(&["drill", "fiber", "--for", "10s"]).expect_err("one at a time");
    assert!(second.contains("a drill of `cable` is on; one at a time"), "{second}");
    // It listens for the signal from before its first look on.
    std::thread::sleep(Duration::from_secs(1));
    assert!(drill.end("INT", LIMIT).success(), "{}", drill.output());
    assert!(drill.output().contains("cable is back after "), "{}", drill.output());
    eventually("it is back", LIMIT, || state(gateway, "cable") == "up");
}

/// Without the other ISP the site would be cut off.
pub fn refused(lab: &Lab, gateway: &Gateway<'_>) {
    every_isp_is_up(gateway);
    lab.unplug("wan1");
    eventually("cable is down", LIMIT, || state(gateway, "cable") == "down");
    let alone = gateway.try_ask(&["drill", "fiber", "--for", "10s"]).expect_err("it is the last one");
    assert!(alone.contains("no other ISP is well: without `fiber` the site would be cut off"), "{alone}");
    let down = gateway.try_ask(&["drill", "cable", "--for", "10s"]).expect_err("it is down");
    assert!(down.contains("`cable` is down: there is nothing to rehearse"), "{down}");
    assert_eq!(ping(lab, "h10", SERVER, 3, 10), 3);
    let said = gateway.ask(&["drill", "fiber", "--for", "2s", "--force"]);
    assert!(said.contains("fiber is back after 2."), "{said}");
    lab.plug("wan1");
    every_isp_is_up(gateway);
}

/// With `all_down = "drop"` hosts are told that there is no route.
pub fn all_down(lab: &Lab, gateway: &mut Gateway<'_>) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/lab.toml")).expect("a sample");
    assert!(gateway.stop().success(), "{}", gateway.log());
    gateway.configure(&text.replace("[[lan]]", "all_down = \"drop\"\n\n[[lan]]"));
    gateway.restart();
    every_isp_is_up(gateway);
    ["wan0", "wan1"].iter().for_each(|device| lab.unplug(device));
    eventually("both are down", LIMIT, || ["fiber", "cable"].iter().all(|isp| state(gateway, isp) == "down"));
    let mut ping_once = lab.command("h10", "ping");
    let told = output(ping_once.args(["-n", "-c", "1", "-W", "5", SERVER]), LIMIT);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("No route"), "{told}");
    ["wan0", "wan1"].iter().for_each(|device| lab.plug(device));
    every_isp_is_up(gateway);
    assert_eq!(ping(lab, "h10", SERVER, 3, 10), 3);
}
