//! A worker that hangs: here because a debugger holds its thread, and no other.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::history;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::lab::service::Supervisor;
use crate::lab::traffic::{ping, unanswered};
use crate::lab::{Lab, SERVER};

/// The process ends by itself, transit stays blocked, and the next start forwards.
pub fn hangs(lab: &Lab, gateway: &mut Gateway<'_>, supervisor: &Supervisor) {
    let held = Held::seize(thread_of(gateway.pid(), "dp-0"));
    supervisor.forget();
    eventually("the gateway ends", Duration::from_secs(60), || {
        held.reap();
        !gateway.alive()
    });
    let status = gateway.status();
    assert_eq!(status.signal(), Some(libc::SIGABRT), "{status:?}\n{}", gateway.log());
    // One look may have been under way.
    assert!(supervisor.heard("WATCHDOG=1") <= 1, "a thread that hangs is no sign of life");
    let log = gateway.log();
    assert!(log.contains("dp-0 has made no turn for 5s"), "{log}");
    assert!(log.contains("dp-0: state t (tracing stop)"), "{log}");
    unanswered(lab, "h10", SERVER, 3);
    gateway.restart();
    eventually("an echo", Duration::from_secs(10), || ping(lab, "h10", SERVER, 1, 10) == 1);
    let away = history(lab)["away"].as_array().expect("a list").last().cloned().expect("it was away");
    assert_eq!(away["why"], "dp-0 made no turn for 5.0 s");
}

fn thread_of(process: u32, name: &str) -> i32 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    let named =
        |task: &std::path::Path| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    let task = tasks.map(|task| task.expect("an entry").path()).find(|task| named(task)).expect("it has such a thread");
    task.file_name().and_then(|id| id.to_str()?.parse().ok()).expect("a number")
}

/// A thread that the calling thread has stopped.
struct Held(i32);

#[allow(unsafe_code, reason = "ptrace has no safe interface in std")]
impl Held {
    fn seize(thread: i32) -> Self {
        for request in [libc::PTRACE_SEIZE, libc::PTRACE_INTERRUPT] {
            // SAFETY: neither request reads or writes through its pointers.
            let result =
                unsafe { libc::ptrace(request, thread, std::ptr::null_mut::<u8>(), std::ptr::null_mut::<u8>()) };
            assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        }
        let held = Self(thread);
        eventually("it is stopped", Duration::from_secs(5), || held.reap());
        held
    }

    /// Hears what has become of the thread: a dead one stays until its tracer has heard of it.
    fn reap(&self) -> bool {
        // SAFETY: a null status is not written to.
        unsafe { libc::waitpid(self.0, std::ptr::null_mut(), libc::__WALL | libc::WNOHANG) > 0 }
    }
}
