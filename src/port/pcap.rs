//! A port that receives from one capture file and transmits into another.

use std::io::{Read, Write};
use std::os::fd::RawFd;
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapReader, PcapWriter};
use pcap_file::{DataLink, PcapError, TsResolution};

use super::memory::HeapMemory;
use super::{Flush, Frame, FrameMemory, Port};

/// Receives the packets of a capture, in order and as fast as they are taken, and writes what
/// is transmitted to another capture, each packet a nanosecond after the one before.
pub struct PcapPort<R: Read, W: Write> {
    reader: Option<PcapReader<R>>,
    writer: PcapWriter<W>,
    /// Read, but no frame was free for it yet.
    pending: Option<Vec<u8>>,
    written: u64,
    /// The first error, after which nothing more is read or written.
    error: Option<PcapError>,
}

impl<R: Read, W: Write> std::fmt::Debug for PcapPort<R, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcapPort").field("written", &self.written).field("error", &self.error).finish_non_exhaustive()
    }
}

impl<R: Read, W: Write> PcapPort<R, W> {
    /// A port between `input` and `output`.
    ///
    /// # Errors
    /// When `input` is no capture, or `output` cannot be written.
    pub fn new(input: R, output: W) -> Result<Self, PcapError> {
        let header = PcapHeader {
            datalink: DataLink::ETHERNET,
            ts_resolution: TsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        Ok(Self {
            reader: Some(PcapReader::new(input)?),
            writer: PcapWriter::with_header(output, header)?,
            pending: None,
            written: 0,
            error: None,
        })
    }

    /// The output, complete.
    ///
    /// # Errors
    /// The first error that was met while reading or writing.
    pub fn finish(self) -> Result<W, PcapError> {
        match self.error {
            None => Ok(self.writer.into_writer()),
            Some(error) => Err(error),
        }
    }

    /// The next packet as a frame; `None` at the end, after an error, or while no frame is free.
    fn next_frame(&mut self, memory: &mut HeapMemory) -> Option<Frame> {
        if self.pending.is_none() {
            self.pending = self.next_packet(memory.capacity());
        }
        let frame = memory.receive(self.pending.as_deref()?)?;
        self.pending = None;
        Some(frame)
    }

    fn next_packet(&mut self, capacity: usize) -> Option<Vec<u8>> {
        match self.reader.as_mut()?.next_packet() {
            Some(Ok(packet)) if packet.data.len() > capacity => {
                self.fail(PcapError::InvalidField("a packet is longer than a frame of the packet buffer"));
                None
            }
            Some(Ok(packet)) => Some(packet.data.into_owned()),
            Some(Err(error)) => {
                self.fail(error);
                None
            }
            None => {
                self.reader = None;
                None
            }
        }
    }

    fn fail(&mut self, error: PcapError) {
        self.reader = None;
        self.error.get_or_insert(error);
    }
}

impl<R: Read, W: Write> Port for PcapPort<R, W> {
    type Memory = HeapMemory;

    fn receive(&mut self, memory: &mut HeapMemory, max: usize, batch: &mut Vec<Frame>) -> usize {
        let room = (batch.capacity() - batch.len()).min(max);
        let before = batch.len();
        batch.extend(std::iter::from_fn(|| self.next_frame(memory)).take(room));
        batch.len() - before
    }

    fn transmit(&mut self, memory: &mut HeapMemory, frames: &mut Vec<Frame>) -> usize {
        let count = frames.len();
        for frame in frames.drain(..) {
            let bytes = memory.bytes(&frame);
            let packet = PcapPacket::new(Duration::from_nanos(self.written), bytes.len() as u32, bytes);
            self.written += 1;
            if let Err(error) = self.writer.write_packet(&packet) {
                self.fail(error);
            }
            memory.free(frame);
        }
        count
    }

    fn flush(&mut self, _: &mut HeapMemory) -> Flush {
        Flush::Done
    }

    fn descriptors(&self) -> Vec<RawFd> {
        Vec::new()
    }

    /// Forgets the rest of the input; for the output use [`PcapPort::finish`] instead.
    fn close(self, _: &mut HeapMemory) {}
}
