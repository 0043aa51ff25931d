//! Which prefix pairs were in force when: whose an address was at some time in the past.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::kept::text;
use crate::control::config::Config;
use crate::control::events::millis;
use crate::limits::MAX_PREFIX_RECORDS;
use crate::npt::Prefix;

/// Every prefix pair of every ISP with its time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    records: Vec<Record>,
}

/// A prefix pair and the time in which packets were translated by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Whose it was.
    pub isp: String,
    /// The inside prefix.
    #[serde(with = "text")]
    pub internal: Prefix,
    /// The outside prefix.
    #[serde(with = "text")]
    pub external: Prefix,
    /// From when on.
    #[serde(with = "millis")]
    pub since: OffsetDateTime,
    /// Until when; `None`: it is in force.
    #[serde(default, with = "end")]
    pub until: Option<OffsetDateTime>,
}

/// 2020-01-01, before there was a gateway: a clock that says less was not set since power came.
const CLOCK_IS_SET: i64 = 1_577_836_800;

impl History {
    /// Notes the pairs of `config` as in force from `at` on, and says whether that is new. Where the clock is not set
    /// yet, what is known already is older than they are.
    pub fn note(&mut self, config: &Config, at: OffsetDateTime) -> bool {
        let at = if at.unix_timestamp() < CLOCK_IS_SET { self.ends().map_or(at, |latest| latest.max(at)) } else { at };
        let pairs = config
            .isps
            .iter()
            .flat_map(|isp| isp.pairs().map(|pair| (isp.name.clone(), pair.internal(), pair.external())));
        let mut opened: BTreeSet<_> = pairs.collect();
        let mut changed = false;
        for record in self.records.iter_mut().filter(|record| record.until.is_none()) {
            if !opened.remove(&(record.isp.clone(), record.internal, record.external)) {
                record.until = Some(at.max(record.since));
                changed = true;
            }
        }
        changed |= !opened.is_empty();
        self.records.extend(opened.into_iter().map(|(isp, internal, external)| Record {
            isp,
            internal,
            external,
            since: at,
            until: None,
        }));
        // Those in force are few and last: what gives way is over.
        let excess = self.records.len().saturating_sub(MAX_PREFIX_RECORDS);
        if excess > 0 {
            self.records.sort_by_key(|record| (record.until.is_none(), record.until));
            self.records.drain(..excess);
        }
        changed
    }

    /// The latest moment that anything is known of.
    fn ends(&self) -> Option<OffsetDateTime> {
        self.records.iter().map(|record| record.until.unwrap_or(record.since)).max()
    }

    /// The pairs that were in force at `at`.
    pub fn at(&self, at: OffsetDateTime) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.since <= at && record.until.is_none_or(|until| at < until))
    }

    /// Since when it is known what was in force.
    pub fn begins(&self) -> Option<OffsetDateTime> {
        self.records.iter().map(|record| record.since).min()
    }
}

/// The time in which a pair was over, or `null`.
mod end {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{OffsetDateTime, millis};

    #[derive(Serialize, Deserialize)]
    struct Time(#[serde(with = "millis")] OffsetDateTime);

    pub fn serialize<S: Serializer>(until: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
        until.map(Time).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
        Ok(Option::<Time>::deserialize(deserializer)?.map(|Time(until)| until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;

    #[test]
    fn what_is_over_longest_is_forgotten_first_and_what_is_in_force_never() {
        let config = parse(include_str!("../../../configs/minimal.toml")).unwrap();
        let day = |days: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::days(days);
        let mut history = History::default();
        history.note(&config, day(0));
        let over = |n| Record {
            isp: "gone".to_owned(),
            internal: "fd00::/64".parse().unwrap(),
            external: "2001:db8:9::/64".parse().unwrap(),
            since: day(n),
            until: Some(day(n + 1)),
        };
        history.records.extend((1..MAX_PREFIX_RECORDS as i64).map(over));
        let renamed = parse(&include_str!("../../../configs/minimal.toml").replace("fiber", "fibre")).unwrap();
        assert!(history.note(&renamed, day(20_000)));
        assert_eq!(history.records.len(), MAX_PREFIX_RECORDS);
        let isps = |days: i64| -> Vec<&str> { history.at(day(days)).map(|record| record.isp.as_str()).collect() };
        assert_eq!((isps(1), isps(3)), (vec!["fiber", "cable"], vec!["gone", "fiber", "cable"]));
        assert_eq!(isps(20_000), ["cable", "fibre"]);
    }
}
