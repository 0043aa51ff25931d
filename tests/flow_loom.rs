//! Flow memory under a model checker: all interleavings of a few workers on one line, up to a number
//! of preemptions where there are too many.
//!
//! The table is generic over its words, so the crate itself is built as always.

use std::net::Ipv6Addr;
use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;
use sixways::flow::{ColdLine, ColdRecord, Flows, Inserted, Line, Record, State, Tick, Timeouts, Word64};
use sixways::hash::FlowKey;
use sixways::units::{Direction, MappingId, Nanos};

/// A word whose loads and swaps have one order. The checker takes `SeqCst` for less in a load or a
/// swap, but not in a fence.
#[derive(Debug, Default)]
struct Modelled(AtomicU64);

impl Word64 for Modelled {
    fn load(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Acquire)
    }

    fn swap(&self, old: u64, new: u64) -> bool {
        fence(Ordering::SeqCst);
        let done = self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).is_ok();
        fence(Ordering::SeqCst);
        done
    }

    fn load_cold(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn store_cold(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }
}

const SECOND: u64 = 1_000_000_000;
/// When the workers work.
const NOW: Nanos = Nanos(1000 * SECOND);
/// What was seen then is over by [`NOW`] if it is ICMPv6 or TCP that was never answered, and is not
/// if it is an established flow.
const EARLIER: Nanos = Nanos(500 * SECOND);
/// The flow that the workers meet about.
const FLOW: u64 = 77;
/// Places of a line.
const PLACES: u64 = 8;

/// One line, and what workers do to it.
struct Table {
    hot: [Line<Modelled>; 1],
    cold: Vec<ColdLine<Modelled>>,
    timeouts: Timeouts,
}

fn hash(flow: u64) -> u64 {
    flow << 26
}

fn key(flow: u64) -> FlowKey {
    FlowKey {
        internal: Ipv6Addr::from_bits(flow.into()),
        remote: Ipv6Addr::from_bits(1 << 64),
        protocol: 17,
        internal_port: 1,
        remote_port: 2,
    }
}

impl Table {
    /// A line full of established flows 1 to 8, in the order of the places, but for those places
    /// (from 0) that `others` puts in another state.
    fn new(with_cold: bool, others: &[(u64, State)]) -> Self {
        let cold = if with_cold { vec![ColdLine::default()] } else { Vec::new() };
        let table = Self { hot: [Line::default()], cold, timeouts: Timeouts::rfc6092() };
        for place in 0..PLACES {
            let state = others.iter().find(|other| other.0 == place).map_or(State::TcpEstablished, |other| other.1);
            let inserted = table.insert_as(place + 1, 0, state, EARLIER);
            assert!(matches!(inserted, Inserted::New(record, None) if record.slot.at as u64 == place));
        }
        table
    }

    fn flows(&self) -> Flows<'_, Modelled> {
        Flows::new(&self.hot, &self.cold)
    }

    fn insert_as(&self, flow: u64, mapping: u8, state: State, now: Nanos) -> Inserted {
        let cold = ColdRecord::new(key(flow), Direction::Outbound, now);
        self.flows().insert(hash(flow), &cold, MappingId(mapping), state, &self.timeouts)
    }

    /// A worker that has chosen `mapping` for [`FLOW`] learns which one it has.
    fn agree(&self, mapping: u8) -> MappingId {
        match self.insert_as(FLOW, mapping, State::UdpOutbound, NOW) {
            Inserted::New(record, _) | Inserted::Existing(record) => {
                self.check_cold(record);
                record.word.mapping()
            }
            Inserted::Full => panic!("there was room"),
        }
    }

    fn look_up(&self, flow: u64) -> Option<Record> {
        self.flows().look_up(hash(flow), Tick::at(NOW), &self.timeouts)
    }

    /// Takes the record at `place` away, as a sweep does.
    fn remove(&self, place: u64) -> bool {
        let record = self.flows().records(0).find(|record| record.slot.at as u64 == place);
        record.is_some_and(|record| self.flows().remove(record))
    }

    /// The one record of [`FLOW`], when all is done. No claim is left.
    fn the_one(&self) -> Record {
        let records: Vec<_> = self.flows().records(0).collect();
        assert!(records.iter().all(|record| !record.word.is_claim()), "a claim is left: {records:?}");
        let own: Vec<_> = records.iter().filter(|record| record.word.is_of(hash(FLOW))).collect();
        assert_eq!(own.len(), 1, "{records:?}");
        self.check_cold(*own[0]);
        *own[0]
    }

    /// A published record's cold part is there.
    fn check_cold(&self, record: Record) {
        if let Some(cold) = self.flows().cold(record.slot) {
            assert_eq!(cold.key, key(FLOW));
        }
    }
}

