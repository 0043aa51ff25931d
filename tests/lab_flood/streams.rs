//! TCP connections: small messages, each of which is echoed and compared. Half of the streams go on
//! all the time. The others fall silent until they are woken, and then their server speaks first:
//! nobody's packets have kept their record young, and the other side knows of nothing.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::lab::Lab;
use super::lab::netns::enter;
use super::lab::process::eventually;

/// Where servers listen; the lab's configuration lets everybody in.
const PORT: u16 = 9001;
/// Time between two messages of one stream.
const PERIOD: Duration = Duration::from_millis(1000);
/// A bound of liveness: an echo that takes longer has stalled.
const STALLED: Duration = Duration::from_secs(20);
const LENGTH: usize = 160;
/// The last octet of a message whose echo waits until the streams are woken.
const HELD: u8 = 1;

/// The two ends of a stream before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// Who opens it.
    pub client: Ipv6Addr,
    /// Who is asked, as the client knows it.
    pub server: Ipv6Addr,
}

/// What a stream did in its life.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Messages whose echo was right.
    pub echoed: u64,
    /// The longest that an echo took.
    pub slowest: Duration,
}

/// Connections between two namespaces.
pub struct Streams {
    /// Clients, and the servers, which go on until the last client has ended.
    stop: [watch::Sender<bool>; 2],
    wake: watch::Sender<bool>,
    woken: Arc<AtomicU64>,
    count: usize,
    threads: [JoinHandle<()>; 2],
    told: Arc<Mutex<Vec<Result<Told, String>>>>,
}

impl Streams {
    /// Opens one for each of `ends`, from the namespace of `client` to that of `server`, and waits
    /// until each has echoed a message; those with odd numbers are silent from then on.
    #[track_caller]
    pub fn open(lab: &Lab, client: &str, server: &str, ends: Vec<Ends>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (stop_servers, mut servers_stopped) = watch::channel(false);
        let (wake, awake) = watch::channel(false);
        let count = ends.len();
        let (opened, woken) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let told = Arc::<Mutex<Vec<_>>>::default();
        let (listening, listens) = std::sync::mpsc::channel();
        let servers = inside(lab.path(server), {
            let awake = awake.clone();
            async move {
                let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).await.expect("a free port");
                listening.send(()).expect("the test waits");
                loop {
                    let accepted = tokio::select! {
                        accepted = listener.accept() => accepted,
                        () = until(&mut servers_stopped) => break,
                    };
                    tokio::spawn(serve(accepted.expect("a connection").0, awake.clone()));
                }
            }
        });
        listens.recv_timeout(Duration::from_secs(10)).expect("a server that listens");
        let clients = inside(lab.path(client), {
            let (opened, woken, told) = (Arc::clone(&opened), Arc::clone(&woken), Arc::clone(&told));
            async move {
                let streams = ends.into_iter().enumerate().map(|(number, ends)| {
                    let life = Life { number: number as u64, ends, opened: opened.clone(), woken: woken.clone() };
                    let (told, stopped, awake) = (Arc::clone(&told), stopped.clone(), awake.clone());
                    tokio::spawn(async move {
                        let result = life.live(stopped, awake).await;
                        told.lock().expect("nobody panics with it").push(result);
                    })
                });
                for stream in streams.collect::<Vec<_>>() {
                    stream.await.expect("a stream tells what became of it");
                }
            }
        });
        let streams = Self { stop: [stop, stop_servers], wake, woken, count, threads: [clients, servers], told };
        eventually("every stream is open", Duration::from_secs(30), || {
            streams.assert_alive();
            opened.load(Relaxed) == count as u64
        });
        streams
    }

    /// Wakes those that are silent, and waits for the echo that each of them is waiting for.
    ///
    /// # Panics
    /// If one has ended, or does not get it.
    #[track_caller]
    pub fn wake(&self) {
        self.wake.send(true).expect("somebody listens");
        eventually("the silent streams go on", STALLED, || {
            self.assert_alive();
            self.woken.load(Relaxed) == self.count as u64 / 2
        });
    }

    /// # Panics
    /// If a stream has ended, or stalled.
    #[track_caller]
    pub fn assert_alive(&self) {
        let told = self.told.lock().expect("nobody panics with it");
        assert!(told.is_empty(), "streams ended: {told:?}");
    }

    /// Closes all and tells what each of them did.
    ///
    /// # Panics
    /// If one was reset, stalled, or echoed something else.
    #[track_caller]
    pub fn close(self) -> Vec<Told> {
        for (stop, thread) in self.stop.into_iter().zip(self.threads) {
            stop.send(true).expect("somebody listens");
            thread.join().expect("the streams ran");
        }
        let told = std::mem::take(&mut *self.told.lock().expect("nobody panics with it"));
        assert_eq!(told.len(), self.count);
        let (fine, failed): (Vec<_>, Vec<_>) = told.into_iter().partition(Result::is_ok);
        let failed: BTreeMap<String, usize> =
            failed.into_iter().filter_map(Result::err).fold(BTreeMap::new(), |mut counts, problem| {
                *counts.entry(problem).or_default() += 1;
                counts
            });
        assert!(failed.is_empty(), "{failed:#?}");
        fine.into_iter().filter_map(Result::ok).collect()
    }
}

