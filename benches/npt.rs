//! What one translation costs, by kind of mapping and direction.
//!
//! `cargo bench --bench npt` measures, `cargo bench --bench npt -- --test` runs each once.

use std::hint::black_box;
use std::net::Ipv6Addr;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sixways::npt::Mapping;

/// Addresses per iteration: a batch as workers take it, so that the loop's own cost vanishes.
const BATCH: u128 = 64;

fn npt(criterion: &mut Criterion) {
    for (kind, internal, external) in [
        ("48", "fd12:3456:789a::/48", "2001:db8:1::/48"),
        ("56", "fd12:3456:789a:ab00::/56", "2001:db8:1:cd00::/56"),
        ("identity", "2001:db8:1::/48", "2001:db8:1::/48"),
    ] {
        let mapping = Mapping::new(internal.parse().unwrap(), external.parse().unwrap()).unwrap();
        let base = mapping.internal().address().to_bits();
        let inside: Vec<_> =
            (1..=BATCH).map(|host| Ipv6Addr::from_bits(base | host << 64 | host << 50 | host)).collect();
        let outside: Vec<_> = inside.iter().map(|address| mapping.outbound(*address).unwrap()).collect();
        let mut group = criterion.benchmark_group(format!("npt/{kind}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        group.bench_function("outbound", |bencher| {
            bencher.iter(|| inside.iter().for_each(|address| _ = black_box(mapping.outbound(black_box(*address)))));
        });
        group.bench_function("inbound", |bencher| {
            bencher.iter(|| outside.iter().for_each(|address| _ = black_box(mapping.inbound(black_box(*address)))));
        });
        group.finish();
    }
}

criterion_group!(benches, npt);
criterion_main!(benches);
