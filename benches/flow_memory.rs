//! What flow memory costs: time per packet with it and without it, in turn (A B A B), by how many
//! flows the packets belong to. Prints medians with the least and the most.
//!
//! Without memory (`capacity = 0`) the steering hash alone decides. With it every packet is of a flow
//! that has a record, as nearly all packets are.

#[path = "../tests/common/rig/mod.rs"]
mod rig;
mod support;

use rig::Rig;
use rig::site::Site;
use sixways::flow::{HeapFlows, octets};
use sixways::units::Direction;
use support::{BATCH, frames, run};

const CAPACITY: u64 = 1_000_000;

fn main() {
    // `cargo bench -- --test` asks whether it runs at all.
    let smoke = std::env::args().any(|argument| argument == "--test");
    let (rounds, batches, sizes): (usize, u64, &[u32]) =
        if smoke { (1, 16, &[1_000]) } else { (15, 15_625, &[1_000, 100_000, 1_000_000]) };
    println!("flow memory for {CAPACITY} flows: {} MiB", octets(CAPACITY) >> 20);
    println!(
        "{:>9} {:>9} {:>26} {:>26} {:>20}",
        "direction", "flows", "with, ns/packet", "without, ns/packet", "difference, ns"
    );
    for direction in Direction::ALL {
        for &flows in sizes {
            measure(direction, flows, rounds, batches);
        }
    }
}

fn measure(direction: Direction, flows: u32, rounds: usize, batches: u64) {
    let mut rigs = [CAPACITY, 0].map(|capacity| {
        let mut rig = Rig::with_frames(Site::standard(), 4 * BATCH as u32);
        rig.flows = HeapFlows::new(capacity);
        rig
    });
    let (edge, frames) = frames(&rigs[0].site, direction, flows);
    for rig in &mut rigs {
        // Every flow is known, and every page is there.
        run(rig, edge, &frames, u64::from(flows).div_ceil(BATCH as u64));
    }
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let spent = run(&mut rigs[which], edge, &frames, batches);
            times[which].push(spent.as_nanos() as f64 / (batches * BATCH as u64) as f64);
        }
    }
    let differences: Vec<f64> = times[0].iter().zip(&times[1]).map(|(with, without)| with - without).collect();
    let [with, without] = times;
    println!(
        "{:>9} {flows:>9} {:>26} {:>26} {:>20}",
        direction.label(),
        summary(with),
        summary(without),
        summary(differences)
    );
}

/// `median [least-most]`.
fn summary(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    format!("{:.0} [{:.0}..{:.0}]", values[values.len() / 2], values[0], values[values.len() - 1])
}
