//! Whether an ISP's router is there. The kernel's neighbour state is no judge: it takes 17 s to notice
//! a silent death, so the router is asked as soon as nothing comes in by its ISP.

use std::net::Ipv6Addr;

use crate::control::config;
use crate::observe::isp_health::{RouterHealth, RouterState};
use crate::units::Nanos;

/// Time between two questions to a router that is gone.
const DEAD_PACE: Nanos = Nanos::from_millis(1000);

/// A Neighbor Solicitation that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To the router's MAC.
    Unicast(Ipv6Addr),
    /// To everybody: it may have another MAC by now.
    Multicast(Ipv6Addr),
}

/// What is known of the router.
#[derive(Debug)]
pub struct NextHop {
    address: Option<Ipv6Addr>,
    /// Since when it is watched.
    since: Nanos,
    /// Latest sign of life on its link; at first `since`.
    heard: Nanos,
    /// The same, of any router so far.
    ever_heard: Option<Nanos>,
    /// The latest question, unless it was answered.
    asked: Option<Nanos>,
    unanswered: u32,
    /// Whether it answers such questions at all.
    answers: bool,
    /// When it was last asked only to know that.
    introduced: Option<Nanos>,
    dead: bool,
}

impl NextHop {
    /// Nothing is known.
    pub const fn new(now: Nanos) -> Self {
        Self {
            address: None,
            since: now,
            heard: now,
            ever_heard: None,
            asked: None,
            unanswered: 0,
            answers: false,
            introduced: None,
            dead: false,
        }
    }

    /// The router is `address` from now on.
    pub fn follow(&mut self, address: Option<Ipv6Addr>, now: Nanos) {
        if self.address != address {
            *self = Self { address, ever_heard: self.ever_heard, ..Self::new(now) };
        }
    }

    /// A packet came in by the ISP at `at`. Told often, and mostly of what is known.
    pub fn heard(&mut self, at: Nanos) {
        if at > self.heard {
            self.heard = at;
            self.ever_heard = Some(at);
            self.asked = None;
            self.unanswered = 0;
            self.dead = false;
        }
    }

    /// The node `from` has answered a question.
    pub fn answered(&mut self, from: Ipv6Addr, at: Nanos) {
        if self.address == Some(from) {
            self.answers = true;
            self.heard(at);
        }
    }

    /// An answer to the latest question may come later by `gap`.
    pub fn excuse(&mut self, gap: Nanos) {
        self.asked = self.asked.map(|asked| asked.plus(gap));
    }

    /// Time has passed.
    pub fn advance(&mut self, settings: &config::Health, now: Nanos) -> Option<Ask> {
        let address = self.address?;
        if now.since(self.heard) < settings.silence {
            // Under load it is never silent, and must have answered before its silence means anything.
            let is_new = !self.answers && self.introduced.is_none_or(|then| now.since(then) >= DEAD_PACE);
            return is_new.then(|| {
                self.introduced = Some(now);
                Ask::Multicast(address)
            });
        }
        let pace = if self.dead { DEAD_PACE } else { settings.patience };
        if let Some(asked) = self.asked {
            if now.since(asked) < pace {
                return None;
            }
            self.unanswered = self.unanswered.saturating_add(1);
            // Who has never answered does not count as dead: it may not speak the protocol on this link.
            self.dead = self.answers && self.unanswered >= settings.tries;
        }
        self.asked = Some(now);
        // A router that was replaced has another MAC.
        let to_all = self.dead || !self.answers;
        Some(if to_all { Ask::Multicast(address) } else { Ask::Unicast(address) })
    }

    /// Whether it does not answer any more.
    pub const fn is_dead(&self) -> bool {
        self.dead
    }

    /// Whether it has given a sign of life since `then`, or never does.
    pub fn is_confirmed_since(&self, then: Nanos) -> bool {
        !self.dead && (self.heard > then || !self.answers)
    }

    /// Whether it has ever answered.
    pub const fn has_answered(&self) -> bool {
        self.answers
    }

    /// The latest sign of life on its link, of whichever router.
    pub const fn last_heard(&self) -> Option<Nanos> {
        self.ever_heard
    }

