//! Locks that a process on its way out may still hold.

use std::fs::{File, TryLockError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::limits::LOCK_RETRY_NANOS;

/// Locks `file` for this process alone, and tries for a while: who was just killed may hold it for a moment.
///
/// # Errors
/// [`TryLockError::WouldBlock`] when it is still locked then.
pub fn lock_soon(file: &File) -> Result<(), TryLockError> {
    let deadline = Instant::now() + Duration::from_nanos(LOCK_RETRY_NANOS);
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => sleep(Duration::from_millis(2)),
            outcome => return outcome,
        }
    }
}
