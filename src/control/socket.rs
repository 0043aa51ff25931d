//! The control socket: one JSON object a line asks, one JSON object a line answers.
//!
//! `{"verb":"status"}` is answered by `{"ok":…}`, or `{"error":"…"}`; some verbs take an object,
//! as in `{"verb":"flows","arguments":{"limit":10}}`. Requests are short, every wait has an end,
//! connections are few, and nothing here starts a process.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::limits::{CONTROL_ANSWER_OCTETS, CONTROL_CONNECTIONS, CONTROL_PATIENCE_NANOS, CONTROL_REQUEST_OCTETS};

const PATIENCE: Duration = Duration::from_nanos(CONTROL_PATIENCE_NANOS);
/// After a failed accept, which means no descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process listens there.
    #[error("another gateway answers at {0}; stop it, or choose another place with --socket")]
    InUse(PathBuf),
    /// No socket, so not a leftover of ours.
    #[error("{0} exists and is no socket; move it away, or choose another place with --socket")]
    InTheWay(PathBuf),
    /// The system refused.
    #[error("cannot {what} {path}: {error}; choose another place with --socket")]
    System {
        /// What was attempted.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The kernel's words.
        error: io::Error,
    },
}

/// A request, as a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) verb: String,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) arguments: Map<String, Value>,
}

/// An answer, as a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    Ok(Value),
    Error(String),
}

type Arguments = Map<String, Value>;

enum Handler {
    /// The control thread waits for it.
    Quick(Box<dyn Fn() -> Result<Value, String> + Send + Sync>),
    /// It has a thread of its own.
    Long(Arc<dyn Fn(Arguments) -> Result<Value, String> + Send + Sync>),
    /// Somebody else answers.
    Owner(Box<dyn Fn(Arguments, Reply) + Send + Sync>),
}

/// Where the answer of somebody else goes. Dropped, it says that the gateway is stopping.
pub type Reply = oneshot::Sender<Result<Value, String>>;

/// What can be asked.
#[derive(Default)]
pub struct Verbs(BTreeMap<&'static str, Handler>);

impl std::fmt::Debug for Verbs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Verbs {
    /// Also answers `verb`, which takes no arguments. The handler must be quick: the control
    /// thread waits for it.
    #[must_use]
    pub fn on(
        mut self,
        verb: &'static str,
        handler: impl Fn() -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(verb, Handler::Quick(Box::new(handler)));
        self
    }

    /// Also answers `verb`, whose arguments are a `T`. The handler may take its time, though not
    /// longer than a client is patient: it has a thread of its own, several if several ask.
    #[must_use]
    pub fn on_thread<T: DeserializeOwned>(
        mut self,
        verb: &'static str,
        handler: impl Fn(T) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        let read = move |arguments| match serde_json::from_value(Value::Object(arguments)) {
            Ok(arguments) => handler(arguments),
            Err(error) => Err(format!("`{verb}` does not take these arguments: {error}")),
        };
        self.0.insert(verb, Handler::Long(Arc::new(read)));
        self
    }

    /// Also answers `verb`, whose arguments are a `T`, by whoever gets it from `hand_over`, within the
    /// time that a client is patient.
    #[must_use]
    pub fn on_owner<T: DeserializeOwned>(
        mut self,
        verb: &'static str,
        hand_over: impl Fn(T, Reply) + Send + Sync + 'static,
    ) -> Self {
        let read = move |arguments, reply: Reply| match serde_json::from_value(Value::Object(arguments)) {
            Ok(arguments) => hand_over(arguments, reply),
            // Who has gone away needs no answer.
            Err(error) => drop(reply.send(Err(format!("`{verb}` does not take these arguments: {error}")))),
        };
        self.0.insert(verb, Handler::Owner(Box::new(read)));
        self
    }

    /// The line that answers the request in `line`.
    async fn answer(&self, line: &[u8]) -> Vec<u8> {
        let request: Request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => {
                return encode(Err(format!("not a request ({error}); send a line like {{\"verb\":\"status\"}}")));
            }
        };
        match self.0.get(request.verb.as_str()) {
            Some(Handler::Quick(handler)) if request.arguments.is_empty() => encode(handler()),
            Some(Handler::Quick(_)) => encode(Err(format!("`{}` takes no arguments", request.verb))),
            Some(Handler::Long(handler)) => {
                let handler = Arc::clone(handler);
                let answer = tokio::task::spawn_blocking(move || encode(handler(request.arguments)));
                answer
                    .await
                    .unwrap_or_else(|_| encode(Err("the gateway failed to work this out; please report this".into())))
            }
            Some(Handler::Owner(hand_over)) => {
                let (reply, answer) = oneshot::channel();
                hand_over(request.arguments, reply);
                encode(answer.await.unwrap_or_else(|_| Err("the gateway is stopping".to_owned())))
            }
            None => {
                let known: Vec<&str> = self.0.keys().copied().collect();
                encode(Err(format!("unknown verb `{}`; known: {}", request.verb, known.join(", "))))
            }
        }
    }
}

