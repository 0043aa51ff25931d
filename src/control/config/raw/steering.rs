//! Policies, rules and the inbound filter as written.

use std::net::Ipv6Addr;
use std::ops::{Range, RangeInclusive};

use toml::de::{DeTable, DeValue};

use super::{Known, is_isp_name, optional_blocks, section};
use crate::control::config::problem::Problem;
use crate::control::config::reader::{At, Errors, Place, Table, similar, type_name};
use crate::control::config::schema::{ALLOW, FILTER, MATCH, POLICY, RULE};
use crate::control::config::traffic::{
    AUTHENTICATION, CODE_POINTS, PROTOCOLS, code_point, is_extension_header, ports, protocol,
};
use crate::control::config::{Bogons, HashFields, Inbound, Otherwise, Scope};
use crate::npt::{Prefix, PrefixError};

/// `[policy.NAME]`, `[[rule]]` and `[filter]`.
#[derive(Debug)]
pub struct RawSteering {
    pub policies: Vec<RawPolicy>,
    pub rules: Vec<RawRule>,
    pub inbound: Known<Inbound>,
    pub scope: Known<Scope>,
    pub bogons: Known<Bogons>,
    pub allow: Vec<RawMatch>,
    pub allow_place: Place,
}

/// `[policy.NAME]`
#[derive(Debug)]
pub struct RawPolicy {
    pub name: At<String>,
    /// `None`: every ISP.
    pub isps: Option<Vec<At<String>>>,
    pub hash: Known<HashFields>,
}

/// `[[rule]]`
#[derive(Debug)]
pub struct RawRule {
    pub place: Place,
    /// `None`: the file gives none.
    pub name: Known<String>,
    pub matches: RawMatch,
    pub policy: Known<String>,
    pub isps: Option<Vec<At<String>>>,
    pub otherwise: Known<Otherwise>,
    /// Keys that the file gives of `policy`, `isps`, `drop = true` and `else`, right or wrong.
    pub given: Vec<&'static str>,
}

/// Conditions; those that the element does not have are empty.
#[derive(Debug, Default)]
pub struct RawMatch {
    pub sources: Vec<At<Prefix>>,
    pub destinations: Vec<At<Prefix>>,
    pub protocol: Known<u8>,
    pub source_ports: Vec<At<RangeInclusive<u16>>>,
    pub destination_ports: Vec<At<RangeInclusive<u16>>>,
    pub dscp: u64,
    /// Whether the file gives a protocol, be it right or wrong.
    pub has_protocol: bool,
}

impl RawSteering {
    pub fn read(document: &DeTable<'_>, errors: &Errors) -> Self {
        let filter = section(document, &FILTER, errors);
        Self {
            policies: policies(document, errors),
            rules: optional_blocks(document, &RULE, errors).iter().map(|rule| RawRule::read(rule, errors)).collect(),
            inbound: filter.word("inbound"),
            scope: filter.word("scope"),
            bogons: filter.word("bogons"),
            allow: allow(&filter, errors),
            allow_place: filter.place_of("allow"),
        }
    }
}

/// The tables within `policy`, in the order of the file.
fn policies(document: &DeTable<'_>, errors: &Errors) -> Vec<RawPolicy> {
    let Some(value) = document.get(POLICY.bare()) else { return Vec::new() };
    let place = Place { path: POLICY.header.to_owned(), span: value.span() };
    let Some(named) = value.get_ref().as_table() else {
        let problem = match value.get_ref() {
            DeValue::Array(_) => Problem::Brackets(POLICY.header),
            other => Problem::NotSection { header: POLICY.header, found: type_name(other) },
        };
        errors.add(&place, problem);
        return Vec::new();
    };
    let mut policies: Vec<(Range<usize>, RawPolicy)> = Vec::new();
    for (name, value) in named {
        let path = format!("[policy.{}]", name.get_ref());
        let name = At { value: name.get_ref().to_string(), place: Place { path: path.clone(), span: name.span() } };
        match value.get_ref().as_table() {
            Some(_) if !is_isp_name(&name.value) => errors.add(&name.place, Problem::PolicyName(name.value.clone())),
            Some(entries) => {
                let table = Table::new(&POLICY, format!("{path} "), name.place.span.clone(), Some(entries), errors);
                let (isps, hash) = (names(&table, "isps"), table.word("hash"));
                policies.push((name.place.span.clone(), RawPolicy { name, isps, hash }));
            }
            // A key right below `[policy]`.
            None => {
                let found = type_name(value.get_ref());
                errors.add(&name.place, Problem::NotSection { header: POLICY.header, found });
            }
        }
    }
    policies.sort_by_key(|(span, _)| span.start);
    policies.into_iter().map(|(_, policy)| policy).collect()
}

impl RawRule {
    fn read(table: &Table<'_>, errors: &Errors) -> Self {
        let drop = table.boolean("drop");
        let given = |name: &&str| match *name {
            "drop" => drop.as_ref().is_none_or(|drop| drop.value),
            name => table.has(name),
        };
        Self {
            place: table.place(),
            name: rule_name(table, "name"),
            matches: conditions(table, "match", errors),
            policy: table.text("policy"),
            isps: names(table, "isps"),
            given: ["policy", "isps", "drop", "else"].into_iter().filter(given).collect(),
            otherwise: table.word("else"),
        }
    }
}

/// A name for people: no control characters, and none that a label or a shell would have to escape.
fn rule_name(table: &Table<'_>, name: &str) -> Known<String> {
    let text = table.text(name)?;
    let odd = |c: char| c.is_control() || matches!(c, '"' | '\\');
    let good = (1..=64).contains(&text.value.chars().count()) && !text.value.contains(odd);
    if good && text.value.trim() == text.value {
        Some(text)
    } else {
        table.wrong(&text.place, Problem::RuleName(text.value))
    }
}

