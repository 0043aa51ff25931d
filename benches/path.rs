//! The packet path alone: a batch of 64 UDP packets, in memory, by how many address pairs they
//! are spread over. Times are per packet; copying packets in and out is not timed.

#[path = "../tests/common/rig/mod.rs"]
mod rig;
mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;

use rig::Rig;
use rig::site::Site;
use sixways::units::Direction;
use support::{BATCH, frames, frames_of, run};

fn path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(1));
    for direction in Direction::ALL {
        for pairs in [1, 1_000, 100_000] {
            let mut rig = Rig::with_frames(Site::standard(), 4 * BATCH as u32);
            let (edge, frames) = frames(&rig.site, direction, pairs);
            group.bench_function(BenchmarkId::new(direction.label(), pairs), |bencher| {
                bencher.iter_custom(|packets| {
                    let batches = packets.div_ceil(BATCH as u64);
                    let spent = run(&mut rig, edge, &frames, batches);
                    spent.mul_f64(packets as f64 / (batches * BATCH as u64) as f64)
                });
            });
        }
    }
    group.finish();
}

/// Frames that leave with a tag against the same without, in turns batch by batch.
fn tag(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tag");
    group.throughput(Throughput::Elements(1));
    for payload in [64, 1400] {
        let mut sides = [Site::standard(), Site::standard().on_a_trunk()].map(|site| {
            let rig = Rig::with_frames(site, 4 * BATCH as u32);
            let (edge, frames) = frames_of(&rig.site, Direction::Outbound, 1_000, payload);
            (rig, edge, frames)
        });
        for (timed, name) in ["untagged", "tagged"].into_iter().enumerate() {
            group.bench_function(BenchmarkId::new(name, payload), |bencher| {
                bencher.iter_custom(|packets| {
                    let batches = packets.div_ceil(BATCH as u64);
                    let mut spent = [Duration::ZERO; 2];
                    for _ in 0..batches {
                        for ((rig, edge, frames), spent) in sides.iter_mut().zip(&mut spent) {
                            *spent += run(rig, *edge, frames, 1);
                        }
                    }
                    spent[timed].mul_f64(packets as f64 / (batches * BATCH as u64) as f64)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, path, tag);
criterion_main!(benches);
