//! `scripts/lib/flows.py`: clients whose flows are watched one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::process::{eventually, run};
use super::traffic::Helper;
use super::watch::Outside;
use super::{Lab, PYTHON};

const HELPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/flows.py");
const LIMIT: Duration = Duration::from_secs(60);

/// A verb in the namespace of `role`; its words are split at blanks.
pub fn verb(lab: &Lab, role: &str, words: &str) -> Command {
    let mut command = lab.command(role, PYTHON);
    command.arg(HELPER).args(words.split_whitespace());
    command
}

#[track_caller]
fn ask<T: serde::de::DeserializeOwned>(lab: &Lab, role: &str, words: &str) -> T {
    serde_json::from_str(&run(&mut verb(lab, role, words), LIMIT)).expect("flows.py reports")
}

/// TCP connections that were opened at once.
#[derive(Debug, Deserialize)]
pub struct Reached {
    /// Those whose server saw the right client, and whose echo was right.
    pub connected: u32,
    /// What went wrong with some of the others.
    pub failures: Vec<String>,
}

/// `count` connections from `source_count` addresses of `sources` to `targets` in turn, with the
/// ports from `first_port`.
#[track_caller]
pub fn reach(
    lab: &Lab,
    role: &str,
    (sources, source_count): (&str, u32),
    targets: &[&str],
    count: u32,
    first_port: u16,
) -> Reached {
    let targets = targets.join(" ");
    let words = format!("--sources {sources} --source-count {source_count} --count {count} --first-port {first_port}");
    ask(lab, role, &format!("reach {words} {targets}"))
}

/// Where servers at `count` addresses of `targets` see `source`, by TCP.
#[track_caller]
pub fn survey(lab: &Lab, role: &str, source: &str, targets: &str, count: u32) -> BTreeMap<String, Ipv6Addr> {
    ask(lab, role, &format!("survey --source {source} --targets {targets} --count {count}"))
}

/// Large datagrams of one flow to the UDP echo server.
#[derive(Clone, Copy, Debug)]
pub struct Datagrams<'a> {
    /// The namespace that sends.
    pub role: &'a str,
    /// Source address.
    pub source: &'a str,
    /// Source port.
    pub source_port: u16,
    /// Destination address.
    pub target: &'a str,
    /// Octets of each payload.
    pub size: u32,
    /// How many.
    pub count: u32,
    /// Who makes the fragments: `kernel`, or crafted ones in the order `reversed`, `shuffled` or
    /// `first-last`.
    pub order: &'a str,
}

/// What came of them.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Echoed {
    /// Datagrams sent.
    pub sent: u32,
    /// Those whose echo came back whole and right.
    pub answered: u32,
    /// Echoes that were not right.
    pub wrong: u32,
}

impl Datagrams<'_> {
    /// Sends them and waits for the echoes.
    #[track_caller]
    pub fn run(&self, lab: &Lab) -> Echoed {
        let Self { role, source, source_port, target, size, count, order } = self;
        ask(
            lab,
            role,
            &format!(
                "datagrams --source {source} --source-port {source_port} --target {target} --size {size} \
                 --count {count} --order {order}"
            ),
        )
    }
}

/// How an attempt to connect ended.
#[derive(Debug, Deserialize)]
pub struct Knocked {
    /// `connected`, `silence`, or the name of the error.
    pub outcome: String,
    /// After how long.
    pub seconds: f64,
}

/// One attempt to connect.
#[track_caller]
pub fn knock(lab: &Lab, role: &str, source: &str, target: &str, port: u16) -> Knocked {
    ask(lab, role, &format!("knock --source {source} --target {target} --port {port}"))
}

/// Flows that send something ten times a second, until this is dropped.
pub struct Live(Helper);

/// One of them: protocol, client's port, server's address, echoes since the last look, and what
/// ended it.
#[derive(Debug, Deserialize)]
pub struct LiveFlow(pub String, pub u16, pub Ipv6Addr, pub u64, pub Option<String>);

impl LiveFlow {
    /// The flow as a capture beyond the gateway shows it.
    pub fn name(&self) -> Outside {
        let (protocol, server) = if self.0 == "tcp" { (6, 9001) } else { (17, 9000) };
        (protocol, self.1, self.2, server)
    }
}

impl Live {
    /// Opens `tcp` connections and `udp` flows from `source` to addresses of `targets`.
    pub fn start(lab: &Lab, role: &str, source: &str, targets: &str, tcp: u32, udp: u32) -> Self {
        let words = format!("live --source {source} --targets {targets} --tcp {tcp} --udp {udp}");
        Self(Helper::start(&mut verb(lab, role, &words)))
    }

    /// What each flow did since the last look.
    pub fn look(&mut self) -> Vec<LiveFlow> {
        serde_json::from_str(&self.0.ask("look")).expect("flows.py reports")
    }

    /// Waits until every flow has echoed something since the last look, and none is broken.
    #[track_caller]
    pub fn go_on(&mut self, limit: Duration) {
        self.these_go_on(limit, |_| true);
    }

    /// As [`Live::go_on`], for those that matter.
    #[track_caller]
    pub fn these_go_on(&mut self, limit: Duration, matters: impl Fn(&Outside) -> bool) {
        let names = self.look().into_iter().map(|flow| flow.name());
        let mut silent: BTreeSet<Outside> = names.filter(|name| matters(name)).collect();
        eventually("the flows go on", limit, || {
            std::thread::sleep(Duration::from_millis(200));
            for flow in self.look().iter().filter(|flow| matters(&flow.name())) {
                assert_eq!(flow.4, None, "{flow:?}");
                if flow.3 > 0 {
                    silent.remove(&flow.name());
                }
            }
            silent.is_empty()
        });
    }
}
