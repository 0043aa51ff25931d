//! A walk through flow memory, and what it has found.
//!
//! Runs beside the workers, who go on writing: a record that changes under the reader's eyes is
//! told by its key, which must hash to the hot word, and is counted as unreadable if it does not.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::{Arc, Mutex, TryLockError};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};

use super::selection::{Selection, SelectionError, protocol_name};
use super::{Stage, class_label};
use crate::flow::{ColdRecord, FlowStore, Flows, Record, Tick};
use crate::limits::{FLOW_WALK, LISTED_FLOWS};
use crate::os;
use crate::snapshot::Snapshot;
use crate::units::{MappingId, Nanos, UplinkId};

/// Lines that are walked between two looks at the clock.
const LINES_A_LOOK: usize = 256;
/// What stands for an ISP that is in the configuration no more.
const GONE: &str = "(gone)";
/// TCP, UDP, DCCP, ICMPv6 (the identifier of an echo), SCTP and UDP-Lite.
const WITH_PORTS: [u8; 6] = [6, 17, 33, 58, 132, 136];

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The words of a [`Selection`].
    pub words: Vec<String>,
    /// Flows to list at most.
    pub limit: usize,
}

/// No answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The words.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// No such ISP.
    #[error("there is no ISP `{name}`; there are {known}")]
    UnknownIsp {
        /// As given.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Too long a list.
    #[error("at most {LISTED_FLOWS} flows are listed at once, {0} were asked for; narrow them down by filters")]
    Limit(usize),
    /// One walk at a time.
    #[error("somebody else has the flows listed at this moment; ask again in a few seconds")]
    Busy,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// Flows that match, those that were seen last first, as many as were asked for.
    pub flows: Vec<Listed>,
    /// Flows that match.
    pub matched: u64,
    /// All flows (all companions, if those were asked for).
    pub known: u64,
    /// Flows that match, by ISP, state and protocol.
    pub counts: Vec<Count>,
    /// Records that were changing when they were read, and so left out.
    pub unreadable: u64,
    /// Part of the memory that was read within the time that there is, 0 to 1.
    pub read_ratio: f64,
    /// Flows that the memory is made for; 0: nothing is remembered.
    pub capacity: u64,
}

/// How many flows have this in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The ISP's name.
    pub isp: String,
    /// `established`, `unanswered`, `closing` or `companion`.
    pub state: String,
    /// `tcp`, `udp`, `icmpv6`, `other`, or `any`.
    pub class: String,
    /// How many.
    pub flows: u64,
}

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The inside address of the host inside.
    pub internal: Ipv6Addr,
    /// Its port, or the identifier of its echo requests; the same outside. `None`: none.
    pub internal_port: Option<u16>,
    /// The host outside.
    pub remote: Ipv6Addr,
    /// Its port, likewise.
    pub remote_port: Option<u16>,
    /// What the host outside sees as `internal`; `None` while the ISP is gone.
    pub outside: Option<Ipv6Addr>,
    /// A name, or a number.
    pub protocol: String,
    /// The ISP's name.
    pub isp: String,
    /// `established`, `unanswered`, `closing` or `companion`.
    pub state: String,
    /// The way of its first packet: `outbound` or `inbound`.
    pub opened: String,
    /// The ISP that it had before it was moved.
    pub former_isp: Option<String>,
    /// Seconds since its record was made.
    pub age_seconds: u64,
    /// Seconds since its latest packet, off by up to 4.3.
    pub idle_seconds: u64,
}

/// A flow that matches, as it was found.
struct Found {
    record: Record,
    cold: ColdRecord,
    idle: u16,
}

impl Found {
    /// Those seen last come first, and of these the youngest.
    fn order(&self) -> (u16, Reverse<Nanos>, Ipv6Addr, u16) {
        (self.idle, Reverse(self.cold.created), self.cold.key.internal, self.cold.key.internal_port)
    }
}

/// Flow memory, and what its records mean.
#[derive(Debug)]
pub struct View {
    snapshot: Arc<ArcSwap<Snapshot>>,
    flows: Arc<dyn FlowStore>,
    walking: Mutex<()>,
}

impl View {
    /// The view of `flows` by the latest `snapshot`.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, flows: Arc<dyn FlowStore>) -> Self {
        Self { snapshot, flows, walking: Mutex::default() }
    }

    /// The flows that match, at `now`. Takes [`FLOW_WALK`] at most.
    ///
    /// # Errors
    /// When the query means nothing, asks for too much, or another one is being answered.
    pub fn list(&self, query: &Query, now: Nanos) -> Result<Listing, QueryError> {
        let selection = Selection::parse(&query.words)?;
        if query.limit > LISTED_FLOWS {
            return Err(QueryError::Limit(query.limit));
        }
        let _turn = match self.walking.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(QueryError::Busy),
        };
        let snapshot = self.snapshot.load_full();
        let isp = selection.isp.as_deref().map(|name| isp_named(&snapshot, name)).transpose()?;
        let mut walk = Walk::new(self.flows.flows(), &snapshot, selection, isp, query.limit, now);
        let lines_read = walk.run(os::now().plus(FLOW_WALK));
        Ok(walk.into_listing(lines_read))
    }
}

fn isp_named(snapshot: &Snapshot, name: &str) -> Result<UplinkId, QueryError> {
    let named = |(_, uplink): &(usize, &crate::snapshot::Uplink)| !uplink.name.is_empty();
    let mut uplinks = snapshot.uplinks.iter().enumerate().filter(named);
    let found = uplinks.clone().find(|(_, uplink)| &*uplink.name == name).map(|(id, _)| UplinkId(id as u8));
    found.ok_or_else(|| {
        let known: Vec<&str> = uplinks.by_ref().map(|(_, uplink)| &*uplink.name).collect();
        QueryError::UnknownIsp { name: name.to_owned(), known: known.join(", ") }
    })
}

