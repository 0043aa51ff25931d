//! The exporter on a loopback socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sixways::limits::{SCRAPE_CONNECTIONS, SCRAPE_NANOS};
use sixways::observe::exporter;
use sixways::os;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gateway::Gateway;
use crate::parsed::Parsed;

/// Runs `client` against an exporter in the same runtime, as the control thread has it.
fn with_exporter<F: Future<Output = ()>>(gateway: &Gateway, client: impl FnOnce(SocketAddr) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = exporter::listen("[::1]:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(exporter::serve(listener, Arc::clone(&gateway.observed)));
        client(address).await;
        server.abort();
    });
}

/// Status line with headers, and body.
async fn get(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// A gateway whose workers turn by the real clock.
fn live_gateway() -> Gateway {
    let mut gateway = Gateway::new(2, 1);
    gateway.now = os::now();
    gateway.tick();
    gateway
}

#[test]
fn metrics_come_with_their_media_type() {
    with_exporter(&live_gateway(), |address| async move {
        let (head, body) = get(address, "/metrics").await;
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        assert!(Parsed::new(&body).samples.len() > 100);
        assert!(get(address, "/nothing").await.0.starts_with("http/1.1 404 "));
    });
}

#[test]
fn health_follows_the_heartbeats_and_readiness_the_gates() {
    let mut gateway = live_gateway();
    with_exporter(&gateway, |address| async move {
        assert!(get(address, "/healthz").await.0.starts_with("http/1.1 200 "));
        assert!(get(address, "/readyz").await.0.starts_with("http/1.1 200 "));
    });
    gateway.report.gates.retain(|(edge, _)| edge.0 == 0);
    gateway.tick();
    gateway.workers[0].heartbeat.set(os::now().0 - 3_000_000_000);
    with_exporter(&gateway, |address| async move {
        let (head, body) = get(address, "/healthz").await;
        assert!(head.starts_with("http/1.1 503 "), "{head}");
        assert!(body.starts_with("worker 0 has not turned for 3."), "{body}");
        let (head, body) = get(address, "/readyz").await;
        assert!(head.starts_with("http/1.1 503 "), "{head}");
        assert!(body.contains("no usable ISP has a gate on its interface"), "{body}");
    });
}

#[test]
fn slow_clients_hold_up_nobody_and_are_sent_away() {
    with_exporter(&live_gateway(), |address| async move {
        let mut slow = Vec::new();
        for _ in 0..SCRAPE_CONNECTIONS - 1 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET /metrics HTT").await.unwrap();
            slow.push(stream);
        }
        let begin = Instant::now();
        get(address, "/metrics").await;
        assert!(begin.elapsed() < Duration::from_millis(SCRAPE_NANOS / 2_000_000), "{:?}", begin.elapsed());
        // Now every place is taken: the next one waits until the slow ones' time is over.
        let mut last = TcpStream::connect(address).await.unwrap();
        last.write_all(b"G").await.unwrap();
        tokio::time::timeout(Duration::from_nanos(3 * SCRAPE_NANOS), get(address, "/metrics"))
            .await
            .expect("slow clients lose their places");
        let mut byte = [0];
        let closed = slow[0].read(&mut byte).await;
        assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    });
}

#[test]
fn ten_scrapes_a_second_are_served_in_full() {
    with_exporter(&live_gateway(), |address| async move {
        let begin = Instant::now();
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..20 {
            ticks.tick().await;
            let (head, body) = get(address, "/metrics").await;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            assert_eq!(length.parse(), Ok(body.len()));
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "two seconds of scrapes took {:?}", begin.elapsed());
    });
}
