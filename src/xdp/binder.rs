//! Binds sockets to the packet buffer of a worker, from whatever thread: a worker that runs has no
//! privilege to, and control, which has, must not touch the worker's frames.

use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::anchor::Anchor;
use super::umem::SocketId;

/// What sockets of one buffer are bound by. Clones bind to the same buffer, and keep it.
#[derive(Clone, Debug)]
pub struct Binder {
    memory: xsk_rs::Umem,
    sockets: Arc<Mutex<Sockets>>,
}

#[derive(Debug, Default)]
struct Sockets {
    /// As many as the buffer ever had.
    count: u32,
    anchor: Anchor,
}

impl Binder {
    pub(super) fn new(memory: xsk_rs::Umem) -> Self {
        Self { memory, sockets: Arc::default() }
    }

    /// The buffer as xsk-rs knows it.
    pub(super) const fn raw(&self) -> &xsk_rs::Umem {
        &self.memory
    }

    /// See [`Anchor::mend`].
    pub(super) fn mend(&self) -> io::Result<()> {
        self.sockets().anchor.mend()
    }

    /// A socket was bound: its name.
    pub(super) fn bound(&self, fd: RawFd) -> SocketId {
        let mut sockets = self.sockets();
        sockets.count += 1;
        let id = SocketId::new(sockets.count);
        sockets.anchor.bound(fd, id);
        id
    }

    /// A socket is about to be closed.
    pub(super) fn closing(&self, id: SocketId) {
        self.sockets().anchor.closing(id);
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
