//! UDP flows with sequence numbers from many addresses inside to servers outside, and their echoes.
//! Who sends, who echoes and who hears the echoes keep books of their own; [`Record`] puts them together.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::lab::netns::enter;
use crate::lab::process::eventually;
use crate::record::{Arrival, Echo, Micros, Record};

/// Flows, each between a pair of addresses of its own: every ISP carries some.
pub const FLOWS: usize = 64;
const SERVERS: usize = 4;
const PORT: u16 = 7011;
const LENGTH: usize = 64;
/// Time for what is on its way when the last packet has been sent.
const LAST: Duration = Duration::from_millis(400);
/// How long who listens waits before he looks whether it is over.
const LOOK: Duration = Duration::from_millis(50);
/// A bound of liveness.
const LIMIT: Duration = Duration::from_secs(30);

/// Flows that run.
pub struct Streams {
    begin: Instant,
    ends: Arc<Ends>,
    live: Arc<Vec<Live>>,
    sender: JoinHandle<Vec<Vec<Micros>>>,
    servers: Vec<JoinHandle<Vec<Arrival>>>,
    client: JoinHandle<Vec<Vec<Echo>>>,
}

/// Who is to end: first the sender, then those who listen.
#[derive(Default)]
struct Ends {
    sender: AtomicBool,
    listeners: AtomicBool,
}

/// The latest of a flow.
#[derive(Default)]
struct Live {
    sent: AtomicU64,
    /// One more than the sequence number of the latest packet at the server, and the ISP that it came by.
    arrived: [AtomicU64; 3],
}

impl Streams {
    /// Sends `rate` packets a second, in all, until [`Streams::finish`]; returns when every flow has
    /// reached its server.
    #[track_caller]
    pub fn start(lab: &Lab, rate: u32) -> Self {
        let begin = Instant::now();
        let (ends, live) = (Arc::<Ends>::default(), Arc::new((0..FLOWS).map(|_| Live::default()).collect::<Vec<_>>()));
        let servers = inside(lab.path("srv"), || (0..SERVERS).map(|n| socket(server(n), PORT)).collect::<Vec<_>>());
        let servers = servers.into_iter().map(|socket| {
            let (ends, live) = (Arc::clone(&ends), Arc::clone(&live));
            std::thread::spawn(move || serve(&socket, &ends, &live))
        });
        let servers = servers.collect();
        let clients = inside(lab.path("h20"), || {
            let socket = |n: usize| {
                let socket = socket(client(n), 0);
                socket.connect((server(n % SERVERS), PORT)).expect("an address");
                socket
            };
            (0..FLOWS).map(socket).collect::<Vec<_>>()
        });
        let hearing = clients.iter().map(|socket| socket.try_clone().expect("a descriptor")).collect();
        let client = std::thread::spawn({
            let ends = Arc::clone(&ends);
            move || hear(hearing, begin, &ends)
        });
        let sender = std::thread::spawn({
            let (ends, live) = (Arc::clone(&ends), Arc::clone(&live));
            move || send(&clients, rate, begin, &ends, &live)
        });
        let streams = Self { begin, ends, live, sender, servers, client };
        streams.await_arrivals("every flow reaches its server", |_, _| true);
        streams
    }

    /// The time on the streams' clock.
    pub fn now(&self) -> Micros {
        micros(self.begin)
    }

    /// `at` on the streams' clock.
    pub fn time_of(&self, at: Instant) -> Micros {
        at.duration_since(self.begin).as_micros() as Micros
    }

    /// Waits until something that every flow sends from now on reaches its server by an ISP that it may come by.
    #[track_caller]
    pub fn await_arrivals(&self, what: &str, may: impl Fn(usize, u8) -> bool) {
        let mark: Vec<u64> = self.live.iter().map(|flow| flow.sent.load(Relaxed)).collect();
        eventually(what, LIMIT, || {
            self.live.iter().enumerate().all(|(n, flow)| {
                (0..3).any(|isp| may(n, isp) && flow.arrived[usize::from(isp)].load(Relaxed) > mark[n])
            })
        });
    }

    /// Ends all of it; what has become of every packet.
    pub fn finish(self) -> Record {
        self.ends.sender.store(true, Relaxed);
        let sent = self.sender.join().expect("the sender ran");
        sleep(LAST);
        self.ends.listeners.store(true, Relaxed);
        let arrivals = self.servers.into_iter().flat_map(|server| server.join().expect("a server ran"));
        let arrivals = arrivals.collect();
        Record::of(&sent, arrivals, &self.client.join().expect("the client ran"))
    }
}

