//! What each ISP is fit for: a state machine that is told what is seen, and when.
//!
//! Three signals for each ISP, each with its own speed: its link, its router, and targets beyond.
//! The first fault of any of them takes the ISP out; it comes back when all have been well for its
//! hold-down, which doubles while it flaps. Pure: reads no clock and sends nothing, but says what
//! is to be sent.

pub mod connections;
mod damping;
mod isp;
mod next_hop;
mod path;
pub mod probe;
pub mod solicitation;
pub mod speed;
mod target;
#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;

use crate::control::config;
use crate::control::events::IspState;
use crate::observe::isp_health::IspHealth;
use crate::snapshot::{Judgement, Moves};
use crate::units::{Nanos, UplinkId};
pub use isp::Change;
use isp::Watched;
pub use next_hop::Ask;
use path::Reach;
use probe::Heard;
pub use target::{Outcome, Target};

/// What configuration and kernel say of one ISP.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// Its id.
    pub uplink: UplinkId,
    /// Whether its link is up.
    pub link: bool,
    /// Its router.
    pub next_hop: Option<Ipv6Addr>,
    /// Whether it has a prefix.
    pub has_prefix: bool,
    /// When it is down, and up again.
    pub health: config::Health,
    /// What is asked for beyond its router.
    pub probes: Vec<config::Probe>,
}

/// What made an ISP what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing is known yet.
    Start,
    /// Nothing is wrong (any more).
    Recovered,
    /// It has no prefix.
    NoPrefix,
    /// Its link is down.
    Carrier,
    /// Its router does not answer.
    NextHop,
    /// Targets beyond do not answer.
    Probes,
    /// An operator drains it.
    Operator,
    /// It is well again, and waits for an operator's word: `failback = "manual"`.
    Failback,
    /// It has carried what it may carry in a month.
    Quota,
    /// A rehearsed outage.
    Drill,
}

impl Cause {
    /// The word for it, in events and metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Recovered => "recovered",
            Self::NoPrefix => "no-prefix",
            Self::Carrier => "carrier",
            Self::NextHop => "next-hop",
            Self::Probes => "probes",
            Self::Operator => "operator",
            Self::Failback => "failback",
            Self::Quota => "quota",
            Self::Drill => "drill",
        }
    }
}

/// Something to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A Neighbor Solicitation.
    Ask(UplinkId, Ask),
    /// A probe of this target of the ISP.
    Probe(UplinkId, usize, u16),
}

/// Looks are far more frequent than this: who looks after a longer time had no time to hear of answers
/// either, and does not count it as silence.
const STANDSTILL: Nanos = Nanos::from_millis(100);

/// All ISPs.
#[derive(Debug, Default)]
pub struct Health {
    isps: Vec<Watched>,
    /// When time passed last.
    advanced: Nanos,
}

impl Health {
    /// Watches these ISPs from now on. One that stays, by its name, goes on as it is.
    pub fn follow(&mut self, facts: Vec<Facts>, now: Nanos) {
        let mut former = std::mem::take(&mut self.isps);
        for facts in facts {
            match former.iter().position(|isp| isp.facts.name == facts.name) {
                Some(at) => {
                    let mut isp = former.swap_remove(at);
                    isp.follow(facts, now);
                    self.isps.push(isp);
                }
                None => self.isps.push(Watched::new(facts, now)),
            }
        }
    }

    /// Whether the link of `uplink` is up, as it was seen just now.
    pub fn link(&mut self, uplink: UplinkId, up: bool) {
        self.with(uplink, |isp| isp.link = up);
    }

    /// A packet came in by `uplink` at `at`; the latest will do.
    pub fn arrived(&mut self, uplink: UplinkId, at: Nanos) {
        self.with(uplink, |isp| isp.next_hop.heard(at));
    }

    /// `from` has answered a Neighbor Solicitation on the link of `uplink`.
    pub fn advertised(&mut self, uplink: UplinkId, from: Ipv6Addr, at: Nanos) {
        self.with(uplink, |isp| isp.next_hop.answered(from, at));
    }

