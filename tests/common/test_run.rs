//! `BPF_PROG_TEST_RUN`: a loaded program run on a frame that never was on a wire. Here and not by aya,
//! which cannot open a loaded XDP program again.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The part of `union bpf_attr` that it reads.
#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    verdict: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    /// The kernel takes no octet that is not 0 beyond the last field.
    padding: u32,
}

const BPF_PROG_TEST_RUN: libc::c_int = 10;

/// Octets that a frame and its metadata may have afterwards.
const ROOM: usize = 4096;

/// Runs `program` `repeat` times on `frame`; returns its verdict, and the frame with its metadata
/// afterwards.
#[track_caller]
pub fn test_run(program: BorrowedFd<'_>, frame: &[u8], context: &[u8], repeat: u32) -> (u32, Vec<u8>) {
    let mut out = vec![0_u8; ROOM.max(frame.len())];
    let mut request = TestRun {
        program: program.as_raw_fd().unsigned_abs(),
        data_size_in: frame.len() as u32,
        data_size_out: out.len() as u32,
        data_in: frame.as_ptr() as u64,
        data_out: out.as_mut_ptr() as u64,
        repeat,
        context_size_in: context.len() as u32,
        context_in: if context.is_empty() { 0 } else { context.as_ptr() as u64 },
        ..TestRun::default()
    };
    // SAFETY: every pointer is to a live buffer of the length that stands beside it.
    let result = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, &raw mut request, size_of::<TestRun>()) };
    assert_eq!(result, 0, "BPF_PROG_TEST_RUN on {} octets: {}", frame.len(), io::Error::last_os_error());
    out.truncate(request.data_size_out as usize);
    (request.verdict, out)
}
