//! From the text of a file to a [`Config`].

use std::net::{Ipv6Addr, SocketAddr};

use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, ConfigErrors, Position, Problem};
use super::read::{Located, Mistakes, Section};
use super::validate;
use super::values::{boolean, interface, isp_name, number, one_of, power_of_two, text, word_or};
use super::{Config, Dataplane, Host, Idle, Isp, Lan, Metrics, Mode, NextHop, OnStop, Site};
use crate::limits::{MAX_BATCH, MIN_MTU};
use crate::npt::{Mapping, Prefix};
use crate::wire::ipv6::is_forwardable;

/// The only version of the file format.
const VERSION: u64 = 1;
/// Largest MTU that a frame of the largest size can take is less; this bounds typing errors.
const MAX_MTU: u64 = 9000;

/// An ISP's block as read: its prefix pairs still have to meet the site.
#[derive(Debug)]
pub(super) struct IspBlock<'a> {
    pub(super) section: Section<'a>,
    pub(super) name: Option<Located<String>>,
    pub(super) interface: Option<Located<String>>,
    pub(super) prefix: Option<Located<Prefix>>,
    /// Whether the key was there, good or bad.
    pub(super) has_prefix: bool,
    pub(super) mappings: Option<Vec<(Located<Prefix>, Located<Prefix>)>>,
    pub(super) next_hop: NextHop,
    pub(super) weight: u32,
    pub(super) mtu: Option<Located<Option<u16>>>,
}

/// Reads a whole configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(source: &str) -> Result<Config, ConfigErrors> {
    let (root, syntax) = DeTable::parse_recoverable(source);
    if !syntax.is_empty() {
        return Err(ConfigErrors(syntax.iter().map(|error| syntax_error(source, error)).collect()));
    }
    let mistakes = Mistakes::new(source);
    let config = read(&mistakes, root.get_ref());
    let errors = mistakes.into_errors();
    match config {
        Some(config) if errors.is_empty() => Ok(config),
        _ => Err(ConfigErrors(errors)),
    }
}

fn syntax_error(source: &str, error: &toml::de::Error) -> ConfigError {
    let position = error.span().map(|span| Position::of(source, &span));
    ConfigError { path: String::new(), position, problem: Problem::Syntax(error.message().to_owned()) }
}

fn read<'a>(mistakes: &'a Mistakes<'a>, table: &'a DeTable<'a>) -> Option<Config> {
    let empty = DeTable::new();
    // The tables borrow from it for no longer than this function runs.
    let root = Section::open(mistakes, "", String::new(), table, 0..0);
    root.require("version", |value| number(value, VERSION..=VERSION));
    read_sections(&root, &empty)
}

fn read_sections(root: &Section<'_>, empty: &DeTable<'_>) -> Option<Config> {
    let site_section = root.table("site", empty);
    let internal = internal_prefixes(&site_section);
    let accept_any_uplink = site_section.get_or("accept_any_uplink", false, boolean);
    let lan_blocks = root.tables("lan");
    let lans = lan_blocks.iter().filter_map(|section| section.require("interface", interface)).collect::<Vec<_>>();
    let isps: Vec<_> = root.tables("isp").into_iter().map(isp).collect();
    let dataplane = dataplane(&root.table("dataplane", empty));
    let host = host(&root.table("host", empty));
    let metrics = metrics(&root.table("metrics", empty));

    validate::presence(root, &internal, lan_blocks.len(), &isps);
    validate::interfaces(root.mistakes, &lans, &isps);
    let isps = validate::isps(root.mistakes, &internal, isps, dataplane.frame_size);
    Some(Config {
        site: Site { internal: internal.into_iter().map(|located| located.value).collect(), accept_any_uplink },
        lans: lans.into_iter().map(|lan| Lan { interface: lan.value }).collect(),
        isps: isps?,
        dataplane,
        host,
        metrics,
    })
}

fn internal_prefixes(site: &Section<'_>) -> Vec<Located<Prefix>> {
    let Some(list) = site.list("internal") else {
        site.require("internal", |value| value.as_array().map(|_| ()));
        return Vec::new();
    };
    list.into_iter().filter_map(|item| site_prefix(site.mistakes, &item)).collect()
}

