//! What `sixways status` shows, as the control socket hands it over.

mod flows;
mod health;
mod nd_proxy;
mod prefix;

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::accounting::{Account, accounts};
use super::config::ConfigStatus;
use super::sample::Sample;
use super::topology::{NamedEdge, NamedIsp, Topology};
use super::view::Observed;
use crate::port::Ledger;
use crate::snapshot::Role;
use crate::units::{Direction, Nanos};
use crate::verdict::DropReason;
pub use flows::{EvictionStatus, FlowStatus, RecordStatus};
pub use health::{HealthStatus, TargetStatus};
pub use nd_proxy::NdProxyStatus;
pub use prefix::{FormerStatus, PrefixStatus};

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The gateway's version.
    pub version: String,
    /// Seconds since it was started.
    pub uptime_seconds: f64,
    /// How old the numbers are, which are taken when they are asked for.
    pub age_seconds: f64,
    /// Number of the generation that the workers read.
    pub generation: u64,
    /// The configuration.
    pub config: ConfigStatus,
    /// Why it is not ready, one reason a line; empty when it is.
    pub not_ready: String,
    /// Every ISP.
    pub isps: Vec<IspStatus>,
    /// The ND proxy, where an ISP asks for it.
    pub nd_proxy: Vec<NdProxyStatus>,
    /// Every interface.
    pub interfaces: Vec<InterfaceStatus>,
    /// Flow memory.
    pub flows: FlowStatus,
    /// The fragment table.
    pub fragments: FragmentStatus,
    /// Every worker.
    pub workers: Vec<WorkerStatus>,
    /// The interface whose few queues set the number of workers, if it was one.
    pub workers_capped_by: Option<String>,
    /// Outbound and inbound.
    pub latency: Vec<LatencyStatus>,
    /// One redirected frame in this many is timed; 0: none.
    pub timed_one_in: u32,
    /// Every drop counter that is not zero.
    pub drops: Vec<DropStatus>,
    /// Every identity.
    pub accounting: Vec<Account>,
}

/// A counter and how fast it rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// Since the start.
    pub total: u64,
    /// Of late.
    pub per_second: f64,
}

/// Packets and octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets.
    pub packets: Counted,
    /// Octets, Ethernet header included.
    pub bytes: Counted,
}

/// One ISP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IspStatus {
    /// Its name.
    pub name: String,
    /// The interface that leads to it.
    pub interface: String,
    /// Whether it may carry new packets.
    pub up: bool,
    /// What is known of its health; `None` until it was looked at.
    pub health: Option<HealthStatus>,
    /// Its prefix, where that is learnt.
    pub prefix: Option<PrefixStatus>,
    /// Its router, once one is known.
    pub next_hop: Option<Ipv6Addr>,
    /// Its weight.
    pub weight: u32,
    /// Share of the steering table that prefers it, 0 to 1.
    pub share_by_table: f64,
    /// Share of the outbound packets since the start; `None` while there were none.
    pub share_of_packets: Option<f64>,
    /// Packets translated on their way out.
    pub outbound: Counted,
    /// Packets translated on their way in.
    pub inbound: Counted,
    /// Flows that have it.
    pub flows: u64,
    /// Its quota, if it has one.
    pub quota: Option<QuotaStatus>,
}

/// What an ISP may carry in a calendar month (UTC), both ways together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaStatus {
    /// Octets, Ethernet header included.
    pub bytes: u64,
    /// Of them those that it has carried this month.
    pub used_bytes: u64,
}

/// The fragment table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FragmentStatus {
    /// Fragmented datagrams whose ISP was noted.
    pub inserts: Counted,
    /// Fragments whose ISP was known from another one.
    pub hits: Counted,
    /// Datagrams forgotten for others before their time was over.
    pub evictions: Counted,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: String,
    /// `lan`, or `isp`.
    pub role: String,
    /// The ISP that it leads to.
    pub isp: Option<String>,
    /// Whether it has carrier.
    pub up: bool,
    /// The mode in force: `zero-copy`, `copy` or `generic`. Empty while the device is absent.
    pub mode: String,
    /// The driver.
    pub driver: String,
    /// Receive queues.
    pub queues: u32,
    /// What the workers have received.
    pub received: Traffic,
    /// What the workers have sent.
    pub sent: Traffic,
}

