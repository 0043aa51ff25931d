//! Answers an ISP's Neighbor Solicitations for the addresses of hosts inside (RFC 4861 §7.2.8):
//! for an ISP that puts its prefix on the link instead of routing it here.
//!
//! Pure: told the time, handed frames, returns frames. A scan of the prefix (RFC 6583) costs a
//! bounded number of answers, of hosts that are looked for, and of questions that wait for them;
//! hosts that are known are never behind those that are not.

pub(in crate::control) mod message;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::sync::Arc;

pub use message::{ANSWER, Asker, Solicitation, solicited_node};

use crate::limits::{
    ND_ANSWER_BURST, ND_ANSWERS_PER_SECOND, ND_ASK_BURST, ND_ASKS_PER_SECOND, ND_GROUPS, ND_UNCONFIRMED_BURST,
    ND_UNCONFIRMED_PER_SECOND, ND_WAIT_NANOS, ND_WAITING,
};
use crate::observe::nd_proxy::{NdCounters, NdOutcome};
use crate::snapshot::{NeighbourState, NeighbourTable, ProxyLink, Role, Snapshot};
use crate::units::{EdgeId, Nanos};

/// What the proxy decides by.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a> {
    /// Mappings, own addresses, routes inside.
    pub snapshot: &'a Snapshot,
    /// Who answers on the LANs and on the ISP's link.
    pub neighbours: &'a NeighbourTable,
}

/// What is to be done about a solicitation now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing.
    None,
    /// Send this frame by the link.
    Send([u8; ANSWER]),
    /// Have this neighbour resolved, and call [`NdProxy::settle`] meanwhile.
    Resolve(EdgeId, Ipv6Addr),
}

/// The proxy of one link.
#[derive(Debug)]
pub struct NdProxy {
    link: ProxyLink,
    counters: Arc<NdCounters>,
    /// For hosts that are known.
    answers: Bucket,
    /// For addresses that are answered for without asking.
    unconfirmed: Bucket,
    /// For hosts that are looked for.
    asks: Bucket,
    waiting: Vec<Waiting>,
}

/// A solicitation that waits for the host inside.
#[derive(Debug)]
struct Waiting {
    solicitation: Solicitation,
    since: Nanos,
}

impl NdProxy {
    /// The proxy of `link`, with full buckets.
    pub fn new(link: ProxyLink, counters: Arc<NdCounters>) -> Self {
        Self {
            link,
            counters,
            answers: Bucket::new(ND_ANSWERS_PER_SECOND, ND_ANSWER_BURST),
            unconfirmed: Bucket::new(ND_UNCONFIRMED_PER_SECOND, ND_UNCONFIRMED_BURST),
            asks: Bucket::new(ND_ASKS_PER_SECOND, ND_ASK_BURST),
            waiting: Vec::with_capacity(ND_WAITING),
        }
    }

    /// Takes in a frame that came from the link.
    pub fn hear(&mut self, frame: &[u8], picture: Picture<'_>, now: Nanos) -> Reaction {
        let Some(solicitation) = Solicitation::read(frame) else {
            return self.end(NdOutcome::Invalid);
        };
        let own = |asker: Asker| asker.address == self.link.source || is_own(picture.snapshot, asker.address);
        if solicitation.asker.is_some_and(own) {
            return self.end(NdOutcome::NotProxied);
        }
        let Some(inside) = self.inside(solicitation.target, picture) else {
            return self.end(NdOutcome::NotProxied);
        };
        if self.is_probe_point(inside, picture.snapshot) {
            return self.answer(&solicitation, true, now);
        }
        // Behind an inner router the host cannot be asked: the router stands for it.
        let Some((edge, neighbour)) = picture.snapshot.routes.lookup(inside) else {
            return self.end(NdOutcome::NoHost);
        };
        if let NeighbourState::Resolved(_) = picture.neighbours.lookup(edge, neighbour) {
            return self.answer(&solicitation, true, now);
        }
        // An address that nobody has may be taken.
        if self.link.unconfirmed && solicitation.asker.is_some() {
            return self.answer(&solicitation, false, now);
        }
        if self.waiting.iter().any(|waiting| waiting.solicitation == solicitation) {
            return self.end(NdOutcome::Repeated);
        }
        if self.waiting.len() >= ND_WAITING || !self.asks.take(now) {
            return self.end(NdOutcome::RateLimited);
        }
        self.waiting.push(Waiting { solicitation, since: now });
        Reaction::Resolve(edge, neighbour)
    }

