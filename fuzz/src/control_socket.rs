//! The control socket, over a real one: whatever a client sends, each line is answered by one, and the
//! next client is served.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::Value;
use sixways::control::socket::{ControlSocket, Verbs};
use sixways::flow::{ColdRecord, FlowStore, HeapFlows, State};
use sixways::hash::FlowKey;
use sixways::limits::CONTROL_REQUEST_OCTETS;
use sixways::observe::flows::View;
use sixways::observe::status::Status;
use sixways::observe::view::Observed;
use sixways::snapshot::Snapshot;
use sixways::units::{Direction, MappingId, Nanos};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use crate::rig::site::{Site, address};

/// Time since the start of everything, as the verbs are told.
const NOW: Nanos = Nanos::from_millis(3_600_000);
/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    runtime: Runtime,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

thread_local! {
    static SERVER: RefCell<Server> = RefCell::new(Server::new());
}

impl Server {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("control.sock");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let snapshot = Arc::new(ArcSwap::from_pointee(Site::standard().snapshot));
        let verbs = verbs(&snapshot);
        runtime.block_on(async {
            tokio::spawn(ControlSocket::bind(&path).expect("a socket").serve(verbs));
        });
        Self { runtime, path, _directory: directory }
    }
}

/// The verbs that a gateway answers, over a memory of a few flows.
fn verbs(snapshot: &Arc<ArcSwap<Snapshot>>) -> Verbs {
    let flows = Arc::new(HeapFlows::new(64));
    for (port, protocol, state) in [(1, 6, State::TcpOutbound), (2, 17, State::UdpOutbound), (3, 58, State::Companion)]
    {
        let (internal, remote) = (address("fd12:3456:789a:10::5"), address("2001:db8:f::53"));
        let key = FlowKey { internal, remote, protocol, internal_port: port, remote_port: 53 };
        let snapshot = snapshot.load();
        let cold = ColdRecord::new(key, Direction::Outbound, NOW);
        flows.flows().insert(key.hash(&snapshot.hash_key), &cold, MappingId(0), state, &snapshot.timeouts);
    }
    let observed = Observed::new(Arc::clone(snapshot));
    let view = View::new(Arc::clone(snapshot), flows);
    let encode = |listing| serde_json::to_value(listing).map_err(|error: serde_json::Error| error.to_string());
    Verbs::default()
        .on("status", move || serde_json::to_value(Status::of(&observed, NOW)).map_err(|error| error.to_string()))
        .on_thread("flows", move |query| encode(view.list(&query, NOW).map_err(|error| error.to_string())?))
}

/// One input: what a client sends before it closes its half.
pub fn run(data: &[u8]) {
    SERVER.with_borrow_mut(|server| {
        let path = server.path.clone();
        let answers = server
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, talk(path, data)).await.expect("an answer before long") });
        let answers = String::from_utf8(answers).expect("UTF-8");
        assert!(answers.is_empty() || answers.ends_with('\n'));
        let answers: Vec<&str> = answers.lines().collect();
        for answer in &answers {
            let answer: Value = serde_json::from_str(answer).expect("JSON");
            let object = answer.as_object().expect("an object");
            let told = object.contains_key("ok") || object["error"].as_str().is_some_and(|text| !text.is_empty());
            assert!(object.len() == 1 && told, "{answer}");
        }
        assert_eq!(answers.len(), expected(data));
    });
}

/// Each line is answered, and what follows the last; a line that is too long ends the talk.
fn expected(data: &[u8]) -> usize {
    let mut answers = 0;
    for line in data.split_inclusive(|octet| *octet == b'\n') {
        answers += 1;
        if line.len() > CONTROL_REQUEST_OCTETS || line.last() != Some(&b'\n') {
            break;
        }
    }
    answers
}

async fn talk(path: PathBuf, data: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(path).await.expect("somebody listens");
    let (mut reader, mut writer) = stream.split();
    let mut answers = Vec::new();
    let write = async {
        // The other side may have had enough before the end.
        let _ = writer.write_all(data).await;
        let _ = writer.shutdown().await;
    };
    let (read, ()) = tokio::join!(reader.read_to_end(&mut answers), write);
    if let Err(error) = read {
        // Closed with requests unread.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    answers
}
