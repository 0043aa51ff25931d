//! What becomes of a packet in the end: the whole path, run in a place of its own.

use std::net::Ipv6Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::World;
use crate::datapath::recall::{Flow, FlowMemory};
use crate::flow::{ColdRecord, FlowStore};
use crate::observe::counters::WorkerCounters;
use crate::replay::Stand;
use crate::units::{EdgeId, MacAddr, Nanos};
use crate::verdict::DropReason;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::{icmpv6, protocol};

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// In one word.
    pub verdict: Verdict,
    /// Why it is dropped, as in metrics.
    pub reason: Option<String>,
    /// By which LAN or ISP it leaves.
    pub by: Option<String>,
    /// The frame that leaves, in hexadecimal.
    pub frame: Option<String>,
    /// What its sender is told.
    pub answer: Option<Answered>,
}

/// What becomes of a packet, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The kernel has it.
    Passed,
    /// It answers a probe of the gateway's own.
    Answers,
    /// It leaves.
    Sent,
    /// It waits for a neighbour.
    Held,
    /// It is dropped.
    Dropped,
}

/// What the sender of a dropped packet is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answered {
    /// An ICMPv6 error or a TCP reset: the frame in hexadecimal.
    Now(String),
    /// An ICMPv6 error in some seconds, unless the flow is opened from inside by then.
    Later,
}

impl Outcome {
    /// What the gate alone decides.
    pub(super) const fn at_gate(verdict: Verdict) -> Self {
        Self { verdict, reason: None, by: None, frame: None, answer: None }
    }

    /// Dropped for `reason`, in silence.
    pub(super) fn dropped(reason: DropReason) -> Self {
        Self { reason: Some(reason.label().to_owned()), ..Self::at_gate(Verdict::Dropped) }
    }
}

/// Flows that a copy of flow memory must have room for: that of the packet, and an endpoint.
const CAPACITY: u64 = 64;

/// Takes `frame`, untagged, which comes in by `edge`, through the whole path, in a place that knows of
/// `flow` what is remembered of it.
pub fn of(world: &World<'_>, edge: EdgeId, frame: &[u8], flow: Option<&Flow>) -> Outcome {
    let counters: Arc<WorkerCounters> = Arc::default();
    let capacity = if world.flows.is_disabled() { 0 } else { CAPACITY };
    let mut stand = Stand::new(capacity, world.max_frame, Arc::clone(&counters));
    if let Some(flow) = flow {
        copy(world, &stand, flow);
    }
    let snapshot = world.snapshot;
    stand.receive(snapshot, world.now, edge, frame);
    stand.resolve(snapshot, world.now, world.neighbour);
    let mut left = Vec::new();
    stand.collect(|edge, bytes| left.push((edge, hex(bytes))));
    let counted = counters.edge(edge);
    let reason = DropReason::ALL.iter().find(|reason| counted.dropped[reason.index()].get() > 0);
    match (reason, left.pop()) {
        (Some(reason), answer) => {
            let later = stand.state.unsolicited.next_due() < Nanos(u64::MAX);
            let answer = answer.map(|(_, frame)| Answered::Now(frame)).or(later.then_some(Answered::Later));
            Outcome { answer, ..Outcome::dropped(*reason) }
        }
        (None, Some((by, frame))) => {
            Outcome { by: Some(snapshot.name_of(by).to_owned()), frame: Some(frame), ..Outcome::at_gate(Verdict::Sent) }
        }
        (None, None) if counted.punted.get() > 0 => Outcome::at_gate(Verdict::Answers),
        (None, None) => Outcome::at_gate(Verdict::Held),
    }
}

/// What is remembered of `flow`, of its endpoint and of its datagram.
fn copy(world: &World<'_>, stand: &Stand, flow: &Flow) {
    let snapshot = world.snapshot;
    let memory = FlowMemory {
        snapshot,
        flows: world.flows,
        fragments: world.fragments,
        counters: &stand.counters.flows,
        now: world.now,
    };
    let endpoint = flow.key.map(|key| key.endpoint().hash(&snapshot.hash_key));
    for hash in [Some(flow.hash), endpoint].into_iter().flatten() {
        let Some(record) = memory.look_up(hash) else { continue };
        let Some(cold) = world.flows.cold(record.slot) else { continue };
        // A record is made with the tick of its birth, and this one is to be as young as it is alive.
        let cold = ColdRecord { created: world.now, ..cold };
        let word = record.word;
        stand.flows.flows().insert(hash, &cold, word.mapping(), word.state(), &snapshot.timeouts);
    }
    if let Some(hash) = flow.fragment
        && let Some(mapping) = world.fragments.look_up(hash, world.now)
    {
        stand.fragments.assign(hash, mapping, world.now);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Octets of the tag of a frame that leaves by a VLAN.
const TAG: usize = 4;

/// The headers of a frame that leaves.
pub struct Headers {
    /// The MAC that it goes to.
    pub to: MacAddr,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// What it tells, if the gateway has made it.
    pub message: Message,
}

/// What a packet of the gateway's own tells its receiver.
pub enum Message {
    /// An ICMPv6 error: type, code and parameter.
    Error(u8, u8, u32),
    /// A TCP reset.
    Reset,
}

impl Headers {
    /// Those of `frame`, in hexadecimal, as [`Outcome`] has it.
    pub fn read(frame: &str) -> Option<Self> {
        let octet = |at: usize| frame.get(at..at + 2).and_then(|octet| u8::from_str_radix(octet, 16).ok());
        let bytes: Vec<u8> = (0..frame.len()).step_by(2).filter_map(octet).collect();
        let link = Ethernet::read(&bytes)?;
        let start = ethernet::HEADER + if link.ether_type == ethernet::IPV6 { 0 } else { TAG };
        let packet = Ipv6::new(bytes.get(start..)?)?;
        let upper = bytes.get(start + ipv6::HEADER..).unwrap_or_default();
        let message = match upper.first_chunk::<{ icmpv6::ERROR_HEADER }>() {
            Some([kind, code, _, _, parameter @ ..]) if packet.next_header() != protocol::TCP => {
                Message::Error(*kind, *code, u32::from_be_bytes(*parameter))
            }
            _ => Message::Reset,
        };
        Some(Self { to: link.destination, source: packet.source(), destination: packet.destination(), message })
    }
}