/// A prefix that a site can use, from a text.
fn site_prefix(mistakes: &Mistakes<'_>, item: &Located<&DeValue<'_>>) -> Option<Located<Prefix>> {
    let problem = match item.value.as_str() {
        None => Problem::Value { value: item.value.type_str().to_owned(), takes: "a prefix as a text".into() },
        Some(text) => match text.parse::<Prefix>() {
            Err(error) => error.into(),
            Ok(prefix) if prefix.len() < 8 || !is_forwardable(first_host(prefix)) => Problem::NotUnicast(prefix),
            Ok(prefix) => match Mapping::new(prefix, prefix) {
                Err(error) => error.into(),
                Ok(_) => return Some(Located { value: prefix, path: item.path.clone(), span: item.span.clone() }),
            },
        },
    };
    mistakes.note(&item.path, &item.span, problem);
    None
}

fn first_host(prefix: Prefix) -> Ipv6Addr {
    Ipv6Addr::from_bits(prefix.address().to_bits() | 2)
}

fn isp(section: Section<'_>) -> IspBlock<'_> {
    let prefix = section.get("prefix", |value| Some(value.as_str().map(str::to_owned)));
    let has_prefix = prefix.is_some();
    let mtu = section.get("mtu", |value| {
        word_or(value, "auto", |value| number(value, u64::from(MIN_MTU)..=MAX_MTU).map(|mtu| mtu as u16))
    });
    IspBlock {
        name: section.require("name", isp_name),
        interface: section.require("interface", interface),
        prefix: prefix.and_then(|located| isp_prefix(&section, located)),
        has_prefix,
        mappings: mappings(&section),
        next_hop: section.get_or("next_hop", NextHop::Auto, next_hop),
        weight: section.get_or("weight", 1, |value| number(value, 0..=1000).map(|weight| weight as u32)),
        mtu,
        section,
    }
}

/// `prefix` will take tables too, for prefixes that are learnt.
fn isp_prefix(section: &Section<'_>, located: Located<Option<String>>) -> Option<Located<Prefix>> {
    let Some(text) = located.value else {
        let problem = Problem::NotBuilt("a prefix that is learnt, { file = … } or { interface = … },".into());
        section.mistakes.note(&located.path, &located.span, problem);
        return None;
    };
    let value = DeValue::String(text.into());
    site_prefix(section.mistakes, &Located { value: &value, path: located.path, span: located.span })
}

fn mappings(section: &Section<'_>) -> Option<Vec<(Located<Prefix>, Located<Prefix>)>> {
    let list = section.list("mappings")?;
    Some(list.into_iter().filter_map(|item| mapping(section, &item)).collect())
}

fn mapping<'a>(section: &Section<'a>, item: &Located<&'a DeValue<'a>>) -> Option<(Located<Prefix>, Located<Prefix>)> {
    let Some(table) = item.value.as_table() else {
        let takes = "{ internal = \"PREFIX\", external = \"PREFIX\" }".into();
        let problem = Problem::Value { value: item.value.type_str().to_owned(), takes };
        section.mistakes.note(&item.path, &item.span, problem);
        return None;
    };
    let pair = Section::open(section.mistakes, "isp.mappings", item.path.clone(), table, item.span.clone());
    let side = |name| {
        let written = pair.require(name, text)?;
        let value = DeValue::String(written.value.into());
        site_prefix(pair.mistakes, &Located { value: &value, path: written.path, span: written.span })
    };
    let (internal, external) = (side("internal"), side("external"));
    internal.zip(external)
}

fn next_hop(value: &DeValue<'_>) -> Option<NextHop> {
    match value.as_str()? {
        "auto" => Some(NextHop::Auto),
        address => {
            let address: Ipv6Addr = address.parse().ok()?;
            (is_forwardable(address) || address.is_unicast_link_local()).then_some(NextHop::Address(address))
        }
    }
}

