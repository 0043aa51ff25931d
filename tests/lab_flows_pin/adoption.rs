//! What a start takes over, what it replaces and why, and what is left after a release.

use std::process::Command;

use aya::maps::{Array, MapData};
use sixways::flow::{FlowStore, State};
use sixways::hash::HashKey;
use sixways::units::Nanos;
use sixways::xdp::{Adoption, PinError, PinnedFlows, Pins, Released, release};

use crate::stand::{CAPACITY, KEY, NOW, Stand, cold, flow, insert, look_up, mapping, on_stand};

const BINARY: &str = env!("CARGO_BIN_EXE_sixways");
const PINS: [&str; 3] = ["flow_memory-cold", "flow_memory-header", "flow_memory-hot"];

#[track_caller]
fn open(pins: &Pins, now: Nanos) -> (PinnedFlows, Adoption) {
    PinnedFlows::open(pins, CAPACITY, &KEY, now).expect("flow memory")
}

/// Leaves memory with 100 flows behind, and nothing else.
#[track_caller]
fn leave_behind(stand: &Stand) {
    let pins = stand.pins();
    PinnedFlows::open(&pins, 0, &KEY, NOW).expect("no flow memory");
    let (memory, adoption) = open(&pins, NOW);
    assert_eq!(adoption, Adoption::New);
    insert(memory.flows(), 0..100, State::TcpEstablished);
}

/// Why the memory that lies there is not taken over; the new one is empty and works.
#[track_caller]
fn replaced(stand: &Stand, capacity: u64, key: &HashKey) -> String {
    let pins = stand.pins();
    let (memory, adoption) = PinnedFlows::open(&pins, capacity, key, NOW).expect("flow memory");
    let Adoption::Replaced { reason } = adoption else { panic!("{adoption}") };
    let table = memory.flows();
    assert_eq!((0..table.lines()).map(|line| table.records(line).count()).sum::<usize>(), 0, "{reason}");
    insert(table, 0..1, State::TcpEstablished);
    drop(memory);
    let (_, adoption) = PinnedFlows::open(&pins, capacity, key, NOW).expect("flow memory");
    assert_eq!(adoption, Adoption::Adopted { flows: 1 }, "{reason}");
    reason
}

#[test]
fn the_next_start_finds_every_flow_hot_and_cold() {
    on_stand(|stand| {
        let pins = stand.pins();
        let (memory, adoption) = open(&pins, NOW);
        assert_eq!(adoption, Adoption::New);
        assert_eq!(memory.flows().lines(), sixways::flow::lines(CAPACITY));
        insert(memory.flows(), 0..2000, State::TcpEstablished);
        insert(memory.flows(), 2000..2010, State::Companion);
        drop((memory, pins));

        assert_eq!(stand.names(), PINS);
        let pins = stand.pins();
        let (memory, adoption) = open(&pins, NOW);
        assert_eq!(adoption, Adoption::Adopted { flows: 2000 });
        assert_eq!(adoption.to_string(), "adopted, 2000 flows");
        for number in 0..2010 {
            let record = look_up(memory.flows(), number).unwrap_or_else(|| panic!("flow {number} is lost"));
            assert_eq!(record.word.mapping(), mapping(number));
            assert_eq!(memory.flows().cold(record.slot), Some(cold(number)));
            assert_eq!(memory.flows().cold(record.slot).unwrap().key, flow(number));
        }
        assert!(look_up(memory.flows(), 2010).is_none());
    });
}

#[test]
fn memory_of_another_kind_is_replaced_and_the_reason_told() {
    on_stand(|stand| {
        leave_behind(stand);
        let lines = |capacity| sixways::flow::lines(capacity);
        let reason = replaced(stand, 2 * CAPACITY, &KEY);
        assert_eq!(reason, format!("hot: entries: {} wanted, {} found", lines(2 * CAPACITY), lines(CAPACITY)));

        leave_behind(stand);
        let other = HashKey(std::array::from_fn(|n| KEY.0[n] + u64::from(n == 4)));
        let reason = replaced(stand, CAPACITY, &other);
        assert_eq!(
            reason,
            format!("header: fingerprint of the hash key: {} wanted, {} found", other.fingerprint(), KEY.fingerprint())
        );

        for (word, what) in [(0, "mark"), (1, "layout version"), (2, "hash version"), (4, "lines")] {
            leave_behind(stand);
            let mut header = stand.array::<8>("header");
            let mut words = header.get(&0, 0).expect("the header");
            words[word] += 1;
            header.set(0, words, 0).expect("the header");
            let reason = replaced(stand, CAPACITY, &KEY);
            assert_eq!(reason, format!("header: {what}: {} wanted, {} found", words[word] - 1, words[word]));
        }
    });
}

