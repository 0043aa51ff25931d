//! What operators have asked of the ISPs, and what `failback` makes of an outage that is over: which ISPs
//! get no new flows, and which flows move. Pure: told the time.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::config::{Failback, span};
use super::health::Cause;
use crate::limits::{FAILBACK_WINDOW, MAX_UPLINKS};
use crate::snapshot::{ALL_FLOWS, Moves};
use crate::units::{Nanos, UplinkId};

/// Time between two steps of flows that move little by little.
const STEP: Nanos = Nanos::from_millis(1000);

/// What is asked cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntentError {
    /// Drained, in the same way.
    #[error(
        "`{0}` is drained already; `sixways drain {0} --over 60s` also moves the flows that it has, \
         `sixways undrain {0}` ends it"
    )]
    Drained(String),
    /// Drained, and its flows are moved.
    #[error("`{isp}` is drained already, and its flows are moved over {over}; `sixways undrain {isp}` ends it")]
    Emptied {
        /// Which.
        isp: String,
        /// Over which time.
        over: String,
    },
    /// Neither drained nor held back.
    #[error("`{0}` is not drained: new flows may take it")]
    NotDrained(String),
}

/// All of it, by the ISPs' names. It holds until the operator takes it back, also while a configuration without the
/// ISP is tried.
#[derive(Clone, Debug, Default)]
pub struct Intents(BTreeMap<String, Intent>);

#[derive(Clone, Debug, Default)]
struct Intent {
    drained: bool,
    /// Its outage was one after which an operator has to let it carry flows again.
    held_back: bool,
    /// The flows that it has leave.
    leaving: Option<Ramp>,
    /// The flows that prefer it come back.
    returning: Option<Ramp>,
}

/// Something that goes from none to all.
#[derive(Clone, Copy, Debug)]
struct Ramp {
    since: Nanos,
    over: Nanos,
}

impl Ramp {
    /// How far it is, in steps of a second: a snapshot is published for each.
    fn part(self, now: Nanos) -> u32 {
        let elapsed = now.since(self.since).0 / STEP.0 * STEP.0;
        if elapsed >= self.over.0 {
            return ALL_FLOWS;
        }
        (u128::from(ALL_FLOWS) * u128::from(elapsed) / u128::from(self.over.0)) as u32
    }
}

/// What outlasts a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The ISPs that are drained, and over how many seconds their flows are moved, if they are.
    pub drained: BTreeMap<String, Option<u64>>,
    /// Those that wait for an operator after an outage.
    pub held_back: BTreeSet<String>,
}

impl Intents {
    /// As they were kept. Flows that were being moved go on being moved, from the beginning.
    pub fn of(kept: &Kept, now: Nanos) -> Self {
        let mut intents = Self::default();
        for (isp, over) in &kept.drained {
            let leaving = over.map(|over| Ramp { since: now, over: Nanos::from_millis(over.saturating_mul(1000)) });
            let intent = intents.0.entry(isp.clone()).or_default();
            (intent.drained, intent.leaving) = (true, leaving);
        }
        for isp in &kept.held_back {
            intents.0.entry(isp.clone()).or_default().held_back = true;
        }
        intents
    }

    /// What is to be kept.
    pub fn kept(&self) -> Kept {
        let drained = self.0.iter().filter(|(_, intent)| intent.drained);
        let over = |intent: &Intent| intent.leaving.map(|leaving| leaving.over.0 / STEP.0);
        Kept {
            drained: drained.map(|(isp, intent)| (isp.clone(), over(intent))).collect(),
            held_back: self.0.iter().filter(|(_, intent)| intent.held_back).map(|(isp, _)| isp.clone()).collect(),
        }
    }

    /// New flows avoid `isp`; with `over` the flows that it has move within that time.
    ///
    /// # Errors
    /// When that is so already.
    pub fn drain(&mut self, isp: &str, over: Option<Nanos>, now: Nanos) -> Result<(), IntentError> {
        let intent = self.0.entry(isp.to_owned()).or_default();
        match (intent.drained, intent.leaving, over) {
            (true, Some(Ramp { over, .. }), _) => {
                return Err(IntentError::Emptied { isp: isp.to_owned(), over: span::show(over) });
            }
            (true, None, None) => return Err(IntentError::Drained(isp.to_owned())),
            _ => {}
        }
        intent.drained = true;
        intent.leaving = over.map(|over| Ramp { since: now, over });
        intent.returning = None;
        Ok(())
    }

    /// `isp` may carry new flows again, be it drained or held back; those that prefer it come back as
    /// `failback` says.
    ///
    /// # Errors
    /// When nothing keeps them away.
    pub fn undrain(&mut self, isp: &str, failback: Failback, now: Nanos) -> Result<(), IntentError> {
        let intent = self.0.get_mut(isp).filter(|intent| intent.drained || intent.held_back);
        let intent = intent.ok_or_else(|| IntentError::NotDrained(isp.to_owned()))?;
        *intent = Intent { returning: back(failback, now), ..Intent::default() };
        Ok(())
    }

