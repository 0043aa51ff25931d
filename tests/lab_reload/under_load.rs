//! Reloads one after the other while datagrams and connections flow.

use std::time::{Duration, Instant};

use crate::flows::survive;
use crate::lab::gateway::Gateway;
use crate::lab::load::Load;
use crate::lab::process::eventually;
use crate::lab::traffic::{Bursts, ping};
use crate::lab::{H20_PREFIX, ISP_A, ISP_B, Lab, SERVER, SERVER_PREFIX};
use crate::lab_config;

/// New flows all the time, as each pair of addresses is one.
const LOAD: Bursts<'static> = Bursts {
    role: "h20",
    sources: H20_PREFIX,
    source_count: 100,
    destinations: SERVER_PREFIX,
    destination_count: 100,
    // More than it takes; it is ended with the reloads.
    repeat: 200,
    rate: 500,
    // It costs time only where an echo is lost.
    wait_ms: 20_000,
};

/// Reloads of one run: `SIXWAYS_RELOADS`, or few enough for every day.
pub fn count() -> usize {
    std::env::var("SIXWAYS_RELOADS").ok().and_then(|count| count.parse().ok()).unwrap_or(40)
}

/// `count` reloads, each with other weights, rules, policies, filter and timeouts than the one before.
/// Nothing is lost, repeated or translated wrongly, and the flows that live keep their ISPs.
#[track_caller]
pub fn reload_under_load(lab: &Lab, gateway: &mut Gateway<'_>, count: usize) {
    let others = [lab_config(), other()];
    // Few packets are held for a LAN neighbour that is not known yet.
    eventually("an echo", Duration::from_secs(5), || ping(lab, "h20", SERVER, 1, 10) == 1);
    let load = Load::start(lab, Some(gateway), &LOAD);
    let mut generations = Vec::new();
    let start = Instant::now();
    survive(lab, &[ISP_A, ISP_B], || {
        for turn in 0..count {
            gateway.configure(&others[(turn + 1) % 2]);
            let answer: serde_json::Value = serde_json::from_str(&gateway.ask(&["reload", "--json"])).expect("JSON");
            generations.push(answer["generation"].as_u64().expect("a number"));
        }
    });
    assert!(generations.is_sorted_by(|a, b| a < b), "{generations:?}");
    load.all_answered(&format!("in {:.1} s over {count} reloads", start.elapsed().as_secs_f32()), Some(gateway));
    gateway.configure(&others[0]);
    gateway.ask(&["reload"]);
}

fn other() -> String {
    let text = lab_config().replace("weight = 3", "weight = 1").replace("weight = 1\nmtu", "weight = 5\nmtu");
    text + r#"
[policy.sticky]
hash = "source"

[[rule]]
name = "web"
match = { proto = "tcp", dst_port = [80, 443] }
policy = "sticky"

[[rule]]
name = "names"
match = { proto = "udp", dst_port = 53 }
isps = ["cable"]

[flows]
udp = "90s"

[icmp]
errors_per_second = 500
"#
}
