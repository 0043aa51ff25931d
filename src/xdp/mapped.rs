//! A BPF array that lies in the memory of this process.

#![allow(unsafe_code)]

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::AtomicU64;

use aya::maps::MapData;

use crate::flow::{ColdLine, Line};

/// What the kernel, BPF programs and other threads may change while it is borrowed.
///
/// # Safety
/// Nothing but atomic words, so that every pattern of bits is a value, and no padding.
pub(super) unsafe trait Shared: Sync {}

// SAFETY: eight atomic words.
unsafe impl Shared for Line {}
// SAFETY: eight times six atomic words.
unsafe impl Shared for ColdLine {}
// SAFETY: atomic words.
unsafe impl<const N: usize> Shared for [AtomicU64; N] {}

/// The values of a BPF array, mapped for reading and writing as long as this value lives.
#[derive(Debug)]
pub(super) struct Mapped<T> {
    values: NonNull<T>,
    count: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and what is in it may be shared.
unsafe impl<T: Shared> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Mapped<T> {}

impl<T: Shared> Mapped<T> {
    /// Maps the first `count` values of `map`, an array with `BPF_F_MMAPABLE` whose values are of
    /// the size of `T`. The map may be closed and unpinned afterwards.
    ///
    /// # Errors
    /// When the array is shorter than that, or the kernel refuses.
    pub(super) fn new(map: &MapData, count: usize) -> io::Result<Self> {
        let length = count * size_of::<T>();
        let fd = map.fd().as_fd().as_raw_fd();
        // SAFETY: the kernel chooses the place, so that nothing of ours is replaced.
        let start =
            unsafe { libc::mmap(ptr::null_mut(), length, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let values = NonNull::new(start.cast::<T>()).ok_or(io::ErrorKind::InvalidData)?;
        assert!(values.is_aligned(), "a mapping begins with a page");
        Ok(Self { values, count })
    }
}

impl<T: Shared> Deref for Mapped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the kernel has mapped at least `count` values here, which is refused beyond the
        // end of the array, and they stay until `drop`. They are aligned, as `new` has seen, of
        // atomic words, which the kernel has set to zero at first, and whatever others write to
        // them is a value.
        unsafe { slice::from_raw_parts(self.values.as_ptr(), self.count) }
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: the whole of what `new` has mapped, and nobody borrows from it any more.
        unsafe { libc::munmap(self.values.as_ptr().cast(), self.count * size_of::<T>()) };
    }
}
