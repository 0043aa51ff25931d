//! Capture files: pcap and pcapng in, with time-stamps of any resolution; pcapng with
//! nanoseconds out.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::Block;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
use pcap_file::pcapng::{PcapNgReader, PcapNgWriter};
use pcap_file::{DataLink, Endianness, PcapError, TsResolution};

use crate::units::Nanos;

/// A capture that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file.
    #[error("cannot {what} {path}: {error}")]
    File {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// Neither pcap nor pcapng.
    #[error("{path} is neither pcap nor pcapng ({error}); `capinfos {path}` tells what kind of file it is")]
    NoCapture {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// Damaged.
    #[error("{path}: packet {packet}: {error}; `capinfos {path}` tells how far the file is whole")]
    Format {
        /// Where.
        path: PathBuf,
        /// Number of the packet, from 1.
        packet: u64,
        /// What is wrong.
        error: String,
    },
    /// Not Ethernet.
    #[error(
        "{path}: packet {packet} was captured on a link of type {link:?}; capture on an Ethernet interface, not on `any`"
    )]
    Link {
        /// Where.
        path: PathBuf,
        /// Number of the packet, from 1.
        packet: u64,
        /// The link type.
        link: DataLink,
    },
    /// Cut by the capture.
    #[error("{path}: packet {packet} was cut at {captured} of {length} octets; capture whole packets (`tcpdump -s 0`)")]
    Cut {
        /// Where.
        path: PathBuf,
        /// Number of the packet, from 1.
        packet: u64,
        /// Octets in the file.
        captured: u32,
        /// Octets on the wire.
        length: u32,
    },
    /// No time.
    #[error("{path}: packet {packet} has no time-stamp; `editcap -F pcap` makes a file whose packets have one")]
    Untimed {
        /// Where.
        path: PathBuf,
        /// Number of the packet, from 1.
        packet: u64,
    },
}

/// A frame and when it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Nanoseconds since the Unix epoch.
    pub at: Nanos,
    /// The frame, Ethernet header included, frame check sequence not.
    pub bytes: Vec<u8>,
}

/// Reads one capture from its beginning.
pub struct Reader {
    path: PathBuf,
    format: Format,
    /// Packets read.
    packets: u64,
}

enum Format {
    Pcap(PcapReader<File>),
    PcapNg(PcapNgReader<File>),
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("path", &self.path).field("packets", &self.packets).finish_non_exhaustive()
    }
}

/// First octets of a pcapng file.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

impl Reader {
    /// The capture at `path`.
    ///
    /// # Errors
    /// When it cannot be opened or is none.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let failed = |error| CaptureError::File { what: "read", path: path.to_owned(), error };
        let mut file = File::open(path).map_err(failed)?;
        let mut magic = Vec::new();
        (&mut file).take(PCAPNG.len() as u64).read_to_end(&mut magic).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let format = if magic == PCAPNG {
            PcapNgReader::new(file).map(Format::PcapNg)
        } else {
            PcapReader::new(file).map(Format::Pcap)
        };
        let format =
            format.map_err(|error| CaptureError::NoCapture { path: path.to_owned(), error: reason(&error) })?;
        Ok(Self { path: path.to_owned(), format, packets: 0 })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// When the file is damaged, or the packet is not whole, not Ethernet or without a time-stamp.
    pub fn next_packet(&mut self) -> Result<Option<Captured>, CaptureError> {
        let (path, packet) = (&self.path, self.packets + 1);
        let damaged = |error: PcapError| CaptureError::Format { path: path.clone(), packet, error: reason(&error) };
        let whole = |link, captured: u32, length| {
            if link != DataLink::ETHERNET {
                return Err(CaptureError::Link { path: path.clone(), packet, link });
            }
            if captured < length {
                return Err(CaptureError::Cut { path: path.clone(), packet, captured, length });
            }
            Ok(())
        };
        let captured = match &mut self.format {
            Format::Pcap(reader) => {
                let header = reader.header();
                let unit = if header.ts_resolution == TsResolution::MicroSecond { 1000 } else { 1 };
                let Some(raw) = reader.next_raw_packet() else { return Ok(None) };
                let raw = raw.map_err(damaged)?;
                whole(header.datalink, raw.incl_len, raw.orig_len)?;
                let at = u64::from(raw.ts_sec) * SECOND + u64::from(raw.ts_frac) * unit;
                Captured { at: Nanos(at), bytes: raw.data.into_owned() }
            }
            Format::PcapNg(reader) => loop {
                let Some(block) = reader.next_block() else { return Ok(None) };
                match block.map_err(damaged)? {
                    Block::EnhancedPacket(block) => {
                        let block = block.into_owned();
                        let interface = reader.packet_interface(&block);
                        let interface =
                            interface.ok_or_else(|| damaged(PcapError::InvalidInterfaceId(block.interface_id)))?;
                        whole(interface.linktype, block.data.len() as u32, block.original_len)?;
                        break Captured { at: time(interface, block.timestamp), bytes: block.data.into_owned() };
                    }
                    Block::SimplePacket(_) => return Err(CaptureError::Untimed { path: path.clone(), packet }),
                    Block::Packet(_) => {
                        return Err(damaged(PcapError::InvalidField("an obsolete Packet Block; `editcap` renews it")));
                    }
                    _ => {}
                }
            },
        };
        self.packets = packet;
        Ok(Some(captured))
    }

