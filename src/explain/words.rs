//! What is found, in words.

use std::net::Ipv6Addr;

use super::World;
use crate::control::config::traffic::{code_point_names, protocol_name};
use crate::datapath::classify::Journey;
use crate::datapath::parse::Packet;
use crate::datapath::recall::{Flow, FlowMemory, Recalled};
use crate::flow::{Record, Tick};
use crate::observe::flows::{Stage, class_label};
use crate::snapshot::{GateAction, GateCause, GateJudgement, GateRole, GateVerdict, Inbound, Snapshot};
use crate::units::MappingId;
use crate::wire::icmpv6;
use crate::wire::transport::{Ports, Transport};

/// Why the gate has judged so.
pub fn gate(judged: &GateJudgement, world: &World<'_>, frame: &[u8]) -> String {
    let edge = judged.edge.map_or_else(String::new, |edge| world.snapshot.edges[edge.index()].name.to_string());
    match (judged.cause, judged.verdict) {
        (_, GateVerdict::Oversize) => {
            format!("{} octets, but a frame of the packet buffer takes {}", frame.len(), world.max_frame)
        }
        (GateCause::Truncated, _) => "no whole Ethernet header, or no whole tag".to_owned(),
        (GateCause::NoEdge(Some(vlan)), _) => format!("VLAN {vlan} is no LAN and no ISP"),
        (GateCause::NoEdge(None), _) => "untagged frames are of no LAN and no ISP here".to_owned(),
        (GateCause::NotIpv6, _) => "not IPv6".to_owned(),
        (GateCause::OtherMac(mac), _) => format!("for the MAC {mac}, which is not the gateway's on {edge}"),
        (GateCause::LinkScope, _) => "multicast and link-local destinations stay on their link".to_owned(),
        (GateCause::OwnAddress, GateVerdict::OwnElsewhere) => {
            format!("an own address that must not be reached by {edge}")
        }
        (GateCause::OwnAddress, _) => "one of the gateway's own addresses".to_owned(),
        (GateCause::Route(prefix, GateAction::Pass), _) => format!("{prefix} is the kernel's to route"),
        (GateCause::Route(prefix, GateAction::Proxy), GateVerdict::Passed) => {
            format!("a Neighbor Solicitation for {prefix}, which the ND proxy answers for at {edge}")
        }
        (GateCause::Route(prefix, GateAction::Steer | GateAction::Proxy), _) => {
            format!("{prefix} is Sixways' at {edge}")
        }
        (GateCause::NoRoute(GateRole::Lan), _) => "the kernel routes it nowhere inside".to_owned(),
        (GateCause::NoRoute(GateRole::Isp), _) => "in no ISP's prefix".to_owned(),
    }
}

/// `SOURCE > DESTINATION`.
pub fn addresses(packet: &Packet) -> String {
    format!("{} > {}", packet.source, packet.destination)
}

/// What the packet carries.
pub fn contents(packet: &Packet) -> String {
    let mut parts = vec![transport(&packet.transport, packet.icmpv6)];
    if let Some(fragment) = packet.fragment {
        let more = if fragment.more { ", more to come" } else { ", the last" };
        parts.push(format!("fragment of datagram {:08x} at {}{more}", fragment.id, fragment.offset));
    }
    if let Some(quote) = packet.quote {
        let quoted = transport(&quote.transport, None);
        parts.push(format!("about {} > {} {quoted}", quote.source, quote.destination));
    }
    if packet.dscp != 0 {
        parts.push(format!("DSCP {}", code_point_names(1 << packet.dscp).concat()));
    }
    parts.push(format!("{} octets, hop limit {}", packet.length, packet.hop_limit));
    parts.join(", ")
}

fn transport(transport: &Transport, kind: Option<u8>) -> String {
    if let Some(kind) = kind {
        return format!("icmpv6 type {kind}");
    }
    let Some(protocol) = transport.protocol else { return "an unseen protocol".to_owned() };
    let name = protocol_name(protocol);
    let name = if name.parse::<u8>().is_ok() { format!("protocol {name}") } else { name };
    let ports = match transport.ports {
        Some(Ports { source, destination }) => format!(" {source} > {destination}"),
        None => String::new(),
    };
    let flags = match transport {
        Transport { syn: true, opens: true, .. } => " SYN",
        Transport { syn: true, .. } => " SYN/ACK",
        Transport { close: true, .. } => " FIN or RST",
        _ => "",
    };
    format!("{name}{ports}{flags}")
}

/// The way, and what follows from it.
pub fn journey(snapshot: &Snapshot, journey: &Journey<'_>) -> (String, String) {
    match journey {
        Journey::Outbound => ("outbound".to_owned(), "from inside to the Internet: an ISP is to be chosen".to_owned()),
        Journey::Inbound(inside) => {
            let isp = &snapshot.uplinks[inside.mapping.uplink.index()].name;
            ("inbound".to_owned(), format!("for {}, by its address of {isp}", inside.address))
        }
        Journey::Hairpin(inside) => {
            let isp = &snapshot.uplinks[inside.mapping.uplink.index()].name;
            ("hairpin".to_owned(), format!("for {}, by its address of {isp}: it never leaves the site", inside.address))
        }
    }
}