    /// All that is known of it.
    pub fn report(&self) -> RouterHealth {
        let state = match () {
            () if self.dead => RouterState::Dead,
            () if !self.answers => RouterState::Mute,
            () if self.unanswered > 0 => RouterState::Doubtful,
            () => RouterState::Alive,
        };
        RouterHealth { address: self.address, state, heard: (self.heard > self.since).then_some(self.heard) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::health::speed;

    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

    const fn at(ms: u64) -> Nanos {
        Nanos::from_millis(10_000 + ms)
    }

    fn asks(hop: &mut NextHop, from: u64, to: u64) -> Vec<(u64, Ask)> {
        let settings = config::Health::default();
        (from..to).step_by(10).filter_map(|ms| Some((ms, hop.advance(&settings, at(ms))?))).collect()
    }

    #[test]
    fn a_silent_router_is_asked_three_times_and_then_dead() {
        let mut hop = NextHop::new(at(0));
        hop.follow(Some(ROUTER), at(0));
        hop.answered(ROUTER, at(10));
        let unicast = |ms| (ms, Ask::Unicast(ROUTER));
        assert_eq!(asks(&mut hop, 10, 800), [unicast(210), unicast(410), unicast(610)]);
        assert!(!hop.is_dead());
        assert_eq!(asks(&mut hop, 800, 1900), [(810, Ask::Multicast(ROUTER)), (1810, Ask::Multicast(ROUTER))]);
        assert!(hop.is_dead());
        hop.heard(at(1900));
        assert!(!hop.is_dead() && hop.is_confirmed_since(at(1000)));
    }

    #[test]
    fn a_death_is_found_when_the_settings_promise() {
        for (silence, patience, tries) in [(200, 200, 3), (50, 50, 3), (1000, 30, 1), (20, 100, 10)] {
            let (silence, patience) = (Nanos::from_millis(silence), Nanos::from_millis(patience));
            let settings = config::Health { silence, patience, tries, ..config::Health::default() };
            let promised = speed::router(&settings).0 / 1_000_000;
            let mut hop = NextHop::new(at(0));
            hop.follow(Some(ROUTER), at(0));
            hop.answered(ROUTER, at(1));
            let found = (1..).find(|n| {
                hop.advance(&settings, at(20 * n));
                hop.is_dead()
            });
            let took = 20 * found.unwrap() - 1;
            assert!((promised / 2..=promised).contains(&took), "{promised} ms promised, {took} ms taken");
        }
    }

    #[test]
    fn traffic_spares_the_questions() {
        let mut hop = NextHop::new(at(0));
        hop.follow(Some(ROUTER), at(0));
        hop.answered(ROUTER, at(0));
        for ms in (0..2000).step_by(100) {
            hop.heard(at(ms));
            assert_eq!(asks(&mut hop, ms, ms + 100), []);
        }
    }

    #[test]
    fn a_router_that_is_never_silent_is_asked_until_it_has_answered() {
        let mut hop = NextHop::new(at(0));
        hop.follow(Some(ROUTER), at(0));
        let mut asked = Vec::new();
        for ms in (0..2500).step_by(100) {
            hop.heard(at(ms));
            asked.extend(asks(&mut hop, ms, ms + 100));
        }
        let all = |ms| (ms, Ask::Multicast(ROUTER));
        assert_eq!(asked, [all(0), all(1000), all(2000)]);
        hop.answered(ROUTER, at(2500));
        assert!(asks(&mut hop, 2500, 3400).len() == 4 && hop.is_dead(), "its silence means something now");
    }

    #[test]
    fn who_never_answers_is_not_dead_and_another_router_is_another() {
        let mut hop = NextHop::new(at(0));
        hop.follow(Some(ROUTER), at(0));
        asks(&mut hop, 0, 5000);
        assert!(!hop.is_dead() && hop.is_confirmed_since(at(4000)));
        hop.answered("fe80::2".parse().unwrap(), at(5000));
        assert!(!hop.has_answered(), "an answer of somebody else");
        hop.answered(ROUTER, at(5000));
        asks(&mut hop, 5000, 7000);
        assert!(hop.is_dead());
        hop.follow(Some("fe80::2".parse().unwrap()), at(7000));
        assert!(!hop.is_dead());
    }
}
