//! Which socket new sockets of a packet buffer are bound through.
//!
//! libxdp binds every further socket by the descriptor number of the first one
//! (`sxdp_shared_umem_fd`). When that socket's device is deleted the kernel unbinds it, and from
//! then on refuses every new socket of the buffer (EBADF), for whatever device. The number is
//! therefore pointed at another bound socket of the same buffer first. That also closes the
//! first socket, which libxdp would leave open, its queue taken, for as long as the buffer lives.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::RawFd;

use super::kick::kick;
use super::umem::SocketId;

/// The live sockets of one buffer, and the one that the first socket's number stands for.
#[derive(Debug, Default)]
pub(super) struct Anchor {
    first: Option<(RawFd, SocketId)>,
    live: Vec<(RawFd, SocketId)>,
}

impl Anchor {
    /// A socket was bound.
    pub(super) fn bound(&mut self, fd: RawFd, id: SocketId) {
        self.first.get_or_insert((fd, id));
        self.live.push((fd, id));
    }

    /// A socket is about to be closed.
    pub(super) fn closing(&mut self, id: SocketId) {
        self.live.retain(|(_, live)| *live != id);
    }

    /// Makes sure that the first socket's number stands for a bound one. `NotFound` when the
    /// buffer has had sockets and none is bound now: it takes no new ones.
    pub(super) fn mend(&mut self) -> io::Result<()> {
        let Some((number, holder)) = self.first else { return Ok(()) };
        let is_bound = |fd| kick(fd) != Err(libc::ENXIO);
        if is_bound(number) && self.live.iter().any(|(_, id)| *id == holder) {
            return Ok(());
        }
        let (fd, id) = self.live.iter().copied().find(|(fd, _)| is_bound(*fd)).ok_or(io::ErrorKind::NotFound)?;
        // SAFETY: both are descriptors of this process: `fd` belongs to a live socket, and
        // libxdp keeps `number` open for as long as the buffer lives. `dup3` replaces what
        // `number` stands for in one step; no memory is involved.
        if fd != number && unsafe { libc::dup3(fd, number, libc::O_CLOEXEC) } < 0 {
            return Err(io::Error::last_os_error());
        }
        self.first = Some((number, id));
        Ok(())
    }
}
