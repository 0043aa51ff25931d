//! From events to stretches of time: how long each ISP was in each state, and the gateway away.

use std::collections::BTreeMap;
use std::time::Duration;

use time::OffsetDateTime;

use super::{Away, End, Outage, is_rehearsal};
use crate::control::events::{Ending, Entry, Event, IspState, IspTraffic, Recorded};

/// An ISP was in one state.
#[derive(Clone, Debug)]
pub struct Stay {
    pub isp: String,
    pub state: IspState,
    pub cause: String,
    pub failover: Option<f64>,
    pub begin: OffsetDateTime,
    pub end: OffsetDateTime,
    /// By the clock that nobody sets.
    pub seconds: f64,
    pub how: End,
}

/// Part of a span by which a clock that follows NTP goes wrong at most, and seconds besides.
const DRIFT: (f64, f64) = (0.001, 1.0);

impl Stay {
    /// When it began, by the time of day at its end: it may have been set meanwhile, as on a machine that
    /// starts in 1970.
    pub fn began(&self) -> OffsetDateTime {
        let step = ((self.end - self.begin).as_seconds_f64() - self.seconds).abs();
        if step <= self.seconds * DRIFT.0 + DRIFT.1 {
            return self.begin;
        }
        self.end.saturating_sub(time::Duration::saturating_seconds_f64(self.seconds))
    }

    /// The outage that it is, if it is one.
    pub fn outage(&self) -> Option<Outage> {
        (self.state == IspState::Down).then(|| Outage {
            isp: self.isp.clone(),
            began: self.begin,
            seconds: self.seconds,
            cause: self.cause.clone(),
            failover_seconds: self.failover,
            end: self.how,
        })
    }
}

/// A moment on both clocks.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: OffsetDateTime,
    monotonic: u64,
}

impl Moment {
    const fn of(entry: &Entry) -> Self {
        Self { at: entry.at, monotonic: entry.monotonic }
    }

    /// `later` on the clock that tells the date alone.
    fn extended_to(self, later: OffsetDateTime) -> Self {
        let more = u64::try_from((later - self.at).whole_nanoseconds()).unwrap_or_default();
        Self { at: self.at.max(later), monotonic: self.monotonic.saturating_add(more) }
    }
}

/// The state that an ISP is in.
#[derive(Debug)]
struct Current {
    state: IspState,
    cause: String,
    failover: Option<f64>,
    since: Moment,
}

/// A gateway from its start to its end.
#[derive(Debug)]
struct Run {
    isps: BTreeMap<String, Current>,
    latest: Moment,
    /// What its workers did last, if it was bad.
    trouble: Option<String>,
}

/// Everything that has happened.
#[derive(Debug, Default)]
pub struct Timeline {
    pub began: Option<OffsetDateTime>,
    pub stays: Vec<Stay>,
    pub away: Vec<Away>,
    pub traffic: Vec<(OffsetDateTime, IspTraffic)>,
    pub lost: u64,
}

impl Timeline {
    /// That of a log; `now` ends what goes on.
    pub fn of(recorded: &Recorded, running: bool, now: OffsetDateTime) -> Self {
        let mut timeline = Self { began: recorded.entries.first().map(|entry| entry.at), ..Self::default() };
        let mut run: Option<Run> = None;
        for entry in &recorded.entries {
            timeline.take(&mut run, entry);
        }
        match run {
            Some(run) if running => {
                let end = run.latest.extended_to(now);
                timeline.end_run(run, end, End::GoesOn);
            }
            Some(run) => timeline.lose_run(run, recorded.last_alive),
            None => {}
        }
        if let Some(away) = timeline.away.last_mut().filter(|away| away.ended.is_none()) {
            away.seconds = between(away.began, now);
        }
        timeline
    }

