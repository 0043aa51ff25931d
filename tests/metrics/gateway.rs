//! A gateway as the exporter sees it: its counters driven by hand, its numbers known.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sixways::flow::{ColdRecord, FlowStore, HeapFlows, Inserted, Record, State, Timeouts, octets};
use sixways::hash::{FlowKey, HashKey};
use sixways::npt::Mapping;
use sixways::observe::config::{ConfigFacts, ReloadFailure};
use sixways::observe::counters::WorkerCounters;
use sixways::observe::latency::LatencyRecorder;
use sixways::observe::report::{GateCounts, GuardCounts, MemoryReport, PortReport, Report, SocketCounts};
use sixways::observe::view::{Facts, Observed};
use sixways::port::Ledger;
use sixways::snapshot::{
    Buckets, Claim, Edge, ErrorRates, Filter, Ingress, LanRoutes, MappingTable, Moves, Role, Snapshot, Steering,
    Uplink, UplinkMapping,
};
use sixways::units::{Direction, EdgeId, MacAddr, MappingId, Nanos, PortId, UplinkId};

pub struct Gateway {
    pub observed: Arc<Observed>,
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    pub flows: Arc<HeapFlows>,
    pub workers: Vec<Arc<WorkerCounters>>,
    pub recorders: Vec<LatencyRecorder>,
    pub report: Report,
    pub now: Nanos,
}

impl Gateway {
    /// One LAN, `isps` ISPs of weights 1, 2, 3, …, and a queue of each interface for each worker.
    pub fn new(isps: usize, workers: usize) -> Self {
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot(isps)));
        let observed = Arc::new(Observed::new(Arc::clone(&snapshot)));
        let (counters, recorders) = observed.start_workers(workers).into_iter().unzip();
        observed.set_facts(Facts {
            weights: (0..isps).map(|isp| (isp_name(isp), weight(isp))).collect(),
            capped_by: Some("lan0".to_owned()),
            timed_one_in: 64,
        });
        observed.set_config(ConfigFacts {
            file: "/etc/sixways/sixways.toml".to_owned(),
            sha256: "0123456789abcdef".repeat(4),
            since: observed.started(),
            failure: Some(ReloadFailure { reason: "2 errors\n\nerror: the first".to_owned(), at: observed.started() }),
            confirm_until: None,
            differs_since: None,
        });
        let port = |id: usize| PortReport {
            port: PortId(id as u8),
            interface: interface(id),
            driver: "veth".to_owned(),
            mode: "copy".to_owned(),
            queues: workers as u32,
            up: true,
            sockets: vec![SocketCounts::default(); workers],
        };
        let edges = || (0..=isps).map(|id| EdgeId(id as u8));
        let report = Report {
            ports: (0..=isps).map(port).collect(),
            gates: edges().map(|edge| (edge, GateCounts::default())).collect(),
            guards: edges().skip(1).map(|edge| (edge, GuardCounts::default())).collect(),
            memory: MemoryReport { capacity: CAPACITY, octets: octets(CAPACITY), ..MemoryReport::default() },
            ..Report::default()
        };
        let flows = Arc::new(HeapFlows::new(CAPACITY));
        let now = Nanos::from_millis(60_000);
        let mut gateway = Self { observed, snapshot, flows, workers: counters, recorders, report, now };
        gateway.tick();
        gateway
    }

    /// A second passes, every worker turns, and the run loop refreshes.
    pub fn tick(&mut self) {
        self.pass(1000);
    }

    /// As [`Gateway::tick`], after `millis`.
    pub fn pass(&mut self, millis: u64) {
        self.now = self.now.plus(Nanos::from_millis(millis));
        for (worker, recorder) in self.workers.iter().zip(&mut self.recorders) {
            worker.iterations.add(10);
            worker.heartbeat.set(self.now.0);
            recorder.publish_if_due(self.now);
        }
        let report = self.report.clone();
        self.observed.refresh(self.now, || report);
    }

    /// `packets` packets of `octets` octets pass the gate of `from`, are read by `worker` and leave by `to`.
    pub fn forward(&mut self, worker: usize, from: u8, to: u8, packets: u64, octets: u64) {
        self.report.gates[usize::from(from)].1.redirected += packets;
        let edge = self.workers[worker].edge(EdgeId(from));
        edge.read.add(packets);
        edge.read_bytes.add(packets * octets);
        edge.sent[usize::from(to)].add(packets);
        edge.sent_bytes[usize::from(to)].add(packets * octets);
    }

    /// Makes the record of a flow that has `mapping`.
    pub fn remember(&self, key: FlowKey, mapping: u8, state: State, opened: Direction, created: Nanos) -> Record {
        let snapshot = self.snapshot.load();
        let cold = ColdRecord::new(key, opened, created);
        let hash = key.hash(&snapshot.hash_key);
        match self.flows.flows().insert(hash, &cold, MappingId(mapping), state, &snapshot.timeouts) {
            Inserted::New(record, _) => record,
            other => panic!("{key:?}: {other:?}"),
        }
    }

    /// Puts a worker's whole buffer into its rings.
    pub fn fill(&self, worker: usize) {
        self.workers[worker].ledger.store(Ledger { total: 4096, free: 1000, fill: 2048, transmit: 40, in_hand: 1008 });
    }
}

