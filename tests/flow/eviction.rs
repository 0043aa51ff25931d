//! Who gives way in a line that is full.

use proptest::prelude::*;
use sixways::flow::{Evicted, Inserted, State, Tick, Word};
use sixways::units::Nanos;

use super::{HOUR, SECOND, Table, hash, new};

const NOW: Nanos = Nanos(100 * HOUR);

/// `ago` seconds before [`NOW`].
const fn ago(seconds: u64) -> Nanos {
    Nanos(NOW.0 - seconds * SECOND)
}

/// One line with these records as flows 1 to 8: state, and seconds since it was seen.
fn line(records: [(State, u64); 8]) -> Table {
    let table = Table::with_lines(1);
    for (number, (state, seconds)) in (1..).zip(records) {
        new(table.insert((0, number), number as u8, state, ago(seconds)));
    }
    table
}

/// Which flows newcomers displace, one after the other, and why, until one finds no place.
fn displaced(table: &Table) -> Vec<(u64, Evicted)> {
    let mut gone = Vec::new();
    for newcomer in 101.. {
        let before = table.records();
        let flow = |word: Word| (1..120).find(|number| word.is_of(hash((0, *number)))).unwrap();
        // Answered at once: so that they do not displace each other.
        match table.insert((0, newcomer), 1, State::UdpEstablished, NOW) {
            Inserted::New(record, Some(evicted)) => {
                let former = before.iter().find(|former| former.slot == record.slot).unwrap();
                gone.push((flow(former.word), evicted));
            }
            Inserted::Full => break,
            other => panic!("{other:?}"),
        }
    }
    gone
}

#[test]
fn expired_companions_unanswered_closing_each_the_oldest_first() {
    let table = line([
        (State::TcpClosing, 20),
        (State::TcpEstablished, 7000),
        (State::Icmpv6Established, 30),
        (State::Companion, 5),
        (State::TcpClosing, 200),
        (State::UdpEstablished, 310), // over
        (State::TcpInbound, 60),
        (State::UdpEstablished, 290),
    ]);
    assert_eq!(
        displaced(&table),
        [
            (6, Evicted::Expired),
            (4, Evicted::Unanswered),
            (7, Evicted::Unanswered),
            (3, Evicted::Unanswered),
            (5, Evicted::Closing),
            (1, Evicted::Closing),
        ]
    );
    for flow in [2, 8] {
        assert!(table.look_up((0, flow), NOW).is_some(), "an established flow stays");
    }
}

#[test]
fn a_companion_displaces_companions_only() {
    let mut records = [(State::UdpOutbound, 200); 8];
    records[3] = (State::Companion, 10);
    let table = line(records);
    let insert = |number| table.insert((0, number), 1, State::Companion, NOW);
    assert!(matches!(insert(50), Inserted::New(record, Some(Evicted::Unanswered)) if record.slot.at == 3));
    assert!(matches!(insert(51), Inserted::New(record, Some(Evicted::Unanswered)) if record.slot.at == 3));
    new(table.insert((0, 52), 1, State::UdpOutbound, NOW));
    assert_eq!(insert(53), Inserted::Full);
}

/// The expired record of an established flow is no flow any more.
#[test]
fn the_oldest_of_the_expired_goes_first_whatever_it_was() {
    let mut records = [(State::TcpEstablished, 0); 8];
    records[2] = (State::UdpOutbound, 400);
    records[5] = (State::TcpEstablished, 8000);
    assert_eq!(displaced(&line(records)), [(6, Evicted::Expired), (3, Evicted::Expired)]);
}

#[test]
fn a_flow_takes_the_place_of_its_own_expired_record() {
    let mut records = [(State::UdpOutbound, 400); 8];
    records[4] = (State::UdpOutbound, 350);
    let table = line(records);
    let Inserted::New(record, Some(Evicted::Expired)) = table.insert((0, 5), 77, State::UdpOutbound, NOW) else {
        panic!("no place");
    };
    assert_eq!(record.slot.at, 4);
    assert_eq!(table.records().iter().filter(|record| record.word.is_of(hash((0, 5)))).count(), 1);
}

fn states() -> impl Strategy<Value = State> {
    (2usize..16).prop_map(|number| State::ALL[number])
}

/// Worth of a record as the documents have it: 0 goes first, 4 never.
fn worth(table: &Table, word: Word) -> u8 {
    let over = word.is_expired(Tick::at(NOW), &table.timeouts);
    match word.state() {
        _ if over => 0,
        State::Companion => 1,
        State::TcpClosing => 3,
        State::TcpEstablished | State::UdpEstablished | State::OtherEstablished => 4,
        // Answered pings, too: whoever is outside can make as many of them as it likes.
        _ => 2,
    }
}

proptest! {
    /// Whatever comes: what goes is the oldest of the least worth, and never an established flow; for a
    /// companion no flow at all.
    #[test]
    fn nothing_goes_before_its_turn(
        records in prop::array::uniform8((states(), 0u64..9000)),
        newcomers in prop::collection::vec(states(), 1..20),
    ) {
        let table = line(records);
        for (number, state) in (101..).zip(newcomers) {
            let before = table.records();
            let inserted = table.insert((0, number), 1, state, NOW);
            let after = table.records();
            let gone: Vec<_> = before.iter().filter(|record| !after.contains(record)).collect();
            let least = before.iter().map(|record| worth(&table, record.word)).min().unwrap();
            let age = |word: Word| word.tick().age(Tick::at(NOW));
            match inserted {
                Inserted::New(record, evicted) => {
                    prop_assert_eq!(gone.len(), 1);
                    let word = gone[0].word;
                    let expected = [Evicted::Expired, Evicted::Unanswered, Evicted::Unanswered, Evicted::Closing];
                    prop_assert_eq!(evicted, expected.get(usize::from(least)).copied());
                    prop_assert!(least < 2 || least < 4 && state != State::Companion);
                    prop_assert_eq!(worth(&table, word), least);
                    let oldest = before.iter().filter(|record| worth(&table, record.word) == least);
                    prop_assert_eq!(Some(age(word)), oldest.map(|record| age(record.word)).max());
                    prop_assert_eq!(record.slot, gone[0].slot);
                }
                Inserted::Full => {
                    prop_assert!(least == 4 || least > 1 && state == State::Companion);
                    prop_assert_eq!(before, after);
                }
                Inserted::Existing(_) => prop_assert!(false, "nobody knows it"),
            }
        }
    }
}