    /// An outage of `isp` has begun. Returns whether there is something new to be kept.
    pub fn lost(&mut self, isp: &str, failback: Failback) -> bool {
        let intent = self.0.entry(isp.to_owned()).or_default();
        intent.returning = None;
        let is_new = failback == Failback::Manual && !intent.held_back;
        intent.held_back |= is_new;
        is_new
    }

    /// An outage of `isp`, or the rehearsal of one, is over.
    pub fn recovered(&mut self, isp: &str, failback: Failback, now: Nanos) {
        let intent = self.0.entry(isp.to_owned()).or_default();
        if !intent.drained && !intent.held_back {
            intent.returning = back(failback, now);
        }
    }

    /// Why new flows are to avoid `isp`.
    pub fn closing(&self, isp: &str) -> Option<Cause> {
        let intent = self.0.get(isp)?;
        match (intent.drained, intent.held_back) {
            (true, _) => Some(Cause::Operator),
            (false, true) => Some(Cause::Failback),
            (false, false) => None,
        }
    }

    /// Which flows move at `now`.
    pub fn moves(&self, uplink: impl Fn(&str) -> Option<UplinkId>, now: Nanos) -> Moves {
        let (mut leaving, mut returning) = ([0; MAX_UPLINKS], [0; MAX_UPLINKS]);
        for (isp, intent) in &self.0 {
            let Some(uplink) = uplink(isp) else { continue };
            leaving[uplink.index()] = intent.leaving.map_or(0, |ramp| ramp.part(now));
            let open = intent.returning.filter(|ramp| now.since(ramp.since) < ramp.over.plus(FAILBACK_WINDOW));
            returning[uplink.index()] = open.map_or(0, |ramp| ramp.part(now));
        }
        Moves::new(leaving, returning)
    }
}

const fn back(failback: Failback, now: Nanos) -> Option<Ramp> {
    match failback {
        Failback::NewFlows | Failback::Manual => None,
        Failback::Immediate => Some(Ramp { since: now, over: Nanos(0) }),
        Failback::Gradual(over) => Some(Ramp { since: now, over }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Option<Nanos> = Some(Nanos::from_millis(60_000));

    fn at(seconds: u64) -> Nanos {
        Nanos::from_millis(1000 * seconds)
    }

    #[test]
    fn what_is_asked_twice_is_refused_with_what_would_help() {
        let mut intents = Intents::default();
        let undrained = intents.undrain("fiber", Failback::Immediate, at(0)).unwrap_err();
        assert_eq!(undrained.to_string(), "`fiber` is not drained: new flows may take it");
        intents.drain("fiber", None, at(0)).unwrap();
        let twice = intents.drain("fiber", None, at(1)).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "`fiber` is drained already; `sixways drain fiber --over 60s` also moves the flows that it has, \
             `sixways undrain fiber` ends it"
        );
        intents.drain("fiber", MINUTE, at(2)).unwrap();
        for over in [None, MINUTE] {
            let emptied = intents.drain("fiber", over, at(3)).unwrap_err().to_string();
            assert!(emptied.contains("its flows are moved over 1m; `sixways undrain fiber` ends it"), "{emptied}");
        }
        intents.undrain("fiber", Failback::Immediate, at(4)).unwrap();
        assert_eq!(intents.closing("fiber"), None);
    }

    #[test]
    fn what_operators_want_outlasts_a_restart() {
        let mut intents = Intents::default();
        intents.drain("fiber", None, at(0)).unwrap();
        intents.drain("cable", MINUTE, at(0)).unwrap();
        assert!(intents.lost("lte", Failback::Manual), "to be kept");
        assert!(!intents.lost("lte", Failback::Manual), "once");
        assert!(!intents.lost("dsl", Failback::Immediate));
        intents.recovered("dsl", Failback::Immediate, at(1));
        let text = serde_json::to_string(&intents.kept()).unwrap();
        assert_eq!(text, r#"{"drained":{"cable":60,"fiber":null},"held_back":["lte"]}"#);
        let again = Intents::of(&serde_json::from_str(&text).unwrap(), at(500));
        assert_eq!(again.kept(), intents.kept());
        let causes = ["fiber", "cable", "lte", "dsl"].map(|isp| again.closing(isp));
        assert_eq!(causes, [Some(Cause::Operator), Some(Cause::Operator), Some(Cause::Failback), None]);
        let uplink = |isp: &str| (isp == "cable").then_some(UplinkId(1));
        assert!(!again.moves(uplink, at(500)).concern(UplinkId(1)), "from the beginning");
        assert!(again.moves(uplink, at(530)).concern(UplinkId(1)));
    }

    #[test]
    fn moves_change_once_a_second() {
        let mut intents = Intents::default();
        intents.drain("fiber", MINUTE, at(0)).unwrap();
        let moves = |millis| intents.moves(|_| Some(UplinkId(0)), Nanos::from_millis(millis));
        let mut different: Vec<Moves> = (0..=70_000).step_by(20).map(moves).collect();
        different.dedup();
        assert_eq!(different.len(), 61);
    }
}