/// What one worker does, and the mapping that it then has for [`FLOW`].
type Worker = fn(&Table) -> Option<MappingId>;

/// Runs `workers` on a table in all orders, with at most `preemptions` if given, then `check`.
/// Prints how many orders there were.
fn explore(
    preemptions: Option<usize>,
    table: impl Fn() -> Table + Send + Sync + 'static,
    workers: &[Worker],
    check: fn(&Table, &[Option<MappingId>]),
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    let orders = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&orders);
    let workers = workers.to_vec();
    model.check(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let table = Arc::new(table());
        let spawn = |worker: &Worker| {
            let (table, worker) = (Arc::clone(&table), *worker);
            thread::spawn(move || worker(&table))
        };
        let (first, others) = workers.split_first().unwrap();
        let others: Vec<_> = others.iter().map(spawn).collect();
        let mut results = vec![first(&table)];
        results.extend(others.into_iter().map(|other| other.join().unwrap()));
        check(&table, &results);
    });
    println!("{} orders", orders.load(std::sync::atomic::Ordering::Relaxed));
}

/// All of them found the same, and that is what the record says.
fn all_agree(table: &Table, results: &[Option<MappingId>]) {
    let mapping = table.the_one().word.mapping();
    assert!(results.iter().flatten().all(|result| *result == mapping), "{results:?}, but {mapping:?}");
}

/// The sixth place is that of an expired record, and the second one is freed while workers look for a
/// place: they may choose differently.
fn two_places(with_cold: bool) -> Table {
    Table::new(with_cold, &[(5, State::Icmpv6Outbound)])
}

#[test]
fn two_who_choose_different_places_agree() {
    let workers: &[Worker] = &[remove_and_agree, |table| Some(table.agree(20))];
    explore(None, || two_places(false), workers, all_agree);
}

/// With cold parts there is too much to do for all orders.
#[test]
fn the_cold_part_is_that_of_the_flow() {
    let workers: &[Worker] = &[remove_and_agree, |table| Some(table.agree(20))];
    explore(Some(2), || two_places(true), workers, all_agree);
}

/// The third one may find a claim in the sixth place when it has read the second one before another
/// claim came there. It takes four preemptions to see what comes of that.
#[test]
fn three_agree() {
    let workers: &[Worker] = &[remove_and_agree, |table| Some(table.agree(20)), |table| Some(table.agree(30))];
    explore(Some(4), || two_places(false), workers, all_agree);
}

/// What a reader finds binds everybody.
#[test]
fn a_claim_is_no_record() {
    let read: Worker = |table| table.look_up(FLOW).map(|record| record.word.mapping());
    let workers: &[Worker] = &[remove_and_agree, |table| Some(table.agree(20)), read];
    explore(Some(4), || two_places(false), workers, all_agree);
}

fn remove_and_agree(table: &Table) -> Option<MappingId> {
    table.remove(1);
    Some(table.agree(10))
}

