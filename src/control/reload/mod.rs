//! Which configuration is in force, which one is on trial, and what may follow it.
//!
//! A pure state machine that is told `now`: whoever runs the gateway reads files and puts them in force.

mod changes;
mod fixed;
mod saves;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub use changes::{Change, changes};
pub use saves::{Due, Saves, Stamp};

use super::config::ConfigFile;
use crate::units::Nanos;

/// Why a good configuration is not put in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It changes what is laid down at the start.
    #[error("needs a restart: {}", list(.0))]
    NeedsRestart(Vec<FixedKey>),
    /// The one in force is on trial.
    #[error(
        "the configuration in force waits for its confirmation for another {left} s; `sixways confirm` keeps it, \
         `sixways reload --confirm TIME` tries another one in its place"
    )]
    OnTrial {
        /// Whole seconds that are left.
        left: u64,
    },
    /// It is in force already.
    #[error(
        "nothing to try: the file has what is in force already, since it was saved or reloaded; with \
         `[host] reload_on_save = false` what is saved waits for `sixways reload`"
    )]
    NothingToTry,
    /// It may have lost its end.
    #[error(
        "the file does not end with a line feed, as one that is cut off does; end its last line, or say \
         `sixways reload` if it is whole"
    )]
    CutOff,
}

/// What a saved file means for the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is what was read last.
    Known,
    /// It is what is in force, and what was read last was not.
    InForce,
    /// It is something else.
    Another,
}

/// There is nothing that waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no configuration waits for a confirmation; it is for what `sixways reload --confirm TIME` has put in force")]
pub struct NothingOnTrial;

/// A key that only a start puts in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedKey {
    /// As in `dataplane.batch`.
    pub key: &'static str,
    /// The value in force.
    pub old: String,
    /// The one that was refused.
    pub new: String,
}

impl fmt::Display for FixedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.key, self.old, self.new)
    }
}

fn list(keys: &[FixedKey]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The configurations of a running gateway.
#[derive(Debug)]
pub struct Reloads {
    current: ConfigFile,
    trial: Option<Trial>,
    /// What the file had when it was read last; none: it could not be read.
    on_disk: Option<String>,
}

/// The one in force waits for its confirmation.
#[derive(Debug)]
struct Trial {
    /// The one to go back to: the last that was confirmed, or needed no confirmation.
    former: ConfigFile,
    until: Nanos,
    /// Whether going back has failed.
    is_stuck: bool,
}

impl Reloads {
    /// The gateway has started with `current`.
    pub fn new(current: ConfigFile) -> Self {
        let on_disk = Some(current.text.clone());
        Self { current, trial: None, on_disk }
    }

    /// The configuration in force.
    pub const fn current(&self) -> &ConfigFile {
        &self.current
    }

    /// The file was read, and had `text`; none: it could not be read.
    pub fn read(&mut self, text: Option<&str>) -> Saved {
        if self.on_disk.as_deref() == text {
            return Saved::Known;
        }
        self.on_disk = text.map(str::to_owned);
        if self.differs() { Saved::Another } else { Saved::InForce }
    }

    /// Whether the file had something else than what is in force when it was read last.
    pub fn differs(&self) -> bool {
        self.on_disk.as_ref() != Some(&self.current.text)
    }

    /// What putting `new` in force changes; with `trial`, until it is confirmed or that time is over.
    ///
    /// # Errors
    /// When it may not follow.
    pub fn propose(&self, new: &ConfigFile, trial: Option<Duration>, now: Nanos) -> Result<Vec<Change>, Refusal> {
        if let (Some(until), None) = (self.until(), trial) {
            return Err(Refusal::OnTrial { left: Duration::from_nanos(until.since(now).0).as_secs() });
        }
        if trial.is_some() && self.trial.is_none() && new.text == self.current.text {
            return Err(Refusal::NothingToTry);
        }
        let fixed = fixed::fixed(&self.current.config, &new.config);
        if !fixed.is_empty() {
            return Err(Refusal::NeedsRestart(fixed));
        }
        Ok(changes(&self.current.text, &new.text))
    }

    /// `new` is in force from `now` on. One that is tried while another is on trial takes its place: the
    /// way back stays the same.
    pub fn accept(&mut self, new: ConfigFile, trial: Option<Duration>, now: Nanos) {
        let former = std::mem::replace(&mut self.current, new);
        let former = self.trial.take().map_or(former, |trial| trial.former);
        self.trial =
            trial.map(|time| Trial { former, until: now.plus(Nanos(time.as_nanos() as u64)), is_stuck: false });
    }

    /// Keeps what is on trial.
    ///
    /// # Errors
    /// When nothing is.
    pub fn confirm(&mut self) -> Result<(), NothingOnTrial> {
        self.trial.take().map(|_| ()).ok_or(NothingOnTrial)
    }

    /// When the time to confirm is over.
    pub fn until(&self) -> Option<Nanos> {
        self.trial.as_ref().map(|trial| trial.until)
    }

    /// The configuration to go back to, once nobody has confirmed in time, until it is accepted.
    pub fn overdue(&self, now: Nanos) -> Option<ConfigFile> {
        self.trial.as_ref().filter(|trial| now >= trial.until).map(|trial| trial.former.clone())
    }
    /// Going back has failed, and will be tried again. Returns whether it is the first time.
    pub fn stuck(&mut self) -> bool {
        self.trial.as_mut().is_some_and(|trial| !std::mem::replace(&mut trial.is_stuck, true))
    }
}
