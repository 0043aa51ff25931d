//! What of the prefixes outlasts a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;

use super::{Current, Former, Life, Moment};
use crate::control::events::millis;
use crate::npt::Prefix;
use crate::units::Nanos;

/// Learnt prefixes and their grace, by ISP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    isps: BTreeMap<String, KeptLife>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptLife {
    current: Option<KeptCurrent>,
    former: Vec<KeptFormer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptCurrent {
    #[serde(with = "text")]
    delegated: Prefix,
    #[serde(with = "text")]
    external: Prefix,
    #[serde(with = "millis")]
    since: OffsetDateTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFormer {
    #[serde(with = "text")]
    external: Prefix,
    #[serde(with = "millis")]
    until: OffsetDateTime,
}

impl Kept {
    pub(super) fn of(lives: &BTreeMap<String, Life>) -> Self {
        let life = |life: &Life| KeptLife {
            current: life.current.map(|Current { delegated, external, since }| KeptCurrent {
                delegated,
                external,
                since,
            }),
            former: life
                .former
                .iter()
                .map(|former| KeptFormer { external: former.external, until: former.until.at })
                .collect(),
        };
        Self { isps: lives.iter().map(|(isp, kept)| (isp.clone(), life(kept))).collect() }
    }

    /// What `isp` was last seen to have, before any part of it was taken.
    pub fn delegated(&self, isp: &str) -> Option<Prefix> {
        Some(self.isps.get(isp)?.current.as_ref()?.delegated)
    }

    /// The life of `isp` at a start. Whatever the clock has done meanwhile, no grace is longer than `grace`.
    pub(super) fn life(&self, isp: &str, grace: Nanos, now: Moment) -> Option<Life> {
        let kept = self.isps.get(isp)?;
        let left = |until: OffsetDateTime| {
            let left = u64::try_from((until - now.at).whole_nanoseconds()).unwrap_or(0);
            now.after(Nanos(left.min(grace.0)))
        };
        Some(Life {
            current: kept.current.as_ref().map(|current| Current {
                delegated: current.delegated,
                external: current.external,
                since: current.since,
            }),
            former: kept
                .former
                .iter()
                .map(|former| Former { external: former.external, until: left(former.until) })
                .collect(),
            gone_at: kept.current.as_ref().map(|_| now.after(grace).nanos),
            ..Life::default()
        })
    }
}

/// A prefix as people write it.
pub(super) mod text {
    use super::{Deserialize as _, Deserializer, Prefix, Serializer, de};

    pub fn serialize<S: Serializer>(prefix: &Prefix, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(prefix)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Prefix, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
