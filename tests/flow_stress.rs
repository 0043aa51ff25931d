//! Two workers at full speed on two lines with far more flows than places: records come, are
//! refreshed, moved, displaced, swept and made anew, and in all of it no flow ever alternates.
//!
//! What a worker finds is checked by an oracle that needs no lock and cries no wolf. Every mapping
//! that is given to a flow is a new number, so a mapping that is gone is gone for good: once
//! somebody has found a flow with mapping A, and then somebody with B, nobody who begins to look
//! after that may find A.

use std::net::Ipv6Addr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use sixways::flow::{
    ColdRecord, Evicted, FlowStore, Flows, HeapFlows, Inserted, Record, State, Sweeper, Tick, Timeouts,
};
use sixways::hash::{FlowKey, mix};
use sixways::limits::FLOW_SWEEP_STEPS;
use sixways::units::{Direction, MappingId, Nanos};

const WORKERS: usize = 2;
const LINES: u64 = 2;
/// Three times as many as places.
const FLOWS: u64 = LINES * 24;
/// Established flows whose mapping never changes: three in each line.
const PROTECTED: u64 = LINES * 3;
/// How long it goes on.
const TIME: Duration = Duration::from_secs(4);
/// Packets of a batch, which has one time.
const BATCH: usize = 32;
/// Batches of a round, after which all is at rest and looked at.
const BATCHES: u64 = 2000;
/// Ticks of a pause: more than the longest time-out of any but the protected flows.
const PAUSE: u64 = 8;
/// Ticks that one worker's clock may be behind the other's.
const LAG: u64 = 6;

/// What has been found of one flow. Mappings are numbered in the order in which they are given out;
/// a mapping is the lower eight bits of its number.
struct Oracle {
    given: AtomicU64,
    /// How often another mapping was found than before, and the number of the latest.
    found: AtomicU64,
    /// By mapping: the change that ended it, and its number.
    ended: [AtomicU64; 256],
}

/// What a worker knows before it begins to look.
#[derive(Clone, Copy)]
struct Before {
    given: u64,
    changes: u64,
    last: u64,
}

const fn pack(changes: u64, number: u64) -> u64 {
    (changes << 32) | number
}

const fn unpack(word: u64) -> (u64, u64) {
    (word >> 32, word & 0xffff_ffff)
}

impl Oracle {
    /// So many numbers given out since a worker began to look leave it uncertain.
    const MARGIN: u64 = 100;

    fn new() -> Self {
        Self { given: AtomicU64::new(1000), found: AtomicU64::new(0), ended: [const { AtomicU64::new(0) }; 256] }
    }

    fn before(&self) -> Before {
        let (changes, last) = unpack(self.found.load(SeqCst));
        Before { given: self.given.load(SeqCst), changes, last }
    }

    /// `mapping` was found by who began to look when it was as `before` says. An insertion that has
    /// not returned yet may make its record twice, if the first one is gone before it has seen it.
    fn check(&self, mapping: MappingId, before: Before, is_pending: impl Fn(u64) -> bool) {
        if self.given.load(SeqCst) > before.given + Self::MARGIN {
            return;
        }
        // Numbers are out of use before 256 - 100 more are given out: only who finds no record, or
        // moves it, takes one.
        let latest = before.given + Self::MARGIN;
        let number = latest - ((latest - u64::from(mapping.0)) & 0xff);
        if number == before.last {
            return;
        }
        let (change, ended) = unpack(self.ended[mapping.index()].load(SeqCst));
        assert!(
            ended != number || change > before.changes,
            "the flow had mapping {number}, then {}, and has {number} again",
            before.last
        );
        // If nobody has found anything else meanwhile, this is later than what was found last.
        let (was, is) = (pack(before.changes, before.last), pack(before.changes + 1, number));
        if self.found.compare_exchange(was, is, SeqCst, SeqCst).is_ok() && !is_pending(before.last) {
            self.ended[(before.last & 0xff) as usize].store(pack(before.changes + 1, before.last), SeqCst);
        }
    }
}

#[derive(Default)]
struct Seen {
    inserted: AtomicUsize,
    existing: AtomicUsize,
    refused: AtomicUsize,
    refreshed: AtomicUsize,
    moved: AtomicUsize,
    lost: AtomicUsize,
    swept: AtomicUsize,
    evicted: [AtomicUsize; Evicted::COUNT],
}

fn one(counter: &AtomicUsize) {
    counter.fetch_add(1, SeqCst);
}

struct World {
    memory: HeapFlows,
    timeouts: Timeouts,
    oracles: Vec<Oracle>,
    seen: Seen,
    /// Ticks, and those that each worker works with.
    clock: AtomicU64,
    clocks: [AtomicU64; WORKERS],
    /// The flow that both are busy with.
    busy: AtomicU64,
    /// By worker: the flow for which it uses a number, and that number, or one that is below it.
    pending: [AtomicU64; WORKERS],
}

