//! Step 6: the flow's record after this packet.

use super::classify::Journey;
use super::parse::Packet;
use super::recall::{FlowMemory, Recalled};
use super::steer::{self, Plan};
use crate::flow::{ColdRecord, Inserted, Record, State};
use crate::hash::FlowKey;
use crate::limits::MAX_UPLINKS;
use crate::observe::counters::Counter;
use crate::snapshot::Scope;
use crate::units::{Direction, MappingId};

/// Notes that the flow of `packet` goes by `plan`. Returns the plan that is carried out: another
/// one when a second worker has chosen for the same flow, in the same moment, and was first.
///
/// ICMPv6 errors leave no trace: they belong to a flow, and never end or prolong it (RFC 6092
/// REC-19).
pub fn remember(
    memory: &FlowMemory<'_>,
    packet: &Packet,
    journey: &Journey<'_>,
    recalled: Option<&Recalled>,
    plan: Plan,
) -> Plan {
    let Some(recalled) = recalled.filter(|_| packet.quote.is_none()) else { return plan };
    let mut plan = plan;
    let replan = |plan: Plan, mapping| match journey {
        Journey::Outbound if mapping != plan.mapping => {
            steer::outbound_by(memory.snapshot, packet, recalled, mapping).unwrap_or(plan)
        }
        _ => plan,
    };
    if let Some(hash) = recalled.flow.fragment {
        let mapping = note_fragment(memory, recalled, hash, plan.mapping);
        plan = replan(plan, mapping);
    }
    if memory.flows.is_disabled() {
        return plan;
    }
    let Some(key) = recalled.flow.key else {
        accompany_flow(memory, recalled, plan.mapping);
        return plan;
    };
    let mapping = match recalled.record {
        Some(record) => note_again(memory, recalled, record, plan.mapping),
        None => note_new(memory, recalled, &key, plan.mapping),
    };
    if memory.snapshot.filter.scope == Scope::Endpoint && recalled.flow.direction == Direction::Outbound {
        note_endpoint(memory, recalled, key.endpoint(), mapping);
    }
    replan(plan, mapping)
}

/// The mapping of the datagram.
fn note_fragment(memory: &FlowMemory<'_>, recalled: &Recalled, hash: u64, mapping: MappingId) -> MappingId {
    match recalled.fragment_mapping {
        Some(found) if found == mapping => memory.counters.fragments_found.add(1),
        Some(_) => memory.fragments.reassign(hash, mapping, memory.now),
        None => {
            let (agreed, evicted) = memory.fragments.assign(hash, mapping, memory.now);
            memory.counters.fragments_inserted.add(1);
            memory.counters.fragments_evicted.add(u64::from(evicted.is_some_and(|evicted| evicted.is_early())));
            return agreed;
        }
    }
    mapping
}

/// A packet of a flow that has a record.
fn note_again(memory: &FlowMemory<'_>, recalled: &Recalled, record: Record, mapping: MappingId) -> MappingId {
    let direction = recalled.flow.direction;
    let state = record.word.state().after(direction, recalled.flow.signal());
    let had = record.word.mapping();
    let kept = had == mapping || !takes_over(memory, recalled, record, mapping);
    if recalled.flow.transport.syn && direction == Direction::Inbound && !recalled.flow.transport.opens {
        count_by_uplink(memory, &memory.counters.answered, had);
    }
    if kept {
        if memory.flows.refresh(record, state, memory.tick()) {
            accompany_flow(memory, recalled, had);
        }
        return mapping;
    }
    let state = if direction == Direction::Inbound { State::opening(recalled.flow.class(), direction) } else { state };
    match memory.flows.reassign(record, mapping, state, memory.tick()) {
        Some(_) => {
            let counter = match direction {
                Direction::Outbound => &memory.counters.moved,
                Direction::Inbound => &memory.counters.repinned,
            };
            counter.add(1);
            accompany_flow(memory, recalled, mapping);
            mapping
        }
        None => memory.look_up(recalled.flow.hash).map_or(mapping, |record| record.word.mapping()),
    }
}

