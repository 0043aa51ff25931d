//! What the site has besides hosts, asking the server again and again: the gateway itself, a container, and
//! IPv4; by TCP, DNS and ping.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lab::Lab;
use crate::lab::process::{eventually, run};
use crate::tcp::run_in;

/// Time between two attempts of each client.
const PERIOD: Duration = Duration::from_millis(25);
/// An attempt without an answer has failed: before a SYN is sent again.
const PATIENCE: Duration = Duration::from_millis(500);
/// Hosts outside, asked in turn: some by each ISP.
const TARGETS: u16 = 8;
/// Where the servers of `scripts/lib/traffic.py` and the DNS server listen.
const TCP: u16 = 9001;
const DNS: u16 = 53;
/// The server's address in IPv4.
const SERVER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);

#[derive(Clone, Copy, Debug)]
enum Way {
    Tcp,
    Dns,
    Ping,
}

/// A client: where it runs, what it does, and whether by IPv4.
const CLIENTS: [(&str, &str, Way, bool); 9] = [
    ("gateway: TCP", "gw", Way::Tcp, false),
    ("gateway: DNS", "gw", Way::Dns, false),
    ("gateway: ping", "gw", Way::Ping, false),
    ("container: TCP", "vpn", Way::Tcp, false),
    ("container: DNS", "vpn", Way::Dns, false),
    ("container: ping", "vpn", Way::Ping, false),
    ("IPv4: TCP", "gw", Way::Tcp, true),
    ("IPv4: DNS", "gw", Way::Dns, true),
    ("IPv4: ping", "gw", Way::Ping, true),
];

/// When attempts of a client began, and whether they were answered.
type Attempts = Arc<Mutex<Vec<(Instant, bool)>>>;

/// Clients that ask.
pub struct Site {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    attempts: Vec<(&'static str, Attempts)>,
}

impl Site {
    /// Starts them, and returns when each has been answered often.
    #[track_caller]
    pub fn ask(lab: &Lab) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut site = Self { stop, threads: Vec::new(), attempts: Vec::new() };
        for role in ["gw", "vpn"] {
            // Who may open the sockets that ping uses.
            let groups = "net.ipv4.ping_group_range=0 0";
            run(lab.command(role, "sysctl").args(["-qw", groups]), Duration::from_secs(5));
            let mine = CLIENTS.iter().filter(|client| client.1 == role).map(|client| (*client, Attempts::default()));
            let mine: Vec<_> = mine.collect();
            site.attempts.extend(mine.iter().map(|((name, ..), attempts)| (*name, Arc::clone(attempts))));
            let stopped = stopped.clone();
            site.threads.push(run_in(lab, role, async move {
                let tasks = mine
                    .into_iter()
                    .map(|((_, _, way, ipv4), attempts)| tokio::spawn(ask(way, ipv4, attempts, stopped.clone())));
                for task in tasks.collect::<Vec<_>>() {
                    task.await.expect("a client ran");
                }
            }));
        }
        site.await_answers("every client of the site is answered");
        site
    }

    /// Waits until the latest attempts of each client were answered.
    #[track_caller]
    pub fn await_answers(&self, what: &str) {
        let enough = usize::from(2 * TARGETS);
        let start = Instant::now();
        eventually(what, Duration::from_secs(30), || {
            self.attempts.iter().all(|(_, attempts)| {
                let attempts = attempts.lock().expect("nobody panics with it");
                let late = attempts.iter().rev().take_while(|(began, answered)| *began > start && *answered);
                late.count() >= enough
            })
        });
    }

    /// Ends them; for each client the time from the first attempt after `since` that failed to the last one.
    pub fn outages(self, since: Instant) -> BTreeMap<&'static str, Duration> {
        self.stop.send(true).expect("somebody listens");
        for thread in self.threads {
            thread.join().expect("the clients ran");
        }
        let outage = |attempts: &Attempts| {
            let attempts = attempts.lock().expect("nobody panics with it");
            let failed = || attempts.iter().filter(|(began, answered)| *began >= since && !answered);
            let (first, last) = (failed().map(|one| one.0).min(), failed().map(|one| one.0).max());
            first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first)
        };
        self.attempts.iter().map(|(name, attempts)| (*name, outage(attempts))).collect()
    }
}

async fn ask(way: Way, ipv4: bool, attempts: Attempts, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(PERIOD);
    for n in 0_u16.. {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
        let target = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0xfd, 0, 0, n % TARGETS + 1);
        let target = if ipv4 { IpAddr::from(SERVER_V4) } else { target.into() };
        let attempts = Arc::clone(&attempts);
        tokio::spawn(async move {
            let began = Instant::now();
            let answered = matches!(timeout(PATIENCE, attempt(way, target, n)).await, Ok(Ok(())));
            attempts.lock().expect("nobody panics with it").push((began, answered));
        });
    }
    // The last attempts end, too.
    tokio::time::sleep(PATIENCE).await;
}

async fn attempt(way: Way, target: IpAddr, n: u16) -> std::io::Result<()> {
    let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let [high, low] = n.to_be_bytes();
    let (socket, port, question) = match way {
        Way::Tcp => return TcpStream::connect((target, TCP)).await.map(drop),
        Way::Dns => (UdpSocket::bind((any, 0))?, DNS, {
            // RFC 1035 §4.1: id, a question, recursion desired; host.example, AAAA, IN.
            let mut question = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            question.extend_from_slice(b"\x04host\x07example\0\0\x1c\0\x01");
            question
        }),
        Way::Ping => (echo_socket(target)?, 0, vec![if target.is_ipv4() { 8 } else { 128 }, 0, 0, 0, 0, 0, high, low]),
    };
    socket.set_nonblocking(true)?;
    socket.connect(SocketAddr::from((target, port)))?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    socket.send(&question).await?;
    socket.recv(&mut [0; 512]).await.map(drop)
}

/// A socket whose kernel makes checksum and identifier, and hands out the answers alone.
#[allow(unsafe_code, reason = "std opens no such socket")]
fn echo_socket(target: IpAddr) -> std::io::Result<UdpSocket> {
    let (family, protocol) =
        if target.is_ipv4() { (libc::AF_INET, libc::IPPROTO_ICMP) } else { (libc::AF_INET6, libc::IPPROTO_ICMPV6) };
    // SAFETY: takes no pointers.
    let descriptor = unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, protocol) };
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(UdpSocket::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}
