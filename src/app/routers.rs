//! Packet sockets on the ISPs' links: their routers are asked whether they are there, and heard.

use std::io;
use std::net::Ipv6Addr;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::control::health::{Ask, solicitation};
use crate::limits::WANT_QUEUE;
use crate::os::{PacketSocket, now};
use crate::snapshot::{IspLink, NeighbourState, NeighbourTable};
use crate::units::{Nanos, UplinkId};

/// Longest frame that is read whole.
const FRAME: usize = 256;

/// Somebody on an ISP's link has said that he is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advertised {
    pub(super) uplink: UplinkId,
    pub(super) from: Ipv6Addr,
    pub(super) at: Nanos,
}

/// The sockets of all links.
#[derive(Debug)]
pub(super) struct Routers {
    links: Vec<(IspLink, Listener)>,
    sender: mpsc::Sender<Advertised>,
}

/// A socket and the task that hears by it.
#[derive(Debug)]
struct Listener {
    socket: std::sync::Arc<PacketSocket>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Routers {
    /// No link yet, and where is told what is heard.
    pub(super) fn new() -> (Self, mpsc::Receiver<Advertised>) {
        let (sender, heard) = mpsc::channel(WANT_QUEUE);
        (Self { links: Vec::new(), sender }, heard)
    }

    /// Listens on `links` from now on. What cannot be had is tried again by the next call.
    pub(super) fn follow(&mut self, links: &[IspLink]) {
        let same = |a: &IspLink, b: &IspLink| (a.uplink, a.ifindex) == (b.uplink, b.ifindex);
        self.links.retain(|(link, listener)| links.iter().any(|l| same(l, link)) && !listener.task.is_finished());
        for link in links {
            match self.links.iter_mut().find(|(known, _)| same(known, link)) {
                Some((known, _)) => known.clone_from(link),
                None => match self.open(link) {
                    Ok(listener) => self.links.push((link.clone(), listener)),
                    Err(error) => tracing::debug!(device = %link.device, %error, "cannot hear the ISP's router yet"),
                },
            }
        }
    }

    fn open(&self, link: &IspLink) -> io::Result<Listener> {
        let socket = std::sync::Arc::new(PacketSocket::advertisements(link.ifindex)?);
        let task = tokio::spawn(hear(std::sync::Arc::clone(&socket), link.uplink, self.sender.clone()));
        Ok(Listener { socket, task })
    }

    /// Asks the router of `uplink`. A question that cannot be sent counts as unanswered.
    pub(super) fn ask(&self, uplink: UplinkId, ask: Ask, neighbours: &NeighbourTable) {
        let Some((link, listener)) = self.links.iter().find(|(link, _)| link.uplink == uplink) else { return };
        let Some(source) = link.source else { return };
        let (target, mac) = match ask {
            Ask::Unicast(target) => match neighbours.peek(link.edge, target) {
                NeighbourState::Resolved(mac) => (target, Some(mac)),
                NeighbourState::Unknown | NeighbourState::Failed => (target, None),
            },
            Ask::Multicast(target) => (target, None),
        };
        if let Err(error) = listener.socket.send(&solicitation::ask(target, mac, source, link.mac)) {
            tracing::debug!(device = %link.device, %error, "the ISP's router was not asked");
        }
    }
}

async fn hear(socket: std::sync::Arc<PacketSocket>, uplink: UplinkId, heard: mpsc::Sender<Advertised>) {
    let mut frame = [0; FRAME];
    loop {
        let Ok(mut ready) = socket.ready().await else { return };
        match socket.receive(&mut frame) {
            Ok(length) => {
                if let Some(from) = solicitation::read(&frame[..length]) {
                    // Whoever floods the link is not heard whole.
                    let _ = heard.try_send(Advertised { uplink, from, at: now() });
                }
                tokio::task::yield_now().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return tracing::debug!(%error, "an ISP's link is no longer listened to"),
        }
    }
}
