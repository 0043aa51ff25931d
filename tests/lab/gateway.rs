//! The gateway under test: the binary itself, in its namespace, with files of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Lab;
use super::process::{Daemon, eventually, run, try_run};
use super::service::setting;

const BINARY: &str = env!("CARGO_BIN_EXE_sixways");
const LIMIT: Duration = Duration::from_secs(20);
/// However often it has been down.
const SOON: &str = "health = { hold_down = \"500ms\", backoff_max = \"500ms\" }\nweight = ";

/// `configs/lab.toml`.
pub fn lab_config() -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/configs/lab.toml"));
    text.expect("configs/lab.toml")
}

/// `text`, a form of `configs/lab.toml`, with ISPs that are up again [`SOON`] after each fault.
pub fn with_short_hold_down(text: &str) -> String {
    assert_eq!(text.matches("weight = ").count(), 2, "{text}");
    text.replace("weight = ", SOON)
}

/// A running `sixways run`.
pub struct Gateway<'lab> {
    lab: &'lab Lab,
    config: PathBuf,
    daemon: Daemon,
}

impl<'lab> Gateway<'lab> {
    /// Starts it with `configs/lab.toml` and `more`, and waits until it is ready.
    ///
    /// # Panics
    /// If it ends or is not ready in time; with its log.
    #[track_caller]
    pub fn start(lab: &'lab Lab, more: &str) -> Self {
        Self::start_with(lab, &(lab_config() + more))
    }

    /// As [`Gateway::start`], with a configuration of its own.
    #[track_caller]
    pub fn start_with(lab: &'lab Lab, text: &str) -> Self {
        let config = lab.dir.join("sixways.toml");
        std::fs::write(&config, text).expect("a configuration");
        let daemon = Self::spawn(lab, lab.command("gw", BINARY), &config);
        let mut gateway = Self { lab, config, daemon };
        gateway.wait_until_ready();
        gateway
    }

    /// Writes the configuration that the next [`Gateway::restart`] starts with.
    pub fn configure(&self, text: &str) {
        std::fs::write(&self.config, text).expect("a configuration");
    }

    /// Starts it again after [`Gateway::kill`] or [`Gateway::stop`]; returns the time until ready.
    #[track_caller]
    pub fn restart(&mut self) -> Duration {
        assert!(!self.daemon.alive(), "it still runs");
        let start = Instant::now();
        self.daemon = Self::spawn(self.lab, self.lab.command("gw", BINARY), &self.config);
        self.wait_until_ready();
        start.elapsed()
    }

    /// Starts it again as its unit says, and does not wait: [`Gateway::wait_until_ready`] does, and a
    /// [`Supervisor`](super::service::Supervisor) is told.
    #[track_caller]
    pub fn restart_as_service(&mut self) {
        assert!(!self.daemon.alive(), "it still runs");
        let mut command = self.lab.command("gw", "nice");
        command.args(["-n", setting("Nice"), BINARY]);
        self.daemon = Self::spawn(self.lab, command, &self.config);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.daemon.kill();
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        self.daemon.alive()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Where procfs has the process that closes its files when it is killed.
    pub fn closer(&self) -> PathBuf {
        let pid = self.daemon.pid();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
        Path::new("/proc").join(children.trim())
    }

    /// How it ended, after [`Gateway::alive`] has said that it did.
    pub fn status(&mut self) -> ExitStatus {
        self.daemon.status()
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.daemon.end("TERM", LIMIT)
    }

    /// Everything that it has logged, over restarts.
    pub fn log(&self) -> String {
        self.daemon.output()
    }

    /// Time that all its threads have run so far.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.daemon.pid())).expect("it runs");
        // After the name, which ends with the last bracket, utime and stime are words 12 and 13.
        let words = stat.rsplit(')').next().expect("a name in brackets").split_whitespace();
        let ticks: u64 = words.skip(11).take(2).map(|word| word.parse::<u64>().expect("a number")).sum();
        // Linux counts them in hundredths of a second on every architecture (USER_HZ).
        Duration::from_millis(ticks * 10)
    }

    /// Octets of memory that it has in use (VmRSS).
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("procfs tells it");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes * 1024
    }

    /// Files, sockets and other descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.daemon.pid())).expect("it runs").count()
    }

    /// A verb that talks to the running gateway.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> String {
        run(&mut self.command(words), LIMIT)
    }

    /// As [`Gateway::ask`], for a verb that may be refused: the error is what it said.
    pub fn try_ask(&self, words: &[&str]) -> Result<String, String> {
        try_run(&mut self.command(words), LIMIT)
    }

    /// A verb that talks to the running gateway, to be run.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.lab.command("gw", BINARY);
        command.args(words).arg("--socket").arg(self.lab.dir.join("control.sock"));
        command
    }

    /// Waits until every ISP may carry new flows.
    #[track_caller]
    pub fn every_isp_is_up(&self) {
        eventually("every ISP is up", Duration::from_secs(60), || {
            let status: Value = serde_json::from_str(&self.ask(&["status", "--json"])).expect("JSON");
            let isps = status["isps"].as_array().expect("ISPs");
            !isps.is_empty() && isps.iter().all(|isp| isp["up"] == true)
        });
    }

    /// SIGHUP.
    pub fn hang_up(&self) {
        run(Command::new("kill").args(["-s", "HUP", &self.daemon.pid().to_string()]), LIMIT);
    }

    /// Takes gate, guard and rules away (`sixways release`); the gateway must be stopped.
    #[track_caller]
    pub fn release(&self) {
        let mut command = self.lab.command("gw", BINARY);
        command.arg("release").arg("--bpffs").arg(self.lab.dir.join("bpf"));
        run(&mut command, LIMIT);
    }

    /// What `/metrics` says.
    #[track_caller]
    pub fn metrics(&self) -> String {
        self.lab.sh("gw", "curl -sSfg http://[::1]:9636/metrics")
    }

    /// Frames that the gate took from one queue of a veth, by the driver's own counters.
    #[track_caller]
    pub fn redirected(&self, device: &str, queue: u32) -> u64 {
        let counters = self.lab.sh("gw", &format!("ethtool -S {device}"));
        let name = format!("rx_queue_{queue}_xdp_redirect: ");
        let count = counters.lines().find_map(|line| line.trim().strip_prefix(&name)?.parse().ok());
        count.unwrap_or_else(|| panic!("no queue {queue} of {device}: {counters}"))
    }

    fn spawn(lab: &Lab, mut command: Command, config: &PathBuf) -> Daemon {
        command.arg("run").arg("--config").arg(config).arg("--bpffs").arg(lab.dir.join("bpf"));
        command.arg("--state").arg(lab.dir.join("state")).arg("--socket").arg(lab.dir.join("control.sock"));
        let supervisor = lab.dir.join("supervisor");
        if supervisor.exists() {
            command.env("NOTIFY_SOCKET", supervisor);
        }
        // Whom it trusts: nobody but whom a test writes there.
        command.env("SSL_CERT_FILE", lab.dir.join("trusted.crt"));
        Daemon::start(&mut command, &lab.dir.join("sixways.log"))
    }

    /// Waits until it says that it is.
    #[track_caller]
    pub fn wait_until_ready(&mut self) {
        let start = Instant::now();
        while self.lab.try_sh("gw", "curl -sfg -o /dev/null http://[::1]:9636/readyz").is_none() {
            assert!(self.daemon.alive(), "the gateway ended:\n{}", self.log());
            assert!(start.elapsed() < LIMIT, "the gateway is not ready within {LIMIT:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
