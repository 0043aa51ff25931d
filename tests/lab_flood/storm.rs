//! One-way flows, one frame each, no two alike: as many as the gateway can carry.
//!
//! A flood that knows no limit says nothing about flow memory: the kernel drops at the full receive
//! ring before the gateway sees anything, and other traffic with it. So a storm has a window of
//! frames on their way, and sends the next ones as soon as the earlier ones have arrived behind
//! the gateway, however fast that is. The worker always finds frames, and the ring never runs over.

use std::fs::File;
use std::net::Ipv6Addr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::lab::Lab;
use super::lab::flood::{mac, open, send};
use super::lab::netns::enter;

/// A port inside that the lab's configuration opens for everybody.
const OPEN_PORT: u16 = 9000;
/// Ports below it, all of which are closed.
const CLOSED_PORTS: u16 = 8000;
/// Where the storm's hosts inside are, and where the lab swallows what comes in for them.
const INSIDE: &str = "fd12:3456:789a:22::/64";

/// One of them by ISP A: 0x22 + 0x7c49 (RFC 6296 §3.4).
const IMAGE_BY_A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0x7c6b, 0, 0, 0, 1);
/// Frames for one system call.
const BATCH: u64 = 64;
/// Nothing arrives for so long: what is on its way is lost.
const LOST: Duration = Duration::from_secs(1);
/// Ethernet, IPv6, UDP, and 22 octets.
const LENGTH: usize = 84;

/// Where a storm blows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From hosts inside to anywhere.
    Outbound,
    /// From anywhere by ISP A to a host inside: three of four frames to a port that is open, the
    /// others to ports that are closed.
    Inbound,
}

/// A running storm.
pub struct Storm {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    arrived: AtomicU64,
}

/// What a storm was.
#[derive(Clone, Copy, Debug)]
pub struct Blown {
    /// Flows whose frame was sent.
    pub sent: u64,
    /// Flows whose frame arrived behind the gateway.
    pub arrived: u64,
}

/// Makes the places where flows end: behind both ISPs, and inside.
pub fn make_sinks(lab: &Lab) {
    for (role, prefix) in [("ispa", "2001:db8:f00d::/48"), ("ispb", "2001:db8:f00d::/48"), ("inn", INSIDE)] {
        lab.sh(role, "ip link add hole type veth peer name pit");
        // The far end takes no notice: its frames are counted, and are for somebody else.
        lab.sh(role, "sysctl -qw net.ipv6.conf.pit.disable_ipv6=1");
        lab.sh(role, "ip link set pit up");
        lab.sh(role, "ip link set hole up");
        lab.sh(role, "ip -6 neigh replace fe80::dead lladdr 02:5e:ff:ff:ff:ff dev hole nud permanent");
        lab.sh(role, &format!("ip -6 route replace {prefix} via fe80::dead dev hole"));
    }
}

impl Way {
    /// Role and device that send, and the neighbour that the gateway takes them for.
    const fn senders(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Outbound => [("sw", "gw"), ("inn", "near")],
            Self::Inbound => [("ispa", "cust"), ("ispa", "cust")],
        }
    }

    /// The gateway's device that receives.
    const fn port(self) -> &'static str {
        match self {
            Self::Outbound => "lan0",
            Self::Inbound => "wan0",
        }
    }

    const fn sinks(self) -> &'static [&'static str] {
        match self {
            Self::Outbound => &["ispa", "ispb"],
            Self::Inbound => &["inn"],
        }
    }

    /// How many of so many frames are to closed ports.
    pub const fn closed(self, frames: u64) -> u64 {
        match self {
            Self::Outbound => 0,
            Self::Inbound => frames.div_ceil(4),
        }
    }

    /// Frames of which so many arrive.
    const fn sent_for(self, arrived: u64) -> u64 {
        match self {
            Self::Outbound => arrived,
            Self::Inbound => arrived + arrived.div_ceil(3),
        }
    }

    /// Addresses and ports of the flow `number`. The remote address alone tells 2^32 flows apart.
    fn flow(self, number: u64) -> (Ipv6Addr, Ipv6Addr, u16, u16) {
        let ([high, low], [port, other]) = (halves(mix(number as u32)), halves(mix(number as u32 ^ 0x5eed_5eed)));
        match self {
            Self::Outbound => {
                let host = Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 0x22, 0, 0, 0, other & 0xff | 1);
                (host, Ipv6Addr::new(0x2001, 0xdb8, 0xf00d, 0, 0, 0, high, low), port, other)
            }
            Self::Inbound => {
                let client = Ipv6Addr::new(0x2001, 0xdb8, 0xf00d, 1, 0, 0, high, low);
                let closed = number.is_multiple_of(4);
                (client, IMAGE_BY_A, port, if closed { other % CLOSED_PORTS } else { OPEN_PORT })
            }
        }
    }
}

/// A permutation of all numbers (the end of MurmurHash3).
const fn mix(mut number: u32) -> u32 {
    number = (number ^ number >> 16).wrapping_mul(0x85eb_ca6b);
    number = (number ^ number >> 13).wrapping_mul(0xc2b2_ae35);
    number ^ number >> 16
}

const fn halves(number: u32) -> [u16; 2] {
    [(number >> 16) as u16, number as u16]
}

