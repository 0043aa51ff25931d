//! What control does to the whole table.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use sixways::flow::{
    ColdLine, ColdRecord, Flows, Inserted, Line, State, Sweeper, Swept, Tick, Timeouts, Totals, Word64,
};
use sixways::limits::FLOW_SWEEP_STEPS;
use sixways::units::{Direction, MappingId, Nanos};

use super::{SECOND, Table, hash, key, new};

const NOW: Nanos = Nanos(1000 * SECOND);

fn round(sweeper: &mut Sweeper, table: &Table, now: Nanos) -> Swept {
    (0..FLOW_SWEEP_STEPS).fold(Swept::default(), |sum, _| {
        let swept = sweeper.step(&table.flows(), Tick::at(now), &table.timeouts);
        Swept { expired: sum.expired + swept.expired, abandoned: sum.abandoned + swept.abandoned }
    })
}

#[test]
fn a_round_sees_each_line_once_whatever_the_size() {
    for lines in [1, 2, 8, 16, 64, 1024] {
        let table = Table::with_lines(lines);
        for line in 0..lines {
            new(table.insert((line, 1), 9, State::UdpOutbound, Nanos(0)));
            new(table.insert((line, 2), 8, State::TcpEstablished, Nanos(0)));
            new(table.insert((line, 3), 8, State::Companion, NOW));
        }
        let mut sweeper = Sweeper::new();
        assert_eq!(round(&mut sweeper, &table, NOW), Swept { expired: lines, abandoned: 0 });
        let mut expected = Totals::default();
        expected.by_state[State::TcpEstablished as usize] = lines;
        expected.by_state[State::Companion as usize] = lines;
        expected.by_mapping[8] = lines;
        assert_eq!(*sweeper.totals(), expected);
    }
}

/// Totals are those of a whole round, never of a part of one.
#[test]
fn totals_come_when_a_round_is_through() {
    let table = Table::with_lines(64);
    let mut sweeper = Sweeper::new();
    (0..64).for_each(|line| _ = new(table.insert((line, 1), 1, State::UdpOutbound, NOW)));
    for _ in 0..2 {
        let before = sweeper.totals().clone();
        for step in 1..=FLOW_SWEEP_STEPS {
            assert_eq!(*sweeper.totals(), before, "{step}");
            sweeper.step(&table.flows(), Tick::at(NOW), &table.timeouts);
        }
        assert_eq!(sweeper.totals().by_mapping[1], 64);
        assert_eq!(sweeper.totals().by_state.iter().sum::<u64>(), 64);
    }
}

#[test]
fn forgetting_takes_these_mappings_and_no_others() {
    let table = Table::with_lines(16);
    for line in 0..16 {
        (0..8).for_each(|number| _ = new(table.insert((line, number), number as u8, State::TcpEstablished, NOW)));
    }
    assert_eq!(table.flows().forget(&[MappingId(3), MappingId(5), MappingId(200)]), 32);
    assert_eq!(table.flows().forget(&[]), 0);
    for line in 0..16 {
        for number in 0..8 {
            assert_eq!(table.look_up((line, number), NOW).is_none(), [3, 5].contains(&number));
        }
    }
}

thread_local! {
    /// Swaps that this thread still makes.
    static LIFE: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// A word of a worker that stops for good in the middle of an insertion.
#[derive(Debug, Default)]
struct Mortal(AtomicU64);

impl Word64 for Mortal {
    fn load(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn swap(&self, old: u64, new: u64) -> bool {
        let life = LIFE.get();
        if life == 0 {
            // As a panic, but without its text.
            std::panic::resume_unwind(Box::new("killed"));
        }
        LIFE.set(life - 1);
        self.0.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    fn load_cold(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn store_cold(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }
}

/// What a worker leaves that dies between its claim and its record.
fn abandoned(hot: &[Line<Mortal>], cold: &[ColdLine<Mortal>]) {
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            LIFE.set(1);
            insert(&Flows::new(hot, cold), 1)
        });
        assert!(worker.join().is_err());
    });
}

fn insert(flows: &Flows<'_, Mortal>, mapping: u8) -> Inserted {
    let cold = ColdRecord::new(key((0, 7)), Direction::Outbound, NOW);
    let timeouts = Timeouts::rfc6092();
    flows.insert(hash((0, 7)), &cold, MappingId(mapping), State::UdpOutbound, &timeouts)
}

#[test]
fn who_dies_half_way_is_survived() {
    let (hot, cold) = ([Line::default()], [ColdLine::default()]);
    let flows = Flows::new(&hot, &cold);
    let timeouts = Timeouts::rfc6092();
    abandoned(&hot, &cold);
    let claim = flows.records(0).next().unwrap();
    assert!(claim.word.is_claim());
    assert_eq!(flows.look_up(hash((0, 7)), Tick::at(NOW), &timeouts), None);
    // Another worker's packet of the flow finishes the work, and goes where it was to go.
    let Inserted::Existing(record) = insert(&flows, 2) else { panic!("nobody helps") };
    assert_eq!((record.slot, record.word.mapping()), (claim.slot, MappingId(1)));
    assert_eq!(flows.look_up(hash((0, 7)), Tick::at(NOW), &timeouts), Some(record));
    assert_eq!(flows.cold(record.slot).unwrap().key, key((0, 7)));
}

#[test]
fn what_the_dead_leave_is_swept_in_the_second_round() {
    let (hot, cold) = ([Line::default()], [ColdLine::default()]);
    let flows = Flows::new(&hot, &cold);
    abandoned(&hot, &cold);
    let mut sweeper = Sweeper::new();
    let mut round = || {
        let timeouts = Timeouts::rfc6092();
        let steps = (0..FLOW_SWEEP_STEPS).map(|_| sweeper.step(&flows, Tick::at(NOW), &timeouts));
        steps.map(|swept| swept.abandoned).sum::<u64>()
    };
    assert_eq!(round(), 0, "it may be somebody's work of this moment");
    assert_eq!(round(), 1);
    assert_eq!(flows.records(0).count(), 0);
    // A claim in each of two rounds, but not the same one.
    abandoned(&hot, &cold);
    assert_eq!(round(), 0);
    assert!(flows.remove(flows.records(0).next().unwrap()));
    assert_eq!(round(), 0);
}

/// A worker refreshes while control forgets: what it has just written goes, too.
#[test]
fn forgetting_is_not_outrun() {
    static TOUCHES: AtomicUsize = AtomicUsize::new(3);

    #[derive(Debug, Default)]
    struct Touched(AtomicU64);

    impl Word64 for Touched {
        fn load(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }

        /// Before control's swap another worker notes a later tick, three times.
        fn swap(&self, old: u64, new: u64) -> bool {
            if new == 0 && TOUCHES.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
            {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
            self.0.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok()
        }

        fn load_cold(&self) -> u64 {
            self.load()
        }

        fn store_cold(&self, value: u64) {
            self.0.store(value, Ordering::Release);
        }
    }

    let hot = [Line::<Touched>::default()];
    let flows = Flows::new(&hot, &[]);
    let cold = ColdRecord::new(key((0, 7)), Direction::Outbound, NOW);
    flows.insert(hash((0, 7)), &cold, MappingId(1), State::UdpOutbound, &Timeouts::rfc6092());
    assert_eq!(flows.forget(&[MappingId(1)]), 1);
    assert_eq!(flows.records(0).count(), 0);
    assert_eq!(TOUCHES.load(Ordering::SeqCst), 0);
}
