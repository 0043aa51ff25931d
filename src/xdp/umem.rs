//! The packet buffer of one worker: an AF_XDP UMEM, cut into frames, shared by that worker's
//! sockets on every port.
//!
//! Every frame has a place: free, in the worker's hands, or in the rings of one socket. Only
//! the functions here move a frame from one place to another, and each refuses a frame that is
//! not where the caller says: neither a bug of ours nor a bogus address from a ring can bring
//! one frame into two rings. The [`Ledger`] counts apart from those places, at each ring
//! operation, so that the two can be held against each other ([`Umem::audit`]).

#![allow(unsafe_code)]

use std::num::NonZeroU32;
use std::{ptr, slice};

use xsk_rs::config::{FrameSize, QueueSize, UmemConfig};
use xsk_rs::umem::frame::FrameDesc;

use super::binder::Binder;
use super::error::SocketError;
use super::open::SocketOptions;
use super::stamp::{STAMP_LEN, STAMP_MAGIC};
use crate::limits::{RESERVED_FRAMES, STAMP_MAX_AGE_NANOS};
use crate::port::{Frame, FrameMemory, Ledger};
use crate::units::{EdgeId, Nanos};

/// Octets before a packet that the kernel keeps for XDP programs (`XDP_PACKET_HEADROOM`).
pub const XDP_HEADROOM: usize = 256;

/// One socket that ever used a buffer; never given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SocketId(u32);

impl SocketId {
    /// The name with this number.
    pub(super) const fn new(number: u32) -> Self {
        Self(number)
    }
}

/// Where a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Free,
    InHand,
    /// In the fill ring or the receive ring of this socket.
    Fill(SocketId),
    /// In the transmit ring, with the device, or in the completion ring of this socket.
    Transmit(SocketId),
}

#[derive(Debug)]
struct Slot {
    place: Place,
    /// Where the packet lay when the frame came into the worker's hands.
    desc: FrameDesc,
    /// Where the kernel puts packets. xsk-rs descriptors cannot be made, only kept.
    home: FrameDesc,
}

/// The packet buffer of one worker.
#[derive(Debug)]
pub struct Umem {
    memory: xsk_rs::Umem,
    base: usize,
    frame_size: usize,
    slots: Box<[Slot]>,
    free: Vec<u32>,
    fill: u64,
    transmit: u64,
    in_hand: u64,
    binder: Binder,
}

impl Umem {
    /// A buffer of `frames` frames.
    ///
    /// # Errors
    ///
    /// Sizes that the kernel does not take; no privilege; too little memory that may be locked.
    pub fn new(frames: u32, options: &SocketOptions) -> Result<Self, SocketError> {
        let ring = |name, size| QueueSize::new(size).map_err(|_| SocketError::RingSize { name, size });
        let refused = SocketError::FrameSize(options.frame_size);
        let Ok(frame_size) = FrameSize::new(options.frame_size) else { return Err(refused) };
        let config = UmemConfig::builder()
            .frame_size(frame_size)
            .fill_queue_size(ring("fill_ring", options.fill_ring)?)
            .comp_queue_size(ring("completion_ring", options.completion_ring)?)
            .build()
            .map_err(|_| refused)?;
        let count = NonZeroU32::new(frames).ok_or(SocketError::TooFewFrames { frames, needed: 1 })?;
        let (memory, homes) = xsk_rs::Umem::new(config, count, false)
            .map_err(|error| SocketError::buffer(&error, u64::from(frames) * u64::from(options.frame_size)))?;
        // SAFETY: the default descriptor is address 0 with length 0, the start of frame 0, and
        // nothing else has seen the buffer yet.
        let base = unsafe { memory.data(&FrameDesc::default()) }.contents().as_ptr().expose_provenance();
        Ok(Self {
            binder: Binder::new(memory.clone()),
            memory,
            base,
            frame_size: options.frame_size as usize,
            slots: homes.into_iter().map(|home| Slot { place: Place::Free, desc: home, home }).collect(),
            free: (0..frames).rev().collect(),
            fill: 0,
            transmit: 0,
            in_hand: 0,
        })
    }

