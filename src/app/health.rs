//! Health at work: what is seen goes into the state machine, and what it wants sent goes out.

use std::io;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::carrier::Carriers;
use super::routers::{Advertised, Routers};
use crate::control::config::Config;
use crate::control::health::connections::{Connections, Evidence};
use crate::control::health::{Act, Change, Facts, Health, probe};
use crate::datapath::probe::ProbeAnswer;
use crate::limits::MAX_UPLINKS;
use crate::observe::counters::{Counter, FlowCounters};
use crate::os::now;
use crate::snapshot::{Generation, IspLink, Judgement, NeighbourTable, Snapshot};
use crate::units::{Nanos, UplinkId};
use crate::worker::{Inject, Thread};

/// The machine, and the senses and hands that it has.
#[derive(Debug)]
pub(super) struct HealthWatch {
    pub(super) health: Health,
    carriers: Carriers,
    routers: Routers,
    links: Vec<IspLink>,
    /// The worker that sends the next probe: all are tried in turn.
    turn: usize,
    connections: Evidence,
}

impl HealthWatch {
    /// Starts to watch; rings `changed` when a carrier has changed. Also where routers are heard.
    ///
    /// # Errors
    /// Without a descriptor or a thread.
    pub(super) fn start(changed: Arc<Notify>) -> io::Result<(Self, mpsc::Receiver<Advertised>)> {
        let (routers, heard) = Routers::new();
        let carriers = Carriers::start(changed)?;
        let (health, links, connections) = (Health::default(), Vec::new(), Evidence::default());
        Ok((Self { health, carriers, routers, links, turn: 0, connections }, heard))
    }

    /// Watches the ISPs of `generation` from now on.
    pub(super) fn follow(&mut self, config: &Config, generation: &Generation) {
        self.links.clone_from(&generation.links);
        self.carriers.follow(self.links.iter().map(|link| &*link.device));
        self.routers.follow(&self.links);
        let snapshot = &generation.snapshot;
        let facts = config.isps.iter().filter_map(|isp| {
            let uplink = snapshot.uplinks.iter().position(|uplink| *uplink.name == *isp.name)?;
            let link = self.links.iter().find(|link| link.uplink.index() == uplink);
            Some(Facts {
                name: isp.name.clone(),
                uplink: UplinkId(uplink as u8),
                link: link.is_some_and(|link| link.up && self.carriers.has(&link.device) != Some(false)),
                next_hop: snapshot.uplinks[uplink].next_hop,
                has_prefix: !isp.mappings.is_empty(),
                health: isp.health.clone(),
                probes: isp.probes.clone(),
            })
        });
        let facts = facts.collect();
        self.health.follow(facts, now());
    }

    /// A worker could not send: its link is looked at now.
    pub(super) fn look(&self) {
        self.carriers.look();
    }

    /// A router has answered.
    pub(super) fn advertised(&mut self, heard: Advertised) {
        self.health.advertised(heard.uplink, heard.from, heard.at);
    }

    /// Something has come back for a probe.
    pub(super) fn answered(&mut self, answer: &ProbeAnswer, snapshot: &Snapshot, threads: &[Thread]) {
        let Some(heard) = probe::read(answer.packet(), snapshot.probe_token) else { return };
        self.health.heard(answer.uplink, &heard, answer.arrived);
        if let (probe::Asked::Tcp(port), true) = (heard.asked, heard.is_answer())
            && let Some(point) = snapshot.uplinks.get(answer.uplink.index()).and_then(|uplink| uplink.probe)
        {
            let reset = probe::reset(point.inside, heard.target, port, snapshot.probe_token, heard.sequence);
            self.inject(answer.uplink, reset, threads);
        }
    }

    /// Looks, sends what is due, and judges.
    pub(super) fn mind(
        &mut self,
        snapshot: &Snapshot,
        neighbours: &NeighbourTable,
        threads: &[Thread],
    ) -> (Vec<Change>, Judgement) {
        let now = now();
        for link in &self.links {
            let carrier = self.carriers.has(&link.device).unwrap_or(link.up);
            self.health.link(link.uplink, link.up && carrier);
            let arrived = threads.iter().map(|thread| thread.channel.counters.edge(link.edge).arrived.get()).max();
            self.health.arrived(link.uplink, Nanos(arrived.unwrap_or_default()));
        }
        self.look_at_connections(snapshot, threads, now);
        for act in self.health.advance(now) {
            match act {
                Act::Ask(uplink, ask) => self.routers.ask(uplink, ask, neighbours),
                Act::Probe(uplink, n, sequence) => {
                    let point = snapshot.uplinks.get(uplink.index()).and_then(|uplink| uplink.probe);
                    if let (Some(point), Some(asked)) = (point, self.health.probe(uplink, n)) {
                        let token = snapshot.probe_token;
                        let packet = probe::build(&asked.kind, point.inside, asked.target, token, sequence);
                        self.inject(uplink, packet, threads);
                    }
                }
            }
        }
        (self.health.judge(now), self.health.judgement())
    }

    /// A probe that finds no room is lost, as it may be on the wire.
    fn inject(&mut self, uplink: UplinkId, packet: Vec<u8>, threads: &[Thread]) {
        self.turn = self.turn.wrapping_add(1);
        if let Some(thread) = threads.get(self.turn % threads.len().max(1)) {
            let _ = thread.channel.inject(Inject { uplink, packet: packet.into() });
        }
    }

    /// ISPs by which connections get no answer are asked for more.
    fn look_at_connections(&mut self, snapshot: &Snapshot, threads: &[Thread], now: Nanos) {
        if !self.connections.is_due(now) {
            return;
        }
        let sum = |uplink: usize, of: fn(&FlowCounters) -> &[Counter; MAX_UPLINKS]| {
            threads.iter().map(|thread| of(&thread.channel.counters.flows)[uplink].get()).sum()
        };
        let total = |uplink| Connections {
            opened: sum(uplink, |flows| &flows.opened),
            answered: sum(uplink, |flows| &flows.answered),
        };
        let totals = (0..snapshot.uplinks.len()).map(total).collect();
        for uplink in self.connections.look(totals, now) {
            self.health.suspect(uplink, now);
        }
    }
}
