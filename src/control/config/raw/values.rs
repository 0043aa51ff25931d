//! Values with a meaning of their own: prefixes, names, next hops, addresses.

use std::net::{Ipv6Addr, SocketAddr};

use toml::de::DeValue;

use super::Known;
use crate::control::config::kind::{Kind, MOVING};
use crate::control::config::problem::Problem;
use crate::control::config::reader::{At, Table, similar};
use crate::control::config::span;
use crate::control::config::{Failback, MssClamp, NextHop};
use crate::npt::{Prefix, PrefixError};

pub fn prefix(table: &Table<'_>, text: At<String>) -> Known<Prefix> {
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
pub fn refusal(prefix: Prefix) -> Option<Problem> {
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

pub fn prefixes(table: &Table<'_>, name: &str) -> Vec<At<Prefix>> {
    let elements = table.list(name).unwrap_or_default();
    let text = |element| table.element_text(&element, "a prefix in quotes, like \"fd12:3456:789a::/48\"");
    elements.into_iter().filter_map(text).filter_map(|text| prefix(table, text)).collect()
}

/// Whether `name` can be the name of an ISP: it is a metric's label and a word on command lines.
pub fn is_isp_name(name: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(allowed)
}

pub fn isp_name(table: &Table<'_>, name: &str) -> Known<String> {
    let text = table.text(name)?;
    if is_isp_name(&text.value) { Some(text) } else { table.wrong(&text.place, Problem::IspName(text.value)) }
}

/// What the kernel takes for a device's name, and one octet less than `IFNAMSIZ`.
pub fn interface(table: &Table<'_>, name: &str) -> Known<String> {
    let text = table.text(name)?;
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let good = (1..=15).contains(&text.value.len()) && !text.value.contains(odd) && !matches!(&*text.value, "." | "..");
    if good { Some(text) } else { table.wrong(&text.place, Problem::InterfaceName(text.value)) }
}

pub fn next_hop(table: &Table<'_>, name: &str) -> Known<NextHop> {
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

pub fn cores(table: &Table<'_>, name: &str) -> Known<Option<Vec<usize>>> {
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

pub fn listen(table: &Table<'_>, name: &str) -> Known<Option<SocketAddr>> {
    let text = table.text(name)?;
    if text.value == "off" {
        return Some(text.map(|_| None));
    }
    match text.value.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Some(text.map(|_| Some(address))),
        _ => table.wrong(&text.place, Problem::Listen(text.value)),
    }
}

/// `"auto"`, `"off"` or a number of octets.
pub fn mss_clamp(table: &Table<'_>, name: &str) -> Known<MssClamp> {
    if table.is_number(name) {
        let octets = table.number(name)?;
        return Some(octets.map(|octets| MssClamp::Octets(u16::try_from(octets).unwrap_or(u16::MAX))));
    }
    let text = table.text(name)?;
    match &*text.value {
        "auto" => Some(text.map(|_| MssClamp::Auto)),
        "off" => Some(text.map(|_| MssClamp::Off)),
        _ => table
            .wrong(&text.place, Problem::Choice { found: text.value, similar: None, limits: Kind::MssClamp.limits() }),
    }
}

/// A word, or `gradual` and a time.
pub fn failback(table: &Table<'_>, name: &str) -> Known<Failback> {
    let text = table.text(name)?;
    let value = match &*text.value {
        "new-flows" => Failback::NewFlows,
        "immediate" => Failback::Immediate,
        "manual" => Failback::Manual,
        other => match other.strip_prefix("gradual ").and_then(span::parse) {
            Some(over) if MOVING.fits(over) => Failback::Gradual(over),
            _ => {
                let limits = Kind::Failback.limits();
                let similar = similar(other, &["new-flows", "immediate", "gradual 60s", "manual"]);
                return table.wrong(&text.place, Problem::Choice { similar, limits, found: text.value });
            }
        },
    };
    Some(At { value, place: text.place })
}
