//! One target of an ISP's probes.

use std::collections::VecDeque;

use crate::control::config::{Health, Probe};
use crate::observe::durations::Durations;
use crate::observe::isp_health::{TargetHealth, TargetState};
use crate::units::Nanos;

/// Outcomes that the share of lost probes is taken from.
const WINDOW: usize = 20;
/// Fewer outcomes tell no share.
const FEWEST: usize = 10;

/// Bounds of the histograms of round-trip times: 250 µs and the next 15 doublings, up to 8.192 s.
const RTT_BOUNDS: [Nanos; 16] = {
    let mut bounds = [Nanos(0); 16];
    let mut k = 0;
    while k < bounds.len() {
        bounds[k] = Nanos(250_000 << k);
        k += 1;
    }
    bounds
};

/// What became of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered in this time.
    Answered(Nanos),
    /// It was refused, or answered too late to count.
    Lost,
    /// It is none that we wait for.
    Unknown,
}

/// A probe that may still be answered.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    sequence: u16,
    sent: Nanos,
    until: Nanos,
}

/// What is known of one target.
#[derive(Debug)]
pub struct Target {
    /// What is asked of whom.
    pub probe: Probe,
    next: Nanos,
    asked: Option<Nanos>,
    sequence: u16,
    waiting: VecDeque<Waiting>,
    /// Latest outcomes, a bit each, the latest lowest; set: lost.
    window: u32,
    outcomes: usize,
    lost_in_a_row: u32,
    answered_in_a_row: u32,
    /// When it last answered.
    answered: Option<Nanos>,
    well: bool,
    /// Round-trip time of the latest answer.
    rtt: Option<Nanos>,
    rtts: Durations,
    sent: u64,
    lost: u64,
}

impl Target {
    /// A target that is first asked at `first`.
    pub fn new(probe: Probe, first: Nanos) -> Self {
        Self {
            probe,
            next: first,
            asked: None,
            sequence: 0,
            waiting: VecDeque::new(),
            window: 0,
            outcomes: 0,
            lost_in_a_row: 0,
            answered_in_a_row: 0,
            answered: None,
            well: true,
            rtt: None,
            rtts: Durations::new(&RTT_BOUNDS),
            sent: 0,
            lost: 0,
        }
    }

    /// Asks at `now` at the latest.
    pub fn ask_at(&mut self, now: Nanos) {
        self.next = self.next.min(now);
    }

    /// The sequence number of the probe that is due. While something is `doubtful`, a target that is well
    /// is asked twice in the time that it has for an answer.
    pub fn due(&mut self, doubtful: bool, now: Nanos) -> Option<u16> {
        if doubtful
            && self.well
            && let Some(asked) = self.asked
        {
            self.next = self.next.min(asked.plus(Nanos(self.probe.timeout.0 / 2)));
        }
        if now < self.next {
            return None;
        }
        self.next = now.plus(self.probe.every);
        self.asked = Some(now);
        self.sequence = self.sequence.wrapping_add(1);
        self.waiting.push_back(Waiting { sequence: self.sequence, sent: now, until: now.plus(self.probe.timeout) });
        self.sent += 1;
        Some(self.sequence)
    }

    /// Answers to what was asked may come later by `gap`.
    pub fn excuse(&mut self, gap: Nanos) {
        self.waiting.iter_mut().for_each(|waiting| waiting.until = waiting.until.plus(gap));
    }

    /// Gives up the probes that have waited too long.
    pub fn expire(&mut self, settings: &Health, now: Nanos) {
        while self.waiting.front().is_some_and(|waiting| waiting.until <= now) {
            self.waiting.pop_front();
            self.note(false, settings);
        }
    }

    /// The probe with this sequence number was `answered`, or refused.
    pub fn settle(&mut self, sequence: u16, answered: bool, settings: &Health, at: Nanos) -> Outcome {
        let Some(place) = self.waiting.iter().position(|waiting| waiting.sequence == sequence) else {
            return Outcome::Unknown;
        };
        let sent = self.waiting.remove(place).map_or(at, |waiting| waiting.sent);
        let rtt = at.since(sent);
        let in_time = answered && self.probe.max_rtt.is_none_or(|most| rtt <= most);
        if answered {
            self.rtt = Some(rtt);
            self.rtts.record(rtt);
            self.answered = Some(at);
        }
        self.note(in_time, settings);
        if in_time { Outcome::Answered(rtt) } else { Outcome::Lost }
    }