    fn take(&mut self, run: &mut Option<Run>, entry: &Entry) {
        let now = Moment::of(entry);
        match &entry.event {
            Event::GatewayStarted { isps, last_alive, .. } => {
                if let Some(former) = run.take() {
                    self.lose_run(former, *last_alive);
                }
                if let Some(away) = self.away.last_mut().filter(|away| away.ended.is_none()) {
                    away.ended = Some(entry.at);
                    away.seconds = between(away.began, entry.at);
                }
                let isps = isps.iter().map(|isp| (isp.clone(), Current::unknown(now))).collect();
                *run = Some(Run { isps, latest: now, trouble: None });
                return;
            }
            Event::GatewayStopped { outcome, reason } => {
                if let Some(run) = run.take() {
                    self.end_run(run, now, End::GatewayStopped);
                }
                let why = match (outcome, reason) {
                    (Ending::Blocking, _) => "stopped".to_owned(),
                    (Ending::Released, _) => "stopped and released".to_owned(),
                    (Ending::Failed, reason) => format!("failed: {}", reason.as_deref().unwrap_or("nobody knows why")),
                };
                self.away.push(Away { began: entry.at, approximate: false, ended: None, seconds: 0.0, why });
                return;
            }
            // What was lost before the log's oldest line: a run whose start is gone.
            _ => {}
        }
        let run = run.get_or_insert_with(|| Run { isps: BTreeMap::new(), latest: now, trouble: None });
        run.latest = now;
        match &entry.event {
            Event::IspState { isp, from, to, cause, after_seconds } => {
                let before = run.isps.remove(isp).unwrap_or_else(|| {
                    let span = Duration::try_from_secs_f64(*after_seconds).unwrap_or_default();
                    let monotonic = entry.monotonic.saturating_sub(span.as_nanos() as u64);
                    let at = self.began.map_or(entry.at, |began| {
                        let span = time::Duration::try_from(span).unwrap_or(time::Duration::MAX);
                        entry.at.saturating_sub(span).max(began)
                    });
                    Current { state: *from, cause: String::new(), failover: None, since: Moment { at, monotonic } }
                });
                let is_down = (before.state, *to) == (IspState::Down, IspState::Down);
                let how = if is_down && !is_rehearsal(cause) { End::BecameReal } else { End::Recovered };
                self.stays.push(before.until(isp, now, how));
                run.isps.insert(isp.clone(), Current { state: *to, cause: cause.clone(), failover: None, since: now });
            }
            Event::Failover { isp, cause, seconds } => {
                let is_of = |current: &&mut Current| current.state == IspState::Down && current.cause == *cause;
                if let Some(current) = run.isps.get_mut(isp).filter(is_of) {
                    current.failover = Some(*seconds);
                }
            }
            Event::Traffic { isps, .. } => {
                // Also the list of all ISPs that the configuration has had at that moment.
                let gone: Vec<_> =
                    run.isps.extract_if(.., |isp, _| isps.iter().all(|known| known.isp != *isp)).collect();
                self.stays.extend(gone.into_iter().map(|(isp, current)| current.until(&isp, now, End::Removed)));
                for traffic in isps {
                    run.isps.entry(traffic.isp.clone()).or_insert_with(|| Current::unknown(now));
                    self.traffic.push((entry.at, traffic.clone()));
                }
            }
            Event::WorkerStalled { worker, for_seconds } => {
                run.trouble = Some(format!("{worker} made no turn for {for_seconds:.1} s"));
            }
            Event::WorkerPanicked { worker, text } => run.trouble = Some(format!("{worker} panicked: {text}")),
            Event::EventsLost { count } => self.lost += count,
            _ => {}
        }
    }

    /// Nobody has said how `run` ended; `last_alive` is the latest sign of it that is not in the log.
    fn lose_run(&mut self, run: Run, last_alive: Option<OffsetDateTime>) {
        let end = last_alive.map_or(run.latest, |alive| run.latest.extended_to(alive));
        let why = run.trouble.clone().unwrap_or_else(|| "killed, or without power".to_owned());
        self.end_run(run, end, End::GatewayStopped);
        self.away.push(Away { began: end.at, approximate: true, ended: None, seconds: 0.0, why });
    }

    fn end_run(&mut self, run: Run, end: Moment, how: End) {
        self.stays.extend(run.isps.into_iter().map(|(isp, current)| current.until(&isp, end, how)));
    }
}

impl Current {
    const fn unknown(since: Moment) -> Self {
        Self { state: IspState::Unknown, cause: String::new(), failover: None, since }
    }

    fn until(self, isp: &str, end: Moment, how: End) -> Stay {
        let nanos = end.monotonic.saturating_sub(self.since.monotonic);
        Stay {
            isp: isp.to_owned(),
            state: self.state,
            cause: self.cause,
            failover: self.failover,
            begin: self.since.at,
            end: end.at,
            seconds: Duration::from_nanos(nanos).as_secs_f64(),
            how,
        }
    }
}

/// Seconds from one moment to a later one.
pub fn between(from: OffsetDateTime, to: OffsetDateTime) -> f64 {
    (to - from).as_seconds_f64().max(0.0)
}