#[test]
fn somebody_elses_map_at_a_pin_s_place_is_replaced() {
    on_stand(|stand| {
        let lines = sixways::flow::lines(CAPACITY) as u32;
        let plain = |flags| Array::<MapData, [u64; 8]>::create(lines, flags).expect("an array");
        for (foreign, why) in [
            (plain(0), "hot: flags: 1024 wanted, 0 found"),
            (Array::<MapData, [u64; 8]>::create(lines * 2, 1 << 10).expect("an array"), "hot: entries: "),
        ] {
            leave_behind(stand);
            std::fs::remove_file(stand.pin("hot")).expect("unpin");
            foreign.pin(stand.pin("hot")).expect("pin");
            let reason = replaced(stand, CAPACITY, &KEY);
            assert!(reason.starts_with(why), "{reason}");
        }

        leave_behind(stand);
        std::fs::remove_file(stand.pin("cold")).expect("unpin");
        let small = Array::<MapData, [u64; 6]>::create(lines, 1 << 10).expect("an array");
        small.pin(stand.pin("cold")).expect("pin");
        assert_eq!(replaced(stand, CAPACITY, &KEY), "cold: value size: 384 wanted, 48 found");

        leave_behind(stand);
        std::fs::remove_file(stand.pin("header")).expect("unpin");
        let table = aya::maps::HashMap::<MapData, u32, [u64; 8]>::create(1, 0).expect("a hash map");
        table.pin(stand.pin("header")).expect("pin");
        assert_eq!(replaced(stand, CAPACITY, &KEY), "header: map type: 2 wanted, 1 found");

        // A start that was killed halfway has not come to the header.
        leave_behind(stand);
        std::fs::remove_file(stand.pin("header")).expect("unpin");
        let reason = replaced(stand, CAPACITY, &KEY);
        assert!(reason.starts_with("header: ") && reason.contains("No such file"), "{reason}");
    });
}

#[test]
fn what_a_killed_worker_had_begun_is_cleared() {
    on_stand(|stand| {
        leave_behind(stand);
        let line = (flow(500).hash(&KEY) % sixways::flow::lines(CAPACITY) as u64) as u32;
        let mut hot = stand.array::<8>("hot");
        let mut words = hot.get(&line, 0).expect("a line");
        let free = words.iter().position(|word| *word == 0).expect("a free place");
        words[free] = flow(500).hash(&KEY) >> 26 << 26 | (State::Claimed as u64) << 14 | State::TcpOutbound as u64;
        hot.set(line, words, 0).expect("a line");

        let pins = stand.pins();
        let (memory, adoption) = open(&pins, NOW);
        assert_eq!(adoption, Adoption::Adopted { flows: 100 });
        assert!(look_up(memory.flows(), 500).is_none());
        assert_eq!(hot.get(&line, 0).expect("a line")[free], 0);
    });
}

#[test]
fn a_record_older_than_a_tick_can_tell_does_not_look_young_after_a_long_stop() {
    const HOUR: u64 = 3600 * 1_000_000_000;
    on_stand(|stand| {
        let pins = stand.pins();
        let (memory, _) = open(&pins, NOW);
        insert(memory.flows(), 0..100, State::TcpEstablished);
        let stopped = Nanos(NOW.0 + HOUR);
        memory.served(stopped);
        drop(memory);
        // An hour without a packet and a stop of 18: a tick can still tell, and the records are expired.
        let later = stopped.0 + 18 * HOUR;
        let (memory, adoption) = open(&pins, Nanos(later));
        assert_eq!(adoption, Adoption::Adopted { flows: 100 });
        assert_eq!(stand.array::<8>("header").get(&0, 0).expect("the header")[5], later, "served from now on");
        memory.served(stopped);
        drop(memory);
        // 20 hours: a whole round of ticks and half an hour. They would all look half an hour old.
        let (memory, adoption) = open(&pins, Nanos(stopped.0 + 19 * HOUR));
        assert_eq!(adoption, Adoption::Adopted { flows: 0 });
        drop(memory);
        // Ticks of another clock tell nothing.
        let (_, adoption) = open(&pins, NOW);
        assert!(matches!(&adoption, Adoption::Replaced { reason } if reason.contains("clock")), "{adoption}");
    });
}

#[test]
fn one_process_has_the_memory_and_release_leaves_nothing() {
    on_stand(|stand| {
        let pins = stand.pins();
        let (memory, _) = open(&pins, NOW);
        let busy = Pins::open(Some(&stand.bpffs())).expect_err("the pins are in use");
        assert!(matches!(busy, PinError::Busy(_)), "{busy}");
        let run = || Command::new(BINARY).args(["release", "--bpffs"]).arg(stand.bpffs()).output().expect("it starts");
        let second = run();
        let says = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(!second.status.success() && says.contains("a gateway runs in this network namespace"), "{says}");
        assert_eq!(stand.names(), PINS);
        drop((memory, pins));

        let released = run();
        let says = String::from_utf8_lossy(&released.stdout).into_owned();
        assert!(released.status.success(), "{}", String::from_utf8_lossy(&released.stderr));
        assert_eq!(says, "released the flow memory; the kernel routes as it likes\n");
        assert_eq!(stand.bpffs().join("sixways").read_dir().expect("a folder").count(), 0);

        leave_behind(stand);
        let released = release(stand.pins()).expect("release");
        assert_eq!(released, Released { interfaces: vec![], flow_memory: true });
    });
}

#[test]
fn a_capacity_of_zero_remembers_nothing_and_leaves_nothing() {
    on_stand(|stand| {
        leave_behind(stand);
        let pins = stand.pins();
        let (memory, adoption) = PinnedFlows::open(&pins, 0, &KEY, NOW).expect("no flow memory");
        assert_eq!(adoption, Adoption::Stateless);
        assert!(memory.flows().is_disabled());
        memory.served(NOW);
        assert_eq!(stand.names(), [""; 0]);
    });
}