/// One worker.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Seconds since its latest turn began.
    pub heartbeat_age_seconds: f64,
    /// Turns of late that found frames, as a share of all, 0 to 1.
    pub busy_ratio: f64,
    /// Where its frames are.
    pub frames: Frames,
}

/// The places of [`Ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// All.
    pub total: u64,
    /// Unused.
    pub free: u64,
    /// To be received into, or received and not yet read.
    pub fill: u64,
    /// Being sent.
    pub transmit: u64,
    /// With the worker.
    pub in_hand: u64,
    /// Nowhere.
    pub lost: i64,
}

/// How long the packets of one direction took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyStatus {
    /// `outbound` or `inbound`.
    pub direction: String,
    /// Packets timed.
    pub timed: u64,
    /// Half took no longer, in nanoseconds.
    pub p50_ns: u64,
    /// 99 % took no longer.
    pub p99_ns: u64,
    /// 99.9 % took no longer.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// One reason at one interface.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DropStatus {
    /// Where the packets came in, or where the guard stopped them.
    pub interface: String,
    /// The reason's label.
    pub reason: String,
    /// The reason in a sentence.
    pub meaning: String,
    /// How many.
    pub packets: Counted,
}

impl Status {
    /// What there is to say at `now`.
    pub fn of(observed: &Observed, now: Nanos) -> Self {
        let sample = observed.sample();
        let earlier = observed.earlier();
        let facts = observed.facts();
        let rates = Rates { sample: &sample, earlier: earlier.as_deref() };
        let topology = &sample.topology;
        let started = std::time::UNIX_EPOCH + observed.started();
        let weight = |name: &str| facts.weights.iter().find(|(isp, _)| isp == name).map_or(0, |(_, weight)| *weight);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: started.elapsed().unwrap_or_default().as_secs_f64(),
            age_seconds: now.since(sample.at).0 as f64 / 1e9,
            generation: topology.generation,
            config: ConfigStatus::of(&observed.config(), now),
            not_ready: observed.readiness(now).err().unwrap_or_default(),
            isps: topology.isps.iter().map(|isp| rates.isp(isp, weight(&isp.name))).collect(),
            nd_proxy: rates.nd_proxy(),
            interfaces: topology.edges.iter().map(|edge| rates.interface(edge)).collect(),
            flows: rates.flows(),
            fragments: FragmentStatus {
                inserts: rates.counted(|sample| sample.flows.fragments_inserted),
                hits: rates.counted(|sample| sample.flows.fragments_found),
                evictions: rates.counted(|sample| sample.flows.fragments_evicted),
            },
            workers: observed.heartbeat_ages(now).iter().enumerate().map(|(at, age)| rates.worker(at, *age)).collect(),
            workers_capped_by: facts.capped_by.clone(),
            latency: Direction::ALL.map(|direction| latency(&sample, direction)).into(),
            timed_one_in: facts.timed_one_in,
            drops: rates.drops(),
            accounting: accounts(&sample),
        }
    }
}

/// A sample, and an earlier one to compare it with.
struct Rates<'a> {
    sample: &'a Sample,
    earlier: Option<&'a Sample>,
}

