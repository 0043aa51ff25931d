//! What was on a wire, and whether it was right.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcap::PcapReader;

use super::Lab;
use super::process::{Daemon, eventually};

/// Frames that a capture takes.
pub const MOST: usize = 500_000;

/// A tcpdump at one device, until it is finished.
pub struct Capture {
    tcpdump: Daemon,
    file: PathBuf,
}

impl Capture {
    /// Captures what comes in at a device of `role`, at most [`MOST`] frames.
    pub fn start(lab: &Lab, role: &str, device: &str, filter: &str) -> Self {
        let file = lab.dir.join(format!("{role}-{device}.pcap"));
        let log = lab.dir.join(format!("{role}-{device}.tcpdump"));
        // An older capture at the same device must not make this one look ready.
        let _ = std::fs::remove_file(&log);
        let mut command = lab.command(role, "tcpdump");
        command.args([
            "-i",
            device,
            "-Q",
            "in",
            "-n",
            "-s",
            "0",
            "-U",
            "--immediate-mode",
            "-B",
            "16384",
            "-c",
            &MOST.to_string(),
            "-Z",
            "root",
        ]);
        command.arg("-w").arg(&file).args(filter.split_whitespace());
        let tcpdump = Daemon::start(&mut command, &log);
        eventually("tcpdump listens", Duration::from_secs(10), || tcpdump.output().contains("listening on"));
        Self { tcpdump, file }
    }

    /// The frames so far.
    pub fn so_far(&self) -> Vec<Vec<u8>> {
        // Neither header nor last frame need be whole yet.
        let Some(mut reader) = std::fs::File::open(&self.file).ok().and_then(|file| PcapReader::new(file).ok()) else {
            return Vec::new();
        };
        std::iter::from_fn(|| reader.next_packet()?.ok().map(|packet| packet.data.into_owned())).collect()
    }

    /// Ends the capture and returns its frames.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        self.tcpdump.end("INT", Duration::from_secs(10));
        let reader = PcapReader::new(std::fs::File::open(&self.file).expect("a capture")).expect("a pcap file");
        frames(reader)
    }

    /// As [`Capture::finish`], after checking every IPv6 frame: the source is `allowed`, and the
    /// checksum of TCP, UDP or ICMPv6 is right.
    ///
    /// # Panics
    /// At the first frame that is wrong.
    #[track_caller]
    pub fn finish_judged(self, allowed: impl Fn(Ipv6Addr) -> bool) -> Vec<Vec<u8>> {
        let frames = self.finish();
        for frame in &frames {
            if let Err(problem) = judge(frame, &allowed) {
                panic!("{problem}: {frame:02x?}");
            }
        }
        frames
    }
}

fn frames(mut reader: PcapReader<std::fs::File>) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(packet) = reader.next_packet() {
        frames.push(packet.expect("tcpdump writes whole packets").data.into_owned());
    }
    frames
}

/// Source and destination of an IPv6 frame.
pub fn source_of(frame: &[u8]) -> Option<(Ipv6Addr, Ipv6Addr)> {
    match SlicedPacket::from_ethernet(frame).ok()?.net? {
        NetSlice::Ipv6(packet) => Some((packet.header().source_addr(), packet.header().destination_addr())),
        _ => None,
    }
}

fn judge(frame: &[u8], allowed: impl Fn(Ipv6Addr) -> bool) -> Result<(), String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let Some(NetSlice::Ipv6(net)) = &packet.net else { return Ok(()) };
    let (source, destination) = (net.header().source_addr(), net.header().destination_addr());
    if !allowed(source) {
        return Err(format!("source {source} does not belong here"));
    }
    let (from, to) = (source.octets(), destination.octets());
    let right = match &packet.transport {
        // A zero sum may be written as all ones, as Linux does where it computes it late.
        Some(TransportSlice::Tcp(tcp)) => tcp
            .calc_checksum_ipv6(from, to)
            .is_ok_and(|sum| sum == tcp.checksum() || (sum, tcp.checksum()) == (0, 0xFFFF)),
        Some(TransportSlice::Udp(udp)) => {
            let sum = udp.to_header().calc_checksum_ipv6_raw(from, to, udp.payload());
            sum.is_ok_and(|sum| sum == udp.checksum())
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            let sum = icmp.header().icmp_type.calc_checksum(from, to, icmp.payload());
            sum.is_ok_and(|sum| sum == icmp.checksum() || (sum, icmp.checksum()) == (0, 0xFFFF))
        }
        _ => true,
    };
    if right { Ok(()) } else { Err(format!("wrong checksum from {source} to {destination}")) }
}
