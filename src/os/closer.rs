//! A second process that closes what a killed one leaves open.
//!
//! The kernel closes the files of a dying process one after another, and with each AF_XDP or packet socket it
//! waits for an RCU grace period of 8 to 16 ms: until the last one is closed, nobody can bind their
//! queues again, and a supervisor does not even hear of the end. Closed side by side they share the wait.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread;

use caps::CapSet;

use super::PollSet;

/// The second process. It ends with this value or, after it has closed everything, with the first one.
#[derive(Debug)]
pub struct Closer {
    pid: libc::pid_t,
    /// By which the second process watches the first. They share the number, too: it stays open.
    _first: OwnedFd,
}

impl Closer {
    /// Starts it. To be called while the process has one thread: a lock that another one holds would
    /// stay locked in the second process.
    ///
    /// # Errors
    /// When the kernel gives no process or no descriptor.
    pub fn start() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let first = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
        if first < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's; the kernel numbers them in 31 bits.
        let first = unsafe { OwnedFd::from_raw_fd(first as RawFd) };
        // SAFETY: memory is copied as by fork, with the stack; this thread is the only one, so that the copy is whole.
        match unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_FILES, 0, 0, 0, 0) } {
            0 => {
                close_after(&first);
                // SAFETY: takes no pointers. What the first process would do at its end is not ours to do.
                unsafe { libc::_exit(0) }
            }
            pid if pid > 0 => Ok(Self { pid: pid as libc::pid_t, _first: first }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        // SAFETY: takes no pointers. The process has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: the status may be left out.
        unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), libc::__WALL) };
    }
}

/// The life of the second process: waits for the end of the `first`, and closes everything but plain files. Those
/// are closed when this process ends: so the locks on them are the last to go.
fn close_after(first: &OwnedFd) {
    become_harmless();
    PollSet::new([first.as_raw_fd()]).wait(-1);
    thread::scope(|scope| {
        for fd in slow_to_close() {
            // Without a thread the end of this process closes it.
            let _ = thread::Builder::new().spawn_scoped(scope, move || {
                // SAFETY: takes no pointers. Whoever has owned the descriptor is dead.
                unsafe { libc::close(fd) };
            });
        }
    });
}

/// No signal ends it before its time, as one to its whole group or service would; it can do nothing but close.
fn become_harmless() {
    // SAFETY: an all-zero set is valid, and the two calls read and write nothing but it; the name ends with a zero.
    unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut signals);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut());
        libc::prctl(libc::PR_SET_NAME, c"sixways-closer".as_ptr());
    }
    for set in [CapSet::Effective, CapSet::Permitted] {
        // Without them it works as well, and with them too.
        let _ = caps::clear(None, set);
    }
}

/// The open descriptors that are no plain files.
fn slow_to_close() -> Vec<RawFd> {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().filter_map(Result::ok);
    let slow = open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| !target.is_absolute()));
    slow.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}
