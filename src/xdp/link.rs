//! Pinned BPF links, and whose they are.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aya::programs::links::{FdLink, PinnedLink};
use aya::util::KernelVersion;

/// The link pinned at `path`, if there is one and it is attached to the device `ifindex`.
///
/// A link outlives its device: then its device index is 0, nothing can be updated, and a device
/// that was made anew under the same name carries no program.
pub(super) fn adopt(path: &Path, ifindex: u32) -> Option<FdLink> {
    is_attached(path, ifindex).then(|| PinnedLink::from_pin(path).ok().map(FdLink::from))?
}

/// Whether a link is pinned at `path` and attached to the device `ifindex`.
pub(super) fn is_attached(path: &Path, ifindex: u32) -> bool {
    open(path).and_then(|link| attached_ifindex(borrow(&link))).is_ok_and(|attached| attached == ifindex)
}

/// Whether the running kernel is of this version or a later one.
pub(super) fn linux_has(major: u8, minor: u8) -> bool {
    KernelVersion::current().is_ok_and(|running| running >= KernelVersion::new(major, minor, 0))
}

fn borrow(fd: &OwnedFd) -> BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}

/// `union bpf_attr` of `BPF_OBJ_GET`.
#[repr(C)]
struct GetRequest {
    path: u64,
    fd: u32,
    flags: u32,
}

/// `union bpf_attr` of `BPF_OBJ_GET_INFO_BY_FD`.
#[repr(C)]
struct InfoRequest {
    fd: u32,
    length: u32,
    info: u64,
}

/// `struct bpf_link_info` up to the device index of XDP and tcx links.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    padding: u32,
    ifindex: u32,
    rest: [u32; 27],
}

const BPF_OBJ_GET: libc::c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;

fn open(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let request = GetRequest { path: path.as_ptr() as u64, fd: 0, flags: 0 };
    let fd = bpf(BPF_OBJ_GET, &request)?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The device that an XDP or tcx link is attached to; 0 if that is gone.
fn attached_ifindex(link: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = LinkInfo::default();
    let request = InfoRequest {
        fd: link.as_raw_fd().unsigned_abs(),
        length: size_of::<LinkInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &request)?;
    Ok(info.ifindex)
}

fn bpf<R>(command: libc::c_int, request: &R) -> io::Result<i32> {
    // SAFETY: the request is as long as is said, and what it points to is alive and as long as
    // it says.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(request), size_of::<R>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}
