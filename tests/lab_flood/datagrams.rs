//! UDP flows that go on whatever happens: a request a second, its echo, and a datagram a second
//! that the server sends unasked to everybody who ever wrote to it.

use std::collections::BTreeSet;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::time::{Instant, interval_at, timeout};

use super::lab::Lab;
use super::lab::process::eventually;
use super::streams::{Ends, inside, until};

/// Where servers outside listen.
pub const OUTSIDE_PORT: u16 = 7009;
/// Where the server inside listens; the lab's configuration lets everybody in.
pub const INSIDE_PORT: u16 = 9000;
const PERIOD: Duration = Duration::from_millis(1000);
/// Time for echoes after the last request.
const LAST: Duration = Duration::from_secs(1);
/// In place of a sequence number, what a server sends unasked.
const UNASKED: u64 = u64::MAX;

/// Flows between two namespaces. A flow's number is its place in the list of its ends.
pub struct Datagrams {
    stop: watch::Sender<bool>,
    flows: Arc<[Flow]>,
    threads: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Flow {
    /// Requests sent.
    asked: AtomicU64,
    /// Echoes that came back.
    echoed: AtomicU64,
    /// One more than the latest request whose echo came back.
    answered: AtomicU64,
}

/// What a flow did in its life.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    /// Requests sent.
    pub asked: u64,
    /// Those that were echoed.
    pub echoed: u64,
}

impl Datagrams {
    /// Opens one flow for each of `ends` to `port`, from the namespace of `client` to that of
    /// `server`, whose own addresses are `at`, and waits until each is answered.
    #[track_caller]
    pub fn open(lab: &Lab, [client, server]: [&str; 2], port: u16, ends: Vec<Ends>, at: BTreeSet<Ipv6Addr>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let flows: Arc<[Flow]> = ends.iter().map(|_| Flow::default()).collect();
        let (listening, listens) = std::sync::mpsc::channel();
        let servers = inside(lab.path(server), {
            let stopped = stopped.clone();
            async move {
                let mut tasks = Vec::new();
                for address in at {
                    let socket = UdpSocket::bind((address, port)).await.expect("a free port");
                    tasks.push(tokio::spawn(serve(socket, stopped.clone())));
                }
                listening.send(()).expect("the test waits");
                for task in tasks {
                    task.await.expect("a server ran");
                }
            }
        });
        listens.recv_timeout(Duration::from_secs(10)).expect("servers that listen");
        let clients = inside(lab.path(client), {
            let flows = Arc::clone(&flows);
            async move {
                let tasks = ends
                    .into_iter()
                    .enumerate()
                    .map(|(number, ends)| tokio::spawn(ask(ends, port, number, Arc::clone(&flows), stopped.clone())));
                for task in tasks.collect::<Vec<_>>() {
                    task.await.expect("a client ran");
                }
            }
        });
        let datagrams = Self { stop, flows, threads: [clients, servers] };
        datagrams.await_answers("every flow is open", |_| true);
        datagrams
    }

    /// Waits until those of the flows that are asked for have an answer to a request that is sent
    /// from now on.
    #[track_caller]
    pub fn await_answers(&self, what: &str, wanted: impl Fn(usize) -> bool) {
        let mark: Vec<u64> = self.flows.iter().map(|flow| flow.asked.load(Relaxed)).collect();
        let wanted: Vec<usize> = (0..mark.len()).filter(|number| wanted(*number)).collect();
        eventually(what, Duration::from_secs(30), || {
            wanted.iter().all(|number| self.flows[*number].answered.load(Relaxed) > mark[*number])
        });
    }

    /// Ends all of them, and tells how many requests of each were sent and echoed.
    pub fn close(self) -> Vec<Told> {
        self.stop.send(true).expect("somebody listens");
        for thread in self.threads {
            thread.join().expect("the flows ran");
        }
        let told = |flow: &Flow| Told { asked: flow.asked.load(Relaxed), echoed: flow.echoed.load(Relaxed) };
        self.flows.iter().map(told).collect()
    }
}

/// Number of the flow and of the request in a datagram.
pub fn read(payload: &[u8]) -> Option<(u64, u64)> {
    let (number, sequence) = payload.split_at_checked(8)?;
    Some((u64::from_be_bytes(number.try_into().ok()?), u64::from_be_bytes(sequence.try_into().ok()?)))
}

fn datagram(number: u64, sequence: u64) -> [u8; 16] {
    let mut payload = [0; 16];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    payload[8..].copy_from_slice(&sequence.to_be_bytes());
    payload
}

async fn serve(socket: UdpSocket, mut stopped: watch::Receiver<bool>) {
    let mut peers = BTreeSet::new();
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    let mut buffer = [0; 64];
    loop {
        // An error is an ICMPv6 one about an earlier datagram, which is lost like others.
        tokio::select! {
            received = socket.recv_from(&mut buffer) => if let Ok((length, peer)) = received {
                peers.insert((peer, read(&buffer[..length]).map(|(number, _)| number)));
                let _ = socket.send_to(&buffer[..length], peer).await;
            },
            _ = ticks.tick() => for (peer, number) in &peers {
                let _ = socket.send_to(&datagram(number.unwrap_or_default(), UNASKED), peer).await;
            },
            () = until(&mut stopped) => break,
        }
    }
    // The last requests are still to be echoed.
    let late = async {
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], peer).await;
        }
    };
    let _ = timeout(2 * LAST, late).await;
}

async fn ask(ends: Ends, port: u16, number: usize, flows: Arc<[Flow]>, mut stopped: watch::Receiver<bool>) {
    let flow = &flows[number];
    let socket = UdpSocket::bind((ends.client, 0)).await.expect("a free port");
    socket.connect(SocketAddr::from((ends.server, port))).await.expect("an address");
    // Not all at once.
    let mut ticks = interval_at(Instant::now() + Duration::from_millis(number as u64 % 1000), PERIOD);
    loop {
        tokio::select! {
            () = listen(&socket, number, flow) => unreachable!("it goes on for ever"),
            _ = ticks.tick() => {
                let sequence = flow.asked.fetch_add(1, Relaxed);
                let _ = socket.send(&datagram(number as u64, sequence)).await;
            }
            () = until(&mut stopped) => break,
        }
    }
    let _ = timeout(LAST, listen(&socket, number, flow)).await;
}

async fn listen(socket: &UdpSocket, number: usize, flow: &Flow) {
    let mut buffer = [0; 64];
    loop {
        // An error is an ICMPv6 one about an earlier datagram, which is lost like others.
        let Ok(length) = socket.recv(&mut buffer).await else { continue };
        let (of, sequence) = read(&buffer[..length]).expect("only our servers answer");
        assert_eq!(of, number as u64, "an answer to somebody else");
        if sequence != UNASKED {
            flow.echoed.fetch_add(1, Relaxed);
            flow.answered.fetch_max(sequence + 1, Relaxed);
        }
    }
}
