//! TCP connections that go on all the time: small messages, each of which is echoed and compared.

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
    stop: watch::Sender<bool>,
    count: usize,
    threads: [JoinHandle<()>; 2],
    told: Arc<Mutex<Vec<Result<Told, String>>>>,
}

impl Streams {
    /// Opens one for each of `ends`, from the namespace of `client` to that of `server`, and waits
    /// until each has echoed a message.
    #[track_caller]
    pub fn open(lab: &Lab, client: &str, server: &str, ends: Vec<Ends>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let count = ends.len();
        let (opened, told) = (Arc::<AtomicU64>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (listening, listens) = std::sync::mpsc::channel();
        let servers = inside(lab.path(server), {
            let mut stopped = stopped.clone();
            async move {
                let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).await.expect("a free port");
                listening.send(()).expect("the test waits");
                loop {
                    tokio::select! {
                        accepted = listener.accept() => { tokio::spawn(serve(accepted.expect("a connection").0)); }
                        _ = stopped.wait_for(|stopped| *stopped) => break,
                    }
                }
                // The clients close first, and the echoes of their last messages are still to go.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        listens.recv_timeout(Duration::from_secs(10)).expect("a server that listens");
        let clients = inside(lab.path(client), {
            let (opened, told) = (Arc::clone(&opened), Arc::clone(&told));
            async move {
                let streams = ends.into_iter().enumerate().map(|(number, ends)| {
                    let life = Life { number: number as u64, ends, opened: opened.clone() };
                    tokio::spawn(life.live(stopped.clone()))
                });
                for stream in streams.collect::<Vec<_>>() {
                    let result = stream.await.unwrap_or_else(|error| Err(error.to_string()));
                    told.lock().expect("nobody panics with it").push(result);
                }
            }
        });
        let streams = Self { stop, count, threads: [clients, servers], told };
        eventually("every stream is open", Duration::from_secs(30), || {
            streams.assert_alive();
            opened.load(Relaxed) == count as u64
        });
        streams
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
        self.stop.send(true).expect("somebody listens");
        for thread in self.threads {
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

async fn serve(mut stream: TcpStream) {
    let mut buffer = [0; LENGTH];
    // Whatever ends it, its client tells.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

struct Life {
    number: u64,
    ends: Ends,
    opened: Arc<AtomicU64>,
}

impl Life {
    async fn live(self, mut stopped: watch::Receiver<bool>) -> Result<Told, String> {
        // Not all at once.
        tokio::time::sleep(Duration::from_millis(self.number)).await;
        let mut stream = self.connect().await.map_err(|error| format!("{:?}: {error}", self.ends))?;
        let mut told = Told { echoed: 0, slowest: Duration::ZERO };
        let mut ticks = tokio::time::interval(PERIOD);
        while !*stopped.borrow() {
            let start = Instant::now();
            self.echo(&mut stream, told.echoed)
                .await
                .map_err(|problem| format!("{:?}: message {}: {problem}", self.ends, told.echoed))?;
            told.slowest = told.slowest.max(start.elapsed());
            told.echoed += 1;
            if told.echoed == 1 {
                self.opened.fetch_add(1, Relaxed);
                ticks.reset();
            }
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stopped.wait_for(|stopped| *stopped) => break,
            }
        }
        Ok(told)
    }

    async fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v6()?;
        socket.bind(SocketAddr::from((self.ends.client, 0)))?;
        let server = SocketAddrV6::new(self.ends.server, PORT, 0, 0);
        timeout(STALLED, socket.connect(server.into())).await?
    }

    async fn echo(&self, stream: &mut TcpStream, sequence: u64) -> Result<(), String> {
        let mut message = [0; LENGTH];
        for (at, octets) in message.chunks_mut(8).enumerate() {
            let word = (self.number << 40 | sequence << 8 | at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            octets.copy_from_slice(&word.to_be_bytes());
        }
        stream.write_all(&message).await.map_err(|error| error.to_string())?;
        let mut answer = [0; LENGTH];
        match timeout(STALLED, stream.read_exact(&mut answer)).await {
            Err(_) => Err(format!("no echo within {STALLED:?}")),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(_)) if answer != message => Err(format!("the echo differs: {answer:02x?}")),
            Ok(Ok(_)) => Ok(()),
        }
    }
}
