//! What `status` and metrics are told of the prefixes that are learnt.

use super::{Life, Moment, Prefixes};
use crate::control::config::Config;
use crate::observe::prefixes::{CurrentPrefix, FormerPrefix, LearntPrefix};

impl Prefixes {
    /// Of every ISP of `config` whose prefix is learnt.
    pub fn report(&self, config: &Config, now: Moment) -> Vec<LearntPrefix> {
        let unseen = Life::default();
        let sources = config.isps.iter().filter_map(|isp| Some((&isp.name, isp.source.as_ref()?)));
        let of_isp = sources.map(|(isp, source)| {
            let life = self.lives.get(isp).unwrap_or(&unseen);
            LearntPrefix {
                isp: isp.clone(),
                learnt_from: source.origin.to_string(),
                current: life.current.map(|current| CurrentPrefix {
                    prefix: current.external,
                    delegated: current.delegated,
                    age: now.age_of(current.since),
                    gone_at: life.gone_at,
                }),
                former: life
                    .former
                    .iter()
                    .map(|former| FormerPrefix { prefix: former.external, until: former.until.nanos })
                    .collect(),
                trouble: life.trouble.as_ref().map(|trouble| trouble.reason().to_owned()),
                changes: life.changes,
            }
        });
        of_isp.collect()
    }
}
