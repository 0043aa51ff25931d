//! Capture files, octet by octet: what the tests give to `replay`, and what they read of it.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::Path;

use pcap_file::pcapng::{Block, PcapNgReader};

/// A frame and its time in nanoseconds since the Unix epoch.
pub type Packet = (u64, Vec<u8>);

/// A pcap file, with time-stamps in micro- or nanoseconds.
pub fn pcap(packets: &[Packet], nanoseconds: bool) -> Vec<u8> {
    let magic: u32 = if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let mut file = magic.to_le_bytes().to_vec();
    file.extend([2, 0, 4, 0]);
    file.extend([0; 8]);
    file.extend(262_144_u32.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    for (at, frame) in packets {
        let unit = if nanoseconds { 1 } else { 1000 };
        let words = [at / 1_000_000_000, at % 1_000_000_000 / unit, frame.len() as u64, frame.len() as u64];
        words.iter().for_each(|word| file.extend((*word as u32).to_le_bytes()));
        file.extend(frame);
    }
    file
}

/// A big-endian pcapng file whose time-stamps have the resolution `tsresol` (as in the option;
/// `None`: without the option, microseconds), counted from `offset` seconds.
pub fn pcapng(packets: &[Packet], tsresol: Option<u8>, offset: u64) -> Vec<u8> {
    let mut file = Vec::new();
    block(&mut file, 0x0a0d_0d0a, &[&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat());
    let mut options = vec![0, 1, 0, 0, 0, 0, 0, 0];
    if let Some(resolution) = tsresol {
        options.extend([0, 9, 0, 1, resolution, 0, 0, 0]);
    }
    if offset > 0 {
        options.extend([0, 14, 0, 8]);
        options.extend(offset.to_be_bytes());
    }
    options.extend([0; 4]);
    block(&mut file, 1, &options);
    let per_second = match tsresol {
        None => 1_000_000,
        Some(binary) if binary & 0x80 != 0 => 1_u128 << (binary & 0x7f),
        Some(decimal) => 10_u128.pow(u32::from(decimal)),
    };
    for (at, frame) in packets {
        let units = u128::from(at - offset * 1_000_000_000) * per_second;
        let units = units.div_ceil(1_000_000_000) as u64;
        let mut body = vec![0; 4];
        body.extend(units.to_be_bytes());
        body.extend((frame.len() as u32).to_be_bytes());
        body.extend((frame.len() as u32).to_be_bytes());
        body.extend(frame);
        block(&mut file, 6, &body);
    }
    file
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = (12 + body.len().next_multiple_of(4)) as u32;
    file.extend(kind.to_be_bytes());
    file.extend(length.to_be_bytes());
    file.extend(body);
    file.resize(file.len().next_multiple_of(4), 0);
    file.extend(length.to_be_bytes());
}

/// The packets of a capture that `replay` has written: nanoseconds, so that the library's reading of
/// the time-stamps is right.
pub fn read(path: &Path) -> Vec<Packet> {
    let mut reader = PcapNgReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            packets.push((packet.timestamp.as_nanos() as u64, packet.data.into_owned()));
        }
    }
    packets
}
