//! The same random packets through Sixways and through the kernel's own translator (`ip6tables` SNPT
//! and DNPT): what comes out is the same octet by octet, or `docs/differential.md` tells why not.
//!
//! `SIXWAYS_DIFFERENTIAL=200000` is the long form, with that many ordinary packets;
//! `UPDATE_DOCS=1` writes the page's tables.

mod draw;
mod gateway;
mod kernel;
mod kinds;
#[path = "../lab/mod.rs"]
mod lab;
mod outcome;
mod page;
mod pairs;
#[path = "../common/random.rs"]
mod random;
#[path = "../common/rig/mod.rs"]
mod rig;

use std::collections::{BTreeMap, BTreeSet};

use draw::Draw;
use gateway::Gateway;
use kernel::{Ends, Kernel};
use kinds::{Kind, ODD, ORDINARY};
use pairs::{Pair, pairs};
use random::Random;
use sixways::units::Direction;

/// Largest packets to either side, told to both.
const LAN_MTU: u16 = 1300;
const ISP_MTU: u16 = 1400;
/// Ordinary packets of the short form.
const SHORT: usize = 10_000;
/// As many of each odd kind as of each ordinary one, but not more than this for a pair and direction.
const ODD_MOST: usize = 100;

/// What became of the packets of one kind.
#[derive(Default)]
pub struct Tally {
    pub packets: usize,
    pub different: usize,
    /// The first one that came out differently, to be looked at.
    pub example: Option<String>,
    /// In words, what the kernel and what Sixways did.
    pub words: BTreeSet<(String, String)>,
}

#[test]
fn the_kernels_translator_agrees() {
    if std::env::var_os("SIXWAYS_SKIP_LAB").is_some_and(|value| value == "1") {
        eprintln!("skipped: SIXWAYS_SKIP_LAB=1");
        return;
    }
    let asked = std::env::var("SIXWAYS_DIFFERENTIAL").map(|count| count.parse().expect("a number of packets"));
    let tallies = compare(asked.unwrap_or(SHORT));
    for kind in &ORDINARY {
        let tally = &tallies[kind.name];
        let example = tally.example.as_deref().unwrap_or_default();
        assert_eq!(tally.different, 0, "of {} packets, {}: {example}", tally.packets, kind.name);
    }
    page::check(&tallies);
}

fn compare(packets: usize) -> BTreeMap<&'static str, Tally> {
    let kernel = Kernel::start();
    let mut tallies = BTreeMap::new();
    let pairs = pairs();
    let each = packets.div_ceil(pairs.len() * 2 * ORDINARY.len());
    std::thread::scope(|scope| {
        let run = scope.spawn(|| {
            let mut ends = kernel.enter_ends();
            let mut random = Random::new(6296);
            for pair in &pairs {
                kernel.translate(pair);
                for direction in Direction::ALL {
                    one_way(&mut ends, pair, direction, each, &mut random, &mut tallies);
                }
            }
        });
        run.join().expect("the comparison ran");
    });
    tallies
}

fn one_way(
    ends: &mut Ends,
    pair: &Pair,
    direction: Direction,
    each: usize,
    random: &mut Random,
    tallies: &mut BTreeMap<&'static str, Tally>,
) {
    let mut gateway = Gateway::start(pair);
    let mut names = Vec::new();
    let mut packets = Vec::new();
    let mut add = |kind: &Kind, count: usize| {
        for _ in 0..count {
            let mut draw = Draw::new(random, pair, direction, packets.len() as u32 + 1);
            if let Some(packet) = (kind.make)(&mut draw) {
                names.push(kind.name);
                packets.push(packet);
            }
        }
    };
    ORDINARY.iter().for_each(|kind| add(kind, each));
    ODD.iter().for_each(|odd| add(&odd.kind, each.min(ODD_MOST)));
    let mut draw = Draw::new(random, pair, direction, 0);
    let upper = draw.udp();
    let mark = draw.packet(&[], upper);
    let theirs = ends.exchange(direction, &packets, &mark);
    let ours = gateway.exchange(direction, &packets);
    for (((name, packet), their), our) in names.into_iter().zip(&packets).zip(&theirs).zip(&ours) {
        let tally = tallies.entry(name).or_default();
        tally.packets += 1;
        if their != our {
            tally.different += 1;
            let show = || format!("{pair:?} {direction:?}\nin {packet:02x?}\nkernel {their:02x?}\nSixways {our:02x?}");
            tally.example.get_or_insert_with(show);
        }
        tally.words.insert((their.words(packet, direction), our.words(packet, direction)));
    }
}
