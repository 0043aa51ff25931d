//! A flood of flows that nobody answers, against flows that somebody speaks to.

use sixways::flow::{Evicted, Inserted, State};
use sixways::hash::mix;
use sixways::units::{MappingId, Nanos};

use super::{Flow, SECOND, Table};

const ESTABLISHED: u64 = 1000;
/// 10⁷; without optimisation a part of them, for that takes half a minute:
/// `cargo test --release --test flow flood` shows them all.
const STRANGERS: u64 = if cfg!(debug_assertions) { 2_000_000 } else { 10_000_000 };
/// 2048 lines: the flood is 600 times what has a place, or 120 times.
const LINES: u64 = 2048;

/// The established ones come first in the random sequence.
fn flow(number: u64) -> Flow {
    let hash = mix(number + 1);
    (hash % LINES, hash >> 26)
}

fn state(number: u64) -> State {
    [State::TcpEstablished, State::UdpEstablished, State::OtherEstablished][(number % 3) as usize]
}

/// Millions of one-way flows in a hundred seconds, by two workers. The table has as many places before as after, and each
/// look-up reads one line of them: both are how it is made. What the flood could cost is a flow.
#[test]
fn millions_of_strangers_cost_no_established_flow_anything() {
    let table = &Table::with_lines(LINES);
    // A thousand in 16384 places of lines by chance: none is full.
    for number in 0..ESTABLISHED {
        let inserted = table.insert(flow(number), number as u8, state(number), Nanos(0));
        assert!(matches!(inserted, Inserted::New(_, None)), "{inserted:?}");
    }
    let (even, odd) = std::thread::scope(|scope| {
        let [even, odd] = [0, 1].map(|first| scope.spawn(move || flood(table, (first..STRANGERS).step_by(2))));
        (even.join().unwrap(), odd.join().unwrap())
    });
    all_there(table, Nanos(100 * SECOND));
    let records = table.records().len() as u64;
    assert!(records <= LINES * 8 && records > LINES * 8 * 99 / 100, "{records}");
    assert!(even + odd > STRANGERS * 9 / 10, "{even} and {odd} strangers gave way to others");
}

/// Inserts strangers, and returns how many had to go for them.
fn flood(table: &Table, strangers: impl Iterator<Item = u64>) -> u64 {
    let mut gone = 0;
    for number in strangers {
        let now = Nanos(number * (100 * SECOND / STRANGERS));
        let opening = if number % 4 < 2 { State::TcpInbound } else { State::UdpOutbound };
        match table.insert(flow(ESTABLISHED + number), 255, opening, now) {
            Inserted::New(_, evicted) => gone += u64::from(evicted == Some(Evicted::Unanswered)),
            other => panic!("there are strangers in each line: {other:?}"),
        }
        if number % (STRANGERS / 20) < 2 {
            all_there(table, now);
        }
    }
    gone
}

fn all_there(table: &Table, now: Nanos) {
    for number in 0..ESTABLISHED {
        let record = table.look_up(flow(number), now).expect("an established flow is remembered");
        assert_eq!((record.word.mapping(), record.word.state()), (MappingId(number as u8), state(number)));
    }
}

/// Where eight established flows share a line, the newcomer goes without.
#[test]
fn a_line_of_established_flows_refuses() {
    let table = Table::with_lines(1);
    (0..8).for_each(|number| _ = table.insert((0, number), 1, state(number), Nanos(0)));
    for number in 8..1000 {
        assert_eq!(table.insert((0, number), 2, State::TcpEstablished, Nanos(SECOND)), Inserted::Full);
    }
    assert!((0..8).all(|number| table.look_up((0, number), Nanos(SECOND)).is_some()));
}