    fn note(&mut self, answered: bool, settings: &Health) {
        self.window = self.window << 1 | u32::from(!answered);
        self.outcomes = (self.outcomes + 1).min(WINDOW);
        if answered {
            self.answered_in_a_row = self.answered_in_a_row.saturating_add(1);
            self.lost_in_a_row = 0;
        } else {
            self.lost_in_a_row = self.lost_in_a_row.saturating_add(1);
            self.answered_in_a_row = 0;
            self.lost += 1;
        }
        if self.lost_in_a_row >= settings.down_after || self.loses_too_much() {
            self.well = false;
        } else if self.answered_in_a_row >= settings.up_after {
            self.well = true;
        }
    }

    fn loses_too_much(&self) -> bool {
        let Some(most) = self.probe.max_loss else { return false };
        self.outcomes >= FEWEST && self.loss() * 100.0 > f64::from(most)
    }

    /// Share of the latest probes that were lost, 0 to 1.
    pub fn loss(&self) -> f64 {
        if self.outcomes == 0 {
            return 0.0;
        }
        let counted = (1u32 << self.outcomes) - 1;
        f64::from((self.window & counted).count_ones()) / self.outcomes as f64
    }

    /// Whether it is well, as far as anybody knows.
    pub const fn is_well(&self) -> bool {
        self.well
    }

    /// Whether it is well, but its latest probe was not answered.
    pub const fn is_doubtful(&self) -> bool {
        self.well && self.lost_in_a_row > 0
    }

    /// Whether it has ever answered.
    pub const fn has_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// When it last answered.
    pub const fn last_answered(&self) -> Option<Nanos> {
        self.answered
    }

    /// All that is known of it.
    pub fn report(&self) -> TargetHealth {
        let state = match (self.has_answered(), self.well) {
            (false, _) => TargetState::Unheard,
            (true, true) => TargetState::Well,
            (true, false) => TargetState::Lost,
        };
        TargetHealth {
            name: self.probe.to_string(),
            state,
            rtt: self.rtt,
            loss: self.loss(),
            sent: self.sent,
            lost: self.lost,
            rtts: self.rtts.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(probe: Probe) -> Target {
        Target::new(probe, Nanos(0))
    }

    fn ask(target: &mut Target, second: u64, answer_after_ms: Option<u64>) {
        let settings = Health::default();
        let now = Nanos::from_millis(second * 1000);
        let sequence = target.due(false, now).expect("due");
        if let Some(ms) = answer_after_ms {
            target.settle(sequence, true, &settings, now.plus(Nanos::from_millis(ms)));
        }
        target.expire(&settings, now.plus(target.probe.timeout));
    }

    #[test]
    fn five_lost_in_a_row_are_the_end_and_three_answers_the_return() {
        let mut target = target(Probe::ping("2001:db8::1".parse().unwrap()));
        let well: Vec<bool> = (0..12)
            .map(|second| {
                ask(&mut target, second, (!(2..7).contains(&second)).then_some(20));
                target.is_well()
            })
            .collect();
        let expected = [true, true, true, true, true, true, false, false, false, true, true, true];
        assert_eq!(well, expected);
        assert_eq!((target.sent, target.lost), (12, 5));
    }

    #[test]
    fn thresholds_of_loss_and_time() {
        let ping = Probe::ping("2001:db8::1".parse().unwrap());
        let mut lossy = target(Probe { max_loss: Some(20), ..ping.clone() });
        (0..40).for_each(|second| ask(&mut lossy, second, (second % 5 != 0).then_some(20)));
        assert!(lossy.is_well(), "20 % are not more than 20 %");
        (40..80).for_each(|second| ask(&mut lossy, second, (second % 4 != 0).then_some(20)));
        assert!(!lossy.is_well());
        assert!((lossy.loss() - 0.25).abs() < 1e-9);
        let mut slow = target(Probe { max_rtt: Some(Nanos::from_millis(80)), ..ping });
        (0..10).for_each(|second| ask(&mut slow, second, Some(81)));
        assert!(!slow.is_well());
        (10..20).for_each(|second| ask(&mut slow, second, Some(80)));
        assert!(slow.is_well());
    }

    #[test]
    fn an_answer_counts_once_and_only_to_its_question() {
        let mut target = target(Probe::ping("2001:db8::1".parse().unwrap()));
        let settings = Health::default();
        let sequence = target.due(false, Nanos(0)).unwrap();
        assert_eq!(target.settle(sequence + 1, true, &settings, Nanos(5)), Outcome::Unknown);
        assert_eq!(target.settle(sequence, true, &settings, Nanos(5)), Outcome::Answered(Nanos(5)));
        assert_eq!(target.settle(sequence, true, &settings, Nanos(6)), Outcome::Unknown);
        target.due(false, Nanos::from_millis(1000)).unwrap();
        target.expire(&settings, Nanos::from_millis(1400));
        assert_eq!(
            target.settle(sequence + 1, true, &settings, Nanos::from_millis(1401)),
            Outcome::Unknown,
            "too late"
        );
    }
}
