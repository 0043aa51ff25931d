//! The table against a map with unlimited room and time, as long as no line is full.

use std::collections::HashMap;

use proptest::prelude::*;
use sixways::flow::{Evicted, Inserted, Record, Signal, State, Sweeper, Tick};
use sixways::limits::FLOW_SWEEP_STEPS;
use sixways::units::{Direction, MappingId, Nanos};

use super::{Flow, HOUR, SECOND, Table, hash, key};

/// Lines; each has as many flows as places.
const LINES: u64 = 2;

#[derive(Clone, Debug)]
enum Step {
    LookUp(Flow),
    Insert(Flow, u8, State),
    Packet(Flow, Direction, Signal),
    Move(Flow, u8),
    Remove(Flow),
    Forget(u8),
    /// That much later; with a round of the sweep.
    Pass(u64),
    /// Seconds later, without.
    Wait(u64),
}

fn flows() -> impl Strategy<Value = Flow> {
    (0..LINES, 0u64..8)
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Outbound), Just(Direction::Inbound)]
}

fn signals() -> impl Strategy<Value = Signal> {
    prop_oneof![Just(Signal::Syn), Just(Signal::Close), Just(Signal::Data)]
}

fn steps() -> impl Strategy<Value = Step> {
    let mappings = || 0u8..5;
    prop_oneof![
        3 => flows().prop_map(Step::LookUp),
        5 => (flows(), mappings(), 2usize..16).prop_map(|(flow, mapping, state)| Step::Insert(flow, mapping, State::ALL[state])),
        5 => (flows(), directions(), signals()).prop_map(|(flow, direction, signal)| Step::Packet(flow, direction, signal)),
        2 => (flows(), mappings()).prop_map(|(flow, mapping)| Step::Move(flow, mapping)),
        1 => flows().prop_map(Step::Remove),
        1 => mappings().prop_map(Step::Forget),
        2 => (0..6 * HOUR).prop_map(Step::Pass),
        3 => (0u64..200).prop_map(Step::Wait),
    ]
}

/// A record as the map has it.
#[derive(Clone, Copy, Debug)]
struct Known {
    mapping: u8,
    state: State,
    /// Ticks since the beginning, which never come round.
    seen: u64,
    former: Option<u8>,
}

#[derive(Default)]
struct Model {
    known: HashMap<Flow, Known>,
    now: u64,
}

impl Model {
    fn is_alive(&self, table: &Table, known: &Known) -> bool {
        (self.now >> 32) - known.seen <= u64::from(table.timeouts.of(known.state))
    }

    fn look_up(&self, table: &Table, flow: Flow) -> Option<Known> {
        self.known.get(&flow).copied().filter(|known| self.is_alive(table, known))
    }