    /// Packets read so far.
    pub const fn packets(&self) -> u64 {
        self.packets
    }
}

const SECOND: u64 = 1_000_000_000;

/// The time of a packet of `interface`, whose units the library has taken for nanoseconds: they are
/// what `if_tsresol` says, microseconds without it, after `if_tsoffset` seconds.
fn time(interface: &InterfaceDescriptionBlock<'_>, units: Duration) -> Nanos {
    let (mut resolution, mut offset) = (6, 0);
    for option in &interface.options {
        match option {
            InterfaceDescriptionOption::IfTsResol(value) => resolution = *value,
            InterfaceDescriptionOption::IfTsOffset(seconds) => offset = seconds.cast_signed(),
            _ => {}
        }
    }
    let exponent = u32::from(resolution & 0x7f);
    let per_second = if resolution & 0x80 == 0 { 10_u128.checked_pow(exponent) } else { 2_u128.checked_pow(exponent) };
    let nanos = per_second.map_or(0, |per_second| units.as_nanos() * u128::from(SECOND) / per_second);
    let nanos = nanos.cast_signed() + i128::from(offset) * i128::from(SECOND);
    Nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
}

fn reason(error: &PcapError) -> String {
    match error {
        PcapError::IoError(error) => error.to_string(),
        PcapError::IncompleteBuffer => "it ends too early".to_owned(),
        PcapError::InvalidField(what) => (*what).to_owned(),
        other => other.to_string(),
    }
}

/// Writes a capture of one interface.
pub struct Writer {
    path: PathBuf,
    writer: PcapNgWriter<BufWriter<File>>,
    packets: u64,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).field("packets", &self.packets).finish_non_exhaustive()
    }
}

impl Writer {
    /// A capture of `interface` at `path`; a former one is replaced.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path, interface: &str) -> Result<Self, CaptureError> {
        let file = File::create(path).map_err(|error| failed(path, error))?;
        // The same octets on every machine.
        let section = SectionHeaderBlock { endianness: Endianness::Little, ..SectionHeaderBlock::default() };
        let writer = PcapNgWriter::with_section_header(BufWriter::new(file), section);
        let mut writer = writer.map_err(|error| pcap_failed(path, error))?;
        let options = vec![
            InterfaceDescriptionOption::IfName(interface.to_owned().into()),
            InterfaceDescriptionOption::IfTsResol(9),
        ];
        let description = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen: 0, options };
        writer.write_pcapng_block(description).map_err(|error| pcap_failed(path, error))?;
        Ok(Self { path: path.to_owned(), writer, packets: 0 })
    }

    /// Adds a frame, sent `at` nanoseconds after the Unix epoch.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, at: Nanos, bytes: &[u8]) -> Result<(), CaptureError> {
        self.packets += 1;
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_nanos(at.0),
            original_len: bytes.len() as u32,
            data: bytes.into(),
            options: Vec::new(),
        };
        self.writer.write_pcapng_block(packet).map(drop).map_err(|error| pcap_failed(&self.path, error))
    }

    /// Completes the file. Returns its path and how many frames are in it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(PathBuf, u64), CaptureError> {
        self.writer.get_mut().flush().map_err(|error| failed(&self.path, error))?;
        Ok((self.path, self.packets))
    }
}

fn failed(path: &Path, error: std::io::Error) -> CaptureError {
    CaptureError::File { what: "write", path: path.to_owned(), error }
}

fn pcap_failed(path: &Path, error: PcapError) -> CaptureError {
    match error {
        PcapError::IoError(error) => failed(path, error),
        other => failed(path, std::io::Error::other(other)),
    }
}
