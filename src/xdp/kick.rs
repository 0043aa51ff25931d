//! Telling the kernel that frames wait in a transmit ring, and judging its answer.
//!
//! Own `sendto`, because xsk-rs hides the errors that matter. In copy mode one call sends at
//! most 32 frames and says EAGAIN when more are left; where the kernel lets the number be
//! raised (6.17), sockets raise it.

#![allow(unsafe_code)]

use std::os::fd::RawFd;
use std::ptr;

/// `XDP_MAX_TX_SKB_BUDGET`, not in libc yet.
const XDP_MAX_TX_SKB_BUDGET: libc::c_int = 9;

/// Frames that one call sends on kernels that have no budget option (`TX_BATCH_SIZE`).
const KERNEL_BUDGET: u32 = 32;

/// Calls that may send fewer frames than the budget before a flush gives up.
const SPARE_KICKS: u32 = 8;

/// Asks the kernel to send what is in the transmit ring. The error is the errno.
pub(super) fn kick(fd: RawFd) -> Result<(), i32> {
    // SAFETY: no pointer is handed over but null ones of length 0.
    let sent = unsafe { libc::sendto(fd, ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0) };
    if sent < 0 { Err(errno()) } else { Ok(()) }
}

/// Tells a driver that stopped for want of frames that the fill ring has some again.
pub(super) fn wake_receiver(fd: RawFd) {
    // SAFETY: no pointer is handed over but null ones of length 0. The call has no answer of
    // interest: a driver that is still asleep keeps the need-wakeup flag up.
    unsafe { libc::recvfrom(fd, ptr::null_mut(), 0, libc::MSG_DONTWAIT, ptr::null_mut(), ptr::null_mut()) };
}

/// Raises what one kick may send to `frames`, where the kernel has the option.
pub(super) fn raise_budget(fd: RawFd, frames: u32) -> bool {
    // SAFETY: the pointer is to a live u32 and the length is that of a u32.
    let result = unsafe {
        libc::setsockopt(
            fd,
            libc::SOL_XDP,
            XDP_MAX_TX_SKB_BUDGET,
            ptr::from_ref(&frames).cast(),
            size_of::<u32>() as libc::socklen_t,
        )
    };
    result == 0
}

/// Most kicks in one flush of `waiting` frames.
pub(super) const fn most_kicks(waiting: u32) -> u32 {
    waiting / KERNEL_BUDGET + SPARE_KICKS
}

/// What a kick means for the flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The ring is empty.
    Done,
    /// The kernel took frames and would take more.
    Again,
    /// The kernel takes no more now.
    Stop,
    /// The device may be without carrier; frames are being lost.
    Lossy,
    /// The device is down or gone.
    Down,
}

/// Judges a kick by its answer and by the frames in the ring before and after it.
pub(super) const fn judge(answer: Result<(), i32>, before: u32, after: u32) -> Step {
    match answer {
        Err(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => Step::Down,
        Err(libc::EBUSY) => Step::Lossy,
        _ if after == 0 => Step::Done,
        _ if after < before => Step::Again,
        _ => Step::Stop,
    }
}

pub(super) fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eagain_with_progress_goes_on_and_without_stops() {
        assert_eq!(judge(Err(libc::EAGAIN), 200, 168), Step::Again);
        assert_eq!(judge(Err(libc::EAGAIN), 168, 168), Step::Stop);
        assert_eq!(judge(Err(libc::ENOBUFS), 168, 160), Step::Again);
        assert_eq!(judge(Ok(()), 8, 0), Step::Done);
        assert_eq!(judge(Ok(()), 40, 8), Step::Again);
    }

    #[test]
    fn errors_of_the_link_are_told_apart_even_when_the_ring_is_empty() {
        assert_eq!(judge(Err(libc::EBUSY), 1, 0), Step::Lossy);
        assert_eq!(judge(Err(libc::ENETDOWN), 5, 5), Step::Down);
        assert_eq!(judge(Err(libc::ENXIO), 5, 5), Step::Down);
    }

    #[test]
    fn a_full_ring_fits_into_the_bound_at_the_kernels_own_budget() {
        assert!(most_kicks(2048) >= 2048 / 32);
        assert!(most_kicks(1) >= 1);
    }
}