    /// Does the same to both.
    fn step(&mut self, table: &Table, sweeper: &mut Sweeper, step: Step) -> Result<(), TestCaseError> {
        let now = Nanos(self.now);
        match step {
            Step::LookUp(flow) => self.compare(table, flow)?,
            Step::Insert(flow, mapping, state) => {
                let over = self.known.contains_key(&flow).then_some(Evicted::Expired);
                match (self.look_up(table, flow), table.insert(flow, mapping, state, now)) {
                    (Some(known), Inserted::Existing(record)) => {
                        prop_assert_eq!(record.word.mapping(), MappingId(known.mapping));
                    }
                    (None, Inserted::New(_, evicted)) => {
                        prop_assert_eq!(evicted, over);
                        self.known.insert(flow, Known { mapping, state, seen: self.now >> 32, former: None });
                    }
                    (known, inserted) => prop_assert!(false, "{known:?} {inserted:?}"),
                }
            }
            Step::Packet(flow, direction, signal) => {
                let Some(record) = table.look_up(flow, now) else { return self.compare(table, flow) };
                let state = record.word.state().after(direction, signal);
                let wrote = table.flows().refresh(record, state, Tick::at(now));
                let (tick, known) = (self.now >> 32, self.known.get_mut(&flow).unwrap());
                prop_assert_eq!(wrote, known.state != state || known.seen != tick);
                (known.state, known.seen) = (state, tick);
            }
            Step::Move(flow, mapping) => {
                let Some(record) = table.look_up(flow, now) else { return self.compare(table, flow) };
                let moved = table.flows().reassign(record, MappingId(mapping), record.word.state(), Tick::at(now));
                prop_assert!(moved.is_some());
                let known = self.known.get_mut(&flow).unwrap();
                *known = Known { mapping, seen: self.now >> 32, former: Some(known.mapping), ..*known };
            }
            Step::Remove(flow) => {
                if let Some(record) = table.look_up(flow, now) {
                    prop_assert!(table.flows().remove(record));
                    self.known.remove(&flow);
                }
            }
            Step::Forget(mapping) => {
                let before = self.known.len();
                self.known.retain(|_, known| known.mapping != mapping);
                let forgotten = table.flows().forget(&[MappingId(mapping)]);
                prop_assert_eq!(forgotten, (before - self.known.len()) as u64);
            }
            Step::Pass(span) => {
                self.now += span;
                self.sweep(table, sweeper)?;
            }
            Step::Wait(seconds) => self.now += seconds * SECOND,
        }
        Ok(())
    }

    fn sweep(&mut self, table: &Table, sweeper: &mut Sweeper) -> Result<(), TestCaseError> {
        let steps =
            (0..FLOW_SWEEP_STEPS).map(|_| sweeper.step(&table.flows(), Tick::at(Nanos(self.now)), &table.timeouts));
        let expired: u64 = steps.map(|swept| swept.expired).sum();
        let over: Vec<_> =
            self.known.iter().filter(|(_, known)| !self.is_alive(table, known)).map(|(flow, _)| *flow).collect();
        prop_assert_eq!(expired, over.len() as u64);
        over.iter().for_each(|flow| _ = self.known.remove(flow));
        for state in State::ALL {
            let known = self.known.values().filter(|known| known.state == state).count() as u64;
            prop_assert_eq!(sweeper.totals().by_state[state as usize], known, "{:?}", state);
        }
        for mapping in 0..5 {
            let is_flow = |known: &&Known| known.mapping == mapping && known.state != State::Companion;
            let known = self.known.values().filter(is_flow).count() as u64;
            prop_assert_eq!(sweeper.totals().by_mapping[usize::from(mapping)], known, "{}", mapping);
        }
        Ok(())
    }

    fn compare(&self, table: &Table, flow: Flow) -> Result<(), TestCaseError> {
        let found = table.look_up(flow, Nanos(self.now));
        let known = self.look_up(table, flow);
        prop_assert_eq!(
            found.map(|record| (record.word.mapping(), record.word.state())),
            known.map(|known| (MappingId(known.mapping), known.state))
        );
        if let (Some(record), Some(known)) = (found, known) {
            let cold = table.flows().cold(record.slot).unwrap();
            prop_assert_eq!((cold.key, cold.former), (key(flow), known.former.map(MappingId)));
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_table_is_a_map(steps in prop::collection::vec(steps(), 1..200)) {
        let (table, mut model, mut sweeper) = (Table::with_lines(LINES), Model::default(), Sweeper::new());
        for step in steps {
            model.step(&table, &mut sweeper, step)?;
        }
        for flow in (0..LINES).flat_map(|line| (0..8).map(move |number| (line, number))) {
            model.compare(&table, flow)?;
        }
        // What there is has one record each.
        let records = table.records();
        prop_assert_eq!(records.len(), model.known.len());
        for flow in model.known.keys() {
            let own = |record: &&Record| record.slot.line as u64 == flow.0 && record.word.is_of(hash(*flow));
            prop_assert_eq!(records.iter().filter(own).count(), 1);
        }
    }
}
