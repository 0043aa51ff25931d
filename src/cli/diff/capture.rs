//! Which flows of a capture would go by another ISP.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::control::config::Config;
use crate::datapath::parse::parse;
use crate::replay::{Input, Rehearsal, ReplayError, Sent};
use crate::snapshot::Role;

/// What becomes of the flows of a capture.
#[derive(Debug, Serialize)]
pub struct FlowsDiff {
    /// The capture.
    pub file: String,
    /// Flows in it that a host inside opens.
    pub flows: u64,
    /// Those that would go by another ISP, or be dropped, or be no longer.
    pub moved: u64,
    /// From which ISP to which one, most flows first.
    pub moves: Vec<FlowMove>,
}

/// What changes hands.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct FlowMove {
    /// The ISP before; `None`: no packet left.
    pub from: Option<String>,
    /// The ISP after.
    pub to: Option<String>,
    /// How many.
    pub flows: u64,
}

impl FlowsDiff {
    /// By the packet path of either configuration.
    pub fn of(old: &Config, new: &Config, input: &Input) -> Result<Self, ReplayError> {
        let (before, after) = (isps(old, input)?, isps(new, input)?);
        let mut counts = BTreeMap::<_, u64>::new();
        for (flow, from) in &before {
            let to = after.get(flow).cloned().flatten();
            if *from != to {
                *counts.entry((from.clone(), to)).or_default() += 1;
            }
        }
        let moves = counts.into_iter().map(|((from, to), flows)| FlowMove { from, to, flows });
        let mut moves: Vec<FlowMove> = moves.collect();
        moves.sort_by_key(|moved| std::cmp::Reverse(moved.flows));
        Ok(Self {
            file: input.path.display().to_string(),
            flows: before.len() as u64,
            moved: moves.iter().map(|moved| moved.flows).sum(),
            moves,
        })
    }
}

/// A flow as the host inside knows it: source, destination, protocol, ports.
type Flow = (std::net::Ipv6Addr, std::net::Ipv6Addr, u8, Option<(u16, u16)>);

/// By which ISP the first packet of each flow from inside leaves.
fn isps(config: &Config, input: &Input) -> Result<BTreeMap<Flow, Option<String>>, ReplayError> {
    let mut rehearsal = Rehearsal::open(config, std::slice::from_ref(input))?;
    let (mut flows, mut sent) = (BTreeMap::new(), Vec::new());
    while let Some(frame) = rehearsal.next_frame() {
        let flow = outbound(&rehearsal, frame);
        sent.clear();
        rehearsal.step(&mut sent)?;
        if let Some(flow) = flow {
            flows.entry(flow).or_insert_with(|| isp_of(&rehearsal, &sent));
        }
    }
    Ok(flows)
}

/// The flow of a packet from inside to somebody outside.
fn outbound(rehearsal: &Rehearsal, frame: &[u8]) -> Option<Flow> {
    let packet = parse(frame).ok()?;
    let is_inside = |address| rehearsal.engine().snapshot().internal.iter().any(|prefix| prefix.contains(address));
    let transport = packet.transport;
    let ports = transport.ports.map(|ports| (ports.source, ports.destination));
    (is_inside(packet.source) && !is_inside(packet.destination) && packet.quote.is_none()).then_some((
        packet.source,
        packet.destination,
        transport.protocol?,
        ports,
    ))
}

fn isp_of(rehearsal: &Rehearsal, sent: &[Sent]) -> Option<String> {
    let snapshot = rehearsal.engine().snapshot();
    sent.iter().find_map(|sent| match snapshot.edges[sent.edge.index()].role {
        Role::Isp(uplink) => Some(snapshot.uplinks[uplink.index()].name.to_string()),
        Role::Lan => None,
    })
}
