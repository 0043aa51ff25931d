//! Traffic: the real clients of every day, and `scripts/lib/traffic.py` for many addresses.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::process::{output, run};
use super::{H20_PREFIX, Lab, PYTHON, SERVER_PREFIX};

const HELPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/traffic.py");
const LIMIT: Duration = Duration::from_secs(90);

/// `count` echo requests, one every `interval_ms`; how many were answered. `target` may have
/// options of ping before it.
#[track_caller]
pub fn ping(lab: &Lab, role: &str, target: &str, count: u32, interval_ms: u32) -> u32 {
    let interval = (f64::from(interval_ms) / 1000.0).to_string();
    let mut command = lab.command(role, "ping");
    command.args(["-6", "-n", "-q", "-W", "1", "-c", &count.to_string(), "-i", &interval]).args(target.split(" "));
    // Its status is an error when answers are missing: that is an answer too.
    let output = String::from_utf8_lossy(&output(&mut command, LIMIT).stdout).into_owned();
    let received = output.split(", ").find_map(|part| part.strip_suffix(" received"));
    received.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("ping said: {output}"))
}

/// `count` echo requests that must not be answered; a third of a second is left for one that is.
#[track_caller]
pub fn unanswered(lab: &Lab, role: &str, target: &str, count: u32) {
    assert_eq!(ping(lab, role, &format!("-W 0.3 {target}"), count, 10), 0, "{role} to {target} is answered");
}

/// Like [`ping`], for a machine that is kept busy: every answer has two seconds.
#[track_caller]
pub fn ping_patiently(lab: &Lab, role: &str, target: &str, count: u32, interval_ms: u32) -> u32 {
    let interval = (f64::from(interval_ms) / 1000.0).to_string();
    let mut command = lab.command(role, PYTHON);
    command.args([HELPER, "ping", target, "--count", &count.to_string(), "--interval", &interval]);
    run(&mut command, LIMIT).trim().parse().expect("traffic.py reports")
}

/// The hops to `target`, `*` where nobody answered. `target` may have options before it.
pub fn traceroute(lab: &Lab, role: &str, target: &str) -> Vec<String> {
    let output = lab.sh(role, &format!("traceroute -6 -n -q 1 -w 1 -m 8 {target}"));
    output.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}

/// What the server saw from one /48.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Seen {
    /// Datagrams.
    pub packets: u64,
    /// Distinct source addresses.
    pub addresses: u64,
    /// Distinct pairs of source and destination.
    pub pairs: u64,
    /// Some of the addresses.
    pub examples: Vec<String>,
}

/// A helper that runs beside the test: it answers each line with a line, and ends with its owner.
pub struct Helper {
    child: Child,
    stdin: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts `command` and waits until it says that it is ready.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped"));
        let mut helper = Self { child, stdin, lines };
        helper.answer();
        helper
    }

    /// Its answer to `line`.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").expect("the helper runs");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("the helper answers");
        assert!(!line.is_empty(), "a helper in the lab died");
        line
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// UDP, TCP and HTTP servers in one namespace.
pub struct Server(Helper);

impl Server {
    /// Starts them and waits until they listen. `echo`: whether datagrams are answered.
    pub fn start(lab: &Lab, role: &str, echo: bool) -> Self {
        let mut command = lab.command(role, PYTHON);
        command.args([HELPER, "serve"]).args((!echo).then_some("--no-echo"));
        Self(Helper::start(&mut command))
    }

    /// What was seen since the last reset, by /48.
    pub fn report(&mut self) -> BTreeMap<String, Seen> {
        serde_json::from_str(&self.0.ask("report")).expect("traffic.py reports")
    }

    /// Forgets what was seen.
    pub fn reset(&mut self) {
        self.0.ask("reset");
    }
}

/// A burst of datagrams over many pairs of addresses.
#[derive(Clone, Debug)]
pub struct Bursts<'a> {
    /// The namespace that sends.
    pub role: &'a str,
    /// Where the source addresses lie.
    pub sources: &'a str,
    /// How many of them.
    pub source_count: u32,
    /// Where the destination addresses lie.
    pub destinations: &'a str,
    /// How many of them.
    pub destination_count: u32,
    /// Datagrams for each pair.
    pub repeat: u32,
    /// Datagrams a second.
    pub rate: u32,
    /// Milliseconds to wait for the last echo.
    pub wait_ms: u32,
}

/// A thousand pairs between the inner router's host and the server.
pub const SOME: Bursts<'static> = Bursts {
    role: "h20",
    sources: H20_PREFIX,
    source_count: 40,
    destinations: SERVER_PREFIX,
    destination_count: 25,
    repeat: 1,
    rate: 8_000,
    wait_ms: 500,
};

/// What came of it.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Burst {
    /// Distinct pairs.
    pub pairs: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams whose echo came back from the address that was asked, to the one that asked.
    pub answered: u64,
    /// Echoes that came otherwise.
    pub wrong: u64,
    /// Echoes that came more than once.
    pub repeated: u64,
    /// Some answered pairs: source, destination.
    pub examples: Vec<(String, String)>,
}

impl<'a> Bursts<'a> {
    /// One datagram from a single source (`ADDRESS/128`) to each of 64 addresses of the server: every
    /// ISP carries some of these pairs.
    pub fn of_one(role: &'a str, source: &'a str) -> Self {
        Self {
            role,
            sources: source,
            source_count: 1,
            destinations: SERVER_PREFIX,
            destination_count: 64,
            repeat: 1,
            rate: 8_000,
            wait_ms: 500,
        }
    }

    /// The command, for a burst that runs beside the test and may be lost.
    pub fn command(&self, lab: &Lab) -> Command {
        let mut command = lab.command(self.role, PYTHON);
        command.args([HELPER, "burst", "--sources", self.sources, "--destinations", self.destinations]);
        command.args(["--source-count", &self.source_count.to_string()]);
        command.args(["--destination-count", &self.destination_count.to_string()]);
        command.args(["--repeat", &self.repeat.to_string(), "--rate", &self.rate.to_string()]);
        command.args(["--wait", &(f64::from(self.wait_ms) / 1000.0).to_string()]);
        command
    }

    /// Sends it all and waits for the echoes.
    #[track_caller]
    pub fn run(&self, lab: &Lab) -> Burst {
        serde_json::from_str(&run(&mut self.command(lab), LIMIT)).expect("traffic.py reports")
    }
}

/// What came of TCP connections.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Connections {
    /// Those that were opened, echoed every octet, and closed.
    pub connected: u64,
    /// What went wrong with the others.
    pub failures: Vec<String>,
    /// How many the server saw from each /48.
    pub seen: BTreeMap<String, u64>,
}

/// `count` TCP connections from addresses of `sources` to addresses of `destinations`, each of
/// which echoes `size` octets.
#[track_caller]
pub fn connect(lab: &Lab, role: &str, sources: &str, destinations: &str, count: u32, size: u32) -> Connections {
    let mut command = lab.command(role, PYTHON);
    command.args([HELPER, "connect", "--sources", sources, "--destinations", destinations]);
    command.args(["--count", &count.to_string(), "--size", &size.to_string()]);
    serde_json::from_str(&run(&mut command, LIMIT)).expect("traffic.py reports")
}
