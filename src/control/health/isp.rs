//! The state of one ISP, from its signals.

use super::damping::Damping;
use super::next_hop::NextHop;
use super::path::{Path, Reach};
use super::{Cause, Facts, Target};
use crate::control::events::IspState;
use crate::observe::isp_health::{IspHealth, Wait};
use crate::units::{Nanos, UplinkId};

/// One ISP and all that is known of it.
#[derive(Debug)]
pub struct Watched {
    /// What configuration and kernel say.
    pub facts: Facts,
    /// Its router.
    pub next_hop: NextHop,
    /// What is beyond.
    pub path: Path,
    /// Whether its link is up.
    pub link: bool,
    /// Why new flows are to take others, if they are.
    pub closed: Option<Cause>,
    /// It is to carry nothing: a rehearsal.
    pub forced_down: bool,
    damping: Damping,
    state: IspState,
    cause: Cause,
    since: Nanos,
    transitions: u64,
    /// What its targets told at the latest judgement.
    reach: Reach,
}

/// Another state than before, or down by a fault instead of a rehearsal, or the contrary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which ISP.
    pub isp: String,
    /// Its id.
    pub uplink: UplinkId,
    /// Its former state.
    pub from: IspState,
    /// Its state now.
    pub to: IspState,
    /// What told.
    pub cause: Cause,
    /// How long the former state lasted.
    pub after: Nanos,
    /// The latest sign that what `cause` is about was well, if there ever was one.
    pub last_good: Option<Nanos>,
}

impl Watched {
    /// Nothing is known of it.
    pub fn new(facts: Facts, now: Nanos) -> Self {
        let link = facts.link;
        let mut watched = Self {
            next_hop: NextHop::new(now),
            path: Path::default(),
            link,
            closed: None,
            forced_down: false,
            damping: Damping::default(),
            state: IspState::Unknown,
            cause: Cause::Start,
            since: now,
            transitions: 0,
            reach: Reach::Unknown,
            facts,
        };
        watched.apply_facts(now);
        watched
    }

    /// Configuration or kernel say something else.
    pub fn follow(&mut self, facts: Facts, now: Nanos) {
        if facts.link != self.facts.link {
            self.link = facts.link;
        }
        self.facts = facts;
        self.apply_facts(now);
    }

    /// Nobody could hear of answers for `gap`: who was asked gets as much more time.
    pub fn excuse(&mut self, gap: Nanos) {
        self.next_hop.excuse(gap);
        self.path.targets.iter_mut().for_each(|target| target.excuse(gap));
    }

    fn apply_facts(&mut self, now: Nanos) {
        self.next_hop.follow(self.facts.next_hop, now);
        self.path.follow(&self.facts.probes, now);
    }

    /// Takes the signals together. `reach` is what its targets tell.
    pub fn judge(&mut self, reach: Reach, now: Nanos) -> Option<Change> {
        self.reach = reach;
        let fault = self.fault(reach);
        let (state, cause) = match (self.state, fault) {
            (IspState::Down, Some(fault)) if fault != Cause::Drill && self.cause != Cause::Drill => {
                self.damping.observe(false, &self.facts.health, now);
                // The first cause is the one to tell.
                (IspState::Down, self.cause)
            }
            (IspState::Down, None | Some(Cause::Drill)) => {
                let well = self.is_back();
                if self.cause == Cause::Drill || self.damping.observe(well, &self.facts.health, now) {
                    let (state, why) = fault.map_or_else(|| self.fit(reach), |drill| (IspState::Down, drill));
                    (state, if matches!(state, IspState::Drain | IspState::Down) { why } else { Cause::Recovered })
                } else {
                    (IspState::Down, self.cause)
                }
            }
            // Also during a rehearsal, which is none any more.
            (_, Some(fault)) => {
                if fault != Cause::Drill {
                    self.damping.begin(now);
                }
                (IspState::Down, fault)
            }
            (_, None) => self.fit(reach),
        };
        self.enter(state, cause, now)
    }

