//! The life of the prefixes that ISPs delegate: learnt, changed, kept for the flows that have them, retired.
//!
//! Pure but for [`Prefixes::look`]: told what is seen and what time it is. What it says becomes a configuration whose ISPs have
//! prefix pairs, from which all else is compiled.

mod claims;
mod file;
mod history;
mod kept;
mod kernel;
mod part;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::control::config::{Config, Isp, PrefixOrigin, PrefixSource};
use crate::control::kernel::KernelState;
use crate::limits::{MAX_FORMER_PREFIXES, PREFIX_ABSENCE_NANOS};
use crate::npt::{Mapping, Prefix};
use crate::os;
use crate::units::Nanos;
pub use history::{History, Record};
pub use kept::Kept;
pub use part::{Unfit, alone, part_of};

/// What is seen at the source of an ISP's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// A prefix.
    Prefix(Prefix),
    /// That there is none, and how that is seen.
    Nothing(String),
    /// Something else, and why it is not taken.
    Unfit(String),
}

/// Now, by both clocks: times that outlast a reboot are times of day.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// `CLOCK_MONOTONIC`
    pub nanos: Nanos,
    /// The time of day.
    pub at: OffsetDateTime,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self { nanos: os::now(), at: OffsetDateTime::now_utc() }
    }

    /// The time since `past`; none where the clock has gone back.
    fn age_of(self, past: OffsetDateTime) -> Nanos {
        Nanos(u64::try_from((self.at - past).whole_nanoseconds()).unwrap_or(0))
    }

    fn after(self, span: Nanos) -> Self {
        let later = self.at.checked_add(time::Duration::nanoseconds(span.0.try_into().unwrap_or(i64::MAX)));
        Self { nanos: Nanos(self.nanos.0.saturating_add(span.0)), at: later.unwrap_or(self.at) }
    }
}

/// What has become of an ISP's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The ISP.
    pub isp: String,
    /// What happened.
    pub what: Turn,
}

/// A turn in the life of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// New flows get another prefix.
    Changed {
        /// The former one, which its flows keep for the grace.
        old: Option<Prefix>,
        /// The new one.
        new: Option<Prefix>,
    },
    /// Nothing has this former prefix any more.
    Retired(Prefix),
    /// What was seen is not taken; what was, stays.
    Refused(String),
}

impl News {
    /// Whether prefix pairs come or go by it.
    pub const fn changes_pairs(&self) -> bool {
        !matches!(self.what, Turn::Refused(_))
    }
}

/// The prefixes of the ISPs whose prefix is learnt, by their names.
#[derive(Clone, Debug, Default)]
pub struct Prefixes {
    lives: BTreeMap<String, Life>,
}