/// What `make` makes in a namespace.
pub fn inside<T: Send>(namespace: PathBuf, make: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            enter(&namespace);
            make()
        });
        thread.join().expect("it is made")
    })
}

fn client(number: usize) -> Ipv6Addr {
    Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 0x21, 0xfa, 0, 0, number as u16 + 1)
}

fn server(number: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0xfa, 0, 0, number as u16 + 1)
}

/// A socket with room for a moment in which its owner does not run.
#[allow(unsafe_code, reason = "std has no interface for buffer sizes")]
fn socket(address: Ipv6Addr, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((address, port)).expect("a free port");
    let octets: i32 = 16 << 20;
    for option in [libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
        // SAFETY: the descriptor is open, and the value is an int of the length told.
        let result = unsafe {
            let length = size_of::<i32>() as u32;
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const octets).cast(), length)
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }
    socket
}

fn micros(begin: Instant) -> Micros {
    begin.elapsed().as_micros() as Micros
}

fn send(sockets: &[UdpSocket], rate: u32, begin: Instant, ends: &Ends, live: &[Live]) -> Vec<Vec<Micros>> {
    let mut sent = vec![Vec::new(); sockets.len()];
    let (start, mut count) = (Instant::now(), 0_u64);
    // About a thousand times a second: a finer sleep costs more than it evens out.
    let batch = u64::from((rate / 1000).max(1));
    while !ends.sender.load(Relaxed) {
        for _ in 0..batch {
            let flow = (count % sockets.len() as u64) as usize;
            let mut payload = [0; LENGTH];
            payload[..4].copy_from_slice(&(flow as u32).to_be_bytes());
            payload[4..8].copy_from_slice(&(sent[flow].len() as u32).to_be_bytes());
            // An error is an ICMPv6 one about an earlier packet, and told once.
            let now = micros(begin);
            if sockets[flow].send(&payload).is_ok() || sockets[flow].send(&payload).is_ok() {
                sent[flow].push(now);
                live[flow].sent.store(sent[flow].len() as u64, Relaxed);
            }
            count += 1;
        }
        let due = start + Duration::from_secs_f64(count as f64 / f64::from(rate));
        sleep(due.saturating_duration_since(Instant::now()));
    }
    sent
}

fn serve(socket: &UdpSocket, ends: &Ends, live: &[Live]) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let mut payload = [0; LENGTH];
    socket.set_read_timeout(Some(LOOK)).expect("a time");
    while !ends.listeners.load(Relaxed) {
        // What else fails is an ICMPv6 error about an echo that is lost like others.
        let Ok((_, SocketAddr::V6(peer))) = socket.recv_from(&mut payload) else { continue };
        let _ = socket.send_to(&payload, peer);
        let (flow, sequence) = read(&payload);
        let isp = match peer.ip().segments()[..3] {
            [0x2001, 0xdb8, isp @ 1..=3] => isp as u8 - 1,
            _ => panic!("{} is no ISP's", peer.ip()),
        };
        live[flow].arrived[usize::from(isp)].fetch_max(u64::from(sequence) + 1, Relaxed);
        arrivals.push(Arrival { flow, sequence, isp });
    }
    arrivals
}

fn hear(sockets: Vec<UdpSocket>, begin: Instant, ends: &Arc<Ends>) -> Vec<Vec<Echo>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let tasks = sockets.into_iter().map(|socket| {
            socket.set_nonblocking(true).expect("a socket");
            let socket = tokio::net::UdpSocket::from_std(socket).expect("a socket");
            let ends = Arc::clone(ends);
            tokio::spawn(async move {
                let (mut heard, mut payload) = (Vec::new(), [0; LENGTH]);
                while !ends.listeners.load(Relaxed) {
                    if let Ok(Ok(_)) = tokio::time::timeout(LOOK, socket.recv(&mut payload)).await {
                        heard.push(Echo { sequence: read(&payload).1, at: micros(begin) });
                    }
                }
                heard
            })
        });
        let mut all = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            all.push(task.await.expect("a client heard"));
        }
        all
    })
}

fn read(payload: &[u8; LENGTH]) -> (usize, u32) {
    let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|n| payload[at + n]));
    (word(0) as usize, word(4))
}
