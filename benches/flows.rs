//! What flow memory costs by itself, by number of flows: look-ups that find and that do not,
//! refreshes, insertions into lines with room and into full ones.
//!
//! `cargo bench --bench flows` measures, `cargo bench --bench flows -- --test` runs each once. What it
//! adds to a packet's whole way is `flow_memory`'s to say.

use std::net::Ipv6Addr;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sixways::flow::{ColdRecord, FlowStore, Flows, HeapFlows, Inserted, Record, State, Tick, Timeouts};
use sixways::hash::{FlowKey, mix};
use sixways::units::{Direction, MappingId, Nanos};

/// Flows per iteration, as many as packets in a batch, so that the loop's own cost vanishes.
const BATCH: u64 = 256;
const SIZES: [u64; 3] = [1_000, 100_000, 1_000_000];

/// All that goes on is at the beginning of time.
fn insert(table: &Flows<'_>, hash: u64) -> Inserted {
    let key = FlowKey::pair(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let cold = ColdRecord::new(key, Direction::Outbound, Nanos(0));
    table.insert(hash, &cold, MappingId(1), State::UdpOutbound, &Timeouts::rfc6092())
}

fn look_up(table: &Flows<'_>, hash: u64) -> Option<Record> {
    table.look_up(hash, Tick(0), &Timeouts::rfc6092())
}

/// A table made for `capacity` flows with `flows` in it, as far as they find a place.
fn table(capacity: u64, flows: u64) -> HeapFlows {
    let memory = HeapFlows::new(capacity);
    hashes(0, flows).for_each(|hash| _ = insert(&memory.flows(), hash));
    memory
}

/// Flows in sequence, which are in lines all over the table.
fn hashes(first: u64, count: u64) -> impl Iterator<Item = u64> + Clone {
    (first..first + count).map(|flow| mix(flow + 1))
}

/// Measures `work` on one batch after another of what `prepare` makes of the hashes of `flows`, which
/// come round.
fn measure<T>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    size: u64,
    flows: impl Iterator<Item = u64> + Clone,
    mut prepare: impl FnMut(Vec<u64>) -> Vec<T>,
    mut work: impl FnMut(&T) -> bool,
) {
    let mut flows = flows.cycle();
    group.bench_function(BenchmarkId::new(name, size), |bencher| {
        bencher.iter_batched_ref(
            || prepare(flows.by_ref().take(BATCH as usize).collect()),
            |batch| batch.iter().filter(|item| work(item)).count(),
            BatchSize::PerIteration,
        );
    });
}

fn flows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("flows");
    group.throughput(Throughput::Elements(BATCH));
    for size in SIZES {
        let memory = table(size, size);
        let known = memory.flows();
        measure(
            &mut group,
            "look_up/hit",
            size,
            hashes(0, size),
            |batch| batch,
            |hash| look_up(&known, *hash).is_some(),
        );
        let strangers = hashes(size, size);
        measure(&mut group, "look_up/miss", size, strangers, |batch| batch, |hash| look_up(&known, *hash).is_some());
        let find = |batch: Vec<u64>| batch.into_iter().filter_map(|hash| look_up(&known, hash)).collect();
        measure(&mut group, "refresh", size, hashes(0, size), find, |record: &Record| {
            // Always something new.
            let state =
                [State::UdpEstablished, State::UdpOutbound][usize::from(record.word.state() == State::UdpEstablished)];
            known.refresh(*record, state, Tick(0))
        });
        // Half full, as it is made for; what a batch has added is taken away before the next.
        let mut added = Vec::new();
        let make_room = |batch: Vec<u64>| {
            let former = std::mem::replace(&mut added, batch.clone());
            former.iter().filter_map(|hash| look_up(&known, *hash)).for_each(|record| _ = known.remove(record));
            batch
        };
        measure(&mut group, "insert/room", size, hashes(size, size), make_room, |hash| {
            matches!(insert(&known, *hash), Inserted::New(..))
        });
        // So many that a line with a place left is not to be found.
        let memory = table(size, 8 * size);
        let full = memory.flows();
        let newcomers = hashes(8 * size, u64::from(u32::MAX));
        measure(
            &mut group,
            "insert/full",
            size,
            newcomers,
            |batch| batch,
            |hash| matches!(insert(&full, *hash), Inserted::New(_, Some(_))),
        );
    }
    group.finish();
}

criterion_group!(benches, flows);
criterion_main!(benches);