/// Flows that the gateway has memory for.
pub const CAPACITY: u64 = 1 << 16;

pub fn isp_name(isp: usize) -> String {
    ["fiber", "cable", "dsl", "radio"].get(isp).map_or_else(|| format!("isp{isp}"), |name| (*name).to_owned())
}

pub fn interface(edge: usize) -> String {
    edge.checked_sub(1).map_or_else(|| "lan0".to_owned(), |wan| format!("wan{wan}"))
}

fn weight(isp: usize) -> u32 {
    isp as u32 + 1
}

fn snapshot(isps: usize) -> Snapshot {
    let names: Vec<String> = (0..isps).map(isp_name).collect();
    let claims: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(isp, name)| Claim { uplink: UplinkId(isp as u8), name, weight: weight(isp), tier: 1 })
        .collect();
    let edge = |id: usize| Edge {
        name: interface(id).into(),
        port: PortId(id as u8),
        vlan: None,
        role: if id == 0 { Role::Lan } else { Role::Isp(UplinkId(id as u8 - 1)) },
        mac: MacAddr::default(),
        mtu: 1500,
        error_source: None,
    };
    let pair = |isp: usize| {
        let external = format!("2001:db8:{:x}::/48", isp + 1).parse().unwrap();
        let mapping = Mapping::new("fd12:3456:789a::/48".parse().unwrap(), external).unwrap();
        UplinkMapping { id: MappingId(isp as u8), uplink: UplinkId(isp as u8), mapping, former: false }
    };
    let uplink = |isp: usize| Uplink {
        name: isp_name(isp).into(),
        edge: EdgeId(isp as u8 + 1),
        next_hop: Some(format!("fe80::{}", isp + 1).parse().unwrap()),
        largest_segment: None,
        prefix_on_link: false,
        probe: None,
    };
    Snapshot {
        generation: 7,
        internal: Box::default(),
        ingress: (0..=isps).map(|id| Ingress::Edge(EdgeId(id as u8))).collect(),
        edges: (0..=isps).map(edge).collect(),
        uplinks: (0..isps).map(uplink).collect(),
        mappings: MappingTable::new(&(0..isps).map(pair).collect::<Vec<_>>(), isps),
        routes: LanRoutes::new(&[]),
        steering: Steering::by_default(Buckets::build(&claims).unwrap(), (1 << isps) - 1),
        filter: Filter::default(),
        errors: ErrorRates::default(),
        timeouts: Timeouts::rfc6092(),
        reset_on_failover: false,
        usable: (1 << isps) - 1,
        accepting: (1 << isps) - 1,
        kept: 0,
        moves: Moves::default(),
        probe_token: 0,
        hash_key: HashKey([1; 11]),
        own_addresses: Box::default(),
        accept_any_uplink: false,
    }
}
