//! Flow memory in `sixways status`.

use serde::{Deserialize, Serialize};

use super::{Counted, Rates};
use crate::flow::Evicted;

/// Flow memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// Flows that it is made for; 0: nothing is remembered.
    pub capacity: u64,
    /// Its size.
    pub memory_bytes: u64,
    /// Records of all kinds, as a share of the places, of which there are two for each flow of
    /// the capacity, 0 to 1.
    pub taken_ratio: f64,
    /// Records by state and protocol.
    pub records: Vec<RecordStatus>,
    /// Flows whose record was made.
    pub inserts: Counted,
    /// Records that gave way, by kind.
    pub evictions: Vec<EvictionStatus>,
    /// Packets of flows that went without a record.
    pub refusals: Counted,
    /// Flows that got another ISP.
    pub moves: Counted,
    /// Flows that came in by another ISP than before.
    pub repins: Counted,
}

/// Records that have state and protocol in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordStatus {
    /// `established`, `unanswered`, `closing` or `companion`.
    pub state: String,
    /// `tcp`, `udp`, `icmpv6`, `other`, or `any`.
    pub protocol: String,
    /// How many.
    pub records: u64,
}

/// Records that gave way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvictionStatus {
    /// `expired`, `unanswered` or `closing`.
    pub kind: String,
    /// How many.
    pub records: Counted,
}

impl Rates<'_> {
    pub(super) fn flows(&self) -> FlowStatus {
        let memory = &self.sample.report.memory;
        let records = memory.by_stage_and_class().into_iter().map(|((stage, class), records)| RecordStatus {
            state: stage.label().to_owned(),
            protocol: class.to_owned(),
            records,
        });
        let records: Vec<_> = records.collect();
        let taken: u64 = records.iter().map(|count| count.records).sum();
        let evictions = Evicted::ALL.map(|kind| EvictionStatus {
            kind: kind.label().to_owned(),
            records: self.counted(|sample| sample.flows.evicted[kind.index()]),
        });
        FlowStatus {
            capacity: memory.capacity,
            memory_bytes: memory.octets,
            taken_ratio: taken as f64 / (2 * memory.capacity).max(1) as f64,
            records,
            inserts: self.counted(|sample| sample.flows.inserted),
            evictions: evictions.into(),
            refusals: self.counted(|sample| sample.flows.refused),
            moves: self.counted(|sample| sample.flows.moved),
            repins: self.counted(|sample| sample.flows.repinned),
        }
    }
}
