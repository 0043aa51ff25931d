//! Frames on the heap, and a port that hands out and collects frames in memory.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use super::{Flush, Frame, FrameMemory, Ledger, Port};
use crate::limits::STAMP_MAX_AGE_NANOS;
use crate::units::{EdgeId, Nanos};

/// Octets before a received packet, as AF_XDP leaves them.
pub const HEADROOM: usize = 256;

/// A packet buffer on the heap.
#[derive(Debug)]
pub struct HeapMemory {
    bytes: Box<[u8]>,
    frame_size: usize,
    free: Vec<u32>,
    stamps: Box<[Option<Nanos>]>,
}

impl HeapMemory {
    /// `frames` buffers of `frame_size` octets, of which 256 are headroom.
    pub fn new(frames: u32, frame_size: usize) -> Self {
        Self {
            bytes: vec![0; frames as usize * frame_size].into(),
            frame_size,
            free: (0..frames).rev().collect(),
            stamps: vec![None; frames as usize].into(),
        }
    }

    /// A frame that holds `packet`, as if it had been received; `None` when no frame is free.
    pub fn receive(&mut self, packet: &[u8]) -> Option<Frame> {
        let mut frame = self.allocate(packet.len())?;
        self.bytes_mut(&mut frame).copy_from_slice(packet);
        Some(frame)
    }

    /// Stamps `frame` with its arrival time.
    pub fn stamp(&mut self, frame: &Frame, at: Nanos) {
        self.stamps[frame.index as usize] = Some(at);
    }

    fn start(&self, frame: &Frame) -> usize {
        frame.index as usize * self.frame_size + usize::from(frame.offset)
    }
}

impl FrameMemory for HeapMemory {
    fn bytes(&self, frame: &Frame) -> &[u8] {
        &self.bytes[self.start(frame)..][..usize::from(frame.len)]
    }

    fn bytes_mut(&mut self, frame: &mut Frame) -> &mut [u8] {
        let start = self.start(frame);
        &mut self.bytes[start..][..usize::from(frame.len)]
    }

    fn room(&self, frame: &Frame) -> usize {
        self.frame_size - usize::from(frame.offset) - usize::from(frame.len)
    }

    fn allocate(&mut self, len: usize) -> Option<Frame> {
        if len > self.capacity() {
            return None;
        }
        let index = self.free.pop()?;
        Some(Frame { index, offset: HEADROOM as u16, len: len as u16, origin: EdgeId::default() })
    }

    fn free(&mut self, frame: Frame) {
        debug_assert!(!self.free.contains(&frame.index), "frame {} freed twice", frame.index);
        self.stamps[frame.index as usize] = None;
        self.free.push(frame.index);
    }

    /// A heap has no rings: what is not free is in somebody's hands.
    fn ledger(&self) -> Ledger {
        let (total, free) = (self.stamps.len() as u64, self.free.len() as u64);
        Ledger { total, free, in_hand: total - free, ..Ledger::default() }
    }

    fn capacity(&self) -> usize {
        self.frame_size - HEADROOM
    }

    fn take_stamp(&mut self, frame: &Frame, now: Nanos) -> Option<Nanos> {
        let stamp = self.stamps[frame.index as usize].take()?;
        (stamp <= now && now.since(stamp).0 <= STAMP_MAX_AGE_NANOS).then_some(stamp)
    }
}

/// A port whose two sides are queues in memory.
#[derive(Debug, Default)]
pub struct MemoryPort {
    /// Frames that will be received, in order.
    pub incoming: VecDeque<Frame>,
    /// Frames that were transmitted, in order.
    pub outgoing: Vec<Frame>,
}

impl Port for MemoryPort {
    type Memory = HeapMemory;

    fn receive(&mut self, _: &mut HeapMemory, max: usize, batch: &mut Vec<Frame>) -> usize {
        let room = batch.capacity() - batch.len();
        let count = self.incoming.len().min(max).min(room);
        batch.extend(self.incoming.drain(..count));
        count
    }

    fn transmit(&mut self, _: &mut HeapMemory, frames: &mut Vec<Frame>) -> usize {
        let count = frames.len();
        self.outgoing.append(frames);
        count
    }

    fn flush(&mut self, _: &mut HeapMemory) -> Flush {
        Flush::Done
    }

    fn descriptors(&self) -> Vec<RawFd> {
        Vec::new()
    }

    fn close(self, memory: &mut HeapMemory) {
        self.incoming.into_iter().chain(self.outgoing).for_each(|frame| memory.free(frame));
    }
}
