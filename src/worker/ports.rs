//! Ports that come and go while the worker runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam::queue::ArrayQueue;

use super::{Served, Worker};
use crate::limits::{DRAIN_TURNS, MAX_PORTS, PORT_PATIENCE_NANOS};
use crate::os;
use crate::port::Port;
use crate::units::PortId;

/// What one worker is to do with a port.
#[derive(Debug)]
enum PortOrder<P> {
    /// Serve it from now on.
    Open(PortId, P),
    /// Empty its receive ring, give its frames back, and serve it no longer.
    Close(PortId),
}

/// Orders to one worker about its ports. Ring its doorbell after each.
#[derive(Debug)]
pub struct PortOrders<P> {
    /// Room for the closing and the opening of every port.
    queue: ArrayQueue<PortOrder<P>>,
    given: AtomicU64,
    done: AtomicU64,
}

impl<P> PortOrders<P> {
    pub(super) fn new() -> Self {
        Self { queue: ArrayQueue::new(2 * MAX_PORTS), given: AtomicU64::new(0), done: AtomicU64::new(0) }
    }

    /// The worker is to serve `port`.
    ///
    /// # Errors
    /// When the worker obeys no more: the port comes back.
    pub fn open(&self, id: PortId, port: P) -> Result<(), P> {
        match self.give(PortOrder::Open(id, port)) {
            Err(PortOrder::Open(_, port)) => Err(port),
            _ => Ok(()),
        }
    }

    /// The worker is to give up port `id`. One that obeys no more has none.
    pub fn close(&self, id: PortId) {
        let _ = self.give(PortOrder::Close(id));
    }

    /// Waits until the worker has done what it was told, and returns whether it has, in the time that a worker
    /// may take.
    pub fn are_done(&self) -> bool {
        let deadline = Instant::now() + Duration::from_nanos(PORT_PATIENCE_NANOS);
        while self.done.load(Ordering::Acquire) < self.given.load(Ordering::Relaxed) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        true
    }

    fn give(&self, order: PortOrder<P>) -> Result<(), PortOrder<P>> {
        self.queue.push(order)?;
        self.given.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl<P: Port> Worker<P> {
    /// Opens and closes ports as control says.
    pub(super) fn obey(&mut self) {
        let mut changed = false;
        while let Some(order) = self.orders.queue.pop() {
            match order {
                PortOrder::Open(id, port) => {
                    self.ports[id.index()] = Some(Served::new(port));
                    // Its fill ring is filled by the first look into it.
                    self.serve(id, os::now());
                }
                PortOrder::Close(id) => self.close(id),
            }
            changed = true;
            self.orders.done.fetch_add(1, Ordering::Release);
        }
        if changed {
            self.watch();
        }
    }

    fn close(&mut self, id: PortId) {
        for _ in 0..DRAIN_TURNS {
            if self.serve(id, os::now()) == 0 {
                break;
            }
        }
        if let Some(served) = self.ports[id.index()].take() {
            served.port.close(&mut self.memory);
        }
    }
}