    /// Where every frame is, by looking at each: what [`FrameMemory::ledger`] must equal. Walks the
    /// whole table; for the second's check and for the exit.
    pub fn audit(&self) -> Ledger {
        let mut ledger = Ledger { total: self.slots.len() as u64, ..Ledger::default() };
        for slot in &self.slots {
            match slot.place {
                Place::Free => ledger.free += 1,
                Place::InHand => ledger.in_hand += 1,
                Place::Fill(_) => ledger.fill += 1,
                Place::Transmit(_) => ledger.transmit += 1,
            }
        }
        ledger
    }

    /// What sockets are bound to it by.
    pub const fn binder(&self) -> &Binder {
        &self.binder
    }

    /// Moves up to `out.len()` free frames to the fill ring of `socket`, leaving
    /// [`RESERVED_FRAMES`] free. Returns how many of `out` are set; the ring must take them all.
    pub(super) fn take_for_fill(&mut self, socket: SocketId, out: &mut [FrameDesc]) -> usize {
        let count = out.len().min(self.free.len().saturating_sub(RESERVED_FRAMES));
        for desc in &mut out[..count] {
            let index = self.free.pop().expect("count is at most the free frames");
            let slot = &mut self.slots[index as usize];
            slot.place = Place::Fill(socket);
            *desc = slot.home;
        }
        self.fill += count as u64;
        count
    }

    /// A frame that the receive ring of `socket` gave out; `None` if it was not that ring's.
    pub(super) fn received(&mut self, socket: SocketId, desc: &FrameDesc) -> Option<Frame> {
        let (index, offset) = self.locate(desc)?;
        let slot = &mut self.slots[index as usize];
        if slot.place != Place::Fill(socket) {
            return None;
        }
        slot.place = Place::InHand;
        slot.desc = *desc;
        self.fill -= 1;
        self.in_hand += 1;
        let len = desc.lengths().data().min(self.frame_size - usize::from(offset)) as u16;
        Some(Frame { index, offset, len, origin: EdgeId::default() })
    }

    /// Moves a frame to the transmit ring of `socket`, which must take what is returned.
    /// `None` if the frame is not in hand: a bug of the caller, and the frame stays where it is.
    pub(super) fn give_to_transmit(&mut self, socket: SocketId, frame: Frame) -> Option<FrameDesc> {
        if !self.owned(&frame) {
            return None;
        }
        self.clear_stamp(frame.index);
        let slot = &self.slots[frame.index as usize];
        let mut desc = slot.desc;
        if desc.addr() % self.frame_size != usize::from(frame.offset) {
            // The packet path has moved the start of the packet, a descriptor cannot follow.
            desc = slot.home;
            let from = usize::from(frame.offset);
            self.chunk(frame.index).copy_within(from..from + usize::from(frame.len), XDP_HEADROOM);
        }
        desc.set_options(0);
        // SAFETY: the descriptor is of this buffer and its frame is in hand, so that neither a
        // ring nor the kernel has it; the borrow ends with the statement.
        unsafe { self.memory.data_mut(&mut desc) }.cursor().set_pos(usize::from(frame.len));
        self.slots[frame.index as usize].place = Place::Transmit(socket);
        self.in_hand -= 1;
        self.transmit += 1;
        Some(desc)
    }

    /// Takes back a frame that the completion ring of `socket` gave out. False if it was not
    /// that socket's.
    pub(super) fn completed(&mut self, socket: SocketId, desc: &FrameDesc) -> bool {
        let Some((index, _)) = self.locate(desc) else { return false };
        let slot = &mut self.slots[index as usize];
        if slot.place != Place::Transmit(socket) {
            return false;
        }
        slot.place = Place::Free;
        self.transmit -= 1;
        self.free.push(index);
        true
    }

    /// Takes back every frame that is in rings of `socket`, which must be closed and done with
    /// by the kernel. Returns how many.
    pub(super) fn reclaim(&mut self, socket: SocketId) -> u32 {
        let mut count = 0;
        for index in 0..self.slots.len() as u32 {
            let place = self.slots[index as usize].place;
            match place {
                Place::Fill(owner) if owner == socket => self.fill -= 1,
                Place::Transmit(owner) if owner == socket => self.transmit -= 1,
                _ => continue,
            }
            let slot = &mut self.slots[index as usize];
            slot.desc = slot.home;
            slot.place = Place::InHand;
            self.clear_stamp(index);
            self.slots[index as usize].place = Place::Free;
            self.free.push(index);
            count += 1;
        }
        count
    }

