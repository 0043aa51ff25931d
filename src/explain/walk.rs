//! The steps of the packet path, one by one.

use super::outcome::{self, Headers, Message, Outcome, Verdict};
use super::{Answered, Step, Told, World, choice, words};
use crate::datapath::classify::{self, Journey};
use crate::datapath::parse::{self, Packet};
use crate::datapath::recall::{self, Flow, FlowMemory, Recalled};
use crate::datapath::refusal::Refusal;
use crate::datapath::steer::{self, Plan};
use crate::datapath::{State, filter, neighbour, probe, reset, rewrite};
use crate::limits::UNSOLICITED_WAIT_NANOS;
use crate::observe::counters::FlowCounters;
use crate::snapshot::{GateVerdict, NeighbourTable};
use crate::units::{EdgeId, MacAddr};
use crate::verdict::DropReason;

/// Explains what becomes of `frame`, which comes in at the port of `edge`.
pub fn tell(world: &World<'_>, edge: EdgeId, frame: &[u8]) -> Told {
    let mut walk = Walk { world, steps: Vec::new(), flow: None };
    let outcome = walk.gate(edge, frame);
    walk.verdict(&outcome);
    Told { steps: walk.steps, outcome }
}

pub(super) struct Walk<'a> {
    pub(super) world: &'a World<'a>,
    steps: Vec<Step>,
    flow: Option<Flow>,
}

