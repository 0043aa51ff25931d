//! A port that fails like hardware does: slow rings, full rings, lost carrier.

use std::os::fd::RawFd;

use super::{Flush, Frame, Port};

/// Wraps a port and makes it fail by a fixed pseudo-random sequence.
#[derive(Debug)]
pub struct FaultyPort<P> {
    inner: P,
    state: u64,
}

impl<P> FaultyPort<P> {
    /// `inner` with the faults that `seed` determines.
    pub const fn new(inner: P, seed: u64) -> Self {
        Self { inner, state: seed | 1 }
    }

    /// The wrapped port.
    pub const fn inner(&mut self) -> &mut P {
        &mut self.inner
    }

    /// The next number of the sequence (xorshift64), below `bound`.
    fn next(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % bound
    }
}

impl<P: Port> Port for FaultyPort<P> {
    type Memory = P::Memory;

    fn receive(&mut self, memory: &mut P::Memory, max: usize, batch: &mut Vec<Frame>) -> usize {
        let fewer = self.next(max as u64 + 1) as usize;
        self.inner.receive(memory, fewer, batch)
    }

    fn transmit(&mut self, memory: &mut P::Memory, frames: &mut Vec<Frame>) -> usize {
        let accepted = self.next(frames.len() as u64 + 1) as usize;
        let mut rest = frames.split_off(accepted);
        let sent = self.inner.transmit(memory, frames);
        frames.append(&mut rest);
        sent
    }

    fn flush(&mut self, memory: &mut P::Memory) -> Flush {
        match self.next(4) {
            0 => Flush::LinkDown,
            1 => Flush::Pending,
            _ => self.inner.flush(memory),
        }
    }

    fn descriptors(&self) -> Vec<RawFd> {
        self.inner.descriptors()
    }

    fn close(self, memory: &mut P::Memory) {
        self.inner.close(memory);
    }
}
