//! The file as written: every value checked by itself, none against another.

mod steering;

use std::net::{Ipv6Addr, SocketAddr};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;
use super::reader::{At, Errors, Place, Table, type_name};
use super::schema::{DATAPLANE, FLOWS, HOST, ISP, LAN, METRICS, PAIR, ROOT, SITE, Section, VERSION};
use super::{Idle, Mode, NextHop, OnStop};
use crate::npt::{Prefix, PrefixError};
use crate::units::Nanos;

pub use steering::{RawMatch, RawRule, RawSteering};

/// A value that is there and right by itself; otherwise its error has been reported, or the
/// key is optional and absent.
pub type Known<T> = Option<At<T>>;

/// A whole file.
#[derive(Debug)]
pub struct Raw {
    pub steering: RawSteering,
    pub internal: Vec<At<Prefix>>,
    pub accept_any_uplink: Known<bool>,
    pub lans: Vec<Known<String>>,
    pub isps: Vec<RawIsp>,
    pub flows: RawFlows,
    pub dataplane: RawDataplane,
    pub rules: Known<bool>,
    pub on_stop: Known<OnStop>,
    pub listen: Known<Option<SocketAddr>>,
}

/// `[[isp]]`
#[derive(Debug)]
pub struct RawIsp {
    pub place: Place,
    pub name: Known<String>,
    pub interface: Known<String>,
    pub prefix: Known<Prefix>,
    pub mappings: Vec<RawPair>,
    /// Whether the file gives `prefix`, be it right or wrong.
    pub has_prefix: bool,
    /// Whether the file gives `mappings`, be they right or wrong.
    pub has_mappings: bool,
    pub next_hop: Known<NextHop>,
    pub weight: Known<u64>,
    pub tier: Known<u64>,
    pub mtu: Known<Option<u64>>,
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
        let host = section(document, &HOST, errors);
        Self {
            steering: RawSteering::read(document, errors),
            internal: if root.is_table(SITE.bare()) { prefixes(&site, "internal") } else { Vec::new() },
            accept_any_uplink: site.boolean("accept_any_uplink"),
            lans: blocks(document, &LAN, errors).iter().map(|lan| interface(lan, "interface")).collect(),
            isps: blocks(document, &ISP, errors).iter().map(|isp| RawIsp::read(isp, errors)).collect(),
            flows: RawFlows::read(&section(document, &FLOWS, errors)),
            dataplane: RawDataplane::read(&section(document, &DATAPLANE, errors)),
            rules: host.boolean("rules"),
            on_stop: host.word("on_stop"),
            listen: listen(&metrics, "listen"),
        }
    }
}