impl Rates<'_> {
    fn counted(&self, count: impl Fn(&Sample) -> u64) -> Counted {
        let total = count(self.sample);
        let per_second = self.earlier.map_or(0.0, |earlier| {
            let span = self.sample.at.since(earlier.at).0 as f64 / 1e9;
            if span > 0.0 { total.saturating_sub(count(earlier)) as f64 / span } else { 0.0 }
        });
        Counted { total, per_second }
    }

    fn isp(&self, isp: &NamedIsp, weight: u32) -> IspStatus {
        let topology = &self.sample.topology;
        let outbound = self.counted(|sample| sample.translated(isp.id, Direction::Outbound));
        let all: u64 = topology.isps.iter().map(|isp| self.sample.translated(isp.id, Direction::Outbound)).sum();
        let interface = topology.edges.iter().find(|edge| edge.id == isp.edge);
        let health = self.sample.report.health.iter().find(|health| health.uplink == isp.id);
        let prefix = self.sample.report.prefixes.iter().find(|prefix| prefix.isp == isp.name);
        let quota = self.sample.report.quotas.iter().find(|quota| quota.isp == isp.name);
        IspStatus {
            name: isp.name.clone(),
            interface: interface.map(|edge| edge.name.clone()).unwrap_or_default(),
            up: isp.usable,
            health: health.map(|health| HealthStatus::of(health, self.sample.at)),
            prefix: prefix.map(|learnt| PrefixStatus::of(learnt, self.sample.at)),
            next_hop: isp.next_hop,
            weight,
            share_by_table: isp.share,
            share_of_packets: (all > 0).then(|| outbound.total as f64 / all as f64),
            outbound,
            inbound: self.counted(|sample| sample.translated(isp.id, Direction::Inbound)),
            flows: self.sample.flows_of(isp),
            quota: quota.map(|quota| QuotaStatus { bytes: quota.quota, used_bytes: quota.used }),
        }
    }

    fn interface(&self, edge: &NamedEdge) -> InterfaceStatus {
        let isp = self.sample.topology.isps.iter().find(|isp| edge.role == Role::Isp(isp.id));
        let port = self.sample.port(edge.port).cloned().unwrap_or_default();
        InterfaceStatus {
            name: edge.name.clone(),
            role: Topology::role_label(edge.role).to_owned(),
            isp: isp.map(|isp| isp.name.clone()),
            up: port.up,
            mode: port.mode,
            driver: port.driver,
            queues: port.queues,
            received: Traffic {
                packets: self.counted(|sample| sample.edge(edge.id).read),
                bytes: self.counted(|sample| sample.edge(edge.id).read_bytes),
            },
            sent: Traffic {
                packets: self.counted(|sample| sample.left_by(edge.id).0),
                bytes: self.counted(|sample| sample.left_by(edge.id).1),
            },
        }
    }

    fn worker(&self, worker: usize, heartbeat_age: Nanos) -> WorkerStatus {
        let counts = |sample: &Sample| sample.workers.get(worker).copied().unwrap_or_default();
        let turns = self.counted(|sample| counts(sample).iterations).per_second;
        let busy = self.counted(|sample| counts(sample).busy_iterations).per_second;
        WorkerStatus {
            heartbeat_age_seconds: heartbeat_age.0 as f64 / 1e9,
            busy_ratio: if turns > 0.0 { busy / turns } else { 0.0 },
            frames: counts(self.sample).ledger.into(),
        }
    }

    fn drops(&self) -> Vec<DropStatus> {
        let edges = self.sample.topology.edges.iter();
        let pairs = edges.flat_map(|edge| DropReason::ALL.iter().map(move |reason| (edge, *reason)));
        let counted = pairs.map(|(edge, reason)| DropStatus {
            interface: edge.name.clone(),
            reason: reason.label().to_owned(),
            meaning: reason.meaning().trim().to_owned(),
            packets: self.counted(|sample| sample.dropped(edge, reason)),
        });
        counted.filter(|drop| drop.packets.total > 0).collect()
    }
}

impl From<Ledger> for Frames {
    fn from(ledger: Ledger) -> Self {
        Self {
            total: ledger.total,
            free: ledger.free,
            fill: ledger.fill,
            transmit: ledger.transmit,
            in_hand: ledger.in_hand,
            lost: ledger.lost(),
        }
    }
}

fn latency(sample: &Sample, direction: Direction) -> LatencyStatus {
    let latency = &sample.latency[direction.index()];
    LatencyStatus {
        direction: direction.label().to_owned(),
        timed: latency.count(),
        p50_ns: latency.quantile(0.5).0,
        p99_ns: latency.quantile(0.99).0,
        p999_ns: latency.quantile(0.999).0,
        max_ns: latency.max().0,
    }
}
