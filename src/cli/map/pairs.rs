//! What a whole configuration makes of addresses.

use std::fmt;
use std::net::Ipv6Addr;

use serde::Serialize;
use time::OffsetDateTime;

use super::{NOT_AN_ADDRESS, Outcome, parse};
use crate::control::config::Config;
use crate::control::prefixes::{History, Record};
use crate::npt::{Mapping, Prefix, Unmappable};
use crate::snapshot::{MappingTable, UplinkMapping};
use crate::units::{Direction, MappingId, UplinkId};

/// One address by a whole configuration.
#[derive(Serialize)]
pub struct ConfigLine<'a> {
    address: &'a str,
    /// For an inside address: what each ISP makes of it as a source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outbound: Vec<OfIsp<'a>>,
    /// For an address in an ISP's prefix: what that ISP makes of it as a destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound: Option<OfIsp<'a>>,
    /// For an address that is neither.
    #[serde(flatten)]
    neither: Option<Outcome>,
}

#[derive(Serialize)]
struct OfIsp<'a> {
    isp: &'a str,
    #[serde(flatten)]
    outcome: Outcome,
}

impl fmt::Display for OfIsp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.isp, self.outcome)
    }
}

impl fmt::Display for ConfigLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.address)?;
        if !self.outbound.is_empty() {
            f.write_str(" outbound")?;
        }
        for isp in &self.outbound {
            write!(f, " {isp}")?;
        }
        if let Some(isp) = &self.inbound {
            write!(f, " inbound {isp}")?;
        }
        self.neither.iter().try_for_each(|outcome| write!(f, " {outcome}"))
    }
}

/// Prefix pairs, in the table that the data plane asks.
pub struct Pairs {
    internal: Vec<Prefix>,
    /// Names of the ISPs.
    isps: Vec<String>,
    table: MappingTable,
    /// What is said of an address that is in none of them.
    neither: Outcome,
    /// What is said of an ISP that has none.
    without: Outcome,
}

impl Pairs {
    /// Those of `config`.
    pub fn new(config: &Config) -> Self {
        let pairs = config.isps.iter().flat_map(|isp| isp.mappings.iter().map(|mapping| (&*isp.name, *mapping, false)));
        let neither = Outcome::unmappable(Unmappable::NotInPrefix);
        Self::of(config, pairs.collect(), neither, Outcome::Unknown("no-prefix"))
    }

    /// Those that were in force at `at`. Of several for the same hosts the newest was for new flows.
    pub fn at(config: &Config, history: &History, at: OffsetDateTime) -> Self {
        let mut records: Vec<&Record> = history.at(at).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.since));
        let former = |index: usize, record: &Record| {
            let mut newer = records[..index].iter();
            newer.any(|newer| newer.isp == record.isp && newer.internal.overlaps(record.internal))
        };
        let pair = |(index, record): (usize, &&'_ Record)| {
            let mapping = Mapping::new(record.internal, record.external).ok()?;
            Some((records[index].isp.as_str(), mapping, former(index, record)))
        };
        let pairs = records.iter().enumerate().filter_map(pair).collect();
        let unknown = Outcome::Unknown("not-recorded");
        Self::of(config, pairs, unknown, unknown)
    }

    fn of(config: &Config, pairs: Vec<(&str, Mapping, bool)>, neither: Outcome, without: Outcome) -> Self {
        let mut isps: Vec<String> = config.isps.iter().map(|isp| isp.name.clone()).collect();
        let mut mappings = Vec::new();
        for (id, (isp, mapping, former)) in (0..=u8::MAX).map(MappingId).zip(pairs) {
            let position = isps.iter().position(|known| known == isp).unwrap_or_else(|| {
                isps.push(isp.to_owned());
                isps.len() - 1
            });
            mappings.push(UplinkMapping { id, uplink: UplinkId(position as u8), mapping, former });
        }
        let table = MappingTable::new(&mappings, isps.len());
        Self { internal: config.site.internal.clone(), isps, table, neither, without }
    }

    pub fn line<'a>(&'a self, text: &'a str) -> ConfigLine<'a> {
        let Some(address) = parse(text) else {
            return ConfigLine { address: text, outbound: Vec::new(), inbound: None, neither: Some(NOT_AN_ADDRESS) };
        };
        let mut inside = self.internal.iter().copied().chain(self.table.iter().map(|pair| pair.mapping.internal()));
        let is_inside = self.table.iter().next().is_some() && inside.any(|prefix| prefix.contains(address));
        let outbound = if is_inside { self.outbound(address) } else { Vec::new() };
        let inbound = self.table.inbound(address).map(|pair| OfIsp {
            isp: &self.isps[pair.uplink.index()],
            outcome: Outcome::of(&pair.mapping, Direction::Inbound, address),
        });
        let neither = (!is_inside && inbound.is_none()).then_some(self.neither);
        ConfigLine { address: text, outbound, inbound, neither }
    }

    fn outbound<'a>(&'a self, address: Ipv6Addr) -> Vec<OfIsp<'a>> {
        let of_isp = |(uplink, isp): (UplinkId, &'a String)| {
            let outcome = if self.table.iter().any(|pair| pair.uplink == uplink) {
                let image = self.table.image(uplink, address).map(|(_, image)| image);
                image.map_or_else(Outcome::unmappable, Outcome::Image)
            } else {
                self.without
            };
            OfIsp { isp, outcome }
        };
        (0u8..).map(UplinkId).zip(&self.isps).map(of_isp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse as parse_config;
    use time::Duration;

    #[test]
    fn an_address_of_the_past_leads_to_the_host_of_then() {
        let config = |prefix: &str| {
            let text = include_str!("../../../configs/minimal.toml").replace("2001:db8:2::/48", prefix);
            parse_config(&text).unwrap_or_else(|errors| panic!("{errors}"))
        };
        let (old, new) = (config("2001:db8:a::/48"), config("2001:db8:b::/48"));
        let start = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let mut history = History::default();
        history.note(&old, start);
        let mut both = new.clone();
        both.isps[1].former = old.isps[1].mappings.clone();
        history.note(&both, start + Duration::hours(1));
        history.note(&new, start + Duration::hours(2));
        let host = "fd12:3456:789a:1::10";
        let image = |config: &Config| config.isps[1].mappings[0].outbound(host.parse().unwrap()).unwrap().to_string();
        let (old_image, new_image) = (image(&old), image(&new));
        let says = |minutes: i64, address: &str| {
            Pairs::at(&new, &history, start + Duration::minutes(minutes)).line(address).to_string()
        };
        let leads_back = |image: &str| format!("{image} inbound cable={host}");
        let unknown = |address: &str| format!("{address} unknown:not-recorded");
        assert_eq!(says(-1, &old_image), unknown(&old_image));
        assert_eq!(says(-1, host), unknown(host));
        assert_eq!((says(30, &old_image), says(30, &new_image)), (leads_back(&old_image), unknown(&new_image)));
        assert_eq!((says(90, &old_image), says(90, &new_image)), (leads_back(&old_image), leads_back(&new_image)));
        assert_eq!((says(150, &old_image), says(150, &new_image)), (unknown(&old_image), leads_back(&new_image)));
        assert!(says(30, host).ends_with(&format!("cable={old_image}")), "{}", says(30, host));
        assert!(says(90, host).ends_with(&format!("cable={new_image}")), "new flows have the newest");
    }
}
