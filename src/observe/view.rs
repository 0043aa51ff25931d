//! Where the numbers come together: the run loop fills it, the exporter and the control socket
//! read it.
//!
//! The run loop calls [`Observed::refresh`] once a second, and when `status` is asked for. Readers
//! get the latest [`Sample`], in which all numbers are of one moment, and so never make the gateway
//! work: however often somebody scrapes, the packet path does not notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::config::ConfigFacts;
use super::counters::WorkerCounters;
use super::latency::{LatencyCollector, LatencyRecorder};
use super::nd_proxy::NdCounters;
use super::report::{GateCounts, GuardCounts, Report, SocketCounts};
use super::sample::Sample;
use super::telling::TellingCounters;
use super::topology::Topology;
use crate::limits::{HEARTBEAT_MAX_AGE, MAX_EDGES};
use crate::snapshot::{Role, Snapshot};
use crate::units::{Direction, EdgeId, Nanos, PortId};

/// Least time between the sample that rates start from and the latest one.
const RATE_SPAN: Nanos = Nanos::from_millis(900);

/// What only the run loop knows; for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Each ISP's name and weight.
    pub weights: Vec<(String, u32)>,
    /// The interface whose few queues set the number of workers, if it was one.
    pub capped_by: Option<String>,
    /// One redirected frame in this many is timed; 0: none.
    pub timed_one_in: u32,
}

/// Everything that there is to see of a running gateway.
#[derive(Debug)]
pub struct Observed {
    started: SystemTime,
    snapshot: Arc<ArcSwap<Snapshot>>,
    running: ArcSwap<Vec<Arc<WorkerCounters>>>,
    facts: ArcSwap<Facts>,
    config: ArcSwap<ConfigFacts>,
    latest: ArcSwap<Sample>,
    /// The sample that rates start from.
    earlier: ArcSwapOption<Sample>,
    nd_proxy: Arc<NdCounters>,
    telling: Arc<TellingCounters>,
    books: Mutex<Books>,
}

/// What only the run loop needs.
#[derive(Debug)]
struct Books {
    /// Every worker that ever ran: totals must not fall.
    workers: Vec<Arc<WorkerCounters>>,
    running: usize,
    latency: LatencyCollector,
    topology: Arc<Topology>,
    gates: [GateCounts; MAX_EDGES],
    guards: [GuardCounts; MAX_EDGES],
    baseline: [i64; MAX_EDGES],
    /// By port and queue: what all its sockets have counted.
    sockets: BTreeMap<(PortId, usize), SocketCounts>,
    /// The same, when the latest ones were opened.
    closed: BTreeMap<(PortId, usize), SocketCounts>,
    /// The sample that rates will start from once it is old enough.
    maturing: Option<Arc<Sample>>,
}