/// Runs `work` on a thread of its own in a namespace.
pub fn inside(namespace: PathBuf, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        enter(&namespace);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work);
    })
}

async fn serve(mut stream: TcpStream, mut awake: watch::Receiver<bool>) {
    let mut message = [0; LENGTH];
    // Whatever ends it, its client tells.
    while stream.read_exact(&mut message).await.is_ok() {
        if message[LENGTH - 1] == HELD {
            until(&mut awake).await;
        }
        if stream.write_all(&message).await.is_err() {
            return;
        }
    }
}

/// Waits until something is true, or the test has given up.
pub async fn until(watched: &mut watch::Receiver<bool>) {
    let _ = watched.wait_for(|holds| *holds).await;
}

struct Life {
    number: u64,
    ends: Ends,
    opened: Arc<AtomicU64>,
    woken: Arc<AtomicU64>,
}

impl Life {
    async fn live(self, mut stopped: watch::Receiver<bool>, mut awake: watch::Receiver<bool>) -> Result<Told, String> {
        let failed = |problem: String| format!("{:?}: {problem}", self.ends);
        // Not all at once.
        tokio::time::sleep(Duration::from_millis(self.number)).await;
        let mut stream = self.connect().await.map_err(|error| failed(error.to_string()))?;
        let mut told = Told { echoed: 0, slowest: Duration::ZERO };
        self.echo(&mut stream, &mut told).await.map_err(failed)?;
        let silent = !self.number.is_multiple_of(2);
        let held = if silent { Some(self.send(&mut stream, told.echoed, HELD).await.map_err(failed)?) } else { None };
        self.opened.fetch_add(1, Relaxed);
        if let Some(message) = held {
            until(&mut awake).await;
            self.receive(&mut stream, &message, &mut told).await.map_err(failed)?;
            self.woken.fetch_add(1, Relaxed);
        }
        let mut ticks = tokio::time::interval(PERIOD);
        ticks.reset();
        loop {
            tokio::select! {
                _ = ticks.tick() => self.echo(&mut stream, &mut told).await.map_err(failed)?,
                () = until(&mut stopped) => return Ok(told),
            }
        }
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v6()?;
        socket.bind(SocketAddr::from((self.ends.client, 0)))?;
        let server = SocketAddrV6::new(self.ends.server, PORT, 0, 0);
        timeout(STALLED, socket.connect(server.into())).await?
    }

    async fn echo(&self, stream: &mut TcpStream, told: &mut Told) -> Result<(), String> {
        let message = self.send(stream, told.echoed, 0).await?;
        self.receive(stream, &message, told).await
    }

    async fn send(&self, stream: &mut TcpStream, sequence: u64, last: u8) -> Result<[u8; LENGTH], String> {
        let mut message = [0; LENGTH];
        for (at, octets) in message.chunks_mut(8).enumerate() {
            let word = (self.number << 40 | sequence << 8 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            octets.copy_from_slice(&word.to_be_bytes());
        }
        message[LENGTH - 1] = last;
        stream.write_all(&message).await.map_err(|error| format!("message {sequence}: {error}"))?;
        Ok(message)
    }

    async fn receive(&self, stream: &mut TcpStream, message: &[u8], told: &mut Told) -> Result<(), String> {
        let (start, mut echo) = (Instant::now(), [0; LENGTH]);
        match timeout(STALLED, stream.read_exact(&mut echo)).await {
            Err(_) => Err(format!("no echo of message {} within {STALLED:?}", told.echoed)),
            Ok(Err(error)) => Err(format!("echo of message {}: {error}", told.echoed)),
            Ok(Ok(_)) if echo != message => Err(format!("the echo of message {} is {echo:02x?}", told.echoed)),
            Ok(Ok(_)) => {
                *told = Told { echoed: told.echoed + 1, slowest: told.slowest.max(start.elapsed()) };
                Ok(())
            }
        }
    }
}
