//! How control and one worker talk: bounded, lock-free, nothing blocks and nothing is shared
//! but what lies in here.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use crossbeam::queue::ArrayQueue;
use tokio::sync::Notify;

use crate::datapath::probe::ProbeAnswer;
use crate::flow::{FlowStore, FragmentTable};
use crate::limits::WORKER_QUEUE;
use crate::observe::counters::WorkerCounters;
use crate::os::{self, Doorbell};
use crate::snapshot::{NeighbourTable, Snapshot};
use crate::units::{EdgeId, Nanos, PortId, UplinkId};

/// A message from a worker to control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Punt {
    /// A packet waits for the MAC of this neighbour, or would have needed it.
    NeighbourWanted {
        /// The link it is on.
        edge: EdgeId,
        /// Its address.
        address: Ipv6Addr,
    },
    /// Transmission by this port failed: no carrier, or the device is gone.
    LinkDown {
        /// Which port.
        port: PortId,
    },
    /// A probe was answered.
    Answer(ProbeAnswer),
    /// A packet that would have been an ISP's which may carry nothing has left by another one. Told once in a
    /// generation of the snapshot.
    TookOver {
        /// The ISP that may carry nothing.
        lost: UplinkId,
        /// Generation of the snapshot that says so.
        generation: u64,
        /// When it had been sent.
        at: Nanos,
    },
}

/// A probe that control wants sent.
#[derive(Debug)]
pub struct Inject {
    /// The ISP that it is to go by.
    pub uplink: UplinkId,
    /// The whole IPv6 packet, from the inside address of that ISP's probe point.
    pub packet: Box<[u8]>,
}

/// What the thread of a worker is about. Its id is the kernel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It has not begun.
    Unborn,
    /// It makes its turns.
    Running(i32),
    /// It was told to stop, and empties its rings.
    Stopping(i32),
    /// It has ended.
    Over,
}

/// In place of a thread's id: it has not begun.
const UNBORN: i32 = 0;
/// In place of a thread's id: it has ended.
const OVER: i32 = -1;

/// What control and one worker share.
#[derive(Debug)]
pub struct Channel {
    /// From control.
    injects: ArrayQueue<Inject>,
    /// To control.
    punts: ArrayQueue<Punt>,
    /// Punts that found the queue full.
    punts_lost: AtomicU64,
    /// Wakes control.
    control: Arc<Notify>,
    /// Wakes the worker.
    pub doorbell: Doorbell,
    /// The worker's counters.
    pub counters: Arc<WorkerCounters>,
    /// Generation of the snapshot that the worker's latest batch saw.
    generation: AtomicU64,
    /// Something was told since control was last rung. The worker's own.
    told: AtomicBool,
    stop: AtomicBool,
    /// The kernel's id of the worker's thread.
    thread: AtomicI32,
}

impl Channel {
    /// An empty channel. The worker notifies `control` when it has told something.
    ///
    /// # Errors
    /// When the worker's own doorbell cannot be made.
    pub fn new(counters: Arc<WorkerCounters>, control: Arc<Notify>) -> std::io::Result<Self> {
        Ok(Self {
            control,
            injects: ArrayQueue::new(WORKER_QUEUE),
            punts: ArrayQueue::new(WORKER_QUEUE),
            punts_lost: AtomicU64::new(0),
            doorbell: Doorbell::new()?,
            counters,
            generation: AtomicU64::new(0),
            told: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            thread: AtomicI32::new(UNBORN),
        })
    }

    /// Hands the worker a probe to send, and wakes it.
    ///
    /// # Errors
    /// When the queue is full: the probe comes back.
    pub fn inject(&self, inject: Inject) -> Result<(), Inject> {
        self.injects.push(inject)?;
        self.doorbell.ring();
        Ok(())
    }

    /// Tells the worker to stop, and wakes it.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.doorbell.ring();
    }

    /// The next message of the worker.
    pub fn punt(&self) -> Option<Punt> {
        self.punts.pop()
    }

    /// Messages that were lost because control did not fetch them in time.
    pub fn punts_lost(&self) -> u64 {
        self.punts_lost.load(Ordering::Relaxed)
    }

    /// Generation of the snapshot that the worker's latest batch saw.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// What the worker's thread is about.
    pub fn life(&self) -> Life {
        match self.thread.load(Ordering::Acquire) {
            UNBORN => Life::Unborn,
            OVER => Life::Over,
            id if self.stopping() => Life::Stopping(id),
            id => Life::Running(id),
        }
    }

    /// The calling thread is the worker's.
    pub(super) fn begin(&self) {
        self.thread.store(os::thread_id(), Ordering::Release);
    }

    /// The calling thread is the worker's no longer.
    pub(super) fn end(&self) {
        self.thread.store(OVER, Ordering::Release);
    }

    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(super) fn next_inject(&self) -> Option<Inject> {
        self.injects.pop()
    }

    pub(super) fn tell(&self, punt: Punt) {
        if self.punts.push(punt).is_err() {
            self.punts_lost.fetch_add(1, Ordering::Relaxed);
        }
        self.told.store(true, Ordering::Relaxed);
    }

    /// Wakes control if there is something for it: one system call a turn at most.
    pub(super) fn wake_control(&self) {
        if self.told.load(Ordering::Relaxed) {
            self.told.store(false, Ordering::Relaxed);
            self.control.notify_one();
        }
    }

    pub(super) fn saw(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
    }
}

/// What all workers share, and control writes.
#[derive(Clone, Debug)]
pub struct World {
    /// The latest snapshot.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Who has which MAC.
    pub neighbours: Arc<NeighbourTable>,
    /// Which mapping a flow has. Workers write it, too.
    pub flows: Arc<dyn FlowStore>,
    /// Which mapping a fragmented datagram has. Workers write it, too.
    pub fragments: Arc<FragmentTable>,
}
