//! One AF_XDP socket: a queue of a device with its four rings.
//!
//! All use of the rings is here. A frame is in exactly one place, which [`Umem`] watches over:
//! what goes into a ring comes from there, and what comes out of one goes back there.

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::thread;
use std::time::{Duration, Instant};

use xsk_rs::config::{BindFlags, Interface, LibxdpFlags, QueueSize, SocketConfig};
use xsk_rs::umem::frame::FrameDesc;
use xsk_rs::{CompQueue, FillQueue, RxQueue, Socket, TxQueue};

use super::binder::Binder;
use super::error::SocketError;
use super::kick::{Step, judge, kick, most_kicks, raise_budget, wake_receiver};
use super::open::SocketOptions;
use super::umem::{SocketId, Umem};
use crate::limits::TX_BUDGET;
use crate::os;
use crate::port::Frame;

/// Descriptors that cross a ring in one step.
const STEP: usize = 64;

#[derive(Debug)]
pub(super) struct QueueSocket {
    id: SocketId,
    queue: u32,
    rx: RxQueue,
    tx: TxQueue,
    fill: FillQueue,
    completion: CompQueue,
    fill_size: u32,
    tx_size: u32,
    /// Frames given to the fill ring and not yet read from the receive ring.
    receiving: u32,
    /// Frames given to the transmit ring and not yet complete.
    transmitting: u32,
    scratch: Box<[FrameDesc; STEP]>,
}

