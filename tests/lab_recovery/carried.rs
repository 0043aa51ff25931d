//! What the ISPs have carried outlasts a gateway that is killed.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::lab::process::{eventually, run};

const LIMIT: Duration = Duration::from_secs(20);
/// It is kept every thirty seconds.
const SOON: Duration = Duration::from_secs(90);

/// Killed once it has kept something, and started again: what was kept counts, once.
#[track_caller]
pub fn outlasts_a_kill(lab: &Lab, gateway: &mut Gateway<'_>) {
    for file in ["traffic.json", "carried.json"] {
        eventually("it is kept", SOON, || lab.dir.join("state").join(file).exists());
    }
    let (told, kept) = (in_history(lab), in_quotas(lab));
    assert!(told > 0 && kept > 0, "{told} in history, {kept} for quotas");
    gateway.kill();
    let dead = in_history(lab);
    assert!(dead >= told && in_quotas(lab) >= kept, "{dead} of {told} in history, {} of {kept}", in_quotas(lab));
    gateway.restart();
    // The new one has carried little yet.
    let alive = in_history(lab);
    assert!((dead..2 * dead).contains(&alive), "{dead} octets are told as {alive}");
    assert!(in_quotas(lab) >= kept);
}

/// Octets that `sixways history` tells.
#[track_caller]
fn in_history(lab: &Lab) -> u64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sixways"));
    command.args(["history", "--json", "--state"]).arg(lab.dir.join("state"));
    let history: Value = serde_json::from_str(&run(&mut command, LIMIT)).expect("JSON");
    let months = history["months"].as_array().expect("a list");
    let octets = |month: &Value| ["received_bytes", "sent_bytes"].map(|key| month[key].as_u64().expect("a number"));
    months.iter().flat_map(octets).sum()
}

/// Octets that are kept for quotas, by month and ISP.
#[track_caller]
fn in_quotas(lab: &Lab) -> u64 {
    let text = std::fs::read_to_string(lab.dir.join("state/carried.json")).expect("kept");
    let kept: Value = serde_json::from_str(&text).expect("whole");
    let months = kept["content"].as_object().expect("by month").values();
    months.flat_map(|isps| isps.as_object().expect("by ISP").values()).map(|octets| octets.as_u64().unwrap_or(0)).sum()
}
