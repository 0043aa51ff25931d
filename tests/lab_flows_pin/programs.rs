//! The BPF form of the hash and of the hot word against the Rust form, by BPF_PROG_TEST_RUN.

use std::fmt::Write;
use std::fs;
use std::net::Ipv6Addr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sixways::flow::{FlowStore, State, Tick, Word};
use sixways::hash::{FlowKey, HashKey};
use sixways::units::MappingId;
use sixways::xdp::PinnedFlows;

use crate::flow_vectors;
use crate::stand::{CAPACITY, KEY, NOW, Stand, flow, insert, look_up, mapping, on_stand};
use crate::test_run::test_run;

/// The most that the programs take in one packet. A test run takes some 25 ms, however long the packet.
const REQUESTS: usize = 64;

/// The programs of `flow.c`, loaded.
struct Programs(Ebpf);

impl Programs {
    /// With this key. On the pinned memory if there is any.
    fn load(stand: Option<&Stand>, key: &HashKey) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (object, layout) = (folder.path().join("flow.o"), folder.path().join("layout.h"));
        fs::write(&layout, layout_of_rust()).expect("written");
        let output = Command::new("clang")
            .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror"])
            .args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/src/xdp/bpf"), "-include"])
            .arg(layout)
            .args(["-c", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab_flows_pin/flow.c"), "-o"])
            .arg(&object)
            .output()
            .expect("clang runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = sixways::flow::lines(CAPACITY) as u32;
        let mask = lines - 1;
        let mut loader = EbpfLoader::new();
        loader.override_global("hash_key", &key.0, true).override_global("line_mask", &mask, true);
        if let Some(stand) = stand {
            loader.map_max_entries("flows_hot", lines).map_pin_path("flows_hot", stand.pin("hot"));
        }
        let mut programs = loader.load(&fs::read(object).expect("an object")).expect("load");
        for (name, program) in programs.programs_mut() {
            let program: &mut Xdp = program.try_into().expect("XDP");
            program.load().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        }
        Self(programs)
    }

    /// Runs one of them `repeat` times on these flows and this tick; returns the answers.
    fn run(&self, name: &str, flows: &[FlowKey], tick: Tick, repeat: u32) -> Vec<u64> {
        assert!(flows.len() <= REQUESTS);
        let mut packet = vec![0; 16];
        for flow in flows {
            packet.extend(flow.internal.octets());
            packet.extend(flow.remote.octets());
            packet.extend([flow.protocol, 0]);
            for value in [flow.internal_port, flow.remote_port, tick.0] {
                packet.extend(value.to_ne_bytes());
            }
            packet.extend([0; 8]);
        }
        let program: &Xdp = self.0.program(name).expect("a program").try_into().expect("XDP");
        let program = program.fd().expect("a descriptor").as_fd();
        let (verdict, out) = test_run(program, &packet, &[], repeat);
        assert_eq!((verdict, out.len()), (1, packet.len()));
        let answers = out[16..].chunks_exact(48).map(|request| request[40..].try_into().expect("8 octets"));
        answers.map(u64::from_ne_bytes).collect()
    }
}

/// What `flow.h` must agree with, as assertions for the compiler.
fn layout_of_rust() -> String {
    let shift = |value: &dyn Fn(Word) -> bool| (0..64).find(|bit| value(Word(1 << bit))).expect("a bit");
    let tick_bits = (0..64).filter(|bit| Word(1 << bit).tick() != Tick(0)).count();
    let fingerprint = (0..64).find(|bit| !Word(1 << bit).is_of(0)).expect("a bit");
    let fingerprint_bits = (0..64).filter(|bit| !Word(1 << bit).is_of(0)).count();
    assert_eq!(fingerprint + fingerprint_bits, 64);
    let mut facts = vec![
        ("TICK_BITS".to_owned(), tick_bits),
        ("STATE_SHIFT".to_owned(), shift(&|word| word.state() as u8 == 1)),
        ("MAPPING_SHIFT".to_owned(), shift(&|word| word.mapping() == MappingId(1))),
        ("FINGERPRINT_SHIFT".to_owned(), fingerprint),
        ("TICK_NS_SHIFT".to_owned(), Tick::span(1).0.trailing_zeros() as usize),
        ("HASH_KEYS".to_owned(), KEY.0.len()),
    ];
    for state in State::ALL {
        let mut name = String::new();
        for letter in format!("{state:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        facts.push((name, state as usize));
    }
    facts.iter().fold("#include \"flow.h\"\n".to_owned(), |mut text, (name, value)| {
        writeln!(text, "_Static_assert(FLOW_{name} == {value}, \"{name}\");").expect("a string takes all");
        text
    })
}

/// The hashes of both forms, and none that is missing.
#[track_caller]
fn assert_same(programs: &Programs, flows: &[FlowKey], hashes: &[u64]) {
    for (flows, hashes) in flows.chunks(REQUESTS).zip(hashes.chunks(REQUESTS)) {
        let answers = programs.run("hash", flows, Tick(0), 1);
        for ((flow, wanted), answer) in flows.iter().zip(hashes).zip(&answers) {
            assert_eq!(format!("{answer:016x}"), format!("{wanted:016x}"), "{flow:?}");
        }
        assert_eq!(answers.len(), flows.len());
    }
}

#[test]
fn bpf_computes_the_hashes_of_the_vectors() {
    on_stand(|_| {
        for (key, vectors) in flow_vectors::sets() {
            let (flows, hashes): (Vec<_>, Vec<_>) = vectors.into_iter().unzip();
            assert_same(&Programs::load(None, &key), &flows, &hashes);
        }
    });
}

#[test]
fn bpf_and_rust_hash_ten_thousand_random_flows_alike() {
    on_stand(|_| {
        let mut runner = TestRunner::default();
        for _ in 0..4 {
            let key = HashKey(any::<[u64; 11]>().new_tree(&mut runner).expect("a key").current());
            let programs = Programs::load(None, &key);
            let draw = (any::<u128>(), any::<u128>(), any::<u8>(), any::<u16>(), any::<u16>());
            let draws = prop::collection::vec(draw, 2500).new_tree(&mut runner).expect("flows").current();
            let flow = |(internal, remote, protocol, internal_port, remote_port)| FlowKey {
                internal: Ipv6Addr::from_bits(internal),
                remote: Ipv6Addr::from_bits(remote),
                protocol,
                internal_port,
                remote_port,
            };
            let flows: Vec<_> = draws.into_iter().map(flow).collect();
            let hashes: Vec<_> = flows.iter().map(|flow| flow.hash(&key)).collect();
            assert_same(&programs, &flows, &hashes);
        }
    });
}

#[test]
fn bpf_finds_and_refreshes_the_records_that_rust_has_made() {
    on_stand(|stand| {
        let pins = stand.pins();
        let (memory, _) = PinnedFlows::open(&pins, CAPACITY, &KEY, NOW).expect("flow memory");
        insert(memory.flows(), 0..2000, State::TcpEstablished);
        let programs = Programs::load(Some(stand), &KEY);
        let later = Tick(Tick::at(NOW).0 + 5);
        let numbers: Vec<u16> = (0..2000).step_by(2).collect();
        for numbers in numbers.chunks(REQUESTS) {
            let flows: Vec<_> = numbers.iter().map(|number| flow(*number)).collect();
            let answers = programs.run("refresh", &flows, later, 1);
            let mappings: Vec<_> = numbers.iter().map(|number| u64::from(mapping(*number).0)).collect();
            assert_eq!(answers, mappings, "not the records that Rust has made");
        }
        for number in 0..2000 {
            let record = look_up(memory.flows(), number).unwrap_or_else(|| panic!("flow {number} is lost"));
            let tick = if number % 2 == 0 { later } else { Tick::at(NOW) };
            assert_eq!((record.word.mapping(), record.word.tick()), (mapping(number), tick), "flow {number}");
            assert_eq!(record.word.state(), State::TcpEstablished);
        }
        assert_eq!(programs.run("refresh", &[flow(2000)], later, 1), [u64::MAX], "a flow that nobody has made");
        assert!(memory.flows().remove(look_up(memory.flows(), 0).expect("a record")));
        assert_eq!(programs.run("refresh", &[flow(0)], later, 1), [u64::MAX], "a flow that was removed");
    });
}

/// Both sides change other bits of the same words as fast as they can. Whoever loses a race does
/// nothing, or tries again; so in the end each word has moved as often as the two have won.
#[test]
fn no_update_is_lost_between_bpf_and_rust() {
    const TRIES: u32 = 250_000;
    on_stand(|stand| {
        let pins = stand.pins();
        let (memory, _) = PinnedFlows::open(&pins, CAPACITY, &KEY, NOW).expect("flow memory");
        insert(memory.flows(), 0..4, State::TcpEstablished);
        let programs = Programs::load(Some(stand), &KEY);
        let flows: Vec<_> = (0..4).map(flow).collect();
        let done = AtomicBool::new(false);
        let table = memory.flows();
        let found = |number: u16| {
            // Whatever its tick is by now: it counts here, and tells no time.
            let hash = flow(number).hash(&KEY);
            let mut records = table.records(hash as usize & (table.lines() - 1));
            records.find(|record| record.word.is_of(hash)).expect("a record")
        };
        let (bpf, lost, rust) = std::thread::scope(|scope| {
            let rust = scope.spawn(|| {
                let mut won = [0_u64; 4];
                while !done.load(Ordering::Relaxed) {
                    for number in 0..4 {
                        let record = found(number);
                        let next = Tick((record.word.tick().0 + 1) & 0x3fff);
                        won[usize::from(number)] += u64::from(table.refresh(record, State::TcpEstablished, next));
                    }
                }
                won
            });
            let (mut won, mut lost, mut rounds) = ([0; 4], 0, 0);
            // On a busy machine the two may seldom run at the same time.
            while rounds < 8 || lost < 20_000 && rounds < 400 {
                rounds += 1;
                for (sum, count) in won.iter_mut().zip(programs.run("count", &flows, Tick(0), TRIES)) {
                    *sum += count;
                    lost += u64::from(TRIES) - count;
                }
            }
            done.store(true, Ordering::Relaxed);
            (won, lost, rust.join().expect("no panic"))
        });
        assert!(lost >= 20_000, "they seldom met: {bpf:?} and {rust:?} won, BPF lost {lost}");
        for number in 0..4_u16 {
            let at = usize::from(number);
            let record = found(number);
            let ticked = Tick((u64::from(Tick::at(NOW).0) + rust[at]) as u16 & 0x3fff);
            let mapped = MappingId((u64::from(mapping(number).0) + bpf[at]) as u8);
            assert_eq!(
                (record.word.tick(), record.word.mapping()),
                (ticked, mapped),
                "flow {number}: {bpf:?} {rust:?}"
            );
            assert_eq!(table.cold(record.slot).expect("a cold record").key, flow(number));
        }
    });
}