/// One walk.
pub(super) struct Walk<'a> {
    flows: Flows<'a>,
    snapshot: &'a Snapshot,
    selection: Selection,
    isp: Option<UplinkId>,
    limit: usize,
    now: Nanos,
    found: Vec<Found>,
    known: u64,
    unreadable: u64,
    counts: BTreeMap<(Option<UplinkId>, Stage, &'static str), u64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        flows: Flows<'a>,
        snapshot: &'a Snapshot,
        selection: Selection,
        isp: Option<UplinkId>,
        limit: usize,
        now: Nanos,
    ) -> Self {
        let (found, counts) = (Vec::new(), BTreeMap::new());
        Self { flows, snapshot, selection, isp, limit, now, found, known: 0, unreadable: 0, counts }
    }

    /// Reads line by line until `deadline`, and returns how many.
    pub(super) fn run(&mut self, deadline: Nanos) -> usize {
        for line in 0..self.flows.lines() {
            if line % LINES_A_LOOK == 0 && os::now() >= deadline {
                return line;
            }
            for record in self.flows.records(line) {
                self.look_at(record);
            }
        }
        self.flows.lines()
    }

    fn look_at(&mut self, record: Record) {
        let state = record.word.state();
        let Some(stage) = Stage::of(state) else { return };
        let now = Tick::at(self.now);
        if !self.selection.is_about(stage) || record.word.is_expired(now, &self.snapshot.timeouts) {
            return;
        }
        self.known += 1;
        if !self.selection.takes_stage(stage) {
            return;
        }
        let isp = self.isp_of(record.word.mapping());
        if self.isp.is_some() && self.isp != isp {
            return;
        }
        if self.limit > 0 || self.selection.asks_for_keys() {
            let Some(cold) = self.readable(record) else {
                self.unreadable += 1;
                return;
            };
            if !self.selection.takes_key(&cold.key) {
                return;
            }
            self.found.push(Found { record, cold, idle: record.word.tick().age(now) });
            self.trim(2 * self.limit);
        }
        *self.counts.entry((isp, stage, class_label(state))).or_default() += 1;
    }

    /// The cold part of `record`, if it is of the same flow.
    fn readable(&self, record: Record) -> Option<ColdRecord> {
        let cold = self.flows.cold(record.slot)?;
        let hash = cold.key.hash(&self.snapshot.hash_key);
        let in_line = hash as usize & (self.flows.lines() - 1) == record.slot.line;
        (in_line && record.word.is_of(hash)).then_some(cold)
    }

    /// Once there are more than `most` flows, keeps only the first `limit` in order.
    fn trim(&mut self, most: usize) {
        if self.found.len() > most {
            if self.limit > 0 {
                self.found.select_nth_unstable_by_key(self.limit - 1, Found::order);
            }
            self.found.truncate(self.limit);
        }
    }

    fn isp_of(&self, mapping: MappingId) -> Option<UplinkId> {
        self.snapshot.mappings.get(mapping).map(|pair| pair.uplink)
    }

    fn name(&self, isp: Option<UplinkId>) -> String {
        let uplink = isp.and_then(|isp| self.snapshot.uplinks.get(isp.index()));
        uplink.map_or_else(|| GONE.to_owned(), |uplink| uplink.name.to_string())
    }

    pub(super) fn into_listing(mut self, lines_read: usize) -> Listing {
        self.trim(self.limit);
        self.found.sort_unstable_by_key(Found::order);
        let counts = self.counts.iter().map(|((isp, stage, class), flows)| Count {
            isp: self.name(*isp),
            state: stage.label().to_owned(),
            class: (*class).to_owned(),
            flows: *flows,
        });
        let lines = self.flows.lines();
        Listing {
            flows: self.found.iter().map(|found| self.listed(found)).collect(),
            matched: self.counts.values().sum(),
            known: self.known,
            counts: counts.collect(),
            unreadable: self.unreadable,
            read_ratio: if lines == 0 { 1.0 } else { lines_read as f64 / lines as f64 },
            capacity: self.flows.capacity(),
        }
    }

    fn listed(&self, found: &Found) -> Listed {
        let Found { record, cold, idle } = found;
        let key = &cold.key;
        let mapping = self.snapshot.mappings.get(record.word.mapping());
        let port = |port| WITH_PORTS.contains(&key.protocol).then_some(port);
        let age = self.now.since(cold.created).0 / 1_000_000_000;
        Listed {
            internal: key.internal,
            internal_port: port(key.internal_port),
            remote: key.remote,
            remote_port: port(key.remote_port),
            outside: mapping.and_then(|pair| pair.mapping.outbound(key.internal).ok()),
            protocol: protocol_name(key.protocol),
            isp: self.name(mapping.map(|pair| pair.uplink)),
            state: Stage::of(record.word.state()).map_or("", Stage::label).to_owned(),
            opened: cold.opened.label().to_owned(),
            former_isp: cold.former.map(|former| self.name(self.isp_of(former))),
            age_seconds: age,
            idle_seconds: (idle_nanos(*idle, self.now).0 / 1_000_000_000).min(age),
        }
    }
}

/// Time since a packet in the tick that is `ticks` old: since the middle of that tick.
pub(super) fn idle_nanos(ticks: u16, now: Nanos) -> Nanos {
    let within = now.0 % Tick::span(1).0;
    Nanos(Tick::span(ticks).0 + within).since(Nanos(Tick::span(1).0 / 2))
}
