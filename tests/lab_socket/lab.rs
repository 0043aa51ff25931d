//! A network namespace of one test, with veth pairs whose two ends both lie in it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aya::Ebpf;
use aya::maps::XskMap;
use aya::programs::{Xdp, XdpMode};
use sixways::port::{Frame, FrameMemory, Port};
use sixways::units::{EdgeId, Nanos, PortId};
use sixways::xdp::netdev::{Key, link};
use sixways::xdp::stamp::STAMP_MAGIC;
use sixways::xdp::{PortSpec, SocketOptions, Umem, XskPort};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Runs `test` on a thread of its own inside a new namespace, one lab at a time.
pub fn in_lab(test: impl FnOnce(&Lab) + Send + 'static) {
    if std::env::var_os("SIXWAYS_SKIP_LAB").is_some_and(|value| value == "1") {
        eprintln!("skipped: SIXWAYS_SKIP_LAB=1");
        return;
    }
    let run = thread::spawn(move || test(&Lab::enter()));
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The namespace that the current thread is in.
pub struct Lab {
    namespace: String,
    _turn: File,
}

impl Lab {
    fn enter() -> Self {
        // SAFETY: plain system calls.
        assert_eq!(unsafe { libc::geteuid() }, 0, "lab tests need root; SIXWAYS_SKIP_LAB=1 skips them");
        let turn = File::create(std::env::temp_dir().join("sixways-lab.lock")).expect("lock file");
        // SAFETY: the descriptor is open.
        assert_eq!(unsafe { libc::flock(turn.as_raw_fd(), libc::LOCK_EX) }, 0, "{}", io::Error::last_os_error());
        let namespace = format!("sws-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        run("ip", &["netns", "add", &namespace]);
        let lab = Self { namespace, _turn: turn };
        let handle = File::open(format!("/run/netns/{}", lab.namespace)).expect("the namespace's file");
        // SAFETY: the descriptor is open; only this thread changes its namespace.
        let entered = unsafe { libc::setns(handle.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(entered, 0, "setns: {}", io::Error::last_os_error());
        // So that nothing but the test's frames crosses the devices.
        fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("disable_ipv6");
        lab
    }

    /// A veth pair, both ends up, `queues` queues each.
    pub fn pair(&self, ours: &str, far: &str, queues: u32) {
        let count = queues.to_string();
        let half = ["numrxqueues", &count, "numtxqueues", &count];
        let mut words = vec!["link", "add", ours];
        words.extend(half);
        words.extend(["type", "veth", "peer", "name", far]);
        words.extend(half);
        run("ip", &words);
        run("ip", &["link", "set", ours, "up"]);
        run("ip", &["link", "set", far, "up"]);
        eventually("carrier", || operational(ours));
    }

    pub fn ip(&self, words: &[&str]) {
        run("ip", words);
    }

    /// Moves a device into another namespace, which ends with this lab.
    pub fn far_away(&self, interface: &str) {
        let other = format!("{}-far", self.namespace);
        run("ip", &["netns", "add", &other]);
        run("ip", &["link", "set", interface, "netns", &other]);
    }

    /// A shell command with the namespace's own `/sys`.
    pub fn exec(&self, command: &str) {
        run("ip", &["netns", "exec", &self.namespace, "sh", "-c", command]);
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let far = format!("{}-far", self.namespace);
        for namespace in [&self.namespace, &far] {
            let _ = Command::new("ip").args(["netns", "del", namespace]).stderr(Stdio::null()).status();
        }
    }
}

pub fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub fn operational(interface: &str) -> bool {
    sixways::xdp::device::Device::open().unwrap().is_running(interface)
}

/// Waits up to 5 s for `condition`.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within 5 s");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Packets that `interface` has received, by the kernel's count.
pub fn arrived(interface: &str) -> u64 {
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = table.lines().find_map(|line| line.trim().strip_prefix(interface)?.strip_prefix(':')).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The redirecting program on one device, detached on drop.
pub struct Redirect {
    program: Ebpf,
}

impl Redirect {
    pub fn attach(interface: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let object = folder.path().join("redirect.o");
        let magic = format!("-DSTAMP_MAGIC={STAMP_MAGIC:#x}ULL");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab_socket/redirect.c");
        run("clang", &["-O2", "-g", "-target", "bpf", &magic, "-c", source, "-o", object.to_str().unwrap()]);
        let mut program = Ebpf::load(&fs::read(object).unwrap()).expect("load");
        let xdp: &mut Xdp = program.program_mut("redirect").unwrap().try_into().unwrap();
        xdp.load().expect("verify");
        xdp.attach(interface, XdpMode::Driver).expect("attach");
        Self { program }
    }

    pub fn serve(&mut self, port: &XskPort) {
        let mut map: XskMap<_> = self.program.map_mut("XSKS").unwrap().try_into().unwrap();
        for (queue, fd) in port.socket_fds() {
            map.set(queue, fd, 0).expect("XSKMAP");
        }
    }
}

/// An AF_PACKET socket: a host on the far end of a pair.
pub struct Host {
    socket: OwnedFd,
}

impl Host {
    pub fn on(interface: &str) -> Self {
        let index = link(Key::Name(interface)).unwrap().index;
        let protocol = ETHERTYPE.to_be();
        // SAFETY: plain system calls with pointers to live values of the stated sizes.
        unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(protocol));
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = protocol;
            address.sll_ifindex = index as i32;
            let bound = libc::bind(fd, (&raw const address).cast(), size_of_val(&address) as u32);
            assert_eq!(bound, 0, "{}", io::Error::last_os_error());
            Self { socket: OwnedFd::from_raw_fd(fd) }
        }
    }

    pub fn send(&self, packet: &[u8]) {
        // SAFETY: pointer and length of a live slice.
        let sent = unsafe { libc::send(self.socket.as_raw_fd(), packet.as_ptr().cast(), packet.len(), 0) };
        assert_eq!(sent, packet.len() as isize, "{}", io::Error::last_os_error());
    }

    /// A packet sent by the far side, not one of our own.
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 4096];
        // SAFETY: pointer and length of a live buffer.
        let received = unsafe {
            libc::recv(self.socket.as_raw_fd(), packet.as_mut_ptr().cast(), packet.len(), libc::MSG_DONTWAIT)
        };
        packet.truncate(usize::try_from(received).ok()?);
        Some(packet)
    }
}

const ETHERTYPE: u16 = 0x88b5;

/// A frame of the test's EtherType: `mark`, then `fill` octets.
pub fn packet(mark: u8, fill: usize) -> Vec<u8> {
    let mut packet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, mark];
    packet.resize(15 + fill, mark);
    packet
}

