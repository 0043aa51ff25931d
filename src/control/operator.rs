//! What operators ask of the ISPs: carried out, and kept.

use super::Control;
use super::config::{Failback, Isp};
use super::events::IspState;
use super::health::{Cause, Change, Health};
use super::intents::{IntentError, Intents};
use super::state::StateError;
use crate::snapshot::Candidates;
use crate::units::{Nanos, UplinkId};

/// What is asked is not done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No such ISP.
    #[error("there is no ISP `{name}`{hint} (there are {known})", hint = meant(.similar.as_deref()))]
    NoIsp {
        /// As given.
        name: String,
        /// The one that was probably meant.
        similar: Option<String>,
        /// Those that there are.
        known: String,
    },
    /// Not an operator keeps new flows away.
    #[error("`{0}` is not drained, but its quota of this month is spent; raise `quota` to let new flows take it")]
    Spent(String),
    /// It makes no sense.
    #[error(transparent)]
    Intent(#[from] IntentError),
    /// It cannot be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

fn meant(similar: Option<&str>) -> String {
    similar.map_or_else(String::new, |similar| format!("; did you mean `{similar}`?"))
}

/// What of the intents a restart would not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unkept {
    #[default]
    Nothing,
    News,
    /// Keeping it has failed, and that is told.
    Told,
}

impl Control {
    /// The ISP called `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn isp(&self, name: &str) -> Result<(&Isp, UplinkId), OperatorError> {
        let isps = &self.config.isps;
        let found = isps.iter().find(|isp| isp.name == name);
        found.and_then(|isp| Some((isp, self.ids.uplink(name)?))).ok_or_else(|| {
            let names: Vec<&str> = isps.iter().map(|isp| isp.name.as_str()).collect();
            let similar = super::config::similar(name, &names).map(str::to_owned);
            OperatorError::NoIsp { name: name.to_owned(), similar, known: names.join(", ") }
        })
    }

    /// Whether another ISP than `uplink` is well.
    pub const fn could_spare(&self, uplink: UplinkId) -> bool {
        let Candidates { equipped, linked, .. } = self.candidates;
        equipped & linked & !self.judgement.down & !(1 << uplink.0) != 0
    }

    /// New flows avoid `isp` from now on and over restarts; with `over` those that it has move to
    /// others, evenly over that time.
    ///
    /// # Errors
    /// When there is no such ISP, it is so already, or it cannot be kept.
    pub fn drain(&mut self, isp: &str, over: Option<Nanos>, now: Nanos) -> Result<(), OperatorError> {
        self.isp(isp)?;
        self.intend(|intents, _| intents.drain(isp, over, now))
    }

    /// No operator keeps new flows away from `isp` any more. Returns whether its quota still does.
    ///
    /// # Errors
    /// When there is no such ISP, nothing keeps flows away from it or its quota alone does, or that cannot be kept.
    pub fn undrain(&mut self, isp: &str, now: Nanos) -> Result<bool, OperatorError> {
        self.isp(isp)?;
        if self.closing(isp) == Some(Cause::Quota) {
            return Err(OperatorError::Spent(isp.to_owned()));
        }
        self.intend(|intents, failback| intents.undrain(isp, failback, now))?;
        Ok(self.quotas.is_spent(isp))
    }

    /// What is not kept is not done.
    fn intend(
        &mut self,
        change: impl FnOnce(&mut Intents, Failback) -> Result<(), IntentError>,
    ) -> Result<(), OperatorError> {
        let mut intents = self.intents.clone();
        change(&mut intents, self.config.site.failback)?;
        self.state.keep_intents(&intents.kept())?;
        self.intents = intents;
        self.unkept = Unkept::Nothing;
        Ok(())
    }

    fn closing(&self, isp: &str) -> Option<Cause> {
        self.intents.closing(isp).or(self.quotas.is_spent(isp).then_some(Cause::Quota))
    }

    /// Tells `health` which ISPs new flows are to avoid.
    pub fn heed(&self, health: &mut Health) {
        for isp in &self.config.isps {
            if let Some(uplink) = self.ids.uplink(&isp.name) {
                health.close(uplink, self.closing(&isp.name));
            }
        }
    }

    /// Takes note of outages that begin and end, for `failback`. [`Control::keep_intents`] keeps it.
    pub fn hear(&mut self, changes: &[Change], now: Nanos) {
        let failback = self.config.site.failback;
        let is_well = |state| matches!(state, IspState::Up | IspState::Degraded | IspState::Unknown);
        for Change { isp, from, to, cause, .. } in changes {
            if *to == IspState::Down && *cause != Cause::Drill {
                if self.intents.lost(isp, failback) && self.unkept == Unkept::Nothing {
                    self.unkept = Unkept::News;
                }
            } else if *from == IspState::Down && is_well(*to) {
                self.intents.recovered(isp, failback, now);
            }
        }
    }

    /// Keeps what outages have left behind, off the way to another ISP: a disk may take its time.
    pub fn keep_intents(&mut self) {
        if self.unkept == Unkept::Nothing {
            return;
        }
        match self.state.keep_intents(&self.intents.kept()) {
            Ok(()) => self.unkept = Unkept::Nothing,
            Err(error) if self.unkept == Unkept::News => {
                tracing::warn!(%error, "a restart would not know which ISPs wait for `sixways undrain`; trying again");
                self.unkept = Unkept::Told;
            }
            Err(_) => {}
        }
    }
}
