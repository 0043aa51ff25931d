//! Step 3: what is remembered of the packet's flow. Reads only.

use std::net::Ipv6Addr;

use super::classify::Journey;
use super::parse::Packet;
use super::refusal::Refusal;
use crate::flow::{Class, ColdRecord, Flows, FragmentKey, FragmentTable, Record, Signal, State, Tick};
use crate::hash::FlowKey;
use crate::observe::counters::FlowCounters;
use crate::snapshot::{Snapshot, Traffic};
use crate::units::{Direction, MappingId, Nanos};
use crate::verdict::DropReason;
use crate::wire::extension::Fragment;
use crate::wire::protocol;
use crate::wire::transport::{Ports, Transport};

/// What the flow steps work with.
#[derive(Clone, Copy, Debug)]
pub struct FlowMemory<'a> {
    /// The world.
    pub snapshot: &'a Snapshot,
    /// Which mapping a flow has.
    pub flows: Flows<'a>,
    /// Which mapping a fragmented datagram has.
    pub fragments: &'a FragmentTable,
    /// What is counted of both.
    pub counters: &'a FlowCounters,
    /// The time of this batch.
    pub now: Nanos,
}

/// A flow, seen from inside.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// Which way the packet goes, or the quoted one went.
    pub direction: Direction,
    /// The addresses of the flow, the inside one as it is inside.
    pub internal: Ipv6Addr,
    /// The other end.
    pub remote: Ipv6Addr,
    /// What names the flow.
    pub transport: Transport,
    /// Its name; `None` when the packet names no flow: a later fragment, or one cut short.
    pub key: Option<FlowKey>,
    /// Hash of the flow, or of the pair when there is none.
    pub hash: u64,
    /// Hash of the datagram, of a fragment.
    pub fragment: Option<u64>,
}

/// A flow and what is remembered of it.
#[derive(Clone, Copy, Debug)]
pub struct Recalled {
    /// The flow.
    pub flow: Flow,
    /// The record of the flow, or of the pair when the packet names no flow.
    pub record: Option<Record>,
    /// The record of a connection that is over, when the packet opens another one in its place.
    pub over: Option<Record>,
    /// The mapping of the datagram.
    pub fragment_mapping: Option<MappingId>,
}

/// Which flow `packet` is of; an ICMPv6 error is of the flow that it is about. `None` for a packet
/// that stays inside, which needs no memory: its way is that of its destination.
///
/// Has the memory of the flow on its way, so that it is near when it is recalled.
///
/// # Errors
/// When an error quotes another's packet than that of whom it is for: it would tell him of an address
/// of this site, or of a packet that never left by the mapping that the error came in by.
pub fn identify(memory: &FlowMemory<'_>, packet: &Packet, journey: &Journey<'_>) -> Result<Option<Flow>, Refusal> {
    if packet.quote.is_some_and(|quote| quote.source != packet.destination) {
        return Err(DropReason::QuoteForeign.into());
    }
    let (direction, internal, remote) = match (journey, packet.quote) {
        (Journey::Hairpin(_), _) => return Ok(None),
        (Journey::Outbound, None) => (Direction::Outbound, packet.source, packet.destination),
        (Journey::Inbound(inside), None) => (Direction::Inbound, inside.address, packet.source),
        // What an error quotes went the other way.
        (Journey::Outbound, Some(quote)) => (Direction::Inbound, quote.destination, quote.source),
        (Journey::Inbound(inside), Some(quote)) => (Direction::Outbound, inside.address, quote.destination),
    };
    let (transport, fragment) = match packet.quote {
        None => (packet.transport, packet.fragment),
        Some(quote) => (quote.transport, quote.fragment),
    };
    let key = flow_key(direction, internal, remote, &transport);
    let hash = key.unwrap_or(FlowKey::pair(internal, remote)).hash(&memory.snapshot.hash_key);
    memory.flows.prefetch(hash);
    let fragment = fragment.map(|fragment| fragment_hash(memory, direction, internal, remote, fragment));
    Ok(Some(Flow { direction, internal, remote, transport, key, hash, fragment }))
}

