//! What a replay has counted.

use std::path::PathBuf;

use serde::Serialize;

use super::engine::Engine;
use crate::observe::accounting::{Account, accounts};
use crate::observe::sample::Sample;
use crate::units::{Direction, EdgeId, Nanos};
use crate::verdict::DropReason;

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Seconds from the first to the last packet.
    pub seconds: f64,
    /// Every capture, in the order of the command line.
    pub inputs: Vec<InputReport>,
    /// Every edge.
    pub edges: Vec<EdgeReport>,
    /// Every ISP.
    pub isps: Vec<IspReport>,
    /// Every drop counter that is not zero.
    pub drops: Vec<DropReport>,
    /// Every identity.
    pub accounting: Vec<Account>,
    /// Whether all of them hold, and every packet of the captures was seen.
    pub adds_up: bool,
}

/// One capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputReport {
    /// An ISP's name or a LAN's interface.
    pub name: String,
    /// The file.
    pub file: String,
    /// Packets in it.
    pub packets: u64,
    /// The gateway's MAC there.
    pub mac: String,
    /// Whether the capture shows that MAC; otherwise it is made up, and all that is for the gateway
    /// went past it.
    pub mac_of_capture: bool,
}

/// One edge. The numbers from `seen` to `dropped` are about what came in by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EdgeReport {
    /// An ISP's name or a LAN's interface.
    pub name: String,
    /// Frames that the gate has judged.
    pub seen: u64,
    /// Left to the kernel.
    pub passed: u64,
    /// Dropped by the gate.
    pub gate_dropped: u64,
    /// Given to the worker.
    pub read: u64,
    /// ICMPv6 errors and TCP resets that the gateway made about them.
    pub originated: u64,
    /// ICMPv6 errors that were due but exceeded the rate limit.
    pub errors_suppressed: u64,
    /// Of these, sent by whatever edge.
    pub sent: u64,
    /// Of these, dropped by the packet path.
    pub dropped: u64,
    /// Frames that left by this edge, wherever they had come in.
    pub left: u64,
    /// The capture of them.
    pub file: Option<String>,
}

/// One ISP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IspReport {
    /// Its name.
    pub name: String,
    /// Packets translated on their way out.
    pub outbound: u64,
    /// Packets translated on their way in.
    pub inbound: u64,
    /// Flows that have it at the end.
    pub flows: u64,
}

/// One reason at one edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DropReport {
    /// Where the packets came in: an ISP's name or a LAN's interface.
    pub name: String,
    /// As in metrics.
    pub reason: String,
    /// How many.
    pub packets: u64,
    /// One sentence.
    pub meaning: String,
}

impl Report {
    /// What `engine` has counted; `span` lies between the first and the last packet.
    pub(super) fn new(
        engine: &mut Engine,
        inputs: Vec<InputReport>,
        files: Vec<(EdgeId, PathBuf, u64)>,
        span: Nanos,
    ) -> Self {
        let sample = engine.sample();
        let snapshot = engine.snapshot();
        let mut drops = Vec::new();
        let mut edges = Vec::new();
        for edge in &sample.topology.edges {
            let name = snapshot.name_of(edge.id);
            let of = |reason: &DropReason| (*reason, sample.dropped(edge, *reason));
            drops.extend(DropReason::ALL.iter().map(of).filter(|(_, packets)| *packets > 0).map(
                |(reason, packets)| {
                    let (reason, meaning) = (reason.label().to_owned(), reason.meaning().trim().to_owned());
                    DropReport { name: name.to_owned(), reason, packets, meaning }
                },
            ));
            let file = files.iter().find(|(id, ..)| *id == edge.id).map(|(_, path, _)| path.display().to_string());
            edges.push(edge_report(&sample, edge.id, name, file));
        }
        let isps = sample.topology.isps.iter().map(|isp| IspReport {
            name: isp.name.clone(),
            outbound: sample.translated(isp.id, Direction::Outbound),
            inbound: sample.translated(isp.id, Direction::Inbound),
            flows: sample.flows_of(isp),
        });
        let accounting = accounts(&sample);
        let in_files = files.iter().all(|(edge, _, frames)| *frames == sample.left_by(*edge).0);
        let seen: u64 = edges.iter().map(|edge: &EdgeReport| edge.seen).sum();
        let read: u64 = inputs.iter().map(|input| input.packets).sum();
        let nothing_left = sample.workers.iter().all(|worker| worker.ledger.free == worker.ledger.total);
        let adds_up =
            accounting.iter().all(|account| account.difference == 0) && seen == read && in_files && nothing_left;
        Self {
            seconds: std::time::Duration::from_nanos(span.0).as_secs_f64(),
            inputs,
            isps: isps.collect(),
            edges,
            drops,
            accounting,
            adds_up,
        }
    }
}

fn edge_report(sample: &Sample, edge: EdgeId, name: &str, file: Option<String>) -> EdgeReport {
    let (counts, gate) = (sample.edge(edge), sample.gate(edge));
    let gate_dropped = gate.transit + gate.own_elsewhere + gate.no_socket + gate.oversize;
    EdgeReport {
        name: name.to_owned(),
        seen: gate.passed + gate.redirected + gate_dropped,
        passed: gate.passed,
        gate_dropped,
        read: counts.read,
        originated: counts.made(),
        errors_suppressed: counts.errors_suppressed,
        sent: counts.sent.iter().sum(),
        dropped: counts.dropped_on_path(),
        left: sample.left_by(edge).0,
        file,
    }
}
