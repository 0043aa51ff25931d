//! The file as written: every value checked by itself, none against another.

mod edge;
mod host;
mod icmp;
mod metered;
mod nd_proxy;
mod notify;
mod prefix;
mod probes;
mod steering;
mod values;

use std::net::SocketAddr;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::reader::{At, Errors, Place, Table, type_name};
use super::schema::{DATAPLANE, FLOWS, ISP, LAN, METRICS, PAIR, ROOT, SITE, Section, VERSION};
use super::{AllDown, Failback, Idle, Mode, MssClamp, NdProxy, NextHop, PrefixSource};
use crate::npt::Prefix;
use crate::units::Nanos;

pub use edge::RawEdge;
pub use host::RawHost;
pub use icmp::RawIcmp;
pub use metered::RawMetered;
pub use notify::RawNotify;
pub use prefix::RawPrefix;
pub use probes::{RawHealth, RawProbe};
pub use steering::{RawMatch, RawRule, RawSteering};
use values::{cores, failback, isp_name, listen, mss_clamp, next_hop, prefixes};
pub use values::{is_isp_name, refusal};

/// A value that is there and right by itself; otherwise its error has been reported, or the
/// key is optional and absent.
pub type Known<T> = Option<At<T>>;

/// A whole file.
#[derive(Debug)]
pub struct Raw {
    pub steering: RawSteering,
    pub internal: Vec<At<Prefix>>,
    pub accept_any_uplink: Known<bool>,
    pub failback: Known<Failback>,
    pub all_down: Known<AllDown>,
    pub lans: Vec<RawEdge>,
    pub isps: Vec<RawIsp>,
    pub flows: RawFlows,
    pub icmp: RawIcmp,
    pub dataplane: RawDataplane,
    pub host: RawHost,
    pub listen: Known<Option<SocketAddr>>,
    /// `None`: there is no such section.
    pub notify: Option<RawNotify>,
}

/// `[[isp]]`
#[derive(Debug)]
pub struct RawIsp {
    pub place: Place,
    pub name: Known<String>,
    pub edge: RawEdge,
    pub prefix: Known<RawPrefix>,
    pub mappings: Vec<RawPair>,
    /// Whether the file gives `prefix`, be it right or wrong.
    pub has_prefix: bool,
    /// Whether the file gives `mappings`, be they right or wrong.
    pub has_mappings: bool,
    pub next_hop: Known<NextHop>,
    pub weight: Known<u64>,
    pub tier: Known<u64>,
    pub mtu: Known<Option<u64>>,
    pub mss_clamp: Known<MssClamp>,
    pub nd_proxy: Known<NdProxy>,
    pub metered: RawMetered,
    /// `None`: the file does not say.
    pub probes: Option<Vec<RawProbe>>,
    pub health: RawHealth,
}

/// An element of `mappings`.
#[derive(Debug)]
pub struct RawPair {
    pub internal: Known<Prefix>,
    pub external: Known<Prefix>,
}

/// `[flows]`
#[derive(Debug)]
pub struct RawFlows {
    pub capacity: Known<u64>,
    pub tcp_established: Known<Nanos>,
    pub tcp_transitory: Known<Nanos>,
    pub udp: Known<Nanos>,
    pub icmpv6: Known<Nanos>,
    pub other: Known<Nanos>,
    pub reset_on_failover: Known<bool>,
}

/// `[dataplane]`
#[derive(Debug)]
pub struct RawDataplane {
    pub mode: Known<Mode>,
    pub queues: Known<Option<u64>>,
    pub cores: Known<Option<Vec<usize>>>,
    pub batch: Known<u64>,
    pub rx_ring: Known<u64>,
    pub tx_ring: Known<u64>,
    pub fill_ring: Known<u64>,
    pub completion_ring: Known<u64>,
    pub frames: Known<Option<u64>>,
    pub frame_size: Known<u64>,
    pub idle: Known<Idle>,
    pub stamp_every: Known<u64>,
}

impl Raw {
    /// Reads `document`, the whole of the file.
    pub fn read(document: &DeTable<'_>, errors: &Errors) -> Self {
        let top = Range { start: 0, end: 0 };
        let root = Table::new(&ROOT, String::new(), top, Some(document), errors);
        if let Some(version) = root.number("version").filter(|version| version.value != VERSION) {
            errors.add(&version.place, Problem::Version(version.value));
        }
        let site = section(document, &SITE, errors);
        if !root.has(SITE.bare()) {
            let place = Place { path: SITE.header.to_owned(), span: 0..0 };
            errors.add(&place, Problem::MissingSection(SITE.header));
        }
        let metrics = section(document, &METRICS, errors);
        Self {
            steering: RawSteering::read(document, errors),
            internal: if root.is_table(SITE.bare()) { prefixes(&site, "internal") } else { Vec::new() },
            accept_any_uplink: site.boolean("accept_any_uplink"),
            failback: failback(&site, "failback"),
            all_down: site.word("all_down"),
            lans: blocks(document, &LAN, errors).iter().map(RawEdge::read).collect(),
            isps: blocks(document, &ISP, errors).iter().map(|isp| RawIsp::read(isp, errors)).collect(),
            flows: RawFlows::read(&section(document, &FLOWS, errors)),
            icmp: RawIcmp::read(document, errors),
            dataplane: RawDataplane::read(&section(document, &DATAPLANE, errors)),
            host: RawHost::read(document, errors),
            listen: listen(&metrics, "listen"),
            notify: RawNotify::read(document, errors),
        }
    }
}

impl RawIsp {
    /// Where its prefix is learnt, if it is.
    pub fn source(&self) -> Option<&PrefixSource> {
        match &self.prefix.as_ref()?.value {
            RawPrefix::Learnt(source) => Some(source),
            RawPrefix::Literal(_) => None,
        }
    }

