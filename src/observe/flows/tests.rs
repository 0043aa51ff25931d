use std::sync::{Arc, mpsc};

use arc_swap::ArcSwap;

use super::listing::Walk;
use super::*;
use crate::flow::{ColdRecord, FlowStore, HeapFlows, Tick, Timeouts};
use crate::hash::{FlowKey, HashKey};
use crate::npt::Mapping;
use crate::snapshot::{
    Buckets, Claim, ErrorRates, Filter, LanRoutes, MappingTable, Moves, Snapshot, Steering, Uplink, UplinkMapping,
};
use crate::units::{Direction, EdgeId, MappingId, Nanos, UplinkId};

const NOW: Nanos = Nanos::from_millis(3_600_000);

fn snapshot(key: u64) -> Snapshot {
    let mapping = Mapping::new("fd00::/48".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()).unwrap();
    let pair = UplinkMapping { id: MappingId(3), uplink: UplinkId(0), mapping, former: false };
    let claim = Claim { uplink: UplinkId(0), name: "fiber", weight: 1, tier: 1 };
    Snapshot {
        generation: 1,
        internal: Box::default(),
        ingress: Box::default(),
        edges: Box::default(),
        uplinks: [Uplink {
            name: "fiber".into(),
            edge: EdgeId(0),
            next_hop: None,
            largest_segment: None,
            prefix_on_link: false,
            probe: None,
        }]
        .into(),
        mappings: MappingTable::new(&[pair], 1),
        routes: LanRoutes::new(&[]),
        steering: Steering::by_default(Buckets::build(&[claim]).unwrap(), 1),
        filter: Filter::default(),
        errors: ErrorRates::default(),
        timeouts: Timeouts::rfc6092(),
        reset_on_failover: false,
        usable: 1,
        accepting: 1,
        kept: 0,
        moves: Moves::default(),
        probe_token: 0,
        hash_key: HashKey([key; 11]),
        own_addresses: Box::default(),
        accept_any_uplink: false,
    }
}

fn key(host: u16) -> FlowKey {
    let internal = format!("fd00::{host:x}").parse().unwrap();
    let remote = "2001:db8::1".parse().unwrap();
    FlowKey { internal, remote, protocol: 17, internal_port: host, remote_port: 53 }
}

/// A UDP flow of each host from 1 to `hosts`, the host's number being its age in seconds.
fn memory(hosts: u16) -> Arc<HeapFlows> {
    let store = Arc::new(HeapFlows::new(4096));
    let snapshot = snapshot(1);
    for host in 1..=hosts {
        let key = key(host);
        let cold = ColdRecord::new(key, Direction::Outbound, NOW.since(Nanos::from_millis(u64::from(host) * 1000)));
        let hash = key.hash(&snapshot.hash_key);
        store.flows().insert(hash, &cold, MappingId(3), State::UdpOutbound, &snapshot.timeouts);
    }
    store
}

fn view(store: &Arc<HeapFlows>, snapshot: Snapshot) -> View {
    View::new(Arc::new(ArcSwap::from_pointee(snapshot)), Arc::<HeapFlows>::clone(store))
}

fn query(words: &[&str], limit: usize) -> Query {
    Query { words: words.iter().map(|word| (*word).to_owned()).collect(), limit }
}

#[test]
fn the_flows_seen_last_are_listed_whatever_their_place() {
    let listing = view(&memory(200), snapshot(1)).list(&query(&[], 3), NOW).unwrap();
    let ports: Vec<_> = listing.flows.iter().map(|flow| flow.internal_port.unwrap()).collect();
    assert_eq!(ports, [1, 2, 3]);
    assert_eq!((listing.matched, listing.known, listing.unreadable), (200, 200, 0));
    let some = view(&memory(200), snapshot(1)).list(&query(&["port=77"], 3), NOW).unwrap();
    assert_eq!((some.matched, some.known, some.flows.len()), (1, 200, 1));
    let image = snapshot(1).mappings.image(UplinkId(0), some.flows[0].internal).unwrap().1;
    assert_eq!(some.flows[0].outside, Some(image));
}

#[test]
fn a_record_whose_key_is_another_flows_is_not_shown() {
    let store = memory(50);
    // By another key no hash fits its place.
    let listing = view(&store, snapshot(2)).list(&query(&[], 100), NOW).unwrap();
    assert_eq!((listing.flows.len(), listing.matched, listing.known, listing.unreadable), (0, 0, 50, 50));
    let counted = view(&store, snapshot(2)).list(&query(&[], 0), NOW).unwrap();
    assert_eq!((counted.matched, counted.unreadable), (50, 0), "the hot words are enough to count");
}

#[test]
fn a_mapping_that_is_gone_leaves_the_rest_readable() {
    let mut snapshot = snapshot(1);
    snapshot.mappings = MappingTable::new(&[], 1);
    let listing = view(&memory(1), snapshot).list(&query(&[], 10), NOW).unwrap();
    assert_eq!((listing.flows[0].isp.as_str(), listing.flows[0].outside), ("(gone)", None));
    assert_eq!(listing.counts[0].isp, "(gone)");
}

#[test]
fn a_walk_ends_when_its_time_is_over() {
    let (store, snapshot) = (memory(50), snapshot(1));
    let mut walk = Walk::new(store.flows(), &snapshot, Selection::default(), None, 10, NOW);
    assert_eq!(walk.run(Nanos(0)), 0);
    let listing = walk.into_listing(0);
    assert_eq!((listing.matched, listing.capacity), (0, 4096));
    assert!(listing.read_ratio < f64::EPSILON);
}

#[test]
fn a_memory_of_nothing_says_so() {
    let store = Arc::new(HeapFlows::new(0));
    let listing = view(&store, snapshot(1)).list(&query(&[], 10), NOW).unwrap();
    assert_eq!(listing, Listing { read_ratio: 1.0, ..Listing::default() });
}

/// Memory that lets itself be read only when it is told to.
#[derive(Debug)]
struct Slow {
    store: Arc<HeapFlows>,
    asked: mpsc::SyncSender<()>,
    go: std::sync::Mutex<mpsc::Receiver<()>>,
}

impl FlowStore for Slow {
    fn flows(&self) -> crate::flow::Flows<'_> {
        self.asked.send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        self.store.flows()
    }
}

#[test]
fn one_walk_is_under_way_at_a_time() {
    let (asked, is_asked) = mpsc::sync_channel(1);
    let (go, gone) = mpsc::channel();
    let slow = Slow { store: memory(1), asked, go: gone.into() };
    let view = View::new(Arc::new(ArcSwap::from_pointee(snapshot(1))), Arc::new(slow));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| view.list(&query(&[], 10), NOW));
        is_asked.recv().unwrap();
        assert_eq!(view.list(&query(&[], 10), NOW), Err(QueryError::Busy));
        go.send(()).unwrap();
        assert_eq!(first.join().unwrap().unwrap().matched, 1);
        go.send(()).unwrap();
        assert_eq!(view.list(&query(&[], 10), NOW).unwrap().matched, 1);
    });
}

#[test]
fn idle_is_the_middle_of_what_is_possible() {
    let tick = Tick::span(1).0;
    let idle = super::listing::idle_nanos;
    assert_eq!(idle(0, Nanos(5 * tick + 1)), Nanos(0), "this tick has just begun");
    assert_eq!(idle(0, Nanos(6 * tick - 1)), Nanos(tick / 2 - 1));
    assert_eq!(idle(3, Nanos(9 * tick)), Nanos(2 * tick + tick / 2));
}
