//! TCP connections with a numbered message forty times a second in each, whose echo is awaited.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lab::Lab;
use crate::lab::netns::enter;
use crate::lab::process::eventually;
use crate::record::{LATE, Toll};

const CONNECTIONS: usize = 24;
const SERVERS: u16 = 4;
const PORT: u16 = 7012;
const PERIOD: Duration = Duration::from_millis(25);
/// A bound of liveness.
const LIMIT: Duration = Duration::from_secs(20);

/// Connections that run.
pub struct Connections {
    /// Clients, and the servers, which go on until the last client has ended.
    stop: [watch::Sender<bool>; 2],
    threads: [JoinHandle<()>; 2],
    told: Arc<Mutex<Vec<Told>>>,
}

/// What a connection has seen.
#[derive(Clone, Debug, Default)]
struct Told {
    /// 0: ISP A, 1: ISP B.
    isp: u8,
    echoed: u64,
    late: u64,
    slowest: Duration,
    broken: Option<String>,
}

impl Connections {
    /// Opens them, and returns when each has had an echo.
    #[track_caller]
    pub fn open(lab: &Lab) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (stop_servers, mut servers_stopped) = watch::channel(false);
        let told = Arc::new(Mutex::new(vec![Told::default(); CONNECTIONS]));
        let (listening, listens) = std::sync::mpsc::channel();
        let servers = run_in(lab, "srv", async move {
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).await.expect("a free port");
            listening.send(()).expect("the test waits");
            while let Some(accepted) = until(&mut servers_stopped, listener.accept()).await {
                let (stream, peer) = accepted.expect("a connection");
                tokio::spawn(echo(stream, peer));
            }
        });
        listens.recv_timeout(LIMIT).expect("a server that listens");
        let clients = run_in(lab, "h20", {
            let told = Arc::clone(&told);
            async move {
                let tasks = (0..CONNECTIONS).map(|n| tokio::spawn(live(n, Arc::clone(&told), stopped.clone())));
                for task in tasks.collect::<Vec<_>>() {
                    task.await.expect("a client ran");
                }
            }
        });
        let connections = Self { stop: [stop, stop_servers], threads: [clients, servers], told };
        eventually("every connection is open", LIMIT, || connections.look().iter().all(|told| told.echoed > 0));
        connections
    }

    fn look(&self) -> Vec<Told> {
        self.told.lock().expect("nobody panics with it").clone()
    }

    /// Ends them; what they have paid.
    #[track_caller]
    pub fn toll(self) -> Toll {
        self.toll_of(|_| true)
    }

    /// As [`Connections::toll`], of those that were not opened by `isp`.
    #[track_caller]
    pub fn toll_beside(self, isp: u8) -> Toll {
        self.toll_of(|by| by != isp)
    }

    #[track_caller]
    fn toll_of(self, counts: impl Fn(u8) -> bool) -> Toll {
        let told = self.told;
        for (stop, thread) in self.stop.into_iter().zip(self.threads) {
            stop.send(true).expect("somebody listens");
            thread.join().expect("the connections ran");
        }
        let told = told.lock().expect("nobody panics with it");
        let mut toll = Toll::default();
        for one in told.iter().filter(|told| counts(told.isp)) {
            if let Some(problem) = &one.broken {
                println!("        a connection by ISP {}: {problem}", one.isp);
            }
            toll.flows += 1;
            toll.lost += u64::from(one.broken.is_some());
            toll.late += one.late;
            toll.slowest = toll.slowest.max(one.slowest.as_micros() as u32);
        }
        toll
    }
}

/// Runs `work` on a thread of its own in the namespace of `role`.
pub fn run_in(lab: &Lab, role: &str, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let namespace = lab.path(role);
    std::thread::spawn(move || {
        enter(&namespace);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(work);
    })
}

/// What `work` comes to, unless it is over before.
async fn until<T>(stopped: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = stopped.wait_for(|stopped| *stopped) => None,
    }
}

/// Tells by which ISP the client came, and then echoes.
async fn echo(mut stream: TcpStream, peer: SocketAddr) {
    let SocketAddr::V6(peer) = peer else { return };
    let isp = [(peer.ip().segments()[2] - 1) as u8];
    let mut message = [0; 8];
    // Whatever ends it, its client tells.
    if stream.set_nodelay(true).is_ok() && stream.write_all(&isp).await.is_ok() {
        while stream.read_exact(&mut message).await.is_ok() && stream.write_all(&message).await.is_ok() {}
    }
}

async fn live(number: usize, told: Arc<Mutex<Vec<Told>>>, mut stopped: watch::Receiver<bool>) {
    let note = |change: &dyn Fn(&mut Told)| change(&mut told.lock().expect("nobody panics with it")[number]);
    let life = async {
        let source = Ipv6Addr::new(0xfd12, 0x3456, 0x789a, 0x21, 0xfb, 0, 0, number as u16 + 1);
        let server = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0xfb, 0, 0, number as u16 % SERVERS + 1);
        let socket = TcpSocket::new_v6()?;
        socket.bind(SocketAddr::from((source, 0)))?;
        let mut stream = timeout(LIMIT, socket.connect(SocketAddrV6::new(server, PORT, 0, 0).into())).await??;
        stream.set_nodelay(true)?;
        let isp = stream.read_u8().await?;
        note(&|told| told.isp = isp);
        let mut ticks = tokio::time::interval(PERIOD);
        for sequence in 0_u64.. {
            ticks.tick().await;
            let asked = Instant::now();
            stream.write_all(&sequence.to_be_bytes()).await?;
            let echo = timeout(LIMIT, stream.read_u64()).await??;
            if echo != sequence {
                return Err(std::io::Error::other(format!("the echo of {sequence} is {echo}")));
            }
            let took = asked.elapsed();
            note(&|told| {
                told.echoed += 1;
                told.late += u64::from(took > LATE);
                told.slowest = told.slowest.max(took);
            });
        }
        Ok(())
    };
    if let Some(Err(problem)) = until(&mut stopped, life).await {
        note(&|told| told.broken = Some(problem.to_string()));
    }
}
