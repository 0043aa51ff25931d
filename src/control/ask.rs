//! The other end of the control socket: what the verbs on the command line ask by.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::socket::{Answer, Request};
use crate::limits::{CONTROL_ANSWER_OCTETS, CONTROL_PATIENCE_NANOS};

/// Where a gateway listens unless `--socket` says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/sixways/control.sock";

/// No answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no gateway answers at {0}; is `sixways run` running in this network namespace?")]
    NoGateway(PathBuf),
    /// Not allowed.
    #[error("may not talk to the gateway at {0}; run this as root, or as a member of the socket's group")]
    Forbidden(PathBuf),
    /// The talk broke off.
    #[error("the gateway at {path} does not answer: {error}; its log may tell why")]
    Broken {
        /// Where.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// It answered, with an error.
    #[error("the gateway says: {0}")]
    Refused(String),
}

/// Asks the gateway at `path`.
///
/// # Errors
/// When there is none, it does not answer in time, or it refuses.
pub fn ask(path: &Path, verb: &str) -> Result<Value, AskError> {
    ask_for(path, verb, Map::new())
}

/// Asks the gateway at `path` for something in particular.
///
/// # Errors
/// When there is none, it does not answer in time, or it refuses.
pub fn ask_for(path: &Path, verb: &str, arguments: Map<String, Value>) -> Result<Value, AskError> {
    let request = Request { verb: verb.to_owned(), arguments };
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NoGateway(path.to_owned()),
        io::ErrorKind::PermissionDenied => AskError::Forbidden(path.to_owned()),
        _ => AskError::Broken { path: path.to_owned(), error },
    })?;
    let answer = talk(stream, &request).map_err(|error| AskError::Broken { path: path.to_owned(), error })?;
    match answer {
        Answer::Ok(value) => Ok(value),
        Answer::Error(text) => Err(AskError::Refused(text)),
    }
}

