//! Child processes with an end: every command has a time limit, every daemon dies with its owner.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs a command to its end and returns its standard output.
///
/// # Panics
/// If it cannot be started, fails, or takes longer than `limit`.
#[track_caller]
pub fn run(command: &mut Command, limit: Duration) -> String {
    match try_run(command, limit) {
        Ok(output) => output,
        Err(problem) => panic!("{problem}"),
    }
}

/// As [`run`]; the error tells command, status and what it printed.
pub fn try_run(command: &mut Command, limit: Duration) -> Result<String, String> {
    let output = output(command, limit);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{stdout}{stderr}", output.status))
}

/// Runs a command to its end, whatever that is, or to the time limit.
pub fn output(command: &mut Command, limit: Duration) -> Output {
    let mut limited = Command::new("timeout");
    limited.arg("--kill-after=1").arg(limit.as_secs_f32().to_string());
    limited.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.output().unwrap_or_else(|error| panic!("`timeout` does not start: {error}"))
}

/// Waits until `holds`, at most `limit`.
///
/// # Panics
/// When the time is over.
#[track_caller]
pub fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that runs beside the test and is killed with it.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its output in `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("the log can be written");
        let copy = file.try_clone().expect("a file can be cloned");
        let child = command.stdin(Stdio::null()).stdout(copy).stderr(file).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{command:?}: {error}")), log: log.to_owned() }
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// How it ended.
    ///
    /// # Panics
    /// When it runs.
    #[track_caller]
    pub fn status(&mut self) -> std::process::ExitStatus {
        self.child.try_wait().expect("a child can be waited for").expect("it has ended")
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process id: that of the program itself, because `ip netns exec` becomes it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as the kernel does it when memory runs out.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Asks it to end (`INT` or `TERM`) and waits at most `limit`.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn end(&mut self, signal: &str, limit: Duration) -> std::process::ExitStatus {
        run(Command::new("kill").args(["-s", signal, &self.pid().to_string()]), Duration::from_secs(5));
        eventually("the process ends", limit, || !self.alive());
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
