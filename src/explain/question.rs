//! What is asked: by addresses and ports, or by a frame in hexadecimal.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::{World, packet};
use crate::replay::ReplayError;
use crate::snapshot::Snapshot;
use crate::units::{EdgeId, MacAddr};
use crate::wire::{ethernet, ipv6, protocol};

/// A packet, where it comes in, and which ISPs are thought away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// An ISP's name, a LAN's interface, or `lan` where there is one LAN.
    pub from: String,
    /// The packet.
    pub packet: Asked,
    /// Names of ISPs.
    #[serde(default)]
    pub if_down: Vec<String>,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asked {
    /// The first packet of a flow: a TCP SYN, an echo request, otherwise one without payload.
    Fields(Fields),
    /// A frame from its Ethernet header on, or a packet from its IPv6 header on, in hexadecimal.
    Hex(String),
}

/// What names a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// Source port, of a protocol that has ports.
    #[serde(default)]
    pub source_port: Option<u16>,
    /// Destination port, likewise.
    #[serde(default)]
    pub destination_port: Option<u16>,
    /// Differentiated services code point.
    #[serde(default)]
    pub dscp: u8,
}

/// Why it cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// A name, or a capture.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Not an ISP.
    #[error("there is no ISP `{name}`; there are {known}")]
    UnknownIsp {
        /// As given.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The protocol is named by its ports.
    #[error("a packet of protocol {0} has two ports; give both, as in --sport 40000 --dport 443")]
    Ports(u8),
    /// The protocol has none.
    #[error("a packet of protocol {0} has no ports; leave --sport and --dport out")]
    NoPorts(u8),
    /// Six bits.
    #[error("there is no DSCP {0}; it is a number below 64, or a name such as ef")]
    Dscp(u8),
    /// Not hexadecimal.
    #[error(
        "`{0}` is not an octet in hexadecimal; write the octets as in 33330000, with or without spaces and colons between them"
    )]
    Hex(String),
    /// Not Ethernet and not IPv6.
    #[error("the {0} octets are neither an Ethernet frame nor an IPv6 packet of the length that its header says")]
    NoFrame(usize),
}

impl QuestionError {
    pub(super) fn unknown_edge(snapshot: &Snapshot, name: &str) -> Self {
        ReplayError::unknown_edge(snapshot, name).into()
    }

    pub(super) fn unknown_isp(snapshot: &Snapshot, name: &str) -> Self {
        let known: Vec<&str> =
            snapshot.uplinks.iter().map(|uplink| &*uplink.name).filter(|name| !name.is_empty()).collect();
        Self::UnknownIsp { name: name.to_owned(), known: known.join(", ") }
    }
}

/// The MAC of whoever sends a packet that is described without one.
const SENDER: MacAddr = MacAddr([0x06, 0, 0, 0, 0, 1]);

impl Question {
    /// The frame that comes in by `edge`.
    pub(super) fn frame(&self, world: &World<'_>, edge: EdgeId) -> Result<Vec<u8>, QuestionError> {
        let packet = match &self.packet {
            Asked::Fields(fields) => packet::build(&fields.checked()?),
            Asked::Hex(text) => {
                let octets = octets(text)?;
                if !is_packet(&octets) {
                    let is_frame = octets.len() >= ethernet::HEADER;
                    return if is_frame { Ok(octets) } else { Err(QuestionError::NoFrame(octets.len())) };
                }
                octets
            }
        };
        Ok([link(world, edge), packet].concat())
    }
}

/// The Ethernet header of a packet for the gateway, with the tag of `edge` if it has one.
fn link(world: &World<'_>, edge: EdgeId) -> Vec<u8> {
    let gates = world.gate.ports.iter().flat_map(|port| &port.edges);
    let vlan = gates.clone().find(|gate| gate.edge == edge).and_then(|gate| gate.vlan);
    let to = world.snapshot.edges[edge.index()].mac;
    let mut header = [to.0, SENDER.0].concat();
    if let Some(vlan) = vlan {
        header.extend([0x81, 0x00]);
        header.extend(vlan.to_be_bytes());
    }
    header.extend(ethernet::IPV6.to_be_bytes());
    header
}

/// Whether `octets` are a packet from its IPv6 header on: its version and length say so.
fn is_packet(octets: &[u8]) -> bool {
    let length = octets.get(4..6).map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])));
    octets.first().is_some_and(|first| first >> 4 == 6)
        && length.is_some_and(|length| octets.len() == ipv6::HEADER + length)
}

fn octets(text: &str) -> Result<Vec<u8>, QuestionError> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    let octet = |pair: &[char]| {
        let text: String = pair.iter().collect();
        let value = u8::from_str_radix(&text, 16).ok().filter(|_| text.len() == 2 && !text.starts_with('+'));
        value.ok_or(QuestionError::Hex(text))
    };
    digits.chunks(2).map(octet).collect()
}

impl Fields {
    fn checked(self) -> Result<Self, QuestionError> {
        if self.dscp > 63 {
            return Err(QuestionError::Dscp(self.dscp));
        }
        match (protocol::has_ports(self.protocol), self.source_port, self.destination_port) {
            (true, Some(_), Some(_)) | (false, None, None) => Ok(self),
            (true, ..) => Err(QuestionError::Ports(self.protocol)),
            (false, ..) => Err(QuestionError::NoPorts(self.protocol)),
        }
    }
}