impl Storm {
    /// Starts one with `window` frames on their way at most, of the flows from the number `first` on.
    pub fn start(lab: &Lab, way: Way, window: u64, first: u64) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let counts = Arc::<Counts>::default();
        let [(role, device), (router, towards)] = way.senders();
        let frame = template(mac(lab, router, towards), mac(lab, "gw", way.port()));
        let namespace = lab.path(role);
        let sinks: Vec<PathBuf> = way.sinks().iter().map(|role| lab.path(role)).collect();
        let thread = std::thread::spawn({
            let (stop, counts) = (Arc::clone(&stop), Arc::clone(&counts));
            move || {
                let sinks: Vec<Device> = sinks.iter().map(|path| Device::open(path, "pit")).collect();
                enter(&namespace);
                let socket = open(device).expect("a packet socket");
                let mut storm = Sender { way, window, counts: &counts, sinks, written_off: 0, changed: Instant::now() };
                let mut frames = vec![frame; BATCH as usize];
                let mut sent = 0;
                storm.calibrate();
                while !stop.load(Relaxed) {
                    for (number, frame) in (first + sent..).zip(&mut frames) {
                        fill(frame, way.flow(number));
                    }
                    storm.wait(sent, &stop);
                    sent += send(&socket, &frames);
                    counts.sent.store(sent, Relaxed);
                }
                storm.drain(sent);
            }
        });
        Self { stop, counts, thread: Some(thread) }
    }

    /// Flows whose frame has arrived behind the gateway.
    pub fn arrived(&self) -> u64 {
        self.counts.arrived.load(Relaxed)
    }

    /// Ends it.
    pub fn stop(mut self) -> Blown {
        self.stop.store(true, Relaxed);
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("the storm blew");
        Blown { sent: self.counts.sent.load(Relaxed), arrived: self.counts.arrived.load(Relaxed) }
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

/// The side of the storm that waits for arrivals.
struct Sender<'a> {
    way: Way,
    window: u64,
    counts: &'a Counts,
    sinks: Vec<Device>,
    /// Frames that will not arrive any more.
    written_off: u64,
    changed: Instant,
}

impl Sender<'_> {
    /// What the devices have counted so far is no part of this storm.
    fn calibrate(&mut self) {
        for sink in &mut self.sinks {
            sink.before = sink.received();
        }
    }

    /// Waits until a batch has room in the window.
    fn wait(&mut self, sent: u64, stop: &AtomicBool) {
        while !stop.load(Relaxed) {
            if self.has_room(sent) {
                return;
            }
            self.look();
            if self.has_room(sent) {
                return;
            }
            if self.changed.elapsed() > LOST {
                self.written_off += self.on_the_way(sent);
                self.changed = Instant::now();
            }
            std::thread::sleep(Duration::from_micros(20));
        }
    }

    /// Waits for what is on its way.
    fn drain(&mut self, sent: u64) {
        self.changed = Instant::now();
        while self.on_the_way(sent) > 0 && self.changed.elapsed() < LOST {
            std::thread::sleep(Duration::from_millis(1));
            self.look();
        }
    }

    fn has_room(&self, sent: u64) -> bool {
        self.on_the_way(sent) + BATCH <= self.window
    }

    fn on_the_way(&self, sent: u64) -> u64 {
        let arrived = self.way.sent_for(self.counts.arrived.load(Relaxed));
        sent.saturating_sub(arrived + self.written_off)
    }

    fn look(&mut self) {
        let arrived = self.sinks.iter().map(|sink| sink.received() - sink.before).sum();
        if self.counts.arrived.swap(arrived, Relaxed) != arrived {
            self.changed = Instant::now();
        }
    }
}

/// A device that frames end in, seen from anywhere.
struct Device {
    file: File,
    name: &'static str,
    before: u64,
}

impl Device {
    /// Moves the calling thread there; the file goes on telling of that namespace.
    fn open(namespace: &Path, name: &'static str) -> Self {
        enter(namespace);
        let file = File::open("/proc/thread-self/net/dev").expect("procfs");
        Self { file, name, before: 0 }
    }

    /// Frames received so far.
    fn received(&self) -> u64 {
        let mut buffer = [0; 8192];
        let length = self.file.read_at(&mut buffer, 0).expect("procfs");
        let text = std::str::from_utf8(&buffer[..length]).expect("text");
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(self.name)?.strip_prefix(':'));
        let mut words = line.unwrap_or_else(|| panic!("no device {}: {text}", self.name)).split_whitespace();
        // Octets come first.
        words.nth(1).expect("packets").parse().expect("a number")
    }
}

fn template(from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = etherparse::PacketBuilder::ethernet2(from, to).ipv6([0; 16], [0; 16], 64).udp(0, 0);
    builder.write(&mut frame, &[0; 22]).expect("a vector takes all");
    assert_eq!(frame.len(), LENGTH);
    frame
}

fn fill(frame: &mut [u8], (source, destination, source_port, destination_port): (Ipv6Addr, Ipv6Addr, u16, u16)) {
    frame[22..38].copy_from_slice(&source.octets());
    frame[38..54].copy_from_slice(&destination.octets());
    frame[54..56].copy_from_slice(&source_port.to_be_bytes());
    frame[56..58].copy_from_slice(&destination_port.to_be_bytes());
    // The payload is zeros; length and next header are in the pseudo header as well (RFC 8200 §8.1).
    let words = frame[22..60].chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let sum = words.sum::<u32>() + 30 + 17;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let checksum = if sum == 0xffff { 0xffff } else { !(sum as u16) };
    frame[60..62].copy_from_slice(&checksum.to_be_bytes());
}