/// A flow's name, as seen from inside.
pub fn flow(flow: &Flow) -> String {
    let Some(key) = flow.key else {
        return format!("any flow of {} and {}: the packet names none", flow.internal, flow.remote);
    };
    let protocol = protocol_name(key.protocol);
    let end =
        |address: Ipv6Addr, port: u16| if port == 0 { address.to_string() } else { format!("[{address}]:{port}") };
    if class(key.protocol) {
        return format!("{protocol} {} with {}, identifier {}", key.internal, key.remote, key.internal_port);
    }
    format!("{protocol} {} with {}", end(key.internal, key.internal_port), end(key.remote, key.remote_port))
}

/// ICMPv6 has identifiers for ports.
const fn class(protocol: u8) -> bool {
    protocol == crate::wire::protocol::ICMPV6
}

/// What is remembered of a flow.
pub fn record(memory: &FlowMemory<'_>, record: Record) -> String {
    let state = record.word.state();
    let stage = Stage::of(state).map_or(class_label(state), Stage::label);
    let idle = seconds(Tick::span(record.word.tick().age(memory.tick()).saturating_add(1)).0);
    let Some(cold) = memory.flows.cold(record.slot) else { return format!("{stage}, idle below {idle}") };
    let age = seconds(memory.now.since(cold.created).0);
    format!("{stage}, opened {} {age} ago, idle below {idle}", cold.opened.label())
}

fn seconds(nanos: u64) -> String {
    format!("{} s", nanos.div_ceil(1_000_000_000))
}

/// The name of the ISP that `mapping` is of.
pub fn isp_of(snapshot: &Snapshot, mapping: MappingId) -> String {
    let mapping = snapshot.mappings.get(mapping);
    mapping.map_or_else(
        || "an ISP that is gone".to_owned(),
        |mapping| snapshot.uplinks[mapping.uplink.index()].name.to_string(),
    )
}

/// Why the filter lets a packet in.
pub fn welcome(snapshot: &Snapshot, packet: &Packet, recalled: &Recalled) -> String {
    let filter = &snapshot.filter;
    if packet.quote.is_some() {
        return "an error about a packet that left this way".to_owned();
    }
    if recalled.record.is_some() {
        return "it belongs to a flow that is known".to_owned();
    }
    let traffic = recalled.flow.traffic(packet.dscp);
    if filter.inbound == Inbound::Open {
        "filter.inbound is open".to_owned()
    } else if let Some(at) = filter.allow.iter().position(|allow| allow.matches(&traffic)) {
        format!("allow rule {} of {}", at + 1, filter.allow.len())
    } else if packet.icmpv6.is_some_and(icmpv6::is_welcome) {
        "an ICMPv6 question that anybody may ask (RFC 4890 §4.3)".to_owned()
    } else if recalled.fragment_mapping.is_some() {
        "a fragment of the same datagram came in".to_owned()
    } else {
        "the host inside sends from this port, and filter.scope is endpoint".to_owned()
    }
}

/// The prefix pair that translates `what`.
pub fn pair(snapshot: &Snapshot, mapping: MappingId, what: &str) -> String {
    let pair = snapshot.mappings.get(mapping).map(|pair| pair.mapping);
    pair.map_or_else(String::new, |pair| match pair.is_identity() {
        true => format!("{what}: {} is the same inside and outside", pair.internal()),
        false => format!("{what}, by {} ↔ {}", pair.internal(), pair.external()),
    })
}

/// An ICMPv6 error.
pub fn icmpv6(kind: u8, code: u8, parameter: u32) -> String {
    match (kind, code) {
        (icmpv6::UNREACHABLE, 0) => "no route (Destination Unreachable, code 0)".to_owned(),
        (icmpv6::UNREACHABLE, 1) => "prohibited (Destination Unreachable, code 1)".to_owned(),
        (icmpv6::UNREACHABLE, 2) => "beyond the scope of its source (Destination Unreachable, code 2)".to_owned(),
        (icmpv6::UNREACHABLE, 3) => "no answer there (Destination Unreachable, code 3)".to_owned(),
        (icmpv6::UNREACHABLE, 5) => "this source may not (Destination Unreachable, code 5)".to_owned(),
        (icmpv6::PACKET_TOO_BIG, _) => format!("at most {parameter} octets (Packet Too Big)"),
        (icmpv6::TIME_EXCEEDED, _) => "the hop limit ran out (Time Exceeded)".to_owned(),
        (icmpv6::PARAMETER_PROBLEM, _) => {
            format!("a problem at octet {parameter} (Parameter Problem, code {code})")
        }
        _ => format!("type {kind}, code {code}"),
    }
}
