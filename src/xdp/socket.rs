//! A device as one worker sees it: the AF_XDP sockets of the queues that the worker owns.
//!
//! Receives from all of them in turn, sends on the first. Never blocks, never allocates after
//! it is open, and makes system calls in `flush` only (and to wake a driver that starved).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use super::binder::Binder;
use super::device::Device;
use super::error::SocketError;
use super::kick::{Step, kick};
use super::open::{PortSpec, SocketOptions};
use super::ring::QueueSocket;
use super::umem::{SocketId, Umem};
use crate::observe::report::SocketCounts;
use crate::os;
use crate::port::{Flush, Frame, Port};
use crate::units::PortId;

/// Whether the kernel copies between its buffers and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyMode {
    /// It copies.
    Copy,
    /// The device writes into and reads from our packet buffer.
    ZeroCopy,
}

/// One device and the queues of it that one worker owns.
#[derive(Debug)]
pub struct XskPort {
    port: PortId,
    interface: String,
    queues: Vec<u32>,
    options: SocketOptions,
    device: Device,
    sockets: Vec<QueueSocket>,
    /// Closed zero-copy sockets whose frames the device may still write to.
    closed: Vec<SocketId>,
    next: usize,
}

impl XskPort {
    /// Binds a socket to every queue of `spec`. Their fill rings are empty until the port is first
    /// received from.
    ///
    /// # Errors
    ///
    /// See [`super::open::open_worker`].
    pub fn bind(binder: &Binder, spec: &PortSpec, options: &SocketOptions) -> Result<Self, SocketError> {
        // As in `open_worker`.
        let _alone = os::no_children();
        let mut port = Self::closed(spec, options)?;
        port.bind_queues(binder)?;
        Ok(port)
    }

    /// As [`XskPort::bind`], with fill rings that are full.
    pub(super) fn open(umem: &mut Umem, spec: &PortSpec, options: &SocketOptions) -> Result<Self, SocketError> {
        let mut port = Self::closed(spec, options)?;
        port.reopen(umem)?;
        Ok(port)
    }

    fn closed(spec: &PortSpec, options: &SocketOptions) -> Result<Self, SocketError> {
        let device =
            Device::open().map_err(|error| SocketError::Bind { interface: spec.interface.clone(), queue: 0, error })?;
        Ok(Self {
            port: spec.port,
            interface: spec.interface.clone(),
            queues: spec.queues.clone(),
            options: options.clone(),
            device,
            sockets: Vec::with_capacity(spec.queues.len()),
            closed: Vec::new(),
            next: 0,
        })
    }

