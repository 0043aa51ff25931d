//! Another configuration is read and put in force, whole, or the former one stays.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Gateway;
use crate::app::GatewayError;
use crate::app::config_watch::Saved;
use crate::app::orders::answer;
use crate::control::config::{Config, ConfigErrors, ConfigFile};
use crate::control::events::Event;
use crate::control::reload::{self, Change, NothingOnTrial, Refusal};
use crate::control::socket::Reply;
use crate::control::{ControlError, Prepared};
use crate::observe::config::{ConfigFacts, ReloadFailure};
use crate::observe::exporter::ListenError;
use crate::os::now;

/// Arguments of the verb `reload`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReloadRequest {
    /// Seconds within which it must be confirmed; without them it need not be.
    pub(crate) confirm_within_seconds: Option<f64>,
}

/// Arguments of a verb that has none.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::app) struct Nothing {}

/// What a reload has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// The file.
    pub(crate) file: String,
    /// SHA-256 of its octets, in hexadecimal digits.
    pub(crate) sha256: String,
    /// The generation from which on it is in force.
    pub(crate) generation: u64,
    /// What differs from the former file.
    pub(crate) changes: Vec<Change>,
    /// Seconds within which it must be confirmed.
    pub(crate) confirm_within_seconds: Option<f64>,
}

/// Why the former configuration stays.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Refusal(#[from] Refusal),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Metrics(#[from] ListenError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

/// Why a configuration is in force no longer.
const UNCONFIRMED: &str = "nobody confirmed it in time: the former configuration is in force again";

impl Gateway {
    /// `sixways reload`.
    pub(in crate::app) fn order_reload(&mut self, request: ReloadRequest, reply: Reply) {
        let trial = request.confirm_within_seconds.map(Duration::try_from_secs_f64).transpose();
        answer(reply, trial.map_err(|error| error.to_string()).and_then(|trial| self.reload(trial)));
    }

    /// `sixways confirm`.
    pub(in crate::app) fn order_confirm(&mut self, _: Nothing, reply: Reply) {
        let confirmed = self.reloads.confirm();
        if confirmed.is_ok() {
            tracing::info!("the configuration in force is confirmed");
            let observed = &self.around.observed;
            observed.set_config(ConfigFacts { confirm_until: None, ..(*observed.config()).clone() });
        }
        answer(reply, confirmed.map(|()| Value::Null).map_err(|error: NothingOnTrial| error.to_string()));
    }

    /// Reads the file anew and puts it in force; with `trial`, until it is confirmed or that time is over.
    ///
    /// # Errors
    /// Why the former configuration stays, for people to read.
    pub(super) fn reload(&mut self, trial: Option<Duration>) -> Result<Reloaded, String> {
        let read = std::fs::read_to_string(&self.reloads.current().path);
        self.reloads.read(read.as_ref().ok().map(String::as_str));
        // What was read before this is old.
        while self.saved.try_recv().is_ok() {}
        let outcome = self.try_reload(read, trial);
        self.tell_reload(&outcome);
        outcome.map_err(|error| error.to_string())
    }

    /// Somebody has saved the file.
    pub(in crate::app) fn heed_saved(&mut self, read: Saved) {
        match self.reloads.read(read.as_ref().ok().map(String::as_str)) {
            reload::Saved::Known => {}
            reload::Saved::InForce => {
                tracing::info!("the configuration file has what is in force again");
                let observed = &self.around.observed;
                let former = observed.config();
                observed.set_config(ConfigFacts { failure: None, differs_since: None, ..(*former).clone() });
            }
            reload::Saved::Another if self.control.config().host.reload_on_save => {
                let is_cut_off = read.as_ref().is_ok_and(|text| !text.ends_with('\n'));
                let outcome = if is_cut_off { Err(Refusal::CutOff.into()) } else { self.try_reload(read, None) };
                self.tell_reload(&outcome);
            }
            reload::Saved::Another => {
                tracing::warn!("the configuration file differs from what is in force: `sixways reload` reads it");
                let observed = &self.around.observed;
                let former = observed.config();
                observed.set_config(ConfigFacts { differs_since: self.differs_since(), ..(*former).clone() });
            }
        }
    }