    /// Whether a solicitation waits: then [`NdProxy::settle`] is to be called, every
    /// [`crate::limits::ND_LOOK_NANOS`].
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The answers to those that wait and whose host is known by now. Those that have waited for
    /// too long are given up.
    pub fn settle(&mut self, picture: Picture<'_>, now: Nanos) -> Vec<[u8; ANSWER]> {
        let mut answers = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            let inside = self.inside(waiting.solicitation.target, picture);
            let neighbour = inside.and_then(|inside| picture.snapshot.routes.lookup(inside));
            let resolved =
                |(edge, address)| matches!(picture.neighbours.lookup(edge, address), NeighbourState::Resolved(_));
            match neighbour {
                Some(neighbour) if resolved(neighbour) => {
                    if let Reaction::Send(answer) = self.answer(&waiting.solicitation, true, now) {
                        answers.push(answer);
                    }
                }
                Some(_) if now.since(waiting.since).0 < ND_WAIT_NANOS => self.waiting.push(waiting),
                _ => self.counters.count(self.link.uplink, NdOutcome::NoHost),
            }
        }
        answers
    }

    /// The groups that those ask who look for hosts that are known, by former prefixes too, at most
    /// [`ND_GROUPS`]: a switch that snoops on MLD forwards the solicitations to members only (RFC 4861 §7.2.8).
    pub fn groups(&self, picture: Picture<'_>) -> BTreeSet<Ipv6Addr> {
        let snapshot = picture.snapshot;
        let is_lan = |edge: EdgeId| snapshot.edges.get(edge.index()).is_some_and(|edge| edge.role == Role::Lan);
        let hosts = picture.neighbours.resolved().filter(|(edge, _)| is_lan(*edge));
        let probes = snapshot.uplinks.get(self.link.uplink.index()).and_then(|uplink| Some(uplink.probe?.image));
        let pairs = || snapshot.mappings.iter().filter(|pair| pair.uplink == self.link.uplink);
        let images =
            hosts.flat_map(|(_, host)| pairs().filter_map(move |pair| snapshot.mappings.image_by(pair, host).ok()));
        let images = probes.into_iter().chain(images);
        images.map(solicited_node).collect::<BTreeSet<_>>().into_iter().take(ND_GROUPS).collect()
    }

    /// Whether `inside` is nobody's but that of the gateway's own probes.
    fn is_probe_point(&self, inside: Ipv6Addr, snapshot: &Snapshot) -> bool {
        let probe = snapshot.uplinks.get(self.link.uplink.index()).and_then(|uplink| uplink.probe);
        probe.is_some_and(|probe| probe.inside == inside)
    }

    /// The inside address that `target` is the image of; `None` if it is not answered for.
    fn inside(&self, target: Ipv6Addr, Picture { snapshot, neighbours }: Picture<'_>) -> Option<Ipv6Addr> {
        let mapping = snapshot.mappings.inbound(target).filter(|mapping| mapping.uplink == self.link.uplink)?;
        let uplink = snapshot.uplinks.get(self.link.uplink.index())?;
        let elsewhere = uplink.next_hop == Some(target) || neighbours.is_resolved(uplink.edge, target);
        let inside = mapping.mapping.inbound(target).ok()?;
        let comes_back = snapshot.mappings.image_by(mapping, inside) == Ok(target);
        let gateway = is_own(snapshot, target) || is_own(snapshot, inside);
        (comes_back && !elsewhere && !gateway).then_some(inside)
    }

    fn answer(&mut self, solicitation: &Solicitation, known: bool, now: Nanos) -> Reaction {
        let bucket = if known { &mut self.answers } else { &mut self.unconfirmed };
        if !bucket.take(now) {
            return self.end(NdOutcome::RateLimited);
        }
        self.counters.count(self.link.uplink, NdOutcome::Answered);
        Reaction::Send(solicitation.answer(self.link.source, self.link.mac))
    }

    fn end(&self, outcome: NdOutcome) -> Reaction {
        self.counters.count(self.link.uplink, outcome);
        Reaction::None
    }
}

fn is_own(snapshot: &Snapshot, address: Ipv6Addr) -> bool {
    snapshot.own_addresses.binary_search(&address).is_ok()
}

/// A token bucket. Credit is time.
#[derive(Debug)]
struct Bucket {
    cost: u64,
    most: u64,
    credit: u64,
    filled: Nanos,
}

impl Bucket {
    /// A full one.
    const fn new(per_second: u64, burst: u64) -> Self {
        let cost = 1_000_000_000 / per_second;
        Self { cost, most: burst * cost, credit: burst * cost, filled: Nanos(0) }
    }

    fn take(&mut self, now: Nanos) -> bool {
        self.credit = self.credit.saturating_add(now.since(self.filled).0).min(self.most);
        self.filled = now;
        let enough = self.credit >= self.cost;
        if enough {
            self.credit -= self.cost;
        }
        enough
    }
}
