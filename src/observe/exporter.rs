//! `/metrics`, `/healthz` and `/readyz` over HTTP, on the control thread.
//!
//! Every connection carries one request, has one deadline from its first to its last octet, and
//! holds one of a few places. So slow clients cost a bounded amount of memory for a bounded time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

use super::exposition;
use super::view::Observed;
use crate::limits::{SCRAPE_CONNECTIONS, SCRAPE_NANOS};
use crate::os;

/// The exporter cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve metrics on {address}: {error}; choose another [metrics] listen, or \"off\"")]
pub struct ListenError {
    address: SocketAddr,
    error: io::Error,
}

/// Opens the exporter's socket. Call it within the runtime.
///
/// # Errors
/// When the address is taken or not this host's.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listener = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    listener.map_err(|error| ListenError { address, error })
}

/// Serves `observed` until the task is dropped.
///
/// # Errors
/// None that a started listener is known to give.
pub async fn serve(listener: TcpListener, observed: Arc<Observed>) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(observed);
    let places = Arc::new(Semaphore::new(SCRAPE_CONNECTIONS));
    axum::serve(Bounded { listener, places }, router).await
}

async fn metrics(State(observed): State<Arc<Observed>>) -> Response {
    answer(StatusCode::OK, exposition::CONTENT_TYPE, exposition::render(&observed, os::now()))
}

async fn healthz(State(observed): State<Arc<Observed>>) -> Response {
    judge(observed.health(os::now()))
}

async fn readyz(State(observed): State<Arc<Observed>>) -> Response {
    judge(observed.readiness(os::now()))
}

fn judge(judgement: Result<(), String>) -> Response {
    let (status, text) = match judgement {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(reasons) => (StatusCode::SERVICE_UNAVAILABLE, reasons),
    };
    answer(status, "text/plain; charset=utf-8", text + "\n")
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let headers = AppendHeaders([(header::CONTENT_TYPE, content_type), (header::CONNECTION, "close")]);
    (status, headers, text).into_response()
}

/// A listener that takes no more connections than it has places.
struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let deadline = Box::pin(sleep(Duration::from_nanos(SCRAPE_NANOS)));
        (Connection { stream, deadline, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails at its deadline, whatever it is doing.
struct Connection {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn in_time<T>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        work: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        work(Pin::new(&mut self.stream), cx)
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx, |stream, cx| stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_time(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}