/// What is remembered of `flow`, which `packet` is of. A SYN behind FIN or RST is the first packet of
/// a new flow, which may be opened by the other side and by another ISP than the one before.
pub fn recall(memory: &FlowMemory<'_>, packet: &Packet, flow: Flow) -> Recalled {
    let found = memory.look_up(flow.hash);
    let opens = flow.transport.opens && packet.quote.is_none();
    let over = found.filter(|record| opens && record.word.state() == State::TcpClosing);
    Recalled {
        flow,
        record: if over.is_some() { None } else { found },
        over,
        fragment_mapping: flow.fragment.and_then(|hash| memory.fragments.look_up(hash, memory.now)),
    }
}

/// The name of the flow of a packet that goes in `direction`.
fn flow_key(direction: Direction, internal: Ipv6Addr, remote: Ipv6Addr, transport: &Transport) -> Option<FlowKey> {
    let protocol = transport.protocol?;
    let ports = match transport.ports {
        Some(ports) => ports,
        None if protocol::has_ports(protocol) || protocol == protocol::ICMPV6 => return None,
        None => Ports { source: 0, destination: 0 },
    };
    let (internal_port, remote_port) = match direction {
        Direction::Outbound => (ports.source, ports.destination),
        Direction::Inbound => (ports.destination, ports.source),
    };
    Some(FlowKey { internal, remote, protocol, internal_port, remote_port })
}

fn fragment_hash(
    memory: &FlowMemory<'_>,
    direction: Direction,
    internal: Ipv6Addr,
    remote: Ipv6Addr,
    fragment: Fragment,
) -> u64 {
    let (source, destination) = match direction {
        Direction::Outbound => (internal, remote),
        Direction::Inbound => (remote, internal),
    };
    FragmentKey { source, destination, id: fragment.id, next_header: fragment.next_header }
        .hash(&memory.snapshot.hash_key)
}

impl FlowMemory<'_> {
    /// The tick of this batch.
    pub const fn tick(&self) -> Tick {
        Tick::at(self.now)
    }

    /// The record with this hash.
    pub fn look_up(&self, hash: u64) -> Option<Record> {
        self.flows.look_up(hash, self.tick(), &self.snapshot.timeouts)
    }

    /// The cold part of the flow's `record`, if it is there whole.
    pub fn cold(&self, recalled: &Recalled, record: Record) -> Option<ColdRecord> {
        self.flows.cold(record.slot).filter(|cold| Some(cold.key) == recalled.flow.key)
    }
}

impl Recalled {
    /// The mappings to be tried, the best first: that of the datagram, that of the flow.
    pub fn mappings(&self) -> impl Iterator<Item = MappingId> + use<> {
        self.fragment_mapping.into_iter().chain(self.record.map(|record| record.word.mapping()))
    }
}

impl Flow {
    /// What rules see of the flow's packet.
    pub fn traffic(&self, dscp: u8) -> Traffic {
        let (source, destination) = match self.direction {
            Direction::Outbound => (self.internal, self.remote),
            Direction::Inbound => (self.remote, self.internal),
        };
        let ports = self.transport.ports.filter(|_| self.transport.protocol != Some(protocol::ICMPV6));
        let ports = ports.map(|ports| (ports.source, ports.destination));
        Traffic { source, destination, protocol: self.transport.protocol, ports, dscp }
    }

    /// The flow as a packet from inside shows it, whichever way the packet at hand goes.
    pub const fn inside_out(mut self) -> Self {
        if let Direction::Inbound = self.direction {
            self.direction = Direction::Outbound;
            if let Some(Ports { source, destination }) = self.transport.ports {
                self.transport.ports = Some(Ports { source: destination, destination: source });
            }
        }
        self
    }

    /// How its flow is remembered.
    pub const fn class(&self) -> Class {
        match self.transport.protocol {
            Some(protocol::TCP) => Class::Tcp,
            Some(protocol::UDP | protocol::UDP_LITE) => Class::Udp,
            Some(protocol::ICMPV6) => Class::Icmpv6,
            _ => Class::Other,
        }
    }

    /// What the packet tells about its flow.
    pub const fn signal(&self) -> Signal {
        match self.transport {
            Transport { syn: true, .. } => Signal::Syn,
            Transport { close: true, .. } => Signal::Close,
            _ => Signal::Data,
        }
    }
}
