//! What the packet path sees of a network device: frames, the memory they lie in, and a
//! port that receives and transmits them.
//!
//! `xdp/` implements these traits over AF_XDP; [`memory`] implements them without privileges, so
//! that the whole path runs in tests, benchmarks, fuzzers, `replay` and `explain`.

pub mod faulty;
pub mod memory;

use std::os::fd::RawFd;

use crate::units::{EdgeId, Nanos};

/// One frame buffer, owned.
///
/// Not `Clone`: whoever holds the value holds the buffer, and must give it back to
/// [`FrameMemory::free`] or to [`Port::transmit`]. A lost value is a leaked buffer, which the
/// ledger of the memory shows.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a frame that is not freed or sent is leaked"]
pub struct Frame {
    /// Which buffer of the memory.
    pub index: u32,
    /// Where the packet starts in the buffer.
    pub offset: u16,
    /// Length of the packet in octets, Ethernet header included.
    pub len: u16,
    /// The edge at which this frame is counted: where it came in, or for whose sake it was made.
    pub origin: EdgeId,
}

/// The buffers that one worker's frames lie in, shared by that worker's ports.
pub trait FrameMemory {
    /// The packet.
    fn bytes(&self, frame: &Frame) -> &[u8];

    /// The packet, to be changed in place.
    fn bytes_mut(&mut self, frame: &mut Frame) -> &mut [u8];

    /// Octets that the buffer has behind the packet.
    fn room(&self, frame: &Frame) -> usize;

    /// A buffer for a packet of `len` octets that the gateway originates, or `None` when none
    /// is free or `len` exceeds [`FrameMemory::capacity`]. The content is whatever was there.
    fn allocate(&mut self, len: usize) -> Option<Frame>;

    /// Gives the buffer back.
    fn free(&mut self, frame: Frame);

    /// Where all the buffers are now.
    fn ledger(&self) -> Ledger;

    /// Longest packet that a buffer takes.
    fn capacity(&self) -> usize;

    /// When the frame arrived, if it carries a stamp. Reading clears the stamp; one older than
    /// [`crate::limits::STAMP_MAX_AGE_NANOS`] at `now` is refused.
    fn take_stamp(&mut self, frame: &Frame, now: Nanos) -> Option<Nanos>;
}

/// Where the frames of one worker's packet buffer are. All of them, always:
/// the sum of the places is `total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Frames in the buffer.
    pub total: u64,
    /// Unused.
    pub free: u64,
    /// In fill rings, or filled by the kernel and not yet read.
    pub fill: u64,
    /// In transmit rings or with the device, not yet reported complete.
    pub transmit: u64,
    /// In the worker's hands: the current batch, staged, or held for a neighbour.
    pub in_hand: u64,
}

impl Ledger {
    /// Frames that are nowhere: must be 0.
    pub const fn lost(&self) -> i64 {
        self.total as i64 - (self.free + self.fill + self.transmit + self.in_hand) as i64
    }
}

/// What became of frames handed to [`Port::flush`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// The device has taken everything.
    Done,
    /// Some frames still wait in the ring; flush again at the end of the next batch.
    Pending,
    /// No carrier, or the device is gone: stop using this port and tell control.
    LinkDown,
}

/// One device, as one worker sees it: the queues of that device which the worker owns.
pub trait Port {
    /// The memory whose frames this port carries.
    type Memory: FrameMemory;

    /// Appends up to `max` received frames to `batch` and returns how many. Never blocks and
    /// never grows `batch` beyond its capacity. Refills and reclaims as a side effect.
    fn receive(&mut self, memory: &mut Self::Memory, max: usize, batch: &mut Vec<Frame>) -> usize;

    /// Takes frames from the front of `frames` for as long as the transmit ring has room, and
    /// returns how many. What is left stays in `frames`, in order.
    fn transmit(&mut self, memory: &mut Self::Memory, frames: &mut Vec<Frame>) -> usize;

    /// Asks the device to send what was put into the ring, in a bounded number of calls.
    fn flush(&mut self, memory: &mut Self::Memory) -> Flush;

    /// Descriptors that become readable when a frame arrives: what an idle worker sleeps on.
    fn descriptors(&self) -> Vec<RawFd>;

    /// Ends the use of the device and gives every frame in its rings back to `memory`.
    fn close(self, memory: &mut Self::Memory);
}