    fn tell_reload(&mut self, outcome: &Result<Reloaded, ReloadError>) {
        match outcome {
            Ok(reloaded) => {
                let Reloaded { generation, sha256, .. } = reloaded;
                tracing::info!(generation, %sha256, "configuration reloaded: {} changes", reloaded.changes.len());
                reloaded.changes.iter().for_each(|change| tracing::info!("{change}"));
                self.events.tell(Event::ConfigReloaded { generation: *generation });
                self.tell_config(None);
            }
            Err(error) => {
                tracing::error!("configuration refused, the former one stays: {error}");
                self.events.tell(Event::ConfigRefused { reason: error.to_string() });
                self.tell_config(Some(error.to_string()));
            }
        }
    }

    fn try_reload(&mut self, read: Saved, trial: Option<Duration>) -> Result<Reloaded, ReloadError> {
        let new = ConfigFile::of(&self.reloads.current().path, read)?;
        let changes = self.reloads.propose(&new, trial, now())?;
        self.put_in_force(&new.config)?;
        let (file, sha256) = (new.path.display().to_string(), new.sha256());
        self.reloads.accept(new, trial, now());
        let confirm_within_seconds = trial.map(|trial| trial.as_secs_f64());
        Ok(Reloaded { file, sha256, generation: self.generation(), changes, confirm_within_seconds })
    }

    /// All of `config`, or nothing of it.
    fn put_in_force(&mut self, config: &Config) -> Result<(), ReloadError> {
        let exporter = self.reporter.open_exporter(config)?;
        let former = self.control.written().clone();
        let prepared = self.control.prepare(config.clone())?;
        self.settle_traffic(config);
        if let Err(error) = self.take_on(prepared) {
            // Closes what was opened in vain.
            self.follow()?;
            return Err(error);
        }
        if let Err(error) = self.try_follow() {
            // What the kernel refused of the new tables, it has had of the old ones.
            self.control.reload(former, |reused| self.memory.forget(reused))?;
            self.follow()?;
            return Err(error.into());
        }
        self.reporter.use_exporter(exporter);
        self.addressees.set(config.notify.as_ref());
        if let Some(dataplane) = &self.dataplane {
            self.reporter.set_facts(self.control.config(), dataplane);
        }
        Ok(())
    }

    /// Opens the interfaces of `prepared` that are new, and takes it on.
    fn take_on(&mut self, prepared: Prepared) -> Result<(), ReloadError> {
        let refused = self.open_new(&prepared.generation)?;
        if let Some(refused) = refused.into_iter().find(|refused| !refused.again) {
            return Err(refused.error.into());
        }
        Ok(self.control.adopt(prepared, |reused| self.memory.forget(reused))?)
    }

    /// Goes back to the former configuration when nobody has confirmed the one in force in time, however
    /// often that has to be tried: who lets it run out may have lost his way in.
    pub(super) fn roll_back_if_due(&mut self) {
        let Some(former) = self.reloads.overdue(now()) else { return };
        match self.put_in_force(&former.config) {
            Ok(()) => {
                let (path, generation) = (former.path.display().to_string(), self.generation());
                self.reloads.accept(former, None, now());
                tracing::error!(generation, "{UNCONFIRMED}; {path} still has the other one");
                self.events.tell(Event::ConfigRolledBack { generation });
                self.tell_config(Some(UNCONFIRMED.to_owned()));
            }
            Err(error) if self.reloads.stuck() => {
                tracing::error!(%error, "nobody confirmed the configuration, and the former one is refused; trying again");
                self.events.tell(Event::ConfigRefused { reason: error.to_string() });
                self.tell_config(Some(error.to_string()));
            }
            Err(error) => tracing::debug!(%error, "the former configuration is refused again"),
        }
    }

    /// Lets metrics and `status` know what is in force, and why the latest reload failed if it did.
    pub(super) fn tell_config(&mut self, failure: Option<String>) {
        let wall = since_epoch();
        let current = self.reloads.current();
        let sha256 = current.sha256();
        let former = self.around.observed.config();
        let since = if former.sha256 == sha256 && failure.is_some() { former.since } else { wall };
        self.around.observed.set_config(ConfigFacts {
            file: current.path.display().to_string(),
            sha256,
            since,
            failure: failure.map(|reason| ReloadFailure { reason, at: wall }),
            confirm_until: self.reloads.until(),
            differs_since: self.differs_since(),
        });
    }

    /// Since when the file differs from what is in force.
    fn differs_since(&self) -> Option<Duration> {
        let known = self.around.observed.config().differs_since;
        self.reloads.differs().then(|| known.unwrap_or_else(since_epoch))
    }

    fn generation(&self) -> u64 {
        self.around.world.snapshot.load().generation
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