/// An answer as a line that a client takes.
fn encode(answer: Result<Value, String>) -> Vec<u8> {
    let encoded = match answer {
        Ok(value) => serde_json::to_vec(&Answer::Ok(value)),
        Err(text) => serde_json::to_vec(&Answer::Error(text)),
    };
    match encoded {
        Ok(mut line) if line.len() < CONTROL_ANSWER_OCTETS => {
            line.push(b'\n');
            line
        }
        Ok(_) => encode(Err(format!("the answer has more than {CONTROL_ANSWER_OCTETS} octets; ask for less"))),
        Err(error) => encode(Err(format!("no answer ({error}); please report this"))),
    }
}

/// The socket, removed when dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Makes the socket (0660) and, where absent, its directory (0750). A leftover of a gateway
    /// that was killed is replaced. Call it within the runtime.
    ///
    /// # Errors
    /// When somebody listens there, or the system refuses.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let refused = |what| move |error| SocketError::System { what, path: path.to_owned(), error };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o750).create(directory).map_err(refused("make the directory of"))?;
        }
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(SocketError::InTheWay(path.to_owned()));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(SocketError::InUse(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(refused("replace"))?;
        }
        let listener = UnixListener::bind(path).map_err(refused("listen at"))?;
        let socket = Self { listener, path: path.to_owned() };
        let mode = std::fs::Permissions::from_mode(0o660);
        std::fs::set_permissions(path, mode).map_err(refused("set the mode of"))?;
        Ok(socket)
    }

    /// Answers requests until the task is dropped.
    pub async fn serve(self, verbs: Verbs) {
        let verbs = Arc::new(verbs);
        let places = Arc::new(Semaphore::new(CONTROL_CONNECTIONS));
        loop {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "control socket: cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let verbs = Arc::clone(&verbs);
            tokio::spawn(async move {
                // A client that goes away or dawdles has itself to blame.
                let _ = converse(stream, &verbs).await;
                drop(place);
            });
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // A socket without a listener is harmless: the next start replaces it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers the requests of one client until it closes, dawdles, or sends too much.
async fn converse(stream: UnixStream, verbs: &Verbs) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut request = (&mut reader).take(CONTROL_REQUEST_OCTETS as u64);
        timeout(PATIENCE, request.read_until(b'\n', &mut line)).await??;
        let whole = line.last() == Some(&b'\n');
        if line.is_empty() {
            return Ok(());
        }
        let answer = if whole || line.len() < CONTROL_REQUEST_OCTETS {
            verbs.answer(&line).await
        } else {
            encode(Err(format!("a request has at most {CONTROL_REQUEST_OCTETS} octets")))
        };
        timeout(PATIENCE, writer.write_all(&answer)).await??;
        if !whole {
            return Ok(());
        }
    }
}