    fn locate(&self, desc: &FrameDesc) -> Option<(u32, u16)> {
        let index = desc.addr() / self.frame_size;
        (index < self.slots.len()).then(|| (index as u32, (desc.addr() % self.frame_size) as u16))
    }

    fn owned(&self, frame: &Frame) -> bool {
        let owned = self.slots.get(frame.index as usize).is_some_and(|slot| slot.place == Place::InHand);
        debug_assert!(owned, "frame {} is not in hand", frame.index);
        owned
    }

    /// All octets of a frame that is in hand.
    ///
    /// # Panics
    ///
    /// If there is no such frame, or if it is not in hand.
    fn chunk(&mut self, index: u32) -> &mut [u8] {
        assert!(self.slots[index as usize].place == Place::InHand, "frame {index} is not in hand");
        let start = ptr::with_exposed_provenance_mut(self.base + index as usize * self.frame_size);
        // SAFETY: the index is below the number of frames, so the range lies in the mapping,
        // which lives as long as `self.memory`. The frame is in hand: no ring has it, so the
        // kernel does not write to it. `&mut self` excludes other borrows.
        unsafe { slice::from_raw_parts_mut(start, self.frame_size) }
    }

    fn stamp_range(&self, index: u32) -> Option<std::ops::Range<usize>> {
        let offset = self.slots[index as usize].desc.addr() % self.frame_size;
        Some(offset.checked_sub(STAMP_LEN)?..offset)
    }

    /// No frame leaves the worker's hands with a stamp: the next packet in it may have none.
    fn clear_stamp(&mut self, index: u32) {
        if let Some(range) = self.stamp_range(index) {
            self.chunk(index)[range.start..range.start + 8].fill(0);
        }
    }
}

impl FrameMemory for Umem {
    fn bytes(&self, frame: &Frame) -> &[u8] {
        assert!(self.slots[frame.index as usize].place == Place::InHand, "frame {} is not in hand", frame.index);
        let start = ptr::with_exposed_provenance(self.base + frame.index as usize * self.frame_size);
        // SAFETY: as in `chunk`, with a shared borrow.
        let chunk: &[u8] = unsafe { slice::from_raw_parts(start, self.frame_size) };
        &chunk[usize::from(frame.offset)..][..usize::from(frame.len)]
    }

    fn bytes_mut(&mut self, frame: &mut Frame) -> &mut [u8] {
        &mut self.chunk(frame.index)[usize::from(frame.offset)..][..usize::from(frame.len)]
    }

    fn room(&self, frame: &Frame) -> usize {
        self.frame_size - usize::from(frame.offset) - usize::from(frame.len)
    }

    fn allocate(&mut self, len: usize) -> Option<Frame> {
        if len > self.capacity() {
            return None;
        }
        let index = self.free.pop()?;
        let slot = &mut self.slots[index as usize];
        slot.place = Place::InHand;
        slot.desc = slot.home;
        self.in_hand += 1;
        Some(Frame { index, offset: XDP_HEADROOM as u16, len: len as u16, origin: EdgeId::default() })
    }

    fn free(&mut self, frame: Frame) {
        if !self.owned(&frame) {
            return;
        }
        self.clear_stamp(frame.index);
        self.slots[frame.index as usize].place = Place::Free;
        self.in_hand -= 1;
        self.free.push(frame.index);
    }

    fn capacity(&self) -> usize {
        self.frame_size - XDP_HEADROOM
    }

    fn ledger(&self) -> Ledger {
        Ledger {
            total: self.slots.len() as u64,
            free: self.free.len() as u64,
            fill: self.fill,
            transmit: self.transmit,
            in_hand: self.in_hand,
        }
    }

    fn take_stamp(&mut self, frame: &Frame, now: Nanos) -> Option<Nanos> {
        let range = self.stamp_range(frame.index)?;
        let octets = &mut self.chunk(frame.index)[range];
        let (magic, time) = octets.split_at(8);
        if magic != STAMP_MAGIC.to_ne_bytes() {
            return None;
        }
        let stamp = Nanos(u64::from_ne_bytes(time.try_into().expect("a stamp has 16 octets")));
        octets.fill(0);
        (stamp <= now && now.since(stamp).0 <= STAMP_MAX_AGE_NANOS).then_some(stamp)
    }
}
