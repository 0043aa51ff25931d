//! Flow memory as one worker sees it. What several workers do to it: `flow_loom`, `flow_stress`.

mod eviction;
mod flood;
mod fragments;
mod model;
mod states;
mod sweep;
mod time;

use std::net::Ipv6Addr;

use sixways::flow::{ColdRecord, FlowStore, Flows, HeapFlows, Inserted, Record, State, Tick, Timeouts};
use sixways::hash::FlowKey;
use sixways::units::{Direction, MappingId, Nanos};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;

/// A table with the time-outs of RFC 6092, and a name for each flow: its line and its number there.
struct Table {
    memory: HeapFlows,
    timeouts: Timeouts,
}

/// A flow by its place: line and number.
type Flow = (u64, u64);

fn hash((line, number): Flow) -> u64 {
    number << 26 | line
}

fn key((line, number): Flow) -> FlowKey {
    FlowKey {
        internal: Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(number)),
        remote: Ipv6Addr::from_bits(0x2001 << 112 | u128::from(line)),
        protocol: 6,
        internal_port: 1024,
        remote_port: 443,
    }
}

impl Table {
    fn with_lines(lines: u64) -> Self {
        let memory = HeapFlows::new(4 * lines);
        assert_eq!(memory.flows().lines() as u64, lines);
        Self { memory, timeouts: Timeouts::rfc6092() }
    }

    fn flows(&self) -> Flows<'_> {
        self.memory.flows()
    }

    fn insert(&self, flow: Flow, mapping: u8, state: State, now: Nanos) -> Inserted {
        let cold = ColdRecord::new(key(flow), Direction::Outbound, now);
        self.flows().insert(hash(flow), &cold, MappingId(mapping), state, &self.timeouts)
    }

    fn look_up(&self, flow: Flow, now: Nanos) -> Option<Record> {
        self.flows().look_up(hash(flow), Tick::at(now), &self.timeouts)
    }

    /// All records, claims included.
    fn records(&self) -> Vec<Record> {
        (0..self.flows().lines()).flat_map(|line| self.flows().records(line)).collect()
    }
}