impl Walk<'_> {
    pub(super) fn say(&mut self, step: &str, finding: impl Into<String>, because: impl Into<String>) {
        self.steps.push(Step { step: step.to_owned(), finding: finding.into(), because: because.into() });
    }

    /// What a step has found; `None` where it ends the packet's way, which is said.
    fn or_end<T>(&mut self, step: &str, result: Result<T, impl Into<Refusal>>) -> Option<T> {
        self.or_end_since(step, result, "")
    }

    /// Like [`Walk::or_end`], with more about the packet than the meaning of the reason.
    fn or_end_since<T>(&mut self, step: &str, result: Result<T, impl Into<Refusal>>, since: &str) -> Option<T> {
        result
            .map_err(|refusal| match refusal.into() {
                Refusal::Drop(reason, _) => {
                    let because = if since.is_empty() { reason.meaning().trim() } else { since };
                    self.say(step, format!("drop: {}", reason.label()), because);
                }
                Refusal::Hold(edge, address) => {
                    let interface = &self.world.snapshot.edges[edge.index()].name;
                    self.say(step, format!("{address} on {interface}"), "not resolved yet: the kernel is asked");
                }
                Refusal::Punt => self.say(step, "to the gateway itself", "the answer to a probe of this ISP"),
            })
            .ok()
    }

    fn gate(&mut self, edge: EdgeId, frame: &[u8]) -> Outcome {
        let port = self.world.snapshot.edges[edge.index()].port;
        let Some(gate) = self.world.gate.ports.iter().find(|gate| gate.port == port) else {
            self.say("gate", "none", "there is no such interface now");
            return Outcome::at_gate(Verdict::Passed);
        };
        let judged = gate.judge(&self.world.gate.own, self.world.max_frame, frame);
        let because = words::gate(&judged, self.world, frame);
        let dropped = |reason: DropReason| (format!("drop: {}", reason.label()), Outcome::dropped(reason));
        let (finding, outcome) = match judged.verdict {
            GateVerdict::Passed => ("to the kernel".to_owned(), Outcome::at_gate(Verdict::Passed)),
            GateVerdict::Transit => dropped(DropReason::GateTransit),
            GateVerdict::OwnElsewhere => dropped(DropReason::GateOwnElsewhere),
            GateVerdict::Oversize => dropped(DropReason::GateOversize),
            GateVerdict::Redirected => {
                self.say("gate", "to a worker", because);
                let edge = judged.edge.unwrap_or(edge);
                let frame = crate::replay::untagged(frame, &judged);
                self.path(edge, &frame);
                return outcome::of(self.world, edge, &frame, self.flow.as_ref());
            }
        };
        self.say("gate", finding, because);
        outcome
    }

    /// The steps of `datapath::process_batch`, in its order, as far as the packet comes.
    fn path(&mut self, edge: EdgeId, frame: &[u8]) -> Option<()> {
        let (world, snapshot) = (self.world, self.world.snapshot);
        let packet = self.or_end("packet", parse::parse(frame))?;
        self.say("packet", words::addresses(&packet), words::contents(&packet));
        let journey = self.or_end("way", classify::classify(snapshot, edge, &packet))?;
        let (finding, because) = words::journey(snapshot, &journey);
        self.say("way", finding, because);
        if let Journey::Inbound(inside) = &journey {
            self.or_end("probe", probe::intercept(snapshot, &packet, inside))?;
        }
        let counters = FlowCounters::default();
        let memory = FlowMemory {
            snapshot,
            flows: world.flows,
            fragments: world.fragments,
            counters: &counters,
            now: world.now,
        };
        let flow = self.or_end("flow", recall::identify(&memory, &packet, &journey))?;
        self.flow = flow;
        let recalled = flow.map(|flow| recall::recall(&memory, &packet, flow));
        if let Some(recalled) = &recalled {
            self.flow(&memory, recalled);
        }
        self.or_end("filter", filter::filter(&memory, &packet, &journey, recalled.as_ref()))?;
        if let (Journey::Inbound(_), Some(recalled)) = (&journey, &recalled) {
            self.say("filter", "lets it in", words::welcome(snapshot, &packet, recalled));
        }
        let plan = steer::steer(&memory, &packet, &journey, recalled.as_ref());
        if let (Journey::Outbound, Some(recalled)) = (&journey, &recalled) {
            choice::tell(self, &memory, &packet, recalled, plan.as_ref().ok());
        }
        let plan = self.or_end("steer", plan)?;
        if recalled.is_some_and(|recalled| reset::due(&memory, &packet, frame, &recalled, &plan).is_some()) {
            let since = "reset_on_failover: the peer knows another address";
            self.or_end_since("reset", Err::<(), _>(DropReason::FlowReset), since)?;
        }
        self.translation(&packet, &plan);
        let hops = format!("it came with {}, and would leave with none", packet.hop_limit);
        self.or_end_since("hop limit", rewrite::check_hop_limit(&packet), &hops)?;
        let egress = &snapshot.edges[plan.egress.index()];
        let octets = format!("{} octets, and {} takes {}", packet.length, egress.name, egress.mtu);
        self.or_end_since("mtu", rewrite::check_mtu(snapshot, &packet, &plan), &octets)?;
        self.say("mtu", "fits", octets);
        if let Some(largest) = plan.largest_segment.filter(|_| packet.transport.syn && packet.fragment.is_none()) {
            self.say("mss", format!("{largest} at most"), "a larger one that this SYN announces is lowered");
        }
        let mac = self.or_end("next hop", self.next_hop(&plan))?;
        self.say("next hop", format!("{} on {}", plan.next_hop, egress.name), format!("at {mac}"));
        Some(())
    }

    /// The path's own answer, from a table that knows of this neighbour alone.
    fn next_hop(&self, plan: &Plan) -> Result<MacAddr, Refusal> {
        let table = NeighbourTable::new(1);
        // An empty table has room.
        table.set(plan.egress, plan.next_hop, (self.world.neighbour)(plan.egress, plan.next_hop)).unwrap_or_default();
        neighbour::resolve(&table, &mut State::new().wanted, plan)
    }

    fn flow(&mut self, memory: &FlowMemory<'_>, recalled: &Recalled) {
        let name = words::flow(&recalled.flow);
        let finding = match (recalled.record, recalled.over) {
            _ if memory.flows.is_disabled() => "flows are not remembered".to_owned(),
            (Some(record), _) => format!("known: {}", words::isp_of(memory.snapshot, record.word.mapping())),
            (None, Some(_)) => "over: a new one begins".to_owned(),
            (None, None) => "not known yet".to_owned(),
        };
        self.say("flow", finding, name);
        if let Some(record) = recalled.record.or(recalled.over) {
            self.say("", "", words::record(memory, record));
        }
        if let Some(mapping) = recalled.fragment_mapping {
            let isp = words::isp_of(memory.snapshot, mapping);
            self.say("datagram", isp, "a fragment of the same datagram went this way");
        }
    }

    fn translation(&mut self, packet: &Packet, plan: &Plan) {
        let sides = [
            ("source", packet.source, plan.addresses.source),
            ("destination", packet.destination, plan.addresses.destination),
        ];
        let quote = packet.quote.map(|quote| {
            [
                ("quoted source", quote.source, plan.quote.source),
                ("quoted destination", quote.destination, plan.quote.destination),
            ]
        });
        let mut step = "translate";
        for (what, from, to) in sides.into_iter().chain(quote.into_iter().flatten()) {
            if let Some(to) = to {
                self.say(step, format!("{from} → {to}"), words::pair(self.world.snapshot, plan.mapping, what));
                step = "";
            }
        }
    }

    fn verdict(&mut self, outcome: &Outcome) {
        let (finding, because) = match (outcome.verdict, &outcome.frame) {
            (Verdict::Sent, Some(frame)) => {
                let by = outcome.by.clone().unwrap_or_default();
                let headers = Headers::read(frame);
                let headers = headers.map(|h| format!("{} > {}, to {}", h.source, h.destination, h.to));
                (format!("sent by {by}"), headers.unwrap_or_default())
            }
            (Verdict::Sent | Verdict::Held, _) => {
                ("waits".to_owned(), "until the neighbour answers, three seconds at most".to_owned())
            }
            (Verdict::Passed, _) => ("to the kernel".to_owned(), "which routes, delivers or ignores it".to_owned()),
            (Verdict::Answers, _) => {
                ("to the gateway itself".to_owned(), "which counts it for this ISP's health".to_owned())
            }
            (Verdict::Dropped, _) => {
                let reason = outcome.reason.clone().unwrap_or_default();
                (format!("dropped: {reason}"), answer(outcome.answer.as_ref()))
            }
        };
        self.say("verdict", finding, because);
    }
}

fn answer(answer: Option<&Answered>) -> String {
    match answer {
        None => "in silence".to_owned(),
        Some(Answered::Later) => format!(
            "in silence; after {} s its sender is told that it is prohibited, unless the flow was opened from inside",
            UNSOLICITED_WAIT_NANOS / 1_000_000_000
        ),
        Some(Answered::Now(frame)) => Headers::read(frame).map_or_else(String::new, |headers| match headers.message {
            Message::Error(kind, code, parameter) => {
                format!("{} tells {}: {}", headers.source, headers.destination, words::icmpv6(kind, code, parameter))
            }
            Message::Reset => format!("{} gets a TCP reset and can connect anew", headers.destination),
        }),
    }
}