    fn enter(&mut self, state: IspState, cause: Cause, now: Nanos) -> Option<Change> {
        // A rehearsal that becomes an outage is told, as is the contrary.
        if self.state == state && (state != IspState::Down || self.cause == cause) {
            self.cause = cause;
            return None;
        }
        let change = Change {
            isp: self.facts.name.clone(),
            uplink: self.facts.uplink,
            from: self.state,
            to: state,
            cause,
            after: now.since(self.since),
            last_good: self.last_good(cause, now),
        };
        (self.state, self.cause, self.since) = (state, cause, now);
        self.transitions += u64::from(change.from != state);
        Some(change)
    }

    fn last_good(&self, cause: Cause, now: Nanos) -> Option<Nanos> {
        match cause {
            Cause::Drill => Some(now),
            Cause::Probes => self.path.last_answered(),
            _ => self.next_hop.last_heard(),
        }
    }

    /// What keeps it from carrying packets. A rehearsal hides no fault.
    fn fault(&self, reach: Reach) -> Option<Cause> {
        if !self.link {
            Some(Cause::Carrier)
        } else if self.next_hop.is_dead() {
            Some(Cause::NextHop)
        } else if reach == Reach::Lost {
            Some(Cause::Probes)
        } else {
            self.forced_down.then_some(Cause::Drill)
        }
    }

    /// Whether there was a sign of life since the outage began: a cable alone carries nothing.
    fn is_back(&self) -> bool {
        self.facts.next_hop.is_some() && self.next_hop.is_confirmed_since(self.damping.down_since())
    }

    fn fit(&self, reach: Reach) -> (IspState, Cause) {
        if !self.facts.has_prefix {
            (IspState::Unknown, Cause::NoPrefix)
        } else if let Some(cause) = self.closed {
            (IspState::Drain, cause)
        } else if reach == Reach::Enough {
            (IspState::Degraded, Cause::Probes)
        } else if reach == Reach::Well || self.next_hop.has_answered() {
            (IspState::Up, Cause::Recovered)
        } else {
            (IspState::Unknown, Cause::Start)
        }
    }

    /// Whether a fault has taken it out, and no rehearsal.
    pub fn has_failed(&self) -> bool {
        self.state == IspState::Down && self.cause != Cause::Drill
    }

    /// Whether nothing but its hold-down keeps it from coming back.
    pub fn is_recovering(&self) -> bool {
        self.state == IspState::Down && self.fault(self.reach).is_none() && self.is_back()
    }

    /// What it is fit for.
    pub const fn state(&self) -> IspState {
        self.state
    }

    /// All that is known of it.
    pub fn report(&self) -> IspHealth {
        IspHealth {
            isp: self.facts.name.clone(),
            uplink: self.facts.uplink,
            state: self.state,
            cause: self.cause.label(),
            since: self.since,
            waits: self.waits(),
            transitions: self.transitions,
            router: self.next_hop.report(),
            targets: self.path.targets.iter().map(Target::report).collect(),
        }
    }

    /// What it waits for until it is up.
    fn waits(&self) -> Option<Wait> {
        match (self.state, self.fault(self.reach)) {
            (_, Some(Cause::Carrier)) => Some(Wait::Carrier),
            (_, Some(Cause::NextHop)) => Some(Wait::NextHop),
            (_, Some(Cause::Probes)) => Some(Wait::Probes),
            (_, Some(_)) | (IspState::Up | IspState::Degraded | IspState::Drain, None) => None,
            (IspState::Down | IspState::Unknown, None) if self.facts.next_hop.is_none() => Some(Wait::Route),
            (IspState::Down, None) => Some(match self.damping.over_at(&self.facts.health) {
                Some(until) => Wait::HoldDown { until, whole: self.damping.hold(&self.facts.health) },
                None => Wait::NextHop,
            }),
            (IspState::Unknown, None) if !self.facts.has_prefix => Some(Wait::Prefix),
            (IspState::Unknown, None) => Some(Wait::NextHop),
        }
    }
}
