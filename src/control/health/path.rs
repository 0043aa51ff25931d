//! Whether what is beyond an ISP's router answers: several targets, of which enough must be well.

use super::target::{Outcome, Target};
use crate::control::config;
use crate::units::Nanos;

/// Time for which one suspicion has all targets asked more often.
const SUSPICION: Nanos = Nanos::from_millis(2000);

/// The targets of one ISP.
#[derive(Debug, Default)]
pub struct Path {
    /// In the order of the configuration.
    pub targets: Vec<Target>,
    /// Something else looks wrong until then.
    suspected_until: Nanos,
}

/// What the targets tell together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing: there are none, or nobody has heard of them.
    Unknown,
    /// Everybody answers.
    Well,
    /// Enough of them answer.
    Enough,
    /// Too few answer.
    Lost,
}

impl Path {
    /// Asks for `probes` from now on. A target that stays goes on as it is.
    pub fn follow(&mut self, probes: &[config::Probe], now: Nanos) {
        let count = probes.len().max(1) as u64;
        let mut former = std::mem::take(&mut self.targets);
        for (n, probe) in (0..).zip(probes) {
            let kept = former.iter().position(|target| target.probe == *probe).map(|at| former.swap_remove(at));
            // Their turns are spread over the period.
            let first = now.plus(Nanos(probe.every.0 * n / count));
            self.targets.push(kept.unwrap_or_else(|| Target::new(probe.clone(), first)));
        }
    }

    /// Something else looks wrong: ask at once, and often.
    pub fn suspect(&mut self, now: Nanos) {
        if now > self.suspected_until {
            self.targets.iter_mut().filter(|target| target.is_well()).for_each(|target| target.ask_at(now));
        }
        self.suspected_until = now.plus(SUSPICION);
    }

    /// Time has passed. Calls `send` with the number of each target that is to be asked now, and its
    /// sequence number.
    pub fn advance(&mut self, settings: &config::Health, now: Nanos, mut send: impl FnMut(usize, u16)) {
        for target in &mut self.targets {
            target.expire(settings, now);
        }
        let doubtful = now < self.suspected_until || self.targets.iter().any(Target::is_doubtful);
        for (n, target) in self.targets.iter_mut().enumerate() {
            if let Some(sequence) = target.due(doubtful, now) {
                send(n, sequence);
            }
        }
    }

    /// Target `n` has answered the probe with this sequence number, or somebody has refused it.
    pub fn settle(&mut self, n: usize, sequence: u16, answered: bool, settings: &config::Health, at: Nanos) -> Outcome {
        self.targets[n].settle(sequence, answered, settings, at)
    }

    /// The latest answer of any target.
    pub fn last_answered(&self) -> Option<Nanos> {
        self.targets.iter().filter_map(Target::last_answered).max()
    }