fn dataplane(section: &Section<'_>) -> Dataplane {
    let ring = |name| section.get_or(name, 2048, |value| power_of_two(value, 64..=65_536).map(|slots| slots as u32));
    let tx_ring = ring("tx_ring");
    let completion = section.get("completion_ring", |value| power_of_two(value, 64..=65_536).map(|slots| slots as u32));
    let completion_ring = match completion {
        Some(located) if located.value < tx_ring => {
            let text = format!("{} is less than tx_ring = {tx_ring}; make it as large", located.value);
            section.mistakes.note(&located.path, &located.span, Problem::Contradiction(text));
            located.value
        }
        Some(located) => located.value,
        None => tx_ring.max(2048),
    };
    let modes = [("auto", Mode::Auto), ("copy", Mode::Copy), ("zero-copy", Mode::ZeroCopy), ("generic", Mode::Generic)];
    Dataplane {
        mode: section.get_or("mode", Mode::Auto, |value| one_of(value, &modes)),
        queues: section.get_or("queues", None, |value| {
            word_or(value, "all", |value| number(value, 1..=64).map(|queues| queues as usize))
        }),
        cores: section.get_or("cores", None, |value| word_or(value, "auto", cores)),
        batch: section.get_or("batch", 64, |value| number(value, 1..=MAX_BATCH as u64).map(|batch| batch as usize)),
        rx_ring: ring("rx_ring"),
        tx_ring,
        fill_ring: ring("fill_ring"),
        completion_ring,
        frames: section.get_or("frames", None, |value| {
            word_or(value, "auto", |value| number(value, 1..=1 << 22).map(|frames| frames as u32))
        }),
        frame_size: section
            .get_or("frame_size", 2048, |value| power_of_two(value, 2048..=4096).map(|octets| octets as u32)),
        idle: section.get_or("idle", Idle::Adaptive, |value| {
            one_of(value, &[("adaptive", Idle::Adaptive), ("busy", Idle::Busy)])
        }),
        stamp_every: section.get_or("stamp_every", 64, |value| {
            number(value, 0..=0).or_else(|| power_of_two(value, 1..=1 << 20)).map(|frames| frames as u32)
        }),
    }
}

fn cores(value: &DeValue<'_>) -> Option<Vec<usize>> {
    let cores: Option<Vec<usize>> =
        value.as_array()?.iter().map(|core| number(core.get_ref(), 0..=1023).map(|core| core as usize)).collect();
    cores.filter(|cores| {
        let distinct: std::collections::BTreeSet<_> = cores.iter().collect();
        !cores.is_empty() && distinct.len() == cores.len()
    })
}

fn host(section: &Section<'_>) -> Host {
    let stops = [("block", OnStop::Block), ("release", OnStop::Release)];
    Host {
        rules: section.get_or("rules", true, boolean),
        on_stop: section.get_or("on_stop", OnStop::Block, |value| one_of(value, &stops)),
    }
}

fn metrics(section: &Section<'_>) -> Metrics {
    let default = SocketAddr::from((Ipv6Addr::LOCALHOST, 9636));
    let listen =
        section.get_or("listen", Some(default), |value| word_or(value, "off", |value| value.as_str()?.parse().ok()));
    Metrics { listen }
}

/// The block of one ISP, once its pairs are known.
pub(super) fn finish(block: IspBlock<'_>, mappings: Vec<Mapping>) -> Option<Isp> {
    Some(Isp {
        name: block.name?.value,
        interface: block.interface?.value,
        mappings,
        next_hop: block.next_hop,
        weight: block.weight,
        mtu: block.mtu.and_then(|mtu| mtu.value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = include_str!("../../../configs/minimal.toml");

    #[test]
    fn a_first_hour_configuration_is_understood() {
        let config = parse(MINIMAL).unwrap();
        assert_eq!(config.isps.iter().map(|isp| isp.weight).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(config.isps[0].next_hop, NextHop::Address("fe80::1".parse().unwrap()));
        assert_eq!(config.isps[1].next_hop, NextHop::Auto);
        assert_eq!(config.metrics.listen, Some("[::1]:9636".parse().unwrap()));
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_place() {
        let text = MINIMAL.replace("weight = 3", "wieght = 3").replace("2001:db8:2::/48", "2001:db8:2::1/48");
        let errors = parse(&text).unwrap_err().to_string();
        assert_eq!(
            errors,
            "14:1: isp[0].wieght: there is no such key; did you mean `weight`?\n\
             19:10: isp[1].prefix: `2001:db8:2::1/48` has bits set beyond its length; did you mean 2001:db8:2::/48?"
        );
    }
}