const NOTHING: u64 = u64::MAX;

/// The first [`PROTECTED`] are the protected ones.
const fn hash(flow: u64) -> u64 {
    ((flow + 1) << 26) | (flow % LINES)
}

fn key(flow: u64) -> FlowKey {
    FlowKey::pair(Ipv6Addr::from_bits(flow.into()), Ipv6Addr::LOCALHOST)
}

impl World {
    fn new() -> Self {
        let seconds = |seconds: u64| Nanos(seconds * 1_000_000_000);
        Self {
            memory: HeapFlows::new(LINES * 4),
            timeouts: Timeouts::new(seconds(120), seconds(10), seconds(15), seconds(5), seconds(10)),
            oracles: (0..PROTECTED + FLOWS).map(|_| Oracle::new()).collect(),
            seen: Seen::default(),
            clock: AtomicU64::new(1),
            clocks: [const { AtomicU64::new(1) }; WORKERS],
            busy: AtomicU64::new(0),
            pending: [const { AtomicU64::new(NOTHING) }; WORKERS],
        }
    }

    fn flows(&self) -> Flows<'_> {
        self.memory.flows()
    }

    fn look_up(&self, flow: u64, now: Nanos) -> Option<Record> {
        self.flows().look_up(hash(flow), Tick::at(now), &self.timeouts)
    }

    fn insert(&self, flow: u64, mapping: MappingId, state: State, now: Nanos) -> Inserted {
        let cold = ColdRecord::new(key(flow), Direction::Outbound, now);
        self.flows().insert(hash(flow), &cold, mapping, state, &self.timeouts)
    }

    fn protect(&self) {
        for flow in 0..PROTECTED {
            let inserted = self.insert(flow, MappingId(flow as u8), State::TcpEstablished, Nanos(1 << 32));
            assert!(matches!(inserted, Inserted::New(..)));
        }
    }

    /// The time of `worker`'s next batch. It moves on every few batches, unless the other is far behind.
    fn next_batch(&self, worker: usize, batch: u64) -> Nanos {
        let now = self.clock.load(SeqCst);
        self.clocks[worker].store(now, SeqCst);
        let slowest = self.clocks.iter().map(|clock| clock.load(SeqCst)).min().unwrap();
        if batch.is_multiple_of(8) && now - slowest < LAG {
            _ = self.clock.compare_exchange(now, now + 1, SeqCst, SeqCst);
        }
        Nanos((now << 32) | 0x1234)
    }

    fn protected_are_there(&self, now: Nanos) {
        for flow in 0..PROTECTED {
            let record = self.look_up(flow, now).expect("a protected flow is remembered");
            assert_eq!(record.word.mapping(), MappingId(flow as u8));
            self.flows().refresh(record, State::TcpEstablished, Tick::at(now));
        }
    }

    /// A mapping for `flow` that nobody else has given it. `None` while another worker stands still
    /// with a number that would come into doubt.
    fn fresh(&self, worker: usize, flow: u64) -> Option<MappingId> {
        let oracle = &self.oracles[flow as usize];
        let given = oracle.given.load(SeqCst);
        self.pending[worker].store(pack(flow, given), SeqCst);
        let in_doubt = self.pending.iter().any(|pending| {
            let pending = pending.load(SeqCst);
            pending != NOTHING && unpack(pending).0 == flow && unpack(pending).1 + Oracle::MARGIN / 2 < given
        });
        if in_doubt {
            return None;
        }
        let number = oracle.given.fetch_add(1, SeqCst) + 1;
        self.pending[worker].store(pack(flow, number), SeqCst);
        Some(MappingId(number as u8))
    }

    fn check(&self, flow: u64, record: Record, before: Before) {
        let is_pending = |number| self.pending.iter().any(|pending| pending.load(SeqCst) == pack(flow, number));
        self.oracles[flow as usize].check(record.word.mapping(), before, is_pending);
    }

    /// A packet of `flow`. `choice` is random.
    fn packet(&self, worker: usize, flow: u64, choice: u64, now: Nanos) {
        let before = self.oracles[flow as usize].before();
        let tick = Tick::at(now);
        if let Some(record) = self.look_up(flow, now) {
            self.check(flow, record, before);
            let state = record.word.state();
            match choice % 16 {
                0 => self.reassign(worker, flow, record, tick),
                1 if state == State::UdpOutbound => _ = self.flows().refresh(record, State::UdpEstablished, tick),
                2 if state == State::UdpEstablished => _ = self.flows().refresh(record, State::TcpClosing, tick),
                3 => _ = self.flows().remove(record),
                _ if self.flows().refresh(record, state, tick) => one(&self.seen.refreshed),
                _ => {}
            }
        } else if let Some(mapping) = self.fresh(worker, flow) {
            let states = [State::UdpOutbound, State::Companion, State::TcpInbound, State::Icmpv6Outbound];
            match self.insert(flow, mapping, states[(choice >> 8) as usize % states.len()], now) {
                Inserted::New(record, evicted) => {
                    one(&self.seen.inserted);
                    evicted.iter().for_each(|evicted| one(&self.seen.evicted[evicted.index()]));
                    self.check(flow, record, before);
                }
                Inserted::Existing(record) => {
                    one(&self.seen.existing);
                    self.check(flow, record, before);
                }
                Inserted::Full => one(&self.seen.refused),
            }
        }
        self.pending[worker].store(NOTHING, SeqCst);
    }

    fn reassign(&self, worker: usize, flow: u64, record: Record, tick: Tick) {
        let before = self.oracles[flow as usize].before();
        let Some(mapping) = self.fresh(worker, flow) else { return };
        match self.flows().reassign(record, mapping, record.word.state(), tick) {
            Some(moved) => {
                one(&self.seen.moved);
                self.check(flow, moved, before);
            }
            None => one(&self.seen.lost),
        }
    }

    /// One worker's part of a round.
    fn work(&self, worker: usize, round: u64) {
        let mut random = mix(round << 8 | worker as u64);
        let mut sweeper = Sweeper::new();
        for batch in 0..BATCHES {
            let now = self.next_batch(worker, batch);
            self.protected_are_there(now);
            // A whole round, so that claims of a worker that stands still are taken for abandoned, too.
            for _ in 0..FLOW_SWEEP_STEPS {
                let swept = sweeper.step(&self.flows(), Tick::at(now), &self.timeouts);
                self.seen.swept.fetch_add(swept.expired as usize, SeqCst);
            }
            for _ in 0..BATCH {
                random = mix(random.wrapping_add(0x9e37_79b9_7f4a_7c15));
                if random >> 60 == 0 {
                    self.busy.store(random >> 32, SeqCst);
                }
                let flow = if random & 3 == 0 { random >> 16 } else { self.busy.load(SeqCst) };
                self.packet(worker, PROTECTED + flow % FLOWS, random >> 4, now);
            }
        }
        // Who is done is behind nobody.
        self.clocks[worker].store(u64::MAX, SeqCst);
    }

    /// Every other round begins after a pause in which all records expire but the protected ones: what
    /// packets do not meet is swept.
    fn round(&self, round: u64) {
        self.clock.fetch_add(round % 2 * PAUSE, SeqCst);
        self.clocks.iter().for_each(|clock| clock.store(self.clock.load(SeqCst), SeqCst));
        std::thread::scope(|scope| {
            (0..WORKERS).for_each(|worker| _ = scope.spawn(move || self.work(worker, round)));
        });
        self.check_at_rest();
    }

    /// Nobody works: each record is whole, and each flow has one.
    fn check_at_rest(&self) {
        for line in 0..LINES as usize {
            let records: Vec<_> = self.flows().records(line).collect();
            for record in &records {
                assert!(!record.word.is_claim(), "{records:?}");
                let same = |other: &&Record| other.word.is_of(record.word.0);
                assert_eq!(records.iter().filter(same).count(), 1, "{records:?}");
            }
        }
    }
}

#[test]
fn no_flow_ever_alternates() {
    let world = World::new();
    world.protect();
    let begin = Instant::now();
    let rounds = (0..).take_while(|_| begin.elapsed() < TIME);
    let packets = rounds.map(|round| world.round(round)).count() * WORKERS * BATCH * BATCHES as usize;
    let seen = &world.seen;
    let [expired, unanswered, closing] = &seen.evicted;
    let happened = [
        ("inserted", &seen.inserted),
        ("found to be inserted", &seen.existing),
        ("refused", &seen.refused),
        ("refreshed", &seen.refreshed),
        ("moved", &seen.moved),
        ("found to be moved", &seen.lost),
        ("swept", &seen.swept),
        ("expired", expired),
        ("unanswered", unanswered),
        ("closing", closing),
    ];
    println!("{packets} packets, {} ticks, {happened:?}", world.clock.load(SeqCst));
    // It would show nothing if it had not happened.
    for (what, counter) in happened {
        // How often the two meet within a few instructions is the machine's affair.
        let least = if what.starts_with("found") { 0 } else { 1 };
        assert!(counter.load(SeqCst) >= least, "too few {what}: {counter:?}");
    }
}
