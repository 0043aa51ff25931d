//! Parts of the gateway beside the packet path, changed while it runs.

use std::fs;

use serde_json::Value;

use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab_config;
use crate::refused::SOON;

/// An address of the server's.
const TARGET: &str = "2001:db8:f::1";

/// `[notify]` comes, names another program, and goes.
pub fn notify(lab: &Lab, gateway: &Gateway<'_>) {
    let told = |name: &str| fs::read_to_string(lab.dir.join(name)).unwrap_or_default();
    let reload_to = |name: &str| {
        let script = format!("cat >> {}", lab.dir.join(name).display());
        let notify = format!("\n[notify]\nexec = [\"/bin/sh\", \"-c\", \"{script}\"]\n");
        gateway.configure(&(lab_config() + &notify));
        gateway.ask(&["reload"]);
    };
    reload_to("one");
    gateway.ask(&["drain", "cable"]);
    eventually("the first program is told", SOON, || told("one").contains("isp-drained"));
    reload_to("two");
    gateway.ask(&["undrain", "cable"]);
    eventually("then the second", SOON, || told("two").contains("isp-undrained"));
    assert!(!told("one").contains("isp-undrained"), "{}", told("one"));
    gateway.configure(&lab_config());
    gateway.ask(&["reload"]);
}

/// ISPs are asked beyond their routers, and no longer.
pub fn probes(gateway: &Gateway<'_>) {
    let targets = || {
        let status: Value = serde_json::from_str(&gateway.ask(&["status", "--json"])).expect("JSON");
        let isps = status["isps"].as_array().expect("a list");
        isps.iter().map(|isp| isp["health"]["targets"].as_array().cloned().unwrap_or_default()).collect::<Vec<_>>()
    };
    assert!(targets().iter().all(Vec::is_empty), "{:?}", targets());
    let probes = format!("probes = [{{ type = \"icmp\", to = \"{TARGET}\", every = \"250ms\", timeout = \"2s\" }}]");
    gateway.configure(&lab_config().replace("probes = []", &probes));
    gateway.ask(&["reload"]);
    let is_well = |target: &Value| target["state"] == "well";
    eventually("every ISP's target answers", SOON, || {
        targets().iter().all(|targets| targets.len() == 1 && targets.iter().all(is_well))
    });
    gateway.configure(&lab_config());
    gateway.ask(&["reload"]);
    eventually("nobody is asked", SOON, || targets().iter().all(Vec::is_empty));
}