    /// All queues or none.
    fn bind_queues(&mut self, binder: &Binder) -> Result<(), SocketError> {
        for queue in &self.queues {
            match QueueSocket::bind(binder, &self.interface, *queue, &self.options) {
                Ok(socket) => self.sockets.push(socket),
                Err(error) => {
                    // They have no frames yet.
                    self.sockets.drain(..).for_each(|socket| binder.closing(socket.id()));
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Which port this is.
    pub fn port(&self) -> PortId {
        self.port
    }

    /// The device's name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Closes all sockets and takes their frames back: for a device that is gone. Until
    /// [`XskPort::reopen`] nothing is received and [`Port::flush`] says [`Flush::LinkDown`].
    ///
    /// In copy mode the frames are free at once, since what is on its way is a copy. In
    /// zero-copy mode the device may still write to them until the queues are bound anew.
    pub fn unbind(&mut self, umem: &mut Umem) {
        for socket in self.sockets.drain(..) {
            let id = socket.id();
            umem.binder().closing(id);
            drop(socket);
            if self.options.zero_copy {
                self.closed.push(id);
            } else {
                umem.reclaim(id);
            }
        }
    }

    /// Closes what is open and binds all queues anew, for a device that has come back. The
    /// gate's map must be told of the new sockets.
    ///
    /// # Errors
    ///
    /// As [`super::open::open_worker`]; [`SocketError::Orphaned`] when no other socket of the
    /// worker is bound: then open the worker anew. The port stays closed.
    pub fn reopen(&mut self, umem: &mut Umem) -> Result<(), SocketError> {
        self.unbind(umem);
        self.bind_queues(umem.binder())?;
        // The queues could be bound again: so the kernel is done with the old sockets.
        for id in self.closed.drain(..) {
            umem.reclaim(id);
        }
        self.sockets.iter_mut().for_each(|socket| socket.refill(umem));
        Ok(())
    }

    /// The sockets by queue, for the gate's map. New after every [`XskPort::reopen`].
    pub fn socket_fds(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        self.sockets.iter().map(|socket| (socket.queue(), socket.fd()))
    }

    /// The kernel's counters of every socket, in the order of [`XskPort::socket_fds`]; zeros for
    /// a socket that does not tell. They start at 0 with every socket.
    pub fn statistics(&self) -> Vec<SocketCounts> {
        self.sockets.iter().map(|socket| read_statistics(socket.fd()).unwrap_or_default()).collect()
    }

    /// The mode in force, read back from the kernel.
    ///
    /// # Errors
    ///
    /// The port is closed, or the kernel does not tell.
    pub fn copy_mode(&self) -> io::Result<CopyMode> {
        let socket = self.sockets.first().ok_or(io::ErrorKind::NotConnected)?;
        let mut options = libc::xdp_options { flags: 0 };
        read_option(socket.fd(), libc::XDP_OPTIONS, &mut options)?;
        let zero_copy = options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0;
        Ok(if zero_copy { CopyMode::ZeroCopy } else { CopyMode::Copy })
    }

    /// Whether the device is gone: `poll` and the receive ring never say so.
    pub fn is_detached(&self) -> bool {
        self.sockets.first().is_none_or(|socket| kick(socket.raw_fd()) == Err(libc::ENXIO))
    }

    /// Frames in the transmit ring that the kernel has not taken: while there are any, flush
    /// even when nothing arrives.
    pub fn waiting(&mut self) -> u32 {
        self.sockets.first_mut().map_or(0, QueueSocket::waiting)
    }
}

impl Port for XskPort {
    type Memory = Umem;

    fn receive(&mut self, memory: &mut Umem, max: usize, batch: &mut Vec<Frame>) -> usize {
        let room = max.min(batch.capacity() - batch.len());
        let mut received = 0;
        for turn in 0..self.sockets.len() {
            let position = (self.next + turn) % self.sockets.len();
            let socket = &mut self.sockets[position];
            socket.reclaim(memory);
            received += socket.receive(memory, room - received, batch);
            socket.refill(memory);
        }
        self.next = self.next.wrapping_add(1);
        received
    }

    fn transmit(&mut self, memory: &mut Umem, frames: &mut Vec<Frame>) -> usize {
        let Some(socket) = self.sockets.first_mut() else { return 0 };
        socket.reclaim(memory);
        socket.transmit(memory, frames)
    }

    fn flush(&mut self, memory: &mut Umem) -> Flush {
        let Some(socket) = self.sockets.first_mut() else { return Flush::LinkDown };
        match socket.flush(memory) {
            Step::Done => Flush::Done,
            Step::Again | Step::Stop => Flush::Pending,
            Step::Down => Flush::LinkDown,
            // veth says the same while its peer's queue is full; only the device knows. What is
            // left then waits for the next batch, which gives the peer time.
            Step::Lossy if !self.device.is_running(&self.interface) => Flush::LinkDown,
            Step::Lossy if socket.waiting() == 0 => Flush::Done,
            Step::Lossy => Flush::Pending,
        }
    }

    /// Poll these for `POLLIN` only: they are nearly always writable. New after every
    /// [`XskPort::reopen`].
    fn descriptors(&self) -> Vec<RawFd> {
        self.sockets.iter().map(QueueSocket::raw_fd).collect()
    }

    /// As [`XskPort::unbind`]: in zero-copy mode the frames stay out, since nobody can tell when
    /// the device is done with them.
    fn close(mut self, memory: &mut Umem) {
        self.unbind(memory);
    }
}

/// The kernel's counters of one AF_XDP socket.
///
/// # Errors
///
/// The descriptor is not an AF_XDP socket.
pub fn read_statistics(socket: BorrowedFd<'_>) -> io::Result<SocketCounts> {
    let mut counts = libc::xdp_statistics {
        rx_dropped: 0,
        rx_invalid_descs: 0,
        tx_invalid_descs: 0,
        rx_ring_full: 0,
        rx_fill_ring_empty_descs: 0,
        tx_ring_empty_descs: 0,
    };
    read_option(socket, libc::XDP_STATISTICS, &mut counts)?;
    Ok(SocketCounts {
        rx_dropped: counts.rx_dropped,
        rx_ring_full: counts.rx_ring_full,
        fill_ring_empty: counts.rx_fill_ring_empty_descs,
        rx_invalid: counts.rx_invalid_descs,
        tx_invalid: counts.tx_invalid_descs,
    })
}

/// Reads a `SOL_XDP` option into a plain C struct of integers.
fn read_option<T: Copy>(socket: BorrowedFd<'_>, option: libc::c_int, value: &mut T) -> io::Result<()> {
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer is to a live struct of `length` octets; the callers' structs are C
    // structs of integers, for which every content is valid.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_XDP, option, std::ptr::from_mut(value).cast(), &raw mut length)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