/// A list of names, `None` without one.
fn names(table: &Table<'_>, name: &str) -> Option<Vec<At<String>>> {
    if !table.has(name) {
        return None;
    }
    let elements = table.list(name).unwrap_or_default();
    let text = |element| table.element_text(&element, "a name in quotes, like \"fiber\"");
    Some(elements.into_iter().filter_map(text).collect())
}

fn conditions(table: &Table<'_>, name: &str, errors: &Errors) -> RawMatch {
    let Some(value) = table.subtable(name) else { return RawMatch::default() };
    let place = table.place_of(name);
    let table = Table::new(&MATCH, format!("{}.", place.path), place.span, Some(value), errors);
    RawMatch {
        source_ports: port_ranges(&table, "src_port"),
        dscp: code_points(&table, "dscp"),
        ..RawMatch::common(&table)
    }
}

fn allow(table: &Table<'_>, errors: &Errors) -> Vec<RawMatch> {
    let read = |element: At<&DeValue<'_>>| {
        let Some(entries) = element.value.as_table() else {
            let expected = "a table of conditions like { proto = \"tcp\", dst_port = 443 }".to_owned();
            return table.wrong_type(&element.place, element.value, expected);
        };
        let path = format!("{}.", element.place.path);
        Some(RawMatch::common(&Table::new(&ALLOW, path, element.place.span, Some(entries), errors)))
    };
    if !table.has("allow") {
        return Vec::new();
    }
    table.list("allow").unwrap_or_default().into_iter().filter_map(read).collect()
}

impl RawMatch {
    /// What rules and allow rules have in common.
    fn common(table: &Table<'_>) -> Self {
        Self {
            sources: any_prefixes(table, "src"),
            destinations: any_prefixes(table, "dst"),
            protocol: protocol_number(table, "proto"),
            destination_ports: port_ranges(table, "dst_port"),
            has_protocol: table.has("proto"),
            ..Self::default()
        }
    }
}

/// Prefixes of any length; an address is one of 128 bits.
fn any_prefixes(table: &Table<'_>, name: &str) -> Vec<At<Prefix>> {
    let read = |element: At<&DeValue<'_>>| {
        let At { value: text, place } = table.element_text(&element, "an address or a prefix in quotes")?;
        let problem = match (text.parse::<Ipv6Addr>(), text.parse::<Prefix>()) {
            (Ok(address), _) => return Some(At { value: Prefix::containing(address, 128), place }),
            (_, Ok(value)) => return Some(At { value, place }),
            (_, Err(PrefixError::HostBits { address, len, suggestion })) => {
                Problem::HostBits { address, len, suggestion }
            }
            (_, Err(_)) => Problem::NotAddresses(text),
        };
        table.wrong(&place, problem)
    };
    table.elements(name).into_iter().filter_map(read).collect()
}

fn protocol_number(table: &Table<'_>, name: &str) -> Known<u8> {
    let At { value, place } = table.element(name)?;
    let number = match value {
        DeValue::String(text) => match protocol(text) {
            Some(number) => number,
            None if text.eq_ignore_ascii_case("ah") => AUTHENTICATION,
            None => {
                let similar = similar(text, &PROTOCOLS.map(|(name, _)| name));
                let limits = table.limits(name);
                return table.wrong(&place, Problem::Choice { found: text.to_string(), similar, limits });
            }
        },
        DeValue::Integer(number) => match integer(value).and_then(|number| u8::try_from(number).ok()) {
            Some(number) => number,
            None => {
                let limits = table.limits(name);
                return table.wrong(&place, Problem::Range { found: number.to_string(), limits });
            }
        },
        other => return table.wrong_type(&place, other, table.limits(name)),
    };
    if is_extension_header(number) {
        return table.wrong(&place, Problem::ExtensionHeader(number));
    }
    Some(At { value: number, place })
}

fn port_ranges(table: &Table<'_>, name: &str) -> Vec<At<RangeInclusive<u16>>> {
    let read = |element: At<&DeValue<'_>>| {
        let place = element.place;
        let value = match element.value {
            DeValue::Integer(number) => match integer(element.value).and_then(|port| u16::try_from(port).ok()) {
                Some(port) => port..=port,
                None => {
                    let limits = "a port from 0 to 65535".to_owned();
                    return table.wrong(&place, Problem::Range { found: number.to_string(), limits });
                }
            },
            DeValue::String(text) => match ports(text) {
                Some(range) => range,
                None => return table.wrong(&place, Problem::Ports(text.to_string())),
            },
            other => return table.wrong_type(&place, other, table.limits(name)),
        };
        Some(At { value, place })
    };
    table.elements(name).into_iter().filter_map(read).collect()
}

/// The set of code points, zero where there is none.
fn code_points(table: &Table<'_>, name: &str) -> u64 {
    let read = |element: At<&DeValue<'_>>| {
        let place = element.place;
        match element.value {
            DeValue::Integer(number) => match integer(element.value).filter(|number| *number < 64) {
                Some(number) => Some(1 << number),
                None => {
                    let limits = "a code point from 0 to 63".to_owned();
                    table.wrong(&place, Problem::Range { found: number.to_string(), limits })
                }
            },
            DeValue::String(text) => match code_point(text) {
                Some(number) => Some(1 << number),
                None => {
                    let similar = similar(text, &CODE_POINTS.map(|(name, _)| name));
                    let limits = table.limits(name);
                    table.wrong(&place, Problem::Choice { found: text.to_string(), similar, limits })
                }
            },
            other => table.wrong_type(&place, other, table.limits(name)),
        }
    };
    table.elements(name).into_iter().filter_map(read).fold(0, |set, point: u64| set | point)
}

/// A whole number that is not negative.
fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
