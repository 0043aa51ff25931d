//! Another configuration is made ready beside the one in force, and then takes its place.

use super::compile::{Ingredients, check_macs, check_room, compile, steering_of};
use super::config::{self, Config};
use super::ids::{Ids, Reused};
use super::ipv4::Ipv4;
use super::prefixes::{Moment, News, Prefixes};
use super::{Control, ControlError};
use crate::snapshot::{Generation, Steering};

/// Another configuration, with all that is made of it.
#[derive(Debug)]
pub struct Prepared {
    /// As it is written.
    written: Config,
    /// With the prefixes that are known.
    config: Config,
    prefixes: Prefixes,
    news: Vec<News>,
    ids: Ids,
    reused: Reused,
    steering: Steering,
    /// What it would be in the kernel's present state.
    pub generation: Generation,
}

impl Control {
    /// Takes on another configuration, all of it or nothing: [`Control::prepare`], then [`Control::adopt`].
    ///
    /// # Errors
    /// Theirs.
    pub fn reload(&mut self, config: Config, forget: impl FnOnce(&Reused)) -> Result<(), ControlError> {
        let prepared = self.prepare(config)?;
        self.adopt(prepared, forget)
    }

    /// What another configuration would make, without taking it on.
    ///
    /// # Errors
    /// When it does not compile, or has more of a kind than there are ids.
    pub fn prepare(&self, config: Config) -> Result<Prepared, ControlError> {
        let mut ids = self.ids.clone();
        let mut prefixes = self.prefixes.clone();
        let (now, kernel) = (Moment::now(), self.mirror.state());
        let mut news = prefixes.follow(&config, now);
        news.extend(prefixes.look(&config, &kernel, now));
        let (written, config) = (config.clone(), prefixes.apply(&config));
        let reused = ids.assign(&config)?;
        let in_use =
            |isp: &config::Isp| isp.mappings.iter().filter_map(|pair| self.ids.mapping(&isp.name, pair)).collect();
        let in_use: Vec<_> = self.config.isps.iter().flat_map::<Vec<_>, _>(in_use).collect();
        if reused.mappings.iter().any(|id| in_use.contains(id)) {
            return Err(ControlError::IdsInUse);
        }
        check_macs(&config, &kernel)?;
        let steering = steering_of(&config, &ids)?;
        let generation = compile(&Ingredients {
            config: &config,
            ids: &ids,
            steering: &steering,
            ..self.ingredients(&kernel, self.generation)
        })?;
        check_room(&generation.gate)?;
        Ok(Prepared { written, config, prefixes, news, ids, reused, steering, generation })
    }

    /// Takes on what was prepared, before anything else was taken on. Calls `forget` with the ids that mean
    /// something else from now on, before it keeps the new ones. Compile afterwards.
    ///
    /// # Errors
    /// When the ids cannot be kept, or IPv4 cannot be followed.
    pub fn adopt(&mut self, prepared: Prepared, forget: impl FnOnce(&Reused)) -> Result<(), ControlError> {
        let Prepared { written, config, prefixes, news, ids, reused, steering, generation: _ } = prepared;
        let ipv4 = (config.ipv4.follow && self.ipv4.is_none()).then(Ipv4::start).transpose()?;
        forget(&reused);
        self.state.keep_ids(&ids)?;
        self.state.keep_prefixes(&prefixes.kept())?;
        self.ipv4 = ipv4.or(self.ipv4.take()).filter(|_| config.ipv4.follow);
        (self.config, self.ids, self.steering) = (config, ids, steering);
        (self.written, self.prefixes) = (written, prefixes);
        self.news.extend(news);
        self.note_pairs();
        Ok(())
    }
}
