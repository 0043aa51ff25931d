//! The ND proxy at work: a packet socket and a task for each ISP's link that asks for it.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::{interval, sleep};

use crate::control::mirror::Wants;
use crate::control::nd_proxy::{NdProxy, Picture, Reaction};
use crate::limits::ND_LOOK_NANOS;
use crate::observe::nd_proxy::NdCounters;
use crate::os::{PacketSocket, now};
use crate::snapshot::ProxyLink;
use crate::worker::World;

/// Solicitations heard before the rest of control has a turn.
const BATCH: usize = 64;
/// Longest frame that is read whole: a solicitation has a handful of short options.
const FRAME: usize = 2048;
/// Time between two looks at which groups are to be joined.
const GROUPS: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_nanos(ND_LOOK_NANOS);

/// The proxies of all links.
#[derive(Debug)]
pub(super) struct NdProxies {
    world: World,
    wants: Wants,
    counters: Arc<NdCounters>,
    links: Vec<Proxied>,
}

/// A link and the task that serves it; `None`, or one that has ended, while its socket cannot be had.
#[derive(Debug)]
struct Proxied {
    link: ProxyLink,
    task: Option<JoinHandle<()>>,
}

impl Drop for Proxied {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl NdProxies {
    /// No link yet.
    pub(super) const fn new(world: World, wants: Wants, counters: Arc<NdCounters>) -> Self {
        Self { world, wants, counters, links: Vec::new() }
    }

    /// Serves `links` from now on, and no others. A link that stays as it was is not disturbed.
    pub(super) fn follow(&mut self, links: &[ProxyLink]) {
        self.links.retain(|proxied| links.contains(&proxied.link));
        for link in links {
            if self.links.iter().all(|proxied| proxied.link != *link) {
                let task = self.open(link);
                let ProxyLink { interface, source, unconfirmed, .. } = link;
                match &task {
                    Ok(_) => tracing::info!(%interface, %source, unconfirmed, "answering neighbour solicitations"),
                    Err(error) => {
                        tracing::error!(%interface, %error, "cannot hear neighbour solicitations; trying again")
                    }
                }
                self.links.push(Proxied { link: link.clone(), task: task.ok() });
            }
        }
    }

    /// Tries again to serve the links that are not served: their device was down, or is another of
    /// the same name and index.
    pub(super) fn retry(&mut self) {
        for at in 0..self.links.len() {
            if self.links[at].task.as_ref().is_none_or(JoinHandle::is_finished) {
                self.links[at].task = self.open(&self.links[at].link).ok();
            }
        }
    }

    fn open(&self, link: &ProxyLink) -> io::Result<JoinHandle<()>> {
        let socket = PacketSocket::solicitations(link.ifindex)?;
        let groups = Groups::new(link.ifindex)?;
        let proxy = NdProxy::new(link.clone(), Arc::clone(&self.counters));
        let listener = Listener { proxy, world: self.world.clone(), wants: self.wants.clone() };
        self.counters.show(link.uplink);
        Ok(tokio::spawn(serve(socket, groups, listener)))
    }
}

/// How much of what was in the socket.
enum Heard {
    /// There may be more.
    Some,
    All,
}

/// What one task decides by.
struct Listener {
    proxy: NdProxy,
    world: World,
    wants: Wants,
}

async fn serve(socket: PacketSocket, mut groups: Groups, mut listener: Listener) {
    let mut look_at_groups = interval(GROUPS);
    loop {
        tokio::select! {
            ready = socket.ready() => match (ready, listener.hear(&socket)) {
                (Ok(_), Ok(Heard::Some)) => yield_now().await,
                (Ok(mut ready), Ok(Heard::All)) => ready.clear_ready(),
                (Err(error), _) | (_, Err(error)) => return tracing::debug!(%error, "a link is no longer listened to"),
            },
            () = sleep(LOOK), if listener.proxy.is_waiting() => {}
            _ = look_at_groups.tick() => groups.follow(listener.groups()),
        }
        listener.settle(&socket);
    }
}

impl Listener {
    /// Takes in what is in the socket, [`BATCH`] frames at most.
    ///
    /// # Errors
    /// When the device is down or gone.
    fn hear(&mut self, socket: &PacketSocket) -> io::Result<Heard> {
        let snapshot = self.world.snapshot.load();
        let picture = Picture { snapshot: &snapshot, neighbours: &self.world.neighbours };
        let mut frame = [0; FRAME];
        for _ in 0..BATCH {
            let length = match socket.receive(&mut frame) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Heard::All),
                Err(error) => return Err(error),
            };
            match self.proxy.hear(&frame[..length], picture, now()) {
                Reaction::Send(answer) => send(socket, &answer),
                Reaction::Resolve(edge, address) => self.wants.want(edge, address),
                Reaction::None => {}
            }
        }
        Ok(Heard::Some)
    }

    fn settle(&mut self, socket: &PacketSocket) {
        if self.proxy.is_waiting() {
            let snapshot = self.world.snapshot.load();
            let picture = Picture { snapshot: &snapshot, neighbours: &self.world.neighbours };
            self.proxy.settle(picture, now()).iter().for_each(|answer| send(socket, answer));
        }
    }

    fn groups(&self) -> BTreeSet<Ipv6Addr> {
        let snapshot = self.world.snapshot.load();
        self.proxy.groups(Picture { snapshot: &snapshot, neighbours: &self.world.neighbours })
    }
}

/// An answer that is lost is asked for again.
fn send(socket: &PacketSocket, answer: &[u8]) {
    if let Err(error) = socket.send(answer) {
        tracing::debug!(%error, "an answer to the ISP's neighbour was not sent");
    }
}

/// Memberships of solicited-node groups on one device; the kernel tells switches of them by MLD.
struct Groups {
    /// Bound to where nothing comes from.
    socket: UdpSocket,
    ifindex: u32,
    joined: BTreeSet<Ipv6Addr>,
}

impl Groups {
    fn new(ifindex: u32) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?;
        Ok(Self { socket, ifindex, joined: BTreeSet::new() })
    }

    /// Joins and leaves until `wanted` are joined. What the kernel refuses is tried again.
    fn follow(&mut self, wanted: BTreeSet<Ipv6Addr>) {
        let Self { socket, ifindex, joined } = self;
        joined.retain(|group| wanted.contains(group) || socket.leave_multicast_v6(group, *ifindex).is_err());
        for group in wanted {
            if !joined.contains(&group) && socket.join_multicast_v6(&group, *ifindex).is_ok() {
                joined.insert(group);
            }
        }
    }
}
