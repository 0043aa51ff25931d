//! What the parts below tell the exporter and `status`: plain data, taken as a whole.

use std::collections::BTreeMap;

use super::flows::{Stage, class_label};
use super::isp_health::IspHealth;
use super::prefixes::LearntPrefix;
use crate::flow::State;
use crate::units::{EdgeId, PortId};

/// What one gate has counted at one edge since its program was first attached (a restart of
/// the gateway takes over the counts).
///
/// `seen = passed + redirected + Σ dropped`, exactly: each frame counts once, at its verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GateCounts {
    /// Left to the kernel.
    pub passed: u64,
    /// Given to an AF_XDP socket.
    pub redirected: u64,
    /// [`crate::verdict::DropReason::GateTransit`]
    pub transit: u64,
    /// [`crate::verdict::DropReason::GateOwnElsewhere`]
    pub own_elsewhere: u64,
    /// [`crate::verdict::DropReason::GateNoSocket`]
    pub no_socket: u64,
    /// [`crate::verdict::DropReason::GateOversize`]
    pub oversize: u64,
}

/// What one guard has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounts {
    /// IPv6 packets that were let out.
    pub passed: u64,
    /// [`crate::verdict::DropReason::GuardForwarded`]
    pub forwarded: u64,
    /// [`crate::verdict::DropReason::GuardForeignSource`]
    pub foreign_source: u64,
}

/// The kernel's `XDP_STATISTICS` of one AF_XDP socket. `rx_dropped` and `fill_ring_empty` count
/// the same frame twice when the fill ring is empty: never add them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounts {
    /// Frames dropped for other reasons than a full receive ring, empty fill ring included.
    pub rx_dropped: u64,
    /// Frames dropped because the receive ring was full.
    pub rx_ring_full: u64,
    /// Frames dropped because the fill ring was empty.
    pub fill_ring_empty: u64,
    /// Invalid descriptors in the fill ring: a bug.
    pub rx_invalid: u64,
    /// Invalid descriptors in the transmit ring: a bug.
    pub tx_invalid: u64,
}

impl SocketCounts {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            rx_dropped: self.rx_dropped + other.rx_dropped,
            rx_ring_full: self.rx_ring_full + other.rx_ring_full,
            fill_ring_empty: self.fill_ring_empty + other.fill_ring_empty,
            rx_invalid: self.rx_invalid + other.rx_invalid,
            tx_invalid: self.tx_invalid + other.tx_invalid,
        }
    }
}

/// One device of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortReport {
    /// Which port.
    pub port: PortId,
    /// The device's name.
    pub interface: String,
    /// The driver's name as ethtool tells it.
    pub driver: String,
    /// `zero-copy`, `copy` or `generic`: the mode in force.
    pub mode: String,
    /// Receive queues of the device.
    pub queues: u32,
    /// Whether it has carrier.
    pub up: bool,
    /// By queue.
    pub sockets: Vec<SocketCounts>,
}

/// What flow memory holds, as control has found it in its latest round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryReport {
    /// Flows that it is made for; twice as many records have a place.
    pub capacity: u64,
    /// Octets that it takes.
    pub octets: u64,
    /// Records by [`State`], in the order of [`State::ALL`].
    pub by_state: [u64; State::ALL.len()],
    /// Flows by [`crate::units::MappingId`], companions left out.
    pub by_mapping: Vec<u64>,
}

impl MemoryReport {
    /// Records by stage and protocol.
    pub fn by_stage_and_class(&self) -> BTreeMap<(Stage, &'static str), u64> {
        let mut sums = BTreeMap::new();
        for (state, records) in State::ALL.iter().zip(self.by_state) {
            if let Some(stage) = Stage::of(*state) {
                *sums.entry((stage, class_label(*state))).or_default() += records;
            }
        }
        sums
    }
}

/// What the gateway's privileged parts report, once a second. Where the workers' frames are,
/// the workers tell: [`super::counters::WorkerCounters::ledger`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Every port.
    pub ports: Vec<PortReport>,
    /// Every edge's gate.
    pub gates: Vec<(EdgeId, GateCounts)>,
    /// Every ISP edge's guard.
    pub guards: Vec<(EdgeId, GuardCounts)>,
    /// Flow memory.
    pub memory: MemoryReport,
    /// Every ISP's health.
    pub health: Vec<IspHealth>,
    /// Those of the ISPs that have one.
    pub quotas: Vec<QuotaUse>,
    /// Those of the ISPs that learn theirs.
    pub prefixes: Vec<LearntPrefix>,
}

/// How much of its quota an ISP has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaUse {
    /// Whose.
    pub isp: String,
    /// Octets that it may carry this month.
    pub quota: u64,
    /// Octets that it has carried this month.
    pub used: u64,
}