/// A line of established flows, and [`FLOW`] in the fourth place with mapping 0, which is over by
/// [`NOW`].
fn with_flow(with_cold: bool) -> Table {
    let table = Table::new(with_cold, &[(3, State::Icmpv6Outbound)]);
    assert!(table.remove(3));
    table.insert_as(FLOW, 0, State::Icmpv6Outbound, EARLIER);
    table
}

/// A worker whose clock is behind has found the record alive, another one takes it for expired.
#[test]
fn a_record_is_refreshed_or_replaced() {
    let refresh: Worker = |table| {
        let record = table.flows().look_up(hash(FLOW), Tick::at(EARLIER), &table.timeouts)?;
        let noted = table.flows().refresh(record, State::Icmpv6Established, Tick::at(NOW));
        noted.then_some(record.word.mapping())
    };
    explore(None, || with_flow(true), &[refresh, |table| Some(table.agree(20))], all_agree);
}

/// To one of them a record is over as soon as the other has published it: the one whose clock is far
/// behind. It may find its record replaced, but never beside another.
#[test]
fn clocks_far_apart_leave_one_record() {
    let behind: Worker = |table| {
        table.remove(1);
        table.insert_as(FLOW, 10, State::Icmpv6Outbound, EARLIER);
        None
    };
    let workers: &[Worker] = &[behind, |table| Some(table.agree(20))];
    explore(None, || two_places(false), workers, |table, _| _ = table.the_one());
}

#[test]
fn a_sweep_takes_what_is_over_and_nothing_else() {
    let sweep: Worker = |table| {
        let is_over = |record: &Record| record.word.is_expired(Tick::at(NOW), &table.timeouts);
        table.flows().records(0).filter(is_over).for_each(|record| _ = table.flows().remove(record));
        None
    };
    let workers: &[Worker] = &[sweep, |table| Some(table.agree(20)), |table| Some(table.agree(30))];
    explore(Some(3), || with_flow(false), workers, all_agree);
}

/// An established [`FLOW`] in the fourth place with mapping 0.
fn with_established() -> Table {
    let table = Table::new(true, &[]);
    assert!(table.remove(3));
    table.insert_as(FLOW, 0, State::TcpEstablished, EARLIER);
    table
}

/// Moves the flow to `mapping`, or finds it moved.
fn move_to(table: &Table, mapping: u8) -> MappingId {
    let record = table.look_up(FLOW).expect("it is there");
    if record.word.mapping() != MappingId(0) {
        return record.word.mapping();
    }
    let moved = table.flows().reassign(record, MappingId(mapping), record.word.state(), Tick::at(NOW));
    moved.or_else(|| table.look_up(FLOW)).expect("it is there").word.mapping()
}

#[test]
fn two_who_move_a_flow_agree() {
    explore(
        None,
        with_established,
        &[|table| Some(move_to(table, 10)), |table| Some(move_to(table, 20))],
        |table, results| {
            all_agree(table, results);
            assert_eq!(table.flows().cold(table.the_one().slot).unwrap().former, Some(MappingId(0)));
        },
    );
}

#[test]
fn a_fin_is_not_lost_to_the_time_or_to_another_mapping() {
    let fin: Worker = |table| {
        let record = table.look_up(FLOW).expect("it is there");
        assert!(table.flows().refresh(record, State::TcpClosing, Tick::at(NOW)));
        None
    };
    let data: Worker = |table| {
        let record = table.look_up(FLOW).expect("it is there");
        table.flows().refresh(record, record.word.state(), Tick::at(NOW));
        None
    };
    let reassign: Worker = |table| {
        let record = table.look_up(FLOW).expect("it is there");
        let moved = table.flows().reassign(record, MappingId(10), record.word.state(), Tick::at(NOW));
        moved.map(|record| record.word.mapping())
    };
    explore(Some(3), with_established, &[fin, data, reassign], |table, results| {
        let word = table.the_one().word;
        assert_eq!((word.state(), word.tick()), (State::TcpClosing, Tick::at(NOW)));
        assert_eq!(word.mapping(), results[2].unwrap_or(MappingId(0)));
    });
}