/// The prefixes of one ISP.
#[derive(Clone, Debug, Default)]
struct Life {
    current: Option<Current>,
    /// The oldest first.
    former: Vec<Former>,
    /// When it counts as gone, unless it is seen again.
    gone_at: Option<Nanos>,
    /// Why what is in force is not what was seen last.
    trouble: Option<Trouble>,
    /// How often another prefix, or none, came into force in this run.
    changes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing is seen.
    Absent(String),
    /// It is not taken, which has been told.
    Refused(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Current {
    /// As it was seen.
    delegated: Prefix,
    /// The ISP's part of it.
    external: Prefix,
    /// Since when that is in force.
    since: OffsetDateTime,
}

#[derive(Clone, Copy, Debug)]
struct Former {
    external: Prefix,
    until: Moment,
}

impl Prefixes {
    /// What is known of the sources of `config`, as it is after a start: `kept` is what the last run knew.
    /// Until its source says something, a prefix of then is in force, for the grace at most.
    pub fn restore(kept: &Kept, config: &Config, now: Moment) -> (Self, Vec<News>) {
        let sources = config.isps.iter().filter_map(|isp| Some((isp.name.clone(), isp.source.as_ref()?)));
        let lives = sources.filter_map(|(isp, source)| {
            let life = kept.life(&isp, source.grace, now)?;
            Some((isp, life))
        });
        let mut prefixes = Self { lives: lives.collect() };
        let news = prefixes.follow(config, now);
        (prefixes, news)
    }

    /// What is worth keeping for the next run.
    pub fn kept(&self) -> Kept {
        Kept::of(&self.lives)
    }

    /// Takes on `config`, as it is written: another part of a delegation may be wanted, or another ISP
    /// may have what was free before.
    pub fn follow(&mut self, config: &Config, now: Moment) -> Vec<News> {
        self.lives.retain(|name, _| config.isps.iter().any(|isp| isp.name == *name && isp.source.is_some()));
        let mut news = Vec::new();
        for (isp, source) in config.isps.iter().filter_map(|isp| Some((isp, isp.source.as_ref()?))) {
            let Some(mut life) = self.lives.remove(&isp.name) else { continue };
            let alone = |external| alone(external, config, self.others(config, &isp.name));
            let (former, lost) = life.former.iter().partition(|former| alone(former.external).is_ok());
            life.former = former;
            news.extend(lost.into_iter().map(|former: Former| tell(isp, Turn::Retired(former.external))));
            let wanted = life.current.map(|current| (current.delegated, part_of(current.delegated, source.part)));
            match wanted.map(|(delegated, part)| (delegated, part.and_then(|part| alone(part).map(|()| part)))) {
                Some((delegated, Ok(external))) => {
                    news.extend(life.change(isp, source, Some(Current { delegated, external, since: now.at }), now));
                }
                Some((_, Err(unfit))) => {
                    news.extend(life.change(isp, source, None, now));
                    news.extend(life.refuse(isp, unfit.to_string()));
                }
                None => {}
            }
            self.lives.insert(isp.name.clone(), life);
        }
        news
    }

    /// Takes what is seen at the source of `isp`, one of `config`, as it is written.
    pub fn see(&mut self, config: &Config, isp: &Isp, sight: Sight, now: Moment) -> Vec<News> {
        let others = self.others(config, &isp.name).collect();
        self.take(config, isp, sight, others, now)
    }

    /// A prefix that overlaps one of `others` is not taken.
    fn take(
        &mut self,
        config: &Config,
        isp: &Isp,
        sight: Sight,
        others: Vec<(Prefix, String)>,
        now: Moment,
    ) -> Vec<News> {
        let Some(source) = &isp.source else { return Vec::new() };
        let mut life = self.lives.remove(&isp.name).unwrap_or_default();
        let news = match sight {
            Sight::Unfit(reason) => {
                life.gone_at = None;
                life.refuse(isp, reason).into_iter().collect()
            }
            Sight::Nothing(reason) => {
                life.trouble = Some(Trouble::Absent(reason));
                if life.current.is_some() {
                    life.gone_at.get_or_insert(now.after(Nanos(PREFIX_ABSENCE_NANOS)).nanos);
                }
                Vec::new()
            }
            Sight::Prefix(delegated) => {
                life.gone_at = None;
                let part = part_of(delegated, source.part);
                match part.and_then(|part| alone(part, config, others.into_iter()).map(|()| part)) {
                    Ok(external) => {
                        life.trouble = None;
                        life.change(isp, source, Some(Current { delegated, external, since: now.at }), now)
                    }
                    Err(unfit) => life.refuse(isp, unfit.to_string()).into_iter().collect(),
                }
            }
        };
        self.lives.insert(isp.name.clone(), life);
        news
    }

    /// Takes what is gone for gone, and retires former prefixes whose grace is over.
    pub fn advance(&mut self, config: &Config, now: Moment) -> Vec<News> {
        let mut news = Vec::new();
        for (isp, source) in config.isps.iter().filter_map(|isp| Some((isp, isp.source.as_ref()?))) {
            let Some(life) = self.lives.get_mut(&isp.name) else { continue };
            if life.gone_at.is_some_and(|gone| gone <= now.nanos) {
                life.gone_at = None;
                news.extend(life.change(isp, source, None, now));
            }
            let over = life.former.extract_if(.., |former| former.until.nanos <= now.nanos);
            news.extend(over.map(|former| tell(isp, Turn::Retired(former.external))));
        }
        news
    }

    /// `config`, as it is written, with the prefixes that were learnt: what is compiled.
    pub fn apply(&self, config: &Config) -> Config {
        let mut config = config.clone();
        let Some(internal) = config.site.internal.first().copied() else { return config };
        let pair = |external| Mapping::new(internal, external).ok();
        for isp in config.isps.iter_mut().filter(|isp| isp.source.is_some()) {
            let life = self.lives.get(&isp.name);
            isp.mappings = life.and_then(|life| pair(life.current?.external)).into_iter().collect();
            let former = life.into_iter().flat_map(|life| &life.former);
            isp.former = former.filter_map(|former| pair(former.external)).collect();
        }
        config
    }

    /// Looks at the sources of `config`, as it is written, and says what has become of the prefixes.
    pub fn look(&mut self, config: &Config, kernel: &KernelState, now: Moment) -> Vec<News> {
        let sights = config.isps.iter().filter_map(|isp| Some((isp, self.sight(config, isp, kernel)?)));
        let sights = sights.collect();
        let mut news = self.see_all(config, sights, now);
        news.extend(self.advance(config, now));
        news
    }

    /// What is seen at the source of `isp` now.
    pub fn sight(&self, config: &Config, isp: &Isp, kernel: &KernelState) -> Option<Sight> {
        let origin = &isp.source.as_ref()?.origin;
        let seen = match origin {
            PrefixOrigin::File(path) => file::read(path).map_err(|error| (error.is_absence(), error.to_string())),
            PrefixOrigin::Interface(interface) => {
                let known = self.lives.get(&isp.name).and_then(|life| Some(life.current?.delegated));
                kernel::seen_at(kernel, interface, &config.site.internal, known)
                    .map_err(|error| (error.is_absence(), error.to_string()))
            }
        };
        Some(match seen {
            Ok(prefix) => Sight::Prefix(prefix),
            Err((true, reason)) => Sight::Nothing(format!("{origin}: {reason}")),
            Err((false, reason)) => Sight::Unfit(format!("{origin}: {reason}")),
        })
    }

    /// External prefixes of other ISPs than `isp`, and whose they are.
    fn others(&self, config: &Config, isp: &str) -> impl Iterator<Item = (Prefix, String)> {
        let learnt = self.lives.iter().filter(move |(other, _)| **other != isp).flat_map(|(other, life)| {
            let current = life.current.iter().map(|current| current.external);
            current
                .chain(life.former.iter().map(|former| former.external))
                .map(move |external| (external, format!("ISP \"{other}\"")))
        });
        Self::written(config, isp).chain(learnt)
    }

    /// Those of them that are in `config`, as it is written.
    fn written(config: &Config, isp: &str) -> impl Iterator<Item = (Prefix, String)> {
        config.isps.iter().filter(move |other| other.name != isp).flat_map(|other| {
            other.mappings.iter().map(|mapping| (mapping.external(), format!("ISP \"{}\"", other.name)))
        })
    }
}

impl Trouble {
    fn reason(&self) -> &str {
        match self {
            Self::Absent(reason) | Self::Refused(reason) => reason,
        }
    }
}

fn tell(isp: &Isp, what: Turn) -> News {
    News { isp: isp.name.clone(), what }
}

impl Life {
    /// New flows get `next` from now on. The former prefix goes on for the grace, unless an address of it
    /// could be one of the new one's, too.
    fn change(&mut self, isp: &Isp, source: &PrefixSource, next: Option<Current>, now: Moment) -> Vec<News> {
        let former = std::mem::replace(&mut self.current, next);
        let (old, new) = (former.map(|current| current.external), next.map(|current| current.external));
        if old == new {
            // Perhaps the same part of another delegation.
            self.current = next.zip(former).map(|(next, former)| Current { since: former.since, ..next });
            return Vec::new();
        }
        self.changes += 1;
        let mut news = vec![tell(isp, Turn::Changed { old, new })];
        self.former.extend(old.map(|external| Former { external, until: now.after(source.grace) }));
        // It is no former one any more.
        self.former.retain(|former| Some(former.external) != new);
        let room = self.former.len().saturating_sub(MAX_FORMER_PREFIXES);
        let lost = self.former.drain(..room).map(|former| former.external).collect::<Vec<_>>();
        let merged = self.former.extract_if(.., |former| new.is_some_and(|new| new.overlaps(former.external)));
        let lost = lost.into_iter().chain(merged.map(|former| former.external)).collect::<Vec<_>>();
        news.extend(lost.into_iter().map(|external| tell(isp, Turn::Retired(external))));
        news
    }

    /// Says once why what is seen is not taken.
    fn refuse(&mut self, isp: &Isp, reason: String) -> Option<News> {
        let refused = Some(Trouble::Refused(reason.clone()));
        let told = std::mem::replace(&mut self.trouble, refused.clone()) == refused;
        (!told).then(|| tell(isp, Turn::Refused(reason)))
    }
}
