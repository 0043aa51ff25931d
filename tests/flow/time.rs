//! How long a record lives, and that the end of the clock's round shows in nothing.

use sixways::flow::{State, Sweeper, Tick, Timeouts};
use sixways::limits::{FLOW_SWEEP_STEPS, MAX_FLOW_TIMEOUT};
use sixways::units::Nanos;

use super::{HOUR, SECOND, Table, new};

const MINUTE: u64 = 60 * SECOND;
/// A tick: 2³² ns.
const TICK: u64 = 1 << 32;
const ROUND: u64 = TICK << Tick::BITS;

/// What RFC 6092 asks for: REC-35 (TCP), REC-14 (UDP), REC-12 (others).
const RFC6092: &[(u64, &[State])] = &[
    (124 * MINUTE, &[State::TcpEstablished]),
    (4 * MINUTE, &[State::TcpOutbound, State::TcpInbound, State::TcpClosing]),
    (5 * MINUTE, &[State::UdpOutbound, State::UdpInbound, State::UdpEstablished]),
    (MINUTE, &[State::Icmpv6Outbound, State::Icmpv6Inbound, State::Icmpv6Established]),
    (5 * MINUTE, &[State::OtherOutbound, State::OtherInbound, State::OtherEstablished, State::Companion]),
];

#[test]
fn a_record_lives_for_its_time_and_at_most_two_ticks_more() {
    assert_eq!(RFC6092.iter().map(|(_, states)| states.len()).sum::<usize>(), State::ALL.len() - 2);
    for (span, states) in RFC6092 {
        // Anywhere in a tick, and over the end of a round.
        for begin in [0, 1, TICK - 1, 7 * TICK / 3, ROUND - 1, ROUND - span / 2, 5 * ROUND - TICK] {
            let table = Table::with_lines(1);
            for (number, state) in states.iter().enumerate() {
                new(table.insert((0, number as u64), 1, *state, Nanos(begin)));
            }
            for (number, state) in states.iter().enumerate() {
                let alive = |after: u64| table.look_up((0, number as u64), Nanos(begin + after)).is_some();
                assert!(alive(0) && alive(span / 2) && alive(*span), "{state:?} from {begin}");
                assert!(!alive(span + 2 * TICK) && !alive(2 * span + 2 * TICK), "{state:?} from {begin}");
            }
        }
    }
}

#[test]
fn a_packet_begins_the_time_anew() {
    let table = Table::with_lines(1);
    let mut now = Nanos(ROUND - HOUR);
    new(table.insert((0, 1), 1, State::TcpEstablished, now));
    for _ in 0..40 {
        now = now.plus(Nanos(2 * HOUR));
        let record = table.look_up((0, 1), now).expect("two hours are less than 2 h 4 min");
        assert!(table.flows().refresh(record, record.word.state(), Tick::at(now)));
    }
}

/// The longest time-out ends, too, and leaves the sweep hours before the record would look young.
#[test]
fn the_longest_time_out_ends() {
    for timeouts in [Timeouts::all(MAX_FLOW_TIMEOUT), Timeouts::all(Nanos(u64::MAX))] {
        let table = Table { timeouts, ..Table::with_lines(1) };
        new(table.insert((0, 1), 1, State::TcpEstablished, Nanos(0)));
        let alive = |hours: u64| table.look_up((0, 1), Nanos(hours * HOUR)).is_some();
        assert!(alive(12) && !alive(13) && !alive(19));
        // Nobody has swept.
        assert!(alive(20), "this is what the sweep is for");
    }
}

/// Hundreds of hours with a sweep of a step now and then: nothing that was over comes back, and
/// what is spoken to once an hour stays.
#[test]
fn with_the_sweep_nothing_comes_back() {
    let table = Table::with_lines(32);
    let mut sweeper = Sweeper::new();
    for line in 0..32 {
        new(table.insert((line, 1), 1, State::TcpEstablished, Nanos(0)));
        new(table.insert((line, 2), 2, State::TcpEstablished, Nanos(0)));
        new(table.insert((line, 3), 3, State::UdpEstablished, Nanos(0)));
    }
    // Far rarer than in life: a round in 2 h 40 min.
    let pause = 10 * MINUTE;
    for step in 1..=3000 {
        let now = Nanos(step * pause);
        sweeper.step(&table.flows(), Tick::at(now), &table.timeouts);
        for line in 0..32 {
            if step % 6 == 0 {
                let record = table.look_up((line, 1), now).expect("spoken to an hour ago");
                table.flows().refresh(record, record.word.state(), Tick::at(now));
            }
            let over = step * pause > 124 * MINUTE + 2 * TICK;
            assert_eq!(table.look_up((line, 2), now).is_none(), over, "{step}");
            assert_eq!(table.look_up((line, 3), now), None, "{step}");
        }
    }
    assert_eq!(table.records().len(), 32);
    assert_eq!(sweeper.totals().by_state[State::TcpEstablished as usize], 32);
    assert!(3000 * pause > 20 * ROUND && FLOW_SWEEP_STEPS as u64 * pause < 6 * HOUR);
}