pub fn options(ring: u32) -> SocketOptions {
    SocketOptions {
        zero_copy: false,
        rx_ring: ring,
        tx_ring: ring,
        fill_ring: ring,
        completion_ring: ring,
        frames: None,
        frame_size: 2048,
        patience: std::time::Duration::from_secs(5),
    }
}

pub fn spec(port: u8, interface: &str, queues: &[u32]) -> PortSpec {
    PortSpec { port: PortId(port), interface: interface.to_owned(), queues: queues.to_vec() }
}

/// Frames with `packet` in them.
pub fn frames(umem: &mut Umem, count: usize, packet: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    for _ in 0..count {
        let mut frame = umem.allocate(packet.len()).expect("a free frame");
        frame.origin = EdgeId(0);
        umem.bytes_mut(&mut frame).copy_from_slice(packet);
        frames.push(frame);
    }
    frames
}

/// Receives until `count` frames are there, up to 5 s.
pub fn receive(port: &mut XskPort, umem: &mut Umem, count: usize) -> Vec<Frame> {
    let mut batch = Vec::with_capacity(count);
    eventually("frames", || {
        port.receive(umem, count, &mut batch);
        batch.len() == count
    });
    batch
}

/// The ledger adds up, agrees with the frames themselves, and `in_hand` frames are out.
pub fn assert_exact(umem: &Umem, in_hand: u64) {
    let ledger = umem.ledger();
    assert_eq!(ledger, umem.audit());
    assert_eq!(ledger.lost(), 0, "{ledger:?}");
    assert_eq!(ledger.in_hand, in_hand, "{ledger:?}");
}

/// Flushes until nothing waits and every frame is back, up to 5 s.
pub fn settle(port: &mut XskPort, umem: &mut Umem) {
    eventually("completions", || {
        port.flush(umem);
        umem.ledger().transmit == 0
    });
}

pub fn send(port: &mut XskPort, umem: &mut Umem, count: usize) {
    let mut staged = frames(umem, count, &packet(b'x', 60));
    assert_eq!(port.transmit(umem, &mut staged), count);
    assert!(staged.is_empty());
}

pub fn now() -> Nanos {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live struct.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) }, 0);
    Nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