fn talk(mut stream: UnixStream, request: &Request) -> io::Result<Answer> {
    let patience = Some(Duration::from_nanos(CONTROL_PATIENCE_NANOS));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    let mut request = serde_json::to_vec(request)?;
    request.push(b'\n');
    stream.write_all(&request)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(CONTROL_ANSWER_OCTETS as u64)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread::{JoinHandle, spawn};

    use super::*;
    use crate::control::socket::{ControlSocket, SocketError, Verbs};
    use crate::limits::CONTROL_REQUEST_OCTETS;

    const WAIT: Duration = Duration::from_millis(1500);

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Repeat {
        text: String,
        times: usize,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Empty {}

    /// A socket that knows a few verbs, in a thread, until `stop` is dropped.
    struct Server {
        path: PathBuf,
        stop: Option<tokio::sync::oneshot::Sender<()>>,
        thread: Option<JoinHandle<()>>,
        _directory: tempfile::TempDir,
    }

    impl Server {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("run/control.sock");
            let (stop, stopped) = tokio::sync::oneshot::channel();
            let (ready, is_ready) = std::sync::mpsc::channel();
            let at = path.clone();
            let thread = spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let socket = ControlSocket::bind(&at).unwrap();
                    ready.send(()).unwrap();
                    let verbs = Verbs::default()
                        .on("status", || Ok(serde_json::json!({"up": true})))
                        .on("fail", || Err("cannot".to_owned()))
                        .on_thread("repeat", |Repeat { text, times }| Ok(text.repeat(times).into()))
                        .on_thread("wait", |Empty {}| {
                            std::thread::sleep(WAIT);
                            Ok(Value::Null)
                        })
                        .on_thread("panic", |Empty {}| panic!("on purpose"));
                    tokio::select! { () = socket.serve(verbs) => {} _ = stopped => {} }
                });
            });
            is_ready.recv().unwrap();
            Self { path, stop: Some(stop), thread: Some(thread), _directory: directory }
        }

        fn send(&self, bytes: &[u8]) -> String {
            let mut stream = UnixStream::connect(&self.path).unwrap();
            stream.write_all(bytes).unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).unwrap();
            line
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            drop(self.stop.take());
            self.thread.take().unwrap().join().unwrap();
        }
    }

    #[test]
    fn known_verbs_are_answered_and_others_named() {
        let server = Server::new();
        assert_eq!(ask(&server.path, "status").unwrap(), serde_json::json!({"up": true}));
        assert_eq!(ask(&server.path, "fail").unwrap_err().to_string(), "the gateway says: cannot");
        let unknown = ask(&server.path, "stauts").unwrap_err().to_string();
        assert_eq!(unknown, "the gateway says: unknown verb `stauts`; known: fail, panic, repeat, status, wait");
    }

    fn repeat(server: &Server, text: &str, times: usize) -> Result<Value, String> {
        let arguments = [("text".to_owned(), text.into()), ("times".to_owned(), times.into())];
        ask_for(&server.path, "repeat", arguments.into_iter().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_taken_strictly_and_by_verbs_that_have_some() {
        let server = Server::new();
        assert_eq!(repeat(&server, "ab", 3).unwrap(), "ababab");
        let missing = ask(&server.path, "repeat").unwrap_err().to_string();
        assert!(missing.contains("does not take these arguments: missing field `text`"), "{missing}");
        let more = server.send(b"{\"verb\":\"wait\",\"arguments\":{\"until\":1}}\n");
        assert!(more.contains("unknown field `until`"), "{more}");
        let none = server.send(b"{\"verb\":\"status\",\"arguments\":{\"limit\":1}}\n");
        assert!(none.contains("`status` takes no arguments"), "{none}");
        let no_object = server.send(b"{\"verb\":\"repeat\",\"arguments\":[1]}\n");
        assert!(no_object.contains("not a request"), "{no_object}");
    }

    #[test]
    fn an_answer_that_no_client_takes_is_refused() {
        let server = Server::new();
        let fits = CONTROL_ANSWER_OCTETS - "{\"ok\":\"\"}\n".len();
        assert_eq!(repeat(&server, "a", fits).unwrap().as_str().unwrap().len(), fits);
        let refused = repeat(&server, "a", fits + 1).unwrap_err();
        assert!(refused.contains("more than 4194304 octets; ask for less"), "{refused}");
    }

    #[test]
    fn long_work_and_panics_hold_up_nobody() {
        let server = Server::new();
        let path = server.path.clone();
        let waiting = spawn(move || ask(&path, "wait").unwrap());
        let begin = std::time::Instant::now();
        let panicked = ask(&server.path, "panic").unwrap_err().to_string();
        assert!(panicked.contains("failed to work this out"), "{panicked}");
        while !waiting.is_finished() {
            ask(&server.path, "status").unwrap();
            assert!(begin.elapsed() < 4 * WAIT);
        }
        assert_eq!(waiting.join().unwrap(), Value::Null);
    }

    #[test]
    fn nonsense_is_answered_and_the_next_client_served() {
        let server = Server::new();
        assert!(server.send(b"hello\n").starts_with("{\"error\":\"not a request"));
        assert!(server.send(b"{\"verb\":\"status\",\"shell\":\"id\"}\n").contains("unknown field"));
        let long = vec![b' '; CONTROL_REQUEST_OCTETS];
        assert!(server.send(&long).contains("at most 4096 octets"));
        let silent = UnixStream::connect(&server.path).unwrap();
        assert!(ask(&server.path, "status").is_ok());
        drop(silent);
    }

    #[test]
    fn one_client_may_ask_several_times() {
        let server = Server::new();
        let mut stream = UnixStream::connect(&server.path).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..3 {
            stream.write_all(b"{\"verb\":\"status\"}\n").unwrap();
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "{\"ok\":{\"up\":true}}\n");
        }
    }

    #[test]
    fn the_socket_is_for_its_group_and_goes_with_the_gateway() {
        let server = Server::new();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&server.path), mode(server.path.parent().unwrap())), (0o660, 0o750));
        let path = server.path.clone();
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("control.sock");
        drop(server);
        assert!(!path.exists());
        let message = ask(&elsewhere, "status").unwrap_err().to_string();
        assert!(message.ends_with("is `sixways run` running in this network namespace?"), "{message}");
    }

    #[test]
    fn a_leftover_is_replaced_and_a_living_gateway_is_not() {
        let server = Server::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            assert!(matches!(ControlSocket::bind(&server.path), Err(SocketError::InUse(_))));
            let leftover = server.path.with_file_name("leftover.sock");
            drop(std::os::unix::net::UnixListener::bind(&leftover).unwrap());
            assert!(matches!(ask(&leftover, "status"), Err(AskError::NoGateway(_))));
            ControlSocket::bind(&leftover).unwrap();
            let file = server.path.with_file_name("file");
            std::fs::write(&file, "").unwrap();
            assert!(matches!(ControlSocket::bind(&file), Err(SocketError::InTheWay(_))));
        });
    }
}
