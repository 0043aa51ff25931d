//! Which mapping a fragmented datagram has.

use std::net::Ipv6Addr;

use sixways::flow::{Evicted, FragmentKey, FragmentTable};
use sixways::hash::HashKey;
use sixways::limits::FRAGMENT_MEMORY;
use sixways::units::{MappingId, Nanos};

use super::{HOUR, SECOND};

const NOW: Nanos = Nanos(1000 * SECOND);

#[test]
fn the_first_fragment_says_it_for_all_for_a_minute() {
    let table = FragmentTable::new();
    assert_eq!(table.look_up(5, NOW), None);
    assert_eq!(table.assign(5, MappingId(3), NOW), (MappingId(3), None));
    assert_eq!(table.assign(5, MappingId(4), NOW), (MappingId(3), None));
    assert_eq!(table.look_up(5, NOW.plus(FRAGMENT_MEMORY)), Some(MappingId(3)));
    table.reassign(5, MappingId(6), NOW);
    assert_eq!(table.look_up(5, NOW), Some(MappingId(6)));
    let later = NOW.plus(FRAGMENT_MEMORY).plus(Nanos(9 * SECOND));
    assert_eq!(table.look_up(5, later), None);
    // The identification is used again.
    assert_eq!(table.assign(5, MappingId(4), later), (MappingId(4), Some(Evicted::Expired)));
}

#[test]
fn the_oldest_datagram_of_a_full_line_gives_way() {
    let table = FragmentTable::new();
    let datagram = |number: u64| number << 26 | 77;
    for number in 0..8 {
        table.assign(datagram(number), MappingId(1), NOW.plus(Nanos(((number + 3) % 8) * 5 * SECOND)));
    }
    let now = NOW.plus(Nanos(45 * SECOND));
    assert_eq!(table.assign(datagram(9), MappingId(2), now), (MappingId(2), Some(Evicted::Unanswered)));
    assert_eq!(table.look_up(datagram(5), now), None);
    assert!((0..8).filter(|number| *number != 5).all(|number| table.look_up(datagram(number), now).is_some()));
}

#[test]
fn forgotten_and_swept() {
    let table = FragmentTable::new();
    (0..100).for_each(|hash| _ = table.assign(hash, MappingId((hash % 2) as u8), NOW));
    table.forget(&[MappingId(1)]);
    for hash in 0..100 {
        assert_eq!(table.look_up(hash, NOW), (hash % 2 == 0).then_some(MappingId(0)));
    }
    // A round of ticks later it would seem to be of this minute.
    let round = Nanos(1 << (32 + 14));
    assert!(round.0 > 19 * HOUR && table.look_up(0, NOW.plus(round)).is_some());
    table.sweep(NOW.plus(Nanos(HOUR)));
    assert!((0..100).all(|hash| table.look_up(hash, NOW.plus(round)).is_none()));
}

/// Each field tells datagrams apart, and so does the way.
#[test]
fn datagrams_differ_by_all_that_names_them() {
    let key = HashKey(std::array::from_fn(|word| 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(word as u64 + 1)));
    let [a, b]: [Ipv6Addr; 2] = ["fd00::1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let datagram = FragmentKey { source: a, destination: b, id: 0x1234_5678, next_header: 17 };
    let others = [
        FragmentKey { source: b, destination: a, ..datagram },
        FragmentKey { source: b, ..datagram },
        FragmentKey { destination: a, ..datagram },
        FragmentKey { id: 0x1234_5679, ..datagram },
        FragmentKey { id: 0x1235_5678, ..datagram },
        FragmentKey { next_header: 6, ..datagram },
    ];
    assert!(others.iter().all(|other| other.hash(&key) != datagram.hash(&key)));
    assert_eq!(datagram.hash(&key), { datagram }.hash(&key));
}
