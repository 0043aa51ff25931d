//! The few system calls that the standard library does not offer: the monotonic clock,
//! eventfd, poll and packet sockets; one instruction, prefetch; and what both netlink
//! readers, control's and `xdp/`'s, must understand alike. With `xdp/` the only place with unsafe code.
#![expect(unsafe_code, reason = "system calls")]

mod backtrace;
mod child;
mod closer;
mod lock;
mod packet;
mod readiness;
mod supervisor;
mod vlan;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

use crate::units::Nanos;
pub use backtrace::{backtrace_of, kernel_view, thread_id};
pub use child::{close_on_exec, finish_group, no_children, start_group};
pub use closer::Closer;
pub use lock::lock_soon;
pub use packet::PacketSocket;
pub use readiness::readable;
pub use supervisor::Supervisor;
pub use vlan::vlan;

/// The time of `CLOCK_MONOTONIC`, the clock that the gate stamps frames with.
pub fn now() -> Nanos {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the call to fill; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    Nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// The kernel's boot id: [`now`] goes on within one boot only. Empty without procfs.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Asks the processor to have the cache line of `value` near when it is read, in a moment.
pub fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint about an address that is valid, and that reads nothing.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(std::ptr::from_ref(value).cast(), _MM_HINT_T0);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// A bell that wakes a sleeping worker: an eventfd.
#[derive(Debug)]
pub struct Doorbell(File);

impl Doorbell {
    /// A silent bell.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// Wakes whoever polls the bell, now or at its next sleep.
    pub fn ring(&self) {
        // Fails only when the counter is at its maximum: then the bell rings already.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    /// Makes the bell silent again.
    pub fn silence(&self) {
        // Fails only when it is silent.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

impl AsRawFd for Doorbell {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Descriptors to sleep on until one is readable.
#[derive(Debug, Default)]
pub struct PollSet(Vec<libc::pollfd>);

impl PollSet {
    /// A set of `fds`.
    pub fn new(fds: impl IntoIterator<Item = RawFd>) -> Self {
        Self(fds.into_iter().map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 }).collect())
    }

    /// Sleeps until a descriptor is readable or `timeout_ms` milliseconds have passed. A closed
    /// descriptor or a signal ends the sleep early, which is harmless.
    pub fn wait(&mut self, timeout_ms: i32) {
        // SAFETY: the pointer and the length describe one valid slice.
        unsafe { libc::poll(self.0.as_mut_ptr(), self.0.len() as libc::nfds_t, timeout_ms) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rung_bell_ends_the_sleep_at_once() {
        let bell = Doorbell::new().unwrap();
        let mut set = PollSet::new([bell.as_raw_fd()]);
        bell.ring();
        let before = now();
        set.wait(10_000);
        assert!(now().since(before) < Nanos::from_millis(5_000));
        bell.silence();
        let before = now();
        set.wait(20);
        assert!(now().since(before) >= Nanos::from_millis(15), "a silent bell does not");
    }
}