impl Observed {
    /// Nothing seen yet. `snapshot` is the one that the workers read.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        let topology = Arc::new(Topology::of(&snapshot.load()));
        let empty = Sample { topology: Arc::clone(&topology), ..Sample::empty() };
        Self {
            started: SystemTime::now(),
            snapshot,
            running: ArcSwap::default(),
            facts: ArcSwap::default(),
            config: ArcSwap::default(),
            latest: ArcSwap::from_pointee(empty),
            earlier: ArcSwapOption::empty(),
            nd_proxy: Arc::default(),
            telling: Arc::default(),
            books: Mutex::new(Books {
                workers: Vec::new(),
                running: 0,
                latency: LatencyCollector::new(),
                topology,
                gates: [GateCounts::default(); MAX_EDGES],
                guards: [GuardCounts::default(); MAX_EDGES],
                baseline: [0; MAX_EDGES],
                sockets: BTreeMap::new(),
                closed: BTreeMap::new(),
                maturing: None,
            }),
        }
    }

    /// From now on `count` workers run, and no others. Returns what each counts and records
    /// with; workers of an earlier start count on where they had stopped.
    pub fn start_workers(&self, count: usize) -> Vec<(Arc<WorkerCounters>, LatencyRecorder)> {
        let mut books = self.books();
        while books.workers.len() < count {
            books.workers.push(Arc::default());
        }
        books.running = count;
        let running = books.workers[..count].to_vec();
        self.running.store(Arc::new(running.clone()));
        running.into_iter().map(|counters| (counters, books.latency.recorder())).collect()
    }

    /// Replaces what `status` is told by the run loop: at the start and after a reload.
    pub fn set_facts(&self, facts: Facts) {
        self.facts.store(Arc::new(facts));
    }

    /// Replaces what is known of the configuration.
    pub fn set_config(&self, config: ConfigFacts) {
        self.config.store(Arc::new(config));
    }

    /// What is known of the configuration.
    pub fn config(&self) -> Arc<ConfigFacts> {
        self.config.load_full()
    }

    /// The gates count `gates` and hand frames to no socket; new sockets are about to be opened.
    ///
    /// Gates go on counting over restarts, sockets start from zero, and frames in the rings of a
    /// device that is gone went with it: the books begin anew from here, and no total falls. Call
    /// [`Observed::refresh`] before the former sockets are closed, or what they have counted
    /// since the latest one is lost.
    pub fn open_books(&self, gates: &[(EdgeId, GateCounts)]) {
        let mut books = self.books();
        books.closed = books.sockets.clone();
        let workers = Sample::of_workers(&books.workers, books.running);
        let topology = Topology::of(&self.snapshot.load());
        for (id, counts) in gates {
            let port = topology.edges.iter().find(|edge| edge.id == *id).map(|edge| edge.port);
            let counted_here = port.filter(|port| topology.first_on(*port).is_some_and(|first| first.id == *id));
            let sockets = books.closed.iter().filter(|((port, _), _)| Some(*port) == counted_here);
            let dropped: u64 = sockets.map(|(_, counts)| counts.rx_ring_full + counts.rx_dropped).sum();
            let ended = workers.edge(*id).read + dropped;
            books.baseline[id.index()] = counts.redirected.cast_signed().wrapping_sub_unsigned(ended);
        }
    }

    /// As [`Observed::open_books`], for the sockets of one port that opens while others go on.
    pub fn open_port(&self, port: PortId, gates: &[(EdgeId, GateCounts)]) {
        let mut books = self.books();
        let totals: Vec<_> = books.sockets.iter().filter(|((at, _), _)| *at == port).map(|(at, c)| (*at, *c)).collect();
        let dropped: u64 = totals.iter().map(|(_, counts)| counts.rx_ring_full + counts.rx_dropped).sum();
        books.closed.extend(totals);
        let workers = Sample::of_workers(&books.workers, books.running);
        let first = gates.iter().map(|(id, _)| *id).min();
        for (id, counts) in gates {
            let ended = workers.edge(*id).read + if Some(*id) == first { dropped } else { 0 };
            books.baseline[id.index()] = counts.redirected.cast_signed().wrapping_sub_unsigned(ended);
        }
    }

    /// Takes a new sample. `report` is called after the workers' counters were read, so that a
    /// frame on its way shows as one in flight and never as one too many.
    pub fn refresh(&self, now: Nanos, report: impl FnOnce() -> Report) {
        let mut books = self.books();
        let books = &mut *books;
        let mut sample = Sample::of_workers(&books.workers, books.running);
        sample.at = now;
        sample.report = report();
        sample.nd_proxy = self.nd_proxy.load();
        for port in &sample.report.ports {
            for (queue, counts) in port.sockets.iter().enumerate() {
                let at = (port.port, queue);
                let closed = books.closed.get(&at).copied().unwrap_or_default();
                books.sockets.insert(at, counts.plus(closed));
            }
        }
        sample.sockets = books.sockets.clone();
        for (edge, counts) in &sample.report.gates {
            books.gates[edge.index()] = *counts;
        }
        for (edge, counts) in &sample.report.guards {
            books.guards[edge.index()] = *counts;
        }
        (sample.gates, sample.guards, sample.baseline) = (books.gates, books.guards, books.baseline);
        let snapshot = self.snapshot.load();
        if books.topology.generation != snapshot.generation {
            books.topology = Arc::new(Topology::of(&snapshot));
        }
        sample.topology = Arc::clone(&books.topology);
        books.latency.collect();
        sample.latency = Direction::ALL.map(|direction| books.latency.total(direction).clone());
        let sample = Arc::new(sample);
        if books.maturing.as_ref().is_none_or(|maturing| now.since(maturing.at) >= RATE_SPAN) {
            self.earlier.store(books.maturing.replace(Arc::clone(&sample)));
        }
        self.latest.store(sample);
    }

    /// What the ND proxy counts by.
    pub const fn nd_counters(&self) -> &Arc<NdCounters> {
        &self.nd_proxy
    }

    /// What the event log and `[notify]` count by.
    pub const fn telling(&self) -> &Arc<TellingCounters> {
        &self.telling
    }

    /// The latest sample.
    pub fn sample(&self) -> Arc<Sample> {
        self.latest.load_full()
    }

    /// The sample of a second or two before, once there is one.
    pub fn earlier(&self) -> Option<Arc<Sample>> {
        self.earlier.load_full()
    }

    /// What the run loop has told.
    pub fn facts(&self) -> Arc<Facts> {
        self.facts.load_full()
    }

    /// When the gateway was started, since the Unix epoch.
    pub fn started(&self) -> Duration {
        self.started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    /// By worker: time since its latest turn began. Read from the workers, not from the sample.
    pub fn heartbeat_ages(&self, now: Nanos) -> Vec<Nanos> {
        self.running.load().iter().map(|worker| now.since(Nanos(worker.heartbeat.get()))).collect()
    }

    /// Whether every worker turns; one line for each that does not.
    ///
    /// # Errors
    /// When there is no worker, or one has not turned for [`HEARTBEAT_MAX_AGE`].
    pub fn health(&self, now: Nanos) -> Result<(), String> {
        let ages = self.heartbeat_ages(now);
        if ages.is_empty() {
            return Err("no worker runs yet".to_owned());
        }
        let stalled = ages.iter().enumerate().filter(|(_, age)| **age >= HEARTBEAT_MAX_AGE);
        complain(stalled.map(|(worker, age)| {
            let seconds = Duration::from_nanos(age.0).as_secs_f64();
            format!("worker {worker} has not turned for {seconds:.1} s")
        }))
    }

    /// Whether packets can go from a LAN to an ISP; one line for each reason why not.
    ///
    /// # Errors
    /// When no usable ISP, or no LAN, has a gate that hands packets to a running worker.
    pub fn readiness(&self, now: Nanos) -> Result<(), String> {
        let sample = self.sample();
        let topology = &sample.topology;
        let gated = |edge: EdgeId| sample.has_gate(edge);
        let mut usable = topology.isps.iter().filter(|isp| isp.usable).peekable();
        let mut reasons = Vec::new();
        if usable.peek().is_none() {
            reasons.push("no ISP is usable".to_owned());
        } else if !usable.any(|isp| gated(isp.edge)) {
            reasons.push("no usable ISP has a gate on its interface".to_owned());
        }
        if !topology.edges.iter().any(|edge| edge.role == Role::Lan && gated(edge.id)) {
            reasons.push("no LAN has a gate on its interface".to_owned());
        }
        reasons.extend(self.health(now).err());
        complain(reasons)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn complain(reasons: impl IntoIterator<Item = String>) -> Result<(), String> {
    let reasons: Vec<String> = reasons.into_iter().collect();
    if reasons.is_empty() { Ok(()) } else { Err(reasons.join("\n")) }
}
