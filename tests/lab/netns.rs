//! One lab of network namespaces: made, locked, and taken down again, also when a test panics.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};

use super::PYTHON;
use super::process::{run, try_run};

/// Labs that this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();
const TOOLS: [&str; 11] =
    ["ip", "ethtool", "nft", "sysctl", "mount", "ping", "traceroute", "tcpdump", "curl", "iperf3", PYTHON];
const LIMIT: Duration = Duration::from_secs(60);

/// What one ISP counted about its customer's packets, by kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct IspCounts {
    /// Out of the delegated prefix.
    pub own: u64,
    /// Of the link itself.
    pub link: u64,
    /// Of the site's inside: untranslated.
    pub internal: u64,
    /// Of anybody else: another ISP's, for one.
    pub foreign: u64,
}

/// A running lab.
pub struct Lab {
    name: String,
    /// Where its state, sockets, logs and captures lie.
    pub dir: PathBuf,
    /// The gateway's own addresses by interface.
    pub own: BTreeMap<String, String>,
    _lock: File,
}

impl Lab {
    /// Makes a lab whose devices have `queues` queues; `None` if the user skips lab tests.
    ///
    /// # Panics
    /// If this machine cannot run a lab.
    pub fn start(queues: usize) -> Option<Self> {
        if std::env::var_os("SIXWAYS_SKIP_LAB").is_some_and(|value| value == "1") {
            eprintln!("skipped: SIXWAYS_SKIP_LAB=1");
            return None;
        }
        require();
        let lock = File::create(std::env::temp_dir().join("sixways-lab.lock")).expect("the lab's lock file");
        lock.lock().expect("the lab's lock");
        // What a test of this process has made, it takes down itself.
        SWEPT.call_once(|| _ = run(&mut script(&["sweep"]), LIMIT));
        let name = format!("sw{}x{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let facts = run(&mut script(&["up", &name, "--queues", &queues.to_string()]), LIMIT);
        let facts: Facts = serde_json::from_str(&facts).expect("lab.py prints what it made");
        Some(Self { name, dir: facts.dir, own: facts.own, _lock: lock })
    }

    /// A command inside the namespace of `role`.
    pub fn command(&self, role: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}-{role}", self.name), program]);
        command
    }

    /// Runs a command line, split at blanks, in the namespace of `role`; returns its output.
    ///
    /// # Panics
    /// If it fails or takes longer than a minute.
    #[track_caller]
    pub fn sh(&self, role: &str, line: &str) -> String {
        let mut words = line.split_whitespace();
        run(self.command(role, words.next().expect("a command")).args(words), LIMIT)
    }

    /// As [`Lab::sh`], `None` where the command fails.
    pub fn try_sh(&self, role: &str, line: &str) -> Option<String> {
        let mut words = line.split_whitespace();
        try_run(self.command(role, words.next()?).args(words), LIMIT).ok()
    }

    /// Where a namespace's name is bound.
    pub fn path(&self, role: &str) -> PathBuf {
        format!("/run/netns/{}-{role}", self.name).into()
    }

    /// What ISP A and ISP B counted.
    pub fn isp_counts(&self) -> [IspCounts; 2] {
        ["ispa", "ispb"].map(|isp| {
            let json = self.sh(isp, "nft -j list counters table netdev isp");
            let listing: Value = serde_json::from_str(&json).expect("nft prints JSON");
            let counters = listing["nftables"].as_array().expect("a list").iter().map(|entry| &entry["counter"]);
            let named: Map<_, _> = counters
                .filter_map(|counter| Some((counter["name"].as_str()?.to_owned(), counter["packets"].clone())))
                .collect();
            serde_json::from_value(named.into()).expect("the counters of lab.py")
        })
    }

    /// Pulls the cable out of one of the gateway's devices.
    pub fn unplug(&self, device: &str) {
        run(&mut script(&["unplug", &self.name, device]), LIMIT);
    }

    /// Puts the cable back.
    pub fn plug(&self, device: &str) {
        run(&mut script(&["plug", &self.name, device]), LIMIT);
    }

    /// Deletes one of the gateway's devices and makes it anew.
    pub fn recreate(&self, device: &str) {
        run(&mut script(&["recreate", &self.name, device]), LIMIT);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(problem) = try_run(&mut script(&["down", &self.name]), LIMIT) {
            eprintln!("the lab is left behind: {problem}");
        }
    }
}

/// Moves the calling thread into a namespace ([`Lab::path`]), for good.
///
/// # Panics
/// If there is no such namespace.
#[track_caller]
#[allow(unsafe_code, reason = "namespaces have no safe interface in std")]
pub fn enter(namespace: &Path) {
    let file = File::open(namespace).unwrap_or_else(|error| panic!("{}: {error}", namespace.display()));
    // SAFETY: the descriptor is open, and the call affects this thread alone.
    let result = unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) };
    assert_eq!(result, 0, "{}: {}", namespace.display(), std::io::Error::last_os_error());
}

#[derive(serde::Deserialize)]
struct Facts {
    own: BTreeMap<String, String>,
    dir: PathBuf,
}

fn script(words: &[&str]) -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/lab.py")).args(words);
    command
}

fn require() {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let root = status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    let mut problems = Vec::new();
    if !root {
        problems.push("it needs root".to_owned());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let missing = TOOLS.iter().filter(|tool| !path.split(':').any(|dir| PathBuf::from(dir).join(tool).exists()));
    problems.extend(missing.map(|tool| format!("`{tool}` is missing")));
    assert!(
        problems.is_empty(),
        "the lab cannot run: {}. scripts/deps installs tools; SIXWAYS_SKIP_LAB=1 leaves the lab out",
        problems.join(", ")
    );
}