    /// What the targets tell. `is_known` says whether a target answers by another ISP: one that answers
    /// by none may not be there at all.
    pub fn reach(&self, settings: &config::Health, is_known: impl Fn(&config::Probe) -> bool) -> Reach {
        let counted = || self.targets.iter().filter(|target| target.has_answered() || is_known(&target.probe));
        let (count, well) = (counted().count(), counted().filter(|target| target.is_well()).count());
        match count {
            0 => Reach::Unknown,
            _ if well < settings.need.min(count) => Reach::Lost,
            _ if well < count => Reach::Enough,
            _ => Reach::Well,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::{DEFAULT_TARGETS, Probe};
    use crate::control::health::speed;

    const fn at(ms: u64) -> Nanos {
        Nanos::from_millis(10_000 + ms)
    }

    /// Runs from `from` to `to`; `answers` says whether the probe sent at a time to a target is answered,
    /// 20 ms later. Returns when the path was found lost.
    fn run(path: &mut Path, span: (u64, u64), answers: impl Fn(u64, usize) -> bool) -> Option<u64> {
        run_with(path, &config::Health::default(), span, answers)
    }

    fn run_with(
        path: &mut Path,
        settings: &config::Health,
        (from, to): (u64, u64),
        answers: impl Fn(u64, usize) -> bool,
    ) -> Option<u64> {
        let mut flying: Vec<(u64, usize, u16)> = Vec::new();
        for ms in (from..to).step_by(10) {
            flying.retain(|(sent, n, sequence)| {
                let arrived = ms >= sent + 20;
                if arrived && answers(*sent, *n) {
                    path.settle(*n, *sequence, true, settings, at(ms));
                }
                !arrived
            });
            path.advance(settings, at(ms), |n, sequence| flying.push((ms, n, sequence)));
            if path.reach(settings, |_| false) == Reach::Lost {
                return Some(ms);
            }
        }
        None
    }

    fn path() -> Path {
        let mut path = Path::default();
        path.follow(&DEFAULT_TARGETS.map(Probe::ping), at(0));
        path
    }

    #[test]
    fn a_death_beyond_the_router_is_found_within_three_seconds_whenever_it_comes() {
        let worst = (0..100)
            .map(|n| {
                let (mut path, death) = (path(), 5000 + 10 * n);
                let lost = run(&mut path, (0, 20_000), |sent, _| sent + 20 < death).expect("found");
                lost - death
            })
            .max()
            .unwrap();
        assert!(worst <= 2500, "{worst} ms");
    }

    #[test]
    fn whatever_the_settings_a_death_is_found_when_they_promise() {
        for (down_after, every, timeout) in
            [(1, 1000, 400), (2, 100, 400), (3, 250, 200), (5, 1000, 400), (10, 50, 100)]
        {
            let settings = config::Health { down_after, ..config::Health::default() };
            let (every, timeout) = (Nanos::from_millis(every), Nanos::from_millis(timeout));
            let probes = DEFAULT_TARGETS.map(|target| Probe { every, timeout, ..Probe::ping(target) });
            let promised = speed::path(&settings, &probes).unwrap().0 / 1_000_000;
            let took = (0..100).map(|n| {
                let (mut path, death) = (Path::default(), 5000 + 10 * n);
                path.follow(&probes, at(0));
                run_with(&mut path, &settings, (0, 30_000), |sent, _| sent + 20 < death).expect("found") - death
            });
            let worst = took.max().unwrap();
            assert!((promised / 2..=promised).contains(&worst), "{promised} ms promised, {worst} ms taken");
        }
    }

    #[test]
    fn one_target_of_two_may_die() {
        let mut path = path();
        assert_eq!(run(&mut path, (0, 60_000), |sent, n| n == 0 || sent < 5000), None);
        assert_eq!(path.reach(&config::Health::default(), |_| false), Reach::Enough);
    }

    #[test]
    fn nobody_who_never_answered_is_missed_unless_others_hear_of_him() {
        let mut path = path();
        assert_eq!(run(&mut path, (0, 20_000), |_, _| false), None);
        let settings = config::Health::default();
        assert_eq!(path.reach(&settings, |_| false), Reach::Unknown);
        assert_eq!(path.reach(&settings, |_| true), Reach::Lost);
    }

    #[test]
    fn a_suspect_path_is_asked_at_once_and_often_for_a_while() {
        let settings = config::Health::default();
        let mut path = Path::default();
        let rarely = |target| Probe { every: Nanos::from_millis(3_600_000), ..Probe::ping(target) };
        path.follow(&DEFAULT_TARGETS.map(rarely), at(0));
        run(&mut path, (0, 1_900_000), |_, _| true);
        assert_eq!(path.reach(&settings, |_| false), Reach::Well, "both have been asked once");
        assert_eq!(run(&mut path, (1_900_000, 1_960_000), |_, _| false), None, "nobody is asked");
        path.suspect(at(1_960_000));
        let lost = run(&mut path, (1_960_000, 2_000_000), |_, _| false).expect("found");
        assert!(lost - 1_960_000 <= 2000, "{lost}");
    }

    #[test]
    fn five_percent_of_loss_each_way_for_ten_hours_are_no_outage() {
        let mut path = path();
        let lost = |sent: u64, n: usize| crate::hash::mix(sent * 2 + n as u64) % 10_000 < 975;
        assert_eq!(run(&mut path, (0, 36_000_000), |sent, n| !lost(sent, n)), None);
    }
}
