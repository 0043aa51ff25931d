//! `explain` beside the path: what it says about a frame, and whether the path then does so.

use sixways::explain::{Answered, Asked, Explanation, Outcome, Question, Verdict, World, explain};
use sixways::flow::FlowStore;
use sixways::npt::Prefix;
use sixways::snapshot::{GateAction, GateEdge, GatePort, GateRole, GateRoute, GateTables};
use sixways::units::{EdgeId, MacAddr};
use sixways::verdict::DropReason;

use super::{Rig, Sent};

/// What is said about `frame`, which would come in by `edge` now; `None` where a gate in front of the
/// path would leave it to the kernel.
pub fn outcome(rig: &Rig, edge: EdgeId, frame: &[u8]) -> Option<Outcome> {
    let gate = gates(rig, frame);
    let world = World {
        snapshot: &rig.site.snapshot,
        gate: &gate,
        neighbour: &|edge, address| rig.site.neighbours.peek(edge, address),
        flows: rig.flows.flows(),
        fragments: &rig.fragments,
        now: rig.now,
        max_frame: 4096 - 256,
    };
    let octets = frame.iter().map(|octet| format!("{octet:02x}")).collect();
    let from = rig.site.snapshot.name_of(edge).to_owned();
    let question = Question { from, packet: Asked::Hex(octets), if_down: Vec::new() };
    let Explanation { told, .. } = explain(&world, &question).ok()?;
    let last = told.steps.last().expect("a verdict");
    assert_eq!(last.step, "verdict");
    // Where a step ends the way in words, the whole path has ended it for the same reason.
    let ended = told.steps[..told.steps.len() - 1].iter().rev().find_map(|step| step.finding.strip_prefix("drop: "));
    assert_eq!(ended, told.outcome.reason.as_deref(), "{:#?}", told.steps);
    let chosen = told.steps.iter().filter(|step| step.because.starts_with("chosen")).count();
    let ranked = told.steps.iter().any(|step| step.step == "policy");
    if ranked && told.outcome.verdict == Verdict::Sent {
        assert_eq!(chosen, 1, "{:#?}", told.steps);
    }
    (told.outcome.verdict != Verdict::Passed).then_some(told.outcome)
}

/// Gates that let everything but what stays on the link through to the workers.
fn gates(rig: &Rig, frame: &[u8]) -> GateTables {
    let to = MacAddr(std::array::from_fn(|at| frame.get(at).copied().unwrap_or_default()));
    let everything = Prefix::new(std::net::Ipv6Addr::UNSPECIFIED, 0).unwrap();
    let port = |edge: EdgeId| GatePort {
        port: rig.site.snapshot.edges[edge.index()].port,
        interface: rig.site.edge_name(edge).to_owned(),
        ifindex: 1,
        generic: false,
        edges: vec![GateEdge { edge, vlan: None, role: GateRole::Lan, macs: vec![to] }],
        routes: vec![GateRoute { edge, prefix: everything, action: GateAction::Steer }],
    };
    GateTables { ports: rig.site.edge_ids().map(port).collect(), ..GateTables::default() }
}

/// Counters that tell what became of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    dropped: Vec<u64>,
    suppressed: u64,
}

impl Counts {
    pub fn of(rig: &Rig, edge: EdgeId) -> Self {
        let dropped = DropReason::ALL.iter().map(|reason| rig.dropped(edge, *reason)).collect();
        Self { dropped, suppressed: rig.counters.edge(edge).errors_suppressed.get() }
    }
}

/// Whether the path has done what was said: `before` is from before the frame, `sent` what left.
pub fn compare(said: &Outcome, rig: &Rig, edge: EdgeId, before: &Counts, sent: &[Sent]) -> Result<(), String> {
    let after = Counts::of(rig, edge);
    let dropped = (0..DropReason::COUNT).find(|at| after.dropped[*at] > before.dropped[*at]);
    let dropped = dropped.map(|at| DropReason::ALL[at].label());
    let wrong = || Err(format!("said {said:#?}\ndone: dropped {dropped:?}, sent {sent:x?}"));
    let hex = |bytes: &[u8]| bytes.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let right = match (said.verdict, sent) {
        (Verdict::Sent, [sent]) => {
            dropped.is_none()
                && said.frame == Some(hex(&sent.bytes))
                && said.by.as_deref() == Some(rig.site.snapshot.name_of(sent.edge))
        }
        (Verdict::Dropped, sent) => {
            let answer = match (&said.answer, sent) {
                (Some(Answered::Now(frame)), [sent]) => *frame == hex(&sent.bytes),
                // The rate limit is a worker's own; nobody else can tell.
                (Some(Answered::Now(_)), []) => after.suppressed > before.suppressed,
                (None | Some(Answered::Later), []) => true,
                _ => false,
            };
            dropped == said.reason.as_deref() && answer
        }
        (Verdict::Held, []) => rig.held() > 0,
        _ => false,
    };
    if right { Ok(()) } else { wrong() }
}
