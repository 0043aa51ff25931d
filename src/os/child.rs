//! Child processes with an end, which inherit nothing that they should not have.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use super::PollSet;

/// Written while a child is started, and read while a descriptor waits for [`close_on_exec`].
static STARTING: RwLock<()> = RwLock::new(());

/// No child is started until this is dropped: for who opens descriptors that children would inherit.
pub fn no_children() -> RwLockReadGuard<'static, ()> {
    STARTING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Children do not inherit `fd`.
///
/// # Errors
/// None for a valid descriptor.
pub fn close_on_exec(fd: impl AsFd) -> io::Result<()> {
    // SAFETY: takes no pointers; the descriptor is open as long as it is borrowed.
    match unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Starts `command` as the first of a process group of its own.
///
/// # Errors
/// When it cannot be started.
pub fn start_group(command: &mut Command) -> io::Result<Child> {
    let _alone = STARTING.write().unwrap_or_else(PoisonError::into_inner);
    command.process_group(0).spawn()
}

/// Waits until a child of [`start_group`] ends, for `patience` at most; then it is killed with its whole
/// group. Returns how it ended, `None` if it was killed.
///
/// # Errors
/// When the kernel gives no descriptor to wait by. The child is killed.
pub fn finish_group(mut child: Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let ended = wait_for(&mut child, patience);
    if !matches!(ended, Ok(Some(_))) {
        // SAFETY: takes no pointers. The child has not been waited for, so the number is still its group's.
        unsafe { libc::kill(-child.id().cast_signed(), libc::SIGKILL) };
        child.wait()?;
    }
    ended
}

fn wait_for(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    // SAFETY: takes no pointers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id().cast_signed(), 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's; the kernel numbers them in 31 bits.
    let ended = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let mut set = PollSet::new([ended.as_raw_fd()]);
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        set.wait(i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        start_group(Command::new("/bin/sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn a_child_that_ends_is_heard_and_one_that_does_not_is_killed_with_its_own() {
        let status = finish_group(shell("exit 3"), Duration::from_secs(60)).unwrap();
        assert_eq!(status.and_then(|status| status.code()), Some(3));
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let child = shell(&format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", pid.display()));
        while !pid.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(finish_group(child, Duration::from_millis(1)).unwrap(), None);
        let grandchild = std::fs::read_to_string(pid).unwrap();
        // It dies when it next runs, and as an orphan may then wait for somebody to hear of it.
        let deadline = Instant::now() + Duration::from_secs(60);
        let lives = || {
            let state = std::fs::read_to_string(format!("/proc/{}/stat", grandchild.trim())).unwrap_or_default();
            !(state.is_empty() || state.contains(") Z ") || state.contains(") X "))
        };
        while lives() {
            assert!(Instant::now() < deadline, "{} lives", grandchild.trim());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