impl RawIsp {
    fn read(table: &Table<'_>, errors: &Errors) -> Self {
        Self {
            place: table.place(),
            name: isp_name(table, "name"),
            interface: interface(table, "interface"),
            prefix: isp_prefix(table, "prefix"),
            mappings: pairs(table, "mappings", errors),
            has_prefix: table.has("prefix"),
            has_mappings: table.has("mappings"),
            next_hop: next_hop(table, "next_hop"),
            weight: table.number("weight"),
            tier: table.number("tier"),
            mtu: table.word_or_number("mtu"),
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

fn prefix(table: &Table<'_>, text: At<String>) -> Known<Prefix> {
    let problem = match text.value.parse::<Prefix>() {
        Ok(prefix) => match refusal(prefix) {
            None => return Some(At { value: prefix, place: text.place }),
            Some(problem) => problem,
        },
        Err(PrefixError::HostBits { address, len, suggestion }) => Problem::HostBits { address, len, suggestion },
        Err(PrefixError::Syntax(_) | PrefixError::Length(_)) => match text.value.parse::<Ipv6Addr>() {
            Ok(address) => Problem::PrefixLength(address),
            Err(_) => Problem::PrefixSyntax(text.value),
        },
    };
    table.wrong(&text.place, problem)
}

/// Why a prefix cannot be one side of a translation.
fn refusal(prefix: Prefix) -> Option<Problem> {
    const RESERVED: [(&str, Ipv6Addr, u8); 5] = [
        ("multicast", Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
        ("link-local", Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
        ("IPv4-mapped", Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96),
        ("loopback", Ipv6Addr::LOCALHOST, 128),
        ("unspecified", Ipv6Addr::UNSPECIFIED, 128),
    ];
    let reserved = RESERVED.iter().find(|(_, address, len)| prefix.overlaps(Prefix::containing(*address, *len)));
    match reserved {
        Some((what, ..)) => Some(Problem::Reserved { prefix, what }),
        None if prefix.len() > 64 => Some(Problem::LongerThan64(prefix)),
        None => None,
    }
}

fn prefixes(table: &Table<'_>, name: &str) -> Vec<At<Prefix>> {
    let elements = table.list(name).unwrap_or_default();
    let text = |element| table.element_text(&element, "a prefix in quotes, like \"fd12:3456:789a::/48\"");
    elements.into_iter().filter_map(text).filter_map(|text| prefix(table, text)).collect()
}

/// `prefix` of an ISP: a text. A table is the way of a later version to learn it.
fn isp_prefix(table: &Table<'_>, name: &str) -> Known<Prefix> {
    if table.is_table(name) {
        return table.wrong(&table.place_of(name), Problem::PlannedPrefix);
    }
    prefix(table, table.text(name)?)
}

fn pairs(table: &Table<'_>, name: &str, errors: &Errors) -> Vec<RawPair> {
    let pair = |element: At<&DeValue<'_>>| {
        let Some(entries) = element.value.as_table() else {
            let expected = "a pair { internal = \"…\", external = \"…\" }".to_owned();
            return table.wrong_type(&element.place, element.value, expected);
        };
        let path = format!("{}.", element.place.path);
        let pair = Table::new(&PAIR, path, element.place.span, Some(entries), errors);
        let side = |name| prefix(&pair, pair.text(name)?);
        Some(RawPair { internal: side("internal"), external: side("external") })
    };
    table.list(name).unwrap_or_default().into_iter().filter_map(pair).collect()
}

/// Whether `name` can be the name of an ISP: it is a metric's label and a word on command lines.
pub fn is_isp_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

fn isp_name(table: &Table<'_>, name: &str) -> Known<String> {
    let text = table.text(name)?;
    if is_isp_name(&text.value) { Some(text) } else { table.wrong(&text.place, Problem::IspName(text.value)) }
}

/// What the kernel takes for a device's name, and one octet less than `IFNAMSIZ`.
fn interface(table: &Table<'_>, name: &str) -> Known<String> {
    let text = table.text(name)?;
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let good = (1..=15).contains(&text.value.len()) && !text.value.contains(odd) && !matches!(&*text.value, "." | "..");
    if good { Some(text) } else { table.wrong(&text.place, Problem::InterfaceName(text.value)) }
}

fn next_hop(table: &Table<'_>, name: &str) -> Known<NextHop> {
    let text = table.text(name)?;
    if text.value == "auto" {
        return Some(text.map(|_| NextHop::Auto));
    }
    let address = match text.value.parse::<Ipv6Addr>() {
        Ok(address) => address,
        Err(_) if text.value.contains('%') => return table.wrong(&text.place, Problem::NextHopZone(text.value)),
        Err(_) => return table.wrong(&text.place, Problem::NextHopSyntax(text.value)),
    };
    let what = match address {
        _ if address.is_multicast() => "a multicast address",
        _ if address.is_unspecified() => "the unspecified address",
        _ if address.is_loopback() => "the loopback address",
        _ if address.to_ipv4_mapped().is_some() => "an IPv4 address in IPv6 notation",
        _ => return Some(text.map(|_| NextHop::Address(address))),
    };
    table.wrong(&text.place, Problem::NextHopKind { address, what })
}

fn cores(table: &Table<'_>, name: &str) -> Known<Option<Vec<usize>>> {
    const HIGHEST: i64 = 1023;
    if !table.is_list(name) {
        let text = table.text(name)?;
        if text.value == "auto" {
            return Some(text.map(|_| None));
        }
        let limits = "\"auto\", or a list of core numbers like [2, 3]".to_owned();
        return table.wrong(&text.place, Problem::Choice { found: text.value, similar: None, limits });
    }
    let mut cores = Vec::new();
    for element in table.list(name)? {
        let expected = || format!("a core's number from 0 to {HIGHEST}");
        let core = match element.value {
            DeValue::Integer(core) => usize::from_str_radix(core.as_str(), core.radix()).ok(),
            other => return table.wrong_type(&element.place, other, expected()),
        };
        match core.filter(|core| *core <= HIGHEST as usize) {
            Some(core) if cores.contains(&core) => return table.wrong(&element.place, Problem::CoreTwice(core)),
            Some(core) => cores.push(core),
            None => {
                let found = element.value.as_integer().map(ToString::to_string).unwrap_or_default();
                return table.wrong(&element.place, Problem::Range { found, limits: expected() });
            }
        }
    }
    Some(At { value: Some(cores), place: table.place_of(name) })
}

fn listen(table: &Table<'_>, name: &str) -> Known<Option<SocketAddr>> {
    let text = table.text(name)?;
    if text.value == "off" {
        return Some(text.map(|_| None));
    }
    match text.value.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Some(text.map(|_| Some(address))),
        _ => table.wrong(&text.place, Problem::Listen(text.value)),
    }
}
