//! More packets than the gateway can carry: raw frames straight onto the cable of its LAN port.

use std::ffi::CString;
use std::io::Error;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use etherparse::PacketBuilder;

use super::Lab;
use super::netns::enter;

/// Frames made in advance: this many address pairs, sent round and round.
const PAIRS: usize = 1024;
/// Frames for one system call.
const BATCH: usize = 64;
/// An end even if nobody calls [`Flood::stop`]: a minute at the most that a core can send.
const MOST: u64 = 100_000_000;

/// Threads that send from the LAN to the server as fast as they can.
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Starts `threads` threads that send frames for the gateway's `lan0`, 22 octets of UDP each.
    pub fn start(lab: &Lab, threads: usize) -> Self {
        let (gateway, router) = (mac(lab, "gw", "lan0"), mac(lab, "inn", "near"));
        let frames = Arc::new((0..PAIRS).map(|pair| frame(pair, router, gateway)).collect::<Vec<_>>());
        let flood = Self { stop: Arc::default(), sent: Arc::default(), threads: Vec::new() };
        let namespace = lab.path("sw");
        let spawn = |_| {
            let (stop, sent, frames, namespace) =
                (flood.stop.clone(), flood.sent.clone(), frames.clone(), namespace.clone());
            std::thread::spawn(move || {
                enter(&namespace);
                let socket = open("gw").expect("a packet socket in the LAN");
                let mut mine = 0;
                while !stop.load(Ordering::Relaxed) && mine < MOST {
                    for batch in frames.chunks(BATCH) {
                        let count = send(&socket, batch);
                        sent.fetch_add(count, Ordering::Relaxed);
                        mine += count;
                    }
                }
            })
        };
        let threads = (0..threads).map(spawn).collect();
        Self { threads, ..flood }
    }

    /// Frames sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Stops and returns how many frames were sent.
    pub fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("the flood ran");
        }
        self.sent()
    }
}

/// The address of a device of `role`.
pub fn mac(lab: &Lab, role: &str, device: &str) -> [u8; 6] {
    let text = lab.sh(role, &format!("cat /sys/class/net/{device}/address"));
    let mut octets = text.trim().split(':').map(|octet| u8::from_str_radix(octet, 16).expect("hexadecimal"));
    std::array::from_fn(|_| octets.next().expect("six octets"))
}

fn frame(pair: usize, from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
    let source = Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 0x21, 0xf1, 0, 0, pair as u16);
    let server = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0xf1, 0, 0, pair as u16);
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2(from, to).ipv6(source.octets(), server.octets(), 64).udp(9, 9);
    builder.write(&mut frame, &[0; 22]).expect("a vector takes all");
    frame
}

/// A packet socket on `device` of the calling thread's namespace.
#[allow(unsafe_code, reason = "packet sockets have no safe interface in std")]
pub fn open(device: &str) -> Result<OwnedFd, Error> {
    let check = |result: i32| if result < 0 { Err(Error::last_os_error()) } else { Ok(result) };
    let name = CString::new(device).expect("no zero in a device's name");
    // SAFETY: `name` is a C string; `socket` returns a new descriptor that nobody else owns;
    // `address` is a whole sockaddr_ll and its length is told.
    unsafe {
        let index = libc::if_nametoindex(name.as_ptr());
        let socket = OwnedFd::from_raw_fd(check(libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0))?);
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index as i32;
        let length = size_of::<libc::sockaddr_ll>() as u32;
        check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length))?;
        let bypass: i32 = 1;
        let length = size_of::<i32>() as u32;
        let value = (&raw const bypass).cast();
        check(libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, value, length))?;
        Ok(socket)
    }
}

/// Sends frames with one system call; how many went.
#[allow(unsafe_code, reason = "sendmmsg has no safe interface in std")]
pub fn send(socket: &OwnedFd, frames: &[Vec<u8>]) -> u64 {
    let mut vectors: Vec<libc::iovec> = frames
        .iter()
        .map(|frame| libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = vectors
        .iter_mut()
        .map(|vector| {
            // SAFETY: all zeros is a message without name, control data or vectors.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            message.msg_hdr.msg_iov = vector;
            message.msg_hdr.msg_iovlen = 1;
            message
        })
        .collect();
    // SAFETY: every message points to one vector and every vector to one frame; both outlive the
    // call, which only reads the frames.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), messages.len() as u32, 0) };
    u64::try_from(sent).unwrap_or(0)
}
