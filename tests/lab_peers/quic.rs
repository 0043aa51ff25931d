//! QUIC: a client and a server out of the crate quinn, each in a namespace of its own.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::rustls::{self, RootCertStore, pki_types::PrivatePkcs8KeyDer};
use quinn::{ClientConfig, Endpoint, ServerConfig};

use crate::Conversation;
use crate::lab::Lab;
use crate::lab::netns::enter;

const PORT: u16 = 4433;
/// Octets that go one way and come back.
const SIZE: usize = 2_000_000;
const LIMIT: Duration = Duration::from_secs(30);

/// What the client sends comes back as it was, whoever asks.
pub fn quic(lab: &Lab, conversations: &[Conversation]) {
    let sent: Vec<u8> = (0..SIZE as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    for Conversation { asker, source, asked, target, .. } in conversations {
        let certified = rcgen::generate_simple_self_signed(["server.example".to_owned()]).expect("a certificate");
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let certificate = certified.cert.der().clone();
        let (ready, wait) = sync_channel(1);
        let (inside, outside) = (lab.path(asked), lab.path(asker));
        std::thread::scope(|scope| {
            let chain = vec![certificate.clone()];
            let server = scope.spawn(move || {
                within(inside, async {
                    let config = ServerConfig::with_single_cert(chain, key.into()).expect("a certificate and its key");
                    let endpoint = Endpoint::server(config, (Ipv6Addr::UNSPECIFIED, PORT).into()).expect("a socket");
                    ready.send(()).expect("the client waits");
                    echo(&endpoint).await;
                });
            });
            wait.recv().expect("the server listens");
            let (from, to): (Ipv6Addr, Ipv6Addr) = (source.parse().expect("ours"), target.parse().expect("theirs"));
            let payload = &sent;
            let got = scope.spawn(move || {
                within(outside, async {
                    let mut endpoint = Endpoint::client((from, 0).into()).expect("a socket");
                    let mut roots = RootCertStore::empty();
                    roots.add(certificate).expect("a certificate");
                    endpoint.set_default_client_config(trusting(roots));
                    ask(&endpoint, (to, PORT).into(), payload).await
                })
            });
            let got = got.join().expect("the client is answered");
            assert!(got == sent, "{asker} to {target}: {} octets came back, or others", got.len());
            server.join().expect("the server served");
        });
    }
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("TLS 1.3")))
}

/// Runs `task` in a namespace, on a thread that is given up for it.
fn within<T>(namespace: PathBuf, task: impl Future<Output = T>) -> T {
    enter(&namespace);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(LIMIT, task).await.expect("QUIC ends in time") })
}

/// Sends back what one connection's stream brings.
async fn echo(endpoint: &Endpoint) {
    let connection = endpoint.accept().await.expect("a client").await.expect("a handshake");
    let (mut to, mut from) = connection.accept_bi().await.expect("a stream");
    let octets = from.read_to_end(SIZE).await.expect("all of it");
    to.write_all(&octets).await.expect("the client reads");
    to.finish().expect("an open stream");
    connection.closed().await;
    endpoint.wait_idle().await;
}

async fn ask(endpoint: &Endpoint, server: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let connection = endpoint.connect(server, "server.example").expect("a configuration").await.expect("a handshake");
    let (mut to, mut from) = connection.open_bi().await.expect("a stream");
    to.write_all(octets).await.expect("the server reads");
    to.finish().expect("an open stream");
    let back = from.read_to_end(octets.len()).await.expect("all of it");
    connection.close(0_u32.into(), b"done");
    endpoint.wait_idle().await;
    back
}