/// A record that was made now.
#[track_caller]
fn new(inserted: Inserted) -> Record {
    match inserted {
        Inserted::New(record, _) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flow_keeps_its_mapping_and_its_cold_part() {
    let table = Table::with_lines(4);
    let (flow, now) = ((3, 9), Nanos(5 * SECOND));
    assert_eq!(table.look_up(flow, now), None);
    let record = new(table.insert(flow, 200, State::TcpOutbound, now));
    assert_eq!(table.look_up(flow, now), Some(record));
    assert_eq!((record.word.mapping(), record.word.state(), record.slot.line), (MappingId(200), State::TcpOutbound, 3));
    assert_eq!(table.insert(flow, 7, State::UdpInbound, now), Inserted::Existing(record));
    let cold = table.flows().cold(record.slot).unwrap();
    assert_eq!(cold, ColdRecord::new(key(flow), Direction::Outbound, now));
}

/// All fields at their borders survive in a cold record.
#[test]
fn cold_parts_hold_every_value() {
    let ones = Ipv6Addr::from_bits(u128::MAX);
    let table = Table::with_lines(1);
    for (number, opened) in [(1, Direction::Inbound), (2, Direction::Outbound)] {
        for (address, octet, port) in [(ones, 255, 65535), (Ipv6Addr::UNSPECIFIED, 0, 0)] {
            let key = FlowKey {
                internal: address,
                remote: address,
                protocol: octet,
                internal_port: port,
                remote_port: !port,
            };
            let cold = ColdRecord::new(key, opened, Nanos(u64::MAX >> 1));
            let number = number << 1 | u64::from(octet & 1);
            let inserted =
                table.flows().insert(hash((0, number)), &cold, MappingId(255), State::UdpOutbound, &table.timeouts);
            let record = new(inserted);
            assert_eq!(table.flows().cold(record.slot), Some(cold));
            let former = table.flows().reassign(record, MappingId(0), State::UdpOutbound, record.word.tick()).unwrap();
            assert_eq!(table.flows().cold(former.slot), Some(ColdRecord { former: Some(MappingId(255)), ..cold }));
            assert_eq!(former.word.mapping(), MappingId(0));
        }
    }
}

#[test]
fn a_refresh_writes_what_is_new_and_nothing_else() {
    let table = Table::with_lines(1);
    let flow = (0, 1);
    let tick = |ticks: u64| Nanos(ticks << 32);
    let record = new(table.insert(flow, 1, State::UdpOutbound, tick(10)));
    let refresh = |record, state, at| table.flows().refresh(record, state, Tick::at(tick(at)));
    assert!(!refresh(record, State::UdpOutbound, 10), "the same moment");
    assert!(!refresh(record, State::UdpOutbound, 9), "a clock that is behind");
    assert!(refresh(record, State::UdpOutbound, 11));
    let later = table.look_up(flow, tick(11)).unwrap();
    assert_eq!(later.word.tick(), Tick::at(tick(11)));
    // What was found before that is enough to note an answer, and does not turn the time back.
    assert!(refresh(record, State::UdpEstablished, 10));
    let answered = table.look_up(flow, tick(11)).unwrap();
    assert_eq!((answered.word.state(), answered.word.tick()), (State::UdpEstablished, Tick::at(tick(11))));
    assert!(!refresh(later, State::UdpOutbound, 12), "another state since then");
    assert!(table.flows().remove(answered));
    assert!(!table.flows().remove(answered));
    assert!(!refresh(answered, State::UdpEstablished, 13), "it is gone");
    assert_eq!(table.records(), []);
}

#[test]
fn a_flow_moves_once_for_all_who_found_it() {
    let table = Table::with_lines(1);
    let record = new(table.insert((0, 1), 1, State::TcpEstablished, Nanos(0)));
    let moved = table.flows().reassign(record, MappingId(2), State::TcpEstablished, Tick(0)).unwrap();
    assert_eq!(table.flows().reassign(record, MappingId(3), State::TcpEstablished, Tick(0)), None);
    assert_eq!(table.look_up((0, 1), Nanos(0)), Some(moved));
    assert_eq!(table.flows().cold(moved.slot).unwrap().former, Some(MappingId(1)));
}

/// That another worker has noted the time since the record was found keeps no flow at a dead ISP.
#[test]
fn a_flow_moves_although_its_time_is_noted() {
    let table = Table::with_lines(1);
    let record = new(table.insert((0, 1), 1, State::TcpEstablished, Nanos(0)));
    assert!(table.flows().refresh(record, State::TcpEstablished, Tick(9)));
    let moved = table.flows().reassign(record, MappingId(2), State::TcpEstablished, Tick(8)).unwrap();
    assert_eq!((moved.word.mapping(), moved.word.tick()), (MappingId(2), Tick(9)));
    assert_eq!(table.look_up((0, 1), Nanos(9 << 32)), Some(moved));
    assert!(table.flows().refresh(moved, State::TcpClosing, Tick(9)));
    assert_eq!(table.flows().reassign(moved, MappingId(3), State::TcpEstablished, Tick(9)), None);
}

#[test]
fn a_table_without_room_remembers_nothing() {
    let memory = HeapFlows::new(0);
    let flows = memory.flows();
    assert!(flows.is_disabled());
    assert_eq!((flows.lines(), flows.capacity()), (0, 0));
    let cold = ColdRecord::new(key((0, 1)), Direction::Outbound, Nanos(0));
    let inserted = flows.insert(1, &cold, MappingId(1), State::UdpOutbound, &Timeouts::rfc6092());
    assert_eq!(inserted, Inserted::Full);
    assert_eq!(flows.look_up(1, Tick(0), &Timeouts::rfc6092()), None);
    assert_eq!(flows.forget(&[MappingId(1)]), 0);
}

/// Two places for each flow of the capacity, and lines that are cache lines.
#[test]
fn memory_is_what_the_capacity_says() {
    use sixways::flow::{ColdLine, Line, lines, octets};
    assert_eq!((size_of::<Line>(), align_of::<Line>()), (64, 64));
    assert_eq!(size_of::<ColdLine>(), 8 * 48);
    for (capacity, expected) in
        [(0, 0), (1, 1), (4, 1), (5, 2), (1000, 256), (1_000_000, 1 << 18), (u64::MAX / 4, 1 << 26)]
    {
        assert_eq!(lines(capacity), expected, "{capacity}");
        assert_eq!(octets(capacity), expected as u64 * (64 + 384));
    }
}