impl QueueSocket {
    /// Binds a socket to a queue, with retries while the queue is busy. Its fill ring is empty.
    pub(super) fn bind(
        binder: &Binder,
        interface: &str,
        queue: u32,
        options: &SocketOptions,
    ) -> Result<Self, SocketError> {
        binder.mend().map_err(|_| SocketError::Orphaned { interface: interface.to_owned() })?;
        let deadline = Instant::now() + options.patience;
        let mut pause = Duration::from_millis(1);
        loop {
            match Self::try_bind(binder, interface, queue, options) {
                Err(error) if error.is_busy() && Instant::now() + pause < deadline => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(100));
                }
                outcome => return outcome,
            }
        }
    }

    fn try_bind(binder: &Binder, interface: &str, queue: u32, options: &SocketOptions) -> Result<Self, SocketError> {
        let ring = |name, size| QueueSize::new(size).map_err(|_| SocketError::RingSize { name, size });
        let mode = if options.zero_copy { BindFlags::XDP_ZEROCOPY } else { BindFlags::XDP_COPY };
        let config = SocketConfig::builder()
            .rx_queue_size(ring("rx_ring", options.rx_ring)?)
            .tx_queue_size(ring("tx_ring", options.tx_ring)?)
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(mode | BindFlags::XDP_USE_NEED_WAKEUP)
            .build();
        let name: Interface = interface.parse().map_err(|error| SocketError::bind(&error, interface, queue))?;
        // SAFETY: program loading is inhibited, which is what the contract asks for.
        let (tx, rx, rings) = unsafe { Socket::new(config, binder.raw(), &name, queue) }
            .map_err(|error| SocketError::bind(&error, interface, queue))?;
        let (fill, completion) = rings.ok_or_else(|| SocketError::Bind {
            interface: interface.to_owned(),
            queue,
            error: std::io::Error::from_raw_os_error(libc::EBUSY),
        })?;
        let fd = rx.fd().as_raw_fd();
        // SAFETY: the socket is open as long as `rx` is there. A child that inherited it would keep the queue busy.
        let kept = os::close_on_exec(unsafe { BorrowedFd::borrow_raw(fd) });
        kept.map_err(|error| SocketError::Bind { interface: interface.to_owned(), queue, error })?;
        // Without the option a flush needs more calls: slower, not wrong.
        raise_budget(fd, options.tx_ring.min(TX_BUDGET));
        let id = binder.bound(fd);
        Ok(Self {
            id,
            queue,
            rx,
            tx,
            fill,
            completion,
            fill_size: options.fill_ring,
            tx_size: options.tx_ring,
            receiving: 0,
            transmitting: 0,
            scratch: Box::new([FrameDesc::default(); STEP]),
        })
    }

    pub(super) fn id(&self) -> SocketId {
        self.id
    }

    pub(super) fn queue(&self) -> u32 {
        self.queue
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.rx.fd().as_raw_fd()
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open for as long as the receive ring lives, and the borrow
        // is bound to `self`.
        unsafe { BorrowedFd::borrow_raw(self.raw_fd()) }
    }

    /// Fills the fill ring, as far as the buffer's reserve allows.
    ///
    /// Frames that wait in the receive ring count as if they were still in the fill ring, so
    /// that one slow worker's backlog cannot take the frames of its other sockets.
    pub(super) fn refill(&mut self, umem: &mut Umem) {
        loop {
            let room = (self.fill_size - self.receiving) as usize;
            let step = room.min(STEP);
            // The kernel shows a received frame before it shows that the fill ring has lost one:
            // what has no slot yet is filled at the next turn.
            let step = step.min(self.fill.nb_free(step as u32) as usize);
            let count = umem.take_for_fill(self.id, &mut self.scratch[..step]);
            if count == 0 {
                break;
            }
            // SAFETY: the descriptors are of this buffer, and the frames were free until now.
            let taken = unsafe { self.fill.produce(&self.scratch[..count]) };
            assert_eq!(taken, count, "the fill ring has told its free slots");
            self.receiving += count as u32;
        }
        if self.fill.needs_wakeup() {
            wake_receiver(self.raw_fd());
        }
    }

    /// Appends up to `max` received frames to `batch`, which has room for them.
    pub(super) fn receive(&mut self, umem: &mut Umem, max: usize, batch: &mut Vec<Frame>) -> usize {
        let before = batch.len();
        while batch.len() - before < max {
            let step = (max - (batch.len() - before)).min(STEP);
            // SAFETY: the ring is of a socket of this buffer.
            let count = unsafe { self.rx.consume(&mut self.scratch[..step]) };
            for desc in &self.scratch[..count] {
                if let Some(frame) = umem.received(self.id, desc) {
                    self.receiving -= 1;
                    batch.push(frame);
                }
            }
            if count < step {
                break;
            }
        }
        batch.len() - before
    }

    /// Takes back the frames that the kernel is done with.
    pub(super) fn reclaim(&mut self, umem: &mut Umem) {
        while self.transmitting > 0 {
            // SAFETY: the ring is of a socket of this buffer.
            let count = unsafe { self.completion.consume(&mut self.scratch[..]) };
            for desc in &self.scratch[..count] {
                if umem.completed(self.id, desc) {
                    self.transmitting -= 1;
                }
            }
            if count < STEP {
                break;
            }
        }
    }

    /// Takes frames from the front of `frames` while fewer than a ring's worth are on their
    /// way, and returns how many.
    pub(super) fn transmit(&mut self, umem: &mut Umem, frames: &mut Vec<Frame>) -> usize {
        let total = frames.len().min((self.tx_size - self.transmitting) as usize);
        let mut batch = frames.drain(..total);
        let mut left = total;
        while left > 0 {
            let step = left.min(STEP);
            let mut count = 0;
            for frame in batch.by_ref().take(step) {
                if let Some(desc) = umem.give_to_transmit(self.id, frame) {
                    self.scratch[count] = desc;
                    count += 1;
                }
            }
            // SAFETY: the descriptors are of this buffer, and the frames were in hand until now.
            let taken = unsafe { self.tx.produce(&self.scratch[..count]) };
            assert_eq!(taken, count, "the transmit ring has a slot for every frame not on its way");
            self.transmitting += count as u32;
            left -= step;
        }
        total
    }

    /// Frames in the transmit ring that the kernel has not taken yet.
    pub(super) fn waiting(&mut self) -> u32 {
        if self.transmitting == 0 { 0 } else { self.tx_size - self.tx.nb_free_exact() }
    }

    /// Kicks until the ring is empty or the kernel takes no more.
    pub(super) fn flush(&mut self, umem: &mut Umem) -> Step {
        self.reclaim(umem);
        let mut waiting = self.waiting();
        if waiting == 0 {
            return Step::Done;
        }
        for _ in 0..most_kicks(waiting) {
            if !self.tx.needs_wakeup() {
                // A zero-copy driver is at work on the ring.
                return Step::Done;
            }
            let answer = kick(self.raw_fd());
            // Before the next kick: without room in the completion ring the kernel sends nothing.
            self.reclaim(umem);
            let left = self.waiting();
            match judge(answer, waiting, left) {
                Step::Again => waiting = left,
                step => return step,
            }
        }
        Step::Stop
    }
}