    /// Something came back for the probes by `uplink`. Returns the target and what it means.
    pub fn heard(&mut self, uplink: UplinkId, heard: &Heard, at: Nanos) -> Option<(&Target, Outcome)> {
        let isp = self.isps.iter_mut().find(|isp| isp.facts.uplink == uplink)?;
        let n = isp.path.targets.iter().position(|target| heard.is_of(&target.probe))?;
        let outcome = isp.path.settle(n, heard.sequence, heard.is_answer(), &isp.facts.health, at);
        Some((&isp.path.targets[n], outcome))
    }

    /// Something about `uplink` looks wrong: its targets are asked at once.
    pub fn suspect(&mut self, uplink: UplinkId, now: Nanos) {
        self.with(uplink, |isp| isp.path.suspect(now));
    }

    /// Why new flows are to avoid `uplink`, if they are.
    pub fn close(&mut self, uplink: UplinkId, closed: Option<Cause>) {
        self.with(uplink, |isp| isp.closed = closed);
    }

    /// Whether `uplink` is to be taken for dead: a rehearsal.
    pub fn force_down(&mut self, uplink: UplinkId, down: bool) {
        self.with(uplink, |isp| isp.forced_down = down);
    }

    fn with(&mut self, uplink: UplinkId, act: impl FnOnce(&mut Watched)) {
        if let Some(isp) = self.isps.iter_mut().find(|isp| isp.facts.uplink == uplink) {
            act(isp);
        }
    }

    /// Time has passed: what is to be sent now.
    pub fn advance(&mut self, now: Nanos) -> Vec<Act> {
        let gap = now.since(std::mem::replace(&mut self.advanced, now));
        if gap > STANDSTILL {
            self.isps.iter_mut().for_each(|isp| isp.excuse(gap));
        }
        let mut acts = Vec::new();
        for isp in self.isps.iter_mut().filter(|isp| isp.link && isp.facts.next_hop.is_some()) {
            let uplink = isp.facts.uplink;
            acts.extend(isp.next_hop.advance(&isp.facts.health, now).map(|ask| Act::Ask(uplink, ask)));
            if isp.facts.has_prefix {
                isp.path.advance(&isp.facts.health, now, |n, sequence| acts.push(Act::Probe(uplink, n, sequence)));
            }
        }
        acts
    }

    /// Takes everything together: which ISPs are in another state than before.
    pub fn judge(&mut self, now: Nanos) -> Vec<Change> {
        let reaches: Vec<Reach> = self.isps.iter().map(|isp| self.reach(isp)).collect();
        self.isps.iter_mut().zip(reaches).filter_map(|(isp, reach)| isp.judge(reach, now)).collect()
    }

    /// A target that is well by another ISP is there.
    fn reach(&self, isp: &Watched) -> Reach {
        let others = || self.isps.iter().filter(|other| other.facts.uplink != isp.facts.uplink && other.link);
        let answers = |target: &Target| target.has_answered() && target.is_well();
        isp.path.reach(&isp.facts.health, |probe| {
            others()
                .flat_map(|other| &other.path.targets)
                .any(|target| target.probe.is_same_target(probe) && answers(target))
        })
    }

    /// The ISPs that are down, rehearsals left out.
    pub fn outages(&self) -> impl Iterator<Item = &str> {
        self.isps.iter().filter(|isp| isp.has_failed()).map(|isp| isp.facts.name.as_str())
    }

    /// Which ISPs carry nothing, and which no new flows.
    pub fn judgement(&self) -> Judgement {
        let bits = |is_in: fn(&Watched) -> bool| {
            self.isps.iter().filter(|isp| is_in(isp)).fold(0, |bits, isp| bits | 1 << isp.facts.uplink.0)
        };
        Judgement {
            down: bits(|isp| isp.state() == IspState::Down),
            closed: bits(|isp| isp.state() == IspState::Drain),
            rehearsed: bits(|isp| isp.forced_down),
            recovering: bits(Watched::is_recovering),
            moves: Moves::default(),
        }
    }

    /// What is asked for by `uplink` as target `n`.
    pub fn probe(&self, uplink: UplinkId, n: usize) -> Option<&config::Probe> {
        let isp = self.isps.iter().find(|isp| isp.facts.uplink == uplink)?;
        Some(&isp.path.targets.get(n)?.probe)
    }

    /// Every ISP, for whoever shows it.
    pub fn report(&self) -> Vec<IspHealth> {
        self.isps.iter().map(Watched::report).collect()
    }
}