    fn read(table: &Table<'_>, errors: &Errors) -> Self {
        Self {
            place: table.place(),
            name: isp_name(table, "name"),
            edge: RawEdge::read(table),
            prefix: prefix::read(table, "prefix", errors),
            mappings: pairs(table, "mappings", errors),
            has_prefix: table.has("prefix"),
            has_mappings: table.has("mappings"),
            next_hop: next_hop(table, "next_hop"),
            weight: table.number("weight"),
            tier: table.number("tier"),
            mtu: table.word_or_number("mtu"),
            mss_clamp: mss_clamp(table, "mss_clamp"),
            nd_proxy: nd_proxy::read(table, "nd_proxy"),
            metered: RawMetered::read(table),
            probes: probes::probes(table, "probes", errors),
            health: RawHealth::read(table, "health", errors),
        }
    }
}

impl RawFlows {
    fn read(table: &Table<'_>) -> Self {
        Self {
            capacity: table.number("capacity"),
            tcp_established: table.span("tcp_established"),
            tcp_transitory: table.span("tcp_transitory"),
            udp: table.span("udp"),
            icmpv6: table.span("icmpv6"),
            other: table.span("other"),
            reset_on_failover: table.boolean("reset_on_failover"),
        }
    }
}

impl RawDataplane {
    fn read(table: &Table<'_>) -> Self {
        let tx_ring = table.number("tx_ring");
        let mut completion_ring = table.number("completion_ring");
        if let (Some(completion), Some(transmit), false) =
            (&mut completion_ring, &tx_ring, table.has("completion_ring"))
        {
            completion.value = completion.value.max(transmit.value);
        }
        Self {
            mode: table.word("mode"),
            queues: table.word_or_number("queues"),
            cores: cores(table, "cores"),
            batch: table.number("batch"),
            rx_ring: table.number("rx_ring"),
            tx_ring,
            fill_ring: table.number("fill_ring"),
            completion_ring,
            frames: table.word_or_number("frames"),
            frame_size: table.number("frame_size"),
            idle: table.word("idle"),
            stamp_every: table.number("stamp_every"),
        }
    }
}

/// A section that stands once.
fn section<'a>(document: &'a DeTable<'a>, section: &'static Section, errors: &'a Errors) -> Table<'a> {
    let prefix = format!("{} ", section.header);
    let Some(value) = document.get(section.bare()) else {
        return Table::new(section, prefix, 0..0, None, errors);
    };
    let entries = value.get_ref().as_table();
    if entries.is_none() {
        let place = Place { path: section.header.to_owned(), span: value.span() };
        errors.add(&place, not_section(section, value.get_ref()));
    }
    Table::new(section, prefix, value.span(), entries, errors)
}

/// A section that stands once for each LAN or ISP, at least once.
fn blocks<'a>(document: &'a DeTable<'a>, section: &'static Section, errors: &'a Errors) -> Vec<Table<'a>> {
    let value = document.get(section.bare());
    if value.is_none_or(|value| value.get_ref().as_array().is_some_and(|array| array.is_empty())) {
        let place = Place { path: section.header.to_owned(), span: value.map_or(0..0, Spanned::span) };
        errors.add(&place, Problem::MissingSection(section.header));
    }
    optional_blocks(document, section, errors)
}

/// A section that stands as often as it is needed.
fn optional_blocks<'a>(document: &'a DeTable<'a>, section: &'static Section, errors: &'a Errors) -> Vec<Table<'a>> {
    let Some(value) = document.get(section.bare()) else { return Vec::new() };
    let place = Place { path: section.header.to_owned(), span: value.span() };
    let Some(array) = value.get_ref().as_array() else {
        errors.add(&place, not_section(section, value.get_ref()));
        return Vec::new();
    };
    let mut tables = Vec::new();
    for (index, element) in array.iter().enumerate() {
        let entries = element.get_ref().as_table();
        // A name says more than a number, if there is one and it says which block is meant.
        let name = name_of(element);
        let alone = array.iter().filter(|other| name_of(other) == name).count() == 1;
        let path = match name {
            Some(name) if alone && is_isp_name(name) => format!("{} \"{name}\"", section.header),
            _ => format!("{} #{}", section.header, index + 1),
        };
        if entries.is_none() {
            let place = Place { path, span: element.span() };
            errors.add(&place, not_section(section, element.get_ref()));
        } else {
            tables.push(Table::new(section, format!("{path} "), element.span(), entries, errors));
        }
    }
    tables
}

fn name_of<'a>(block: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    block.get_ref().as_table()?.get("name")?.get_ref().as_str()
}

fn not_section(section: &'static Section, found: &DeValue<'_>) -> Problem {
    match found {
        DeValue::Table(_) => Problem::Brackets(section.header),
        DeValue::Array(array) if array.iter().all(|element| element.get_ref().is_table()) && !array.is_empty() => {
            Problem::Brackets(section.header)
        }
        other => Problem::NotSection { header: section.header, found: type_name(other) },
    }
}

fn pairs(table: &Table<'_>, name: &str, errors: &Errors) -> Vec<RawPair> {
    let pair = |element: At<&DeValue<'_>>| {
        let Some(entries) = element.value.as_table() else {
            let expected = "a pair { internal = \"…\", external = \"…\" }".to_owned();
            return table.wrong_type(&element.place, element.value, expected);
        };
        let path = format!("{}.", element.place.path);
        let pair = Table::new(&PAIR, path, element.place.span, Some(entries), errors);
        let side = |name| values::prefix(&pair, pair.text(name)?);
        Some(RawPair { internal: side("internal"), external: side("external") })
    };
    table.list(name).unwrap_or_default().into_iter().filter_map(pair).collect()
}
