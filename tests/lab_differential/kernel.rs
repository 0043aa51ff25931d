//! The other translator: this machine's kernel, `ip6tables` SNPT and DNPT, in a namespace of its own
//! between two ends in another.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

use sixways::units::Direction;

use crate::lab::netns::enter;
use crate::lab::process::{run, try_run};
use crate::outcome::{Outcome, Outcomes, Side, label};
use crate::pairs::Pair;
use crate::{ISP_MTU, LAN_MTU};

const LIMIT: Duration = Duration::from_secs(20);
/// Packets before the next one that must come out: fewer than the kernel's backlog holds.
const CHUNK: usize = 64;
/// The label of those.
const MARK: u32 = 0xf_ffff;

/// The two namespaces, until they are dropped.
pub struct Kernel {
    name: String,
}

/// The sockets at both ends; belongs to the thread that opened them.
pub struct Ends([File; 2]);

impl Kernel {
    /// # Panics
    /// If this machine cannot run it.
    pub fn start() -> Self {
        // A lab's name, so that what is left of a killed run is swept with those.
        let kernel = Self { name: format!("sw{}x900", std::process::id()) };
        let (gateway, ends) = (kernel.ns("kernel"), kernel.ns("ends"));
        let script = format!(
            "ip netns add {gateway}; ip netns add {ends}
            ip netns exec {ends} sysctl -qw net.ipv6.conf.default.disable_ipv6=1
            ip netns exec {gateway} sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.forwarding=1 \
                net.ipv6.icmp.ratelimit=0 net.ipv4.icmp_msgs_per_sec=1000000 net.ipv4.icmp_msgs_burst=1000000
            for side in 'lan 1' 'wan 2'; do
                set -- $side
                ip link add name ${{1}}0 address 02:5e:00:01:0$2:00 netns {gateway} type veth \
                    peer name $1 address 02:5e:00:01:0$2:01 netns {ends}
                ip netns exec {gateway} ethtool -K ${{1}}0 tx off gso off gro off tso off >/dev/null 2>&1
                ip netns exec {ends} ethtool -K $1 tx off gso off gro off tso off >/dev/null 2>&1
                ip -n {gateway} link set ${{1}}0 up; ip -n {ends} link set $1 up
                ip -n {gateway} addr add 2001:db8:ffff:$2::1/64 dev ${{1}}0
                ip -n {gateway} neigh add fe80::$2 lladdr 02:5e:00:01:0$2:01 dev ${{1}}0 nud permanent
            done
            ip netns exec {gateway} sysctl -qw net.ipv6.conf.lan0.mtu={LAN_MTU} net.ipv6.conf.wan0.mtu={ISP_MTU}
            ip -n {gateway} route add default via fe80::2 dev wan0"
        );
        run(Command::new("sh").args(["-ec", &script]), LIMIT);
        kernel
    }

    fn ns(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// Translates by `pair` and no other from now on.
    pub fn translate(&self, pair: &Pair) {
        let write = |(address, length)| format!("{address}/{length}");
        let (internal, external) = (write(pair.internal), write(pair.external));
        let script = format!(
            "ip6tables -t mangle -F
            ip6tables -t mangle -A POSTROUTING -s {internal} -o wan0 -j SNPT --src-pfx {internal} --dst-pfx {external}
            ip6tables -t mangle -A PREROUTING -d {external} -i wan0 -j DNPT --src-pfx {external} --dst-pfx {internal}
            ip -6 route flush dev lan0 proto static
            ip -6 route add {internal} via fe80::1 dev lan0 proto static"
        );
        run(Command::new("ip").args(["netns", "exec", &self.ns("kernel"), "sh", "-ec", &script]), LIMIT);
    }

    /// Moves the calling thread to the ends, for good.
    pub fn enter_ends(&self) -> Ends {
        enter(format!("/run/netns/{}", self.ns("ends")).as_ref());
        Ends(["lan", "wan"].map(|device| open(device).expect("a packet socket at an end")))
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        for role in ["kernel", "ends"] {
            if let Err(problem) = try_run(Command::new("ip").args(["netns", "del", &self.ns(role)]), LIMIT) {
                eprintln!("a namespace is left behind: {problem}");
            }
        }
    }
}

impl Ends {
    /// What becomes of `packets`, each with a label of its own. `mark` is a packet that surely comes
    /// out: what went in before it has met its fate by then.
    pub fn exchange(&mut self, direction: Direction, packets: &[Vec<u8>], mark: &[u8]) -> Vec<Outcome> {
        let mark = [&(6 << 28 | MARK).to_be_bytes(), &mark[4..]].concat();
        let mut outcomes = Outcomes::default();
        for chunk in packets.chunks(CHUNK) {
            for packet in chunk.iter().chain([&mark]) {
                let side = Side::of(direction);
                let number = side as u8 + 1;
                let link = [2, 0x5e, 0, 1, number, 0, 2, 0x5e, 0, 1, number, 1, 0x86, 0xdd];
                self.0[side as usize].write_all(&[&link, packet.as_slice()].concat()).expect("a frame is sent");
            }
            self.collect(&mut outcomes);
        }
        packets.iter().map(|packet| outcomes.of(label(packet))).collect()
    }

    /// Takes all that comes out until the mark does.
    fn collect(&mut self, outcomes: &mut Outcomes) {
        let start = Instant::now();
        let mut frame = [0; 2048];
        let mut marked = false;
        while !marked {
            assert!(start.elapsed() < LIMIT, "an ordinary packet did not come out of the kernel");
            for side in Side::BOTH {
                loop {
                    match self.0[side as usize].read(&mut frame) {
                        Ok(length) if outcomes.take(side, &frame[..length]) == Some(MARK) => {
                            outcomes.of(MARK);
                            marked = true;
                        }
                        Ok(_) => {}
                        Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                        Err(error) => panic!("a packet socket: {error}"),
                    }
                }
            }
        }
    }
}

/// A packet socket on `device` of the calling thread's namespace, for what comes in there.
#[allow(unsafe_code, reason = "packet sockets have no safe interface in std")]
fn open(device: &str) -> std::io::Result<File> {
    const ALL: u16 = (libc::ETH_P_ALL as u16).to_be();
    let check = |result: i32| if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) };
    let name = std::ffi::CString::new(device).expect("no zero in a device's name");
    // SAFETY: `name` is a C string; `socket` returns a new descriptor that nobody else owns; each
    // pointer is to a live value whose length stands beside it.
    unsafe {
        let index = libc::if_nametoindex(name.as_ptr());
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let socket = OwnedFd::from_raw_fd(check(libc::socket(libc::AF_PACKET, kind, 0))?);
        for (level, option, value) in [
            (libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, 1_i32),
            (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 16 << 20),
        ] {
            let length = size_of::<i32>() as u32;
            check(libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length))?;
        }
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = ALL;
        address.sll_ifindex = index as i32;
        let length = size_of::<libc::sockaddr_ll>() as u32;
        check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length))?;
        Ok(File::from(socket))
    }
}
