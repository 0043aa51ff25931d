//! The process's limit of locked memory.

#![allow(unsafe_code)]

/// `RLIMIT_MEMLOCK`, the soft limit in octets; `u64::MAX`: unlimited. `None`: not to be had.
pub fn memory_lock() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live struct of the right type.
    (unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } == 0).then_some(limit.rlim_cur)
}