/// Whether a packet that goes by `mapping` takes its flow along, away from the record's. An
/// outbound one does unless its datagram alone goes another way; an inbound one does when the
/// flow was opened from outside, and is late for a flow that was moved otherwise.
fn takes_over(memory: &FlowMemory<'_>, recalled: &Recalled, record: Record, mapping: MappingId) -> bool {
    match recalled.flow.direction {
        Direction::Outbound => recalled.fragment_mapping != Some(mapping),
        Direction::Inbound => memory.cold(recalled, record).is_some_and(ColdRecord::is_from_outside),
    }
}

/// The first packet of a flow.
fn note_new(memory: &FlowMemory<'_>, recalled: &Recalled, key: &FlowKey, mapping: MappingId) -> MappingId {
    if let Some(over) = recalled.over
        && !memory.flows.remove(over)
    {
        // Another worker has noted a late packet of it meanwhile, or has opened the new flow.
        let now = memory.look_up(recalled.flow.hash).filter(|record| record.word.state() == State::TcpClosing);
        now.map(|over| memory.flows.remove(over));
    }
    let state = State::opening(recalled.flow.class(), recalled.flow.direction);
    let cold = ColdRecord::new(*key, recalled.flow.direction, memory.now);
    match memory.flows.insert(recalled.flow.hash, &cold, mapping, state, &memory.snapshot.timeouts) {
        Inserted::New(_, evicted) => {
            memory.counters.inserted.add(1);
            if recalled.flow.transport.syn && recalled.flow.direction == Direction::Outbound {
                count_by_uplink(memory, &memory.counters.opened, mapping);
            }
            if let Some(evicted) = evicted {
                memory.counters.evicted[evicted.index()].add(1);
            }
            accompany_flow(memory, recalled, mapping);
            mapping
        }
        Inserted::Existing(record) => record.word.mapping(),
        Inserted::Full => {
            memory.counters.refused.add(1);
            mapping
        }
    }
}

fn count_by_uplink(memory: &FlowMemory<'_>, counters: &[Counter; MAX_UPLINKS], mapping: MappingId) {
    if let Some(mapping) = memory.snapshot.mappings.get(mapping) {
        counters[mapping.uplink.index()].add(1);
    }
}

/// The record of an inside port that strangers may write to, as long as the host sends from it. It is
/// made by flows from inside only: who answers those that may come in has asked for nobody else.
fn note_endpoint(memory: &FlowMemory<'_>, recalled: &Recalled, endpoint: FlowKey, mapping: MappingId) {
    if let Some(record) = memory.look_up(endpoint.hash(&memory.snapshot.hash_key)) {
        memory.flows.refresh(record, State::Companion, memory.tick());
        return;
    }
    let opened_inside = match recalled.record {
        Some(record) => memory.cold(recalled, record).is_some_and(|cold| cold.opened == Direction::Outbound),
        None => true,
    };
    if opened_inside {
        accompany(memory, endpoint, Direction::Outbound, mapping);
    }
}

/// Makes or refreshes the record that goes along with all flows of two hosts, for packets that name
/// no flow.
pub(super) fn accompany_flow(memory: &FlowMemory<'_>, recalled: &Recalled, mapping: MappingId) {
    let pair = FlowKey::pair(recalled.flow.internal, recalled.flow.remote);
    accompany(memory, pair, recalled.flow.direction, mapping);
}

/// Makes or refreshes a companion. It has the mapping of the latest flow that it went along with.
fn accompany(memory: &FlowMemory<'_>, key: FlowKey, direction: Direction, mapping: MappingId) {
    let hash = key.hash(&memory.snapshot.hash_key);
    match memory.look_up(hash) {
        Some(record) if record.word.mapping() == mapping => {
            memory.flows.refresh(record, State::Companion, memory.tick());
        }
        Some(record) => {
            // Lost to another worker, whose flow is as good.
            let _ = memory.flows.reassign(record, mapping, State::Companion, memory.tick());
        }
        None => {
            let cold = ColdRecord::new(key, direction, memory.now);
            if let Inserted::New(_, Some(evicted)) =
                memory.flows.insert(hash, &cold, mapping, State::Companion, &memory.snapshot.timeouts)
            {
                memory.counters.evicted[evicted.index()].add(1);
            }
        }
    }
}
