//! `probes` and `health` of an `[[isp]]` as written.

use std::net::{Ipv6Addr, SocketAddrV6};

use toml::de::DeValue;

use super::Known;
use crate::control::config::health::DNS_PORT;
use crate::control::config::problem::{ProbeProblem, Problem};
use crate::control::config::reader::{At, Errors, Place, Table};
use crate::control::config::schema::{HEALTH, PROBE};
use crate::control::config::{ProbeKind, ProbeType, is_domain_name};
use crate::units::Nanos;

/// An element of `probes`.
#[derive(Debug)]
pub struct RawProbe {
    /// What is asked of whom, target by target.
    pub targets: Vec<At<(ProbeKind, Ipv6Addr)>>,
    pub every: Known<Nanos>,
    pub timeout: Known<Nanos>,
    pub max_loss: Known<u8>,
    pub max_rtt: Known<Nanos>,
}

/// `health`
#[derive(Debug)]
pub struct RawHealth {
    pub need: Known<u64>,
    pub down_after: Known<u64>,
    pub up_after: Known<u64>,
    pub hold_down: Known<Nanos>,
    pub backoff_max: Known<Nanos>,
    pub silence: Known<Nanos>,
    pub patience: Known<Nanos>,
    pub tries: Known<u64>,
}

/// The probes of an ISP; `None` if it leaves them to the defaults.
pub fn probes(table: &Table<'_>, name: &str, errors: &Errors) -> Option<Vec<RawProbe>> {
    let At { value, place } = table.element(name)?;
    let Some(list) = value.as_array() else {
        table.wrong_type::<()>(&place, value, table.limits(name));
        return Some(Vec::new());
    };
    let read = |(index, element): (usize, &toml::Spanned<DeValue<'_>>)| {
        let place = Place { path: format!("{}[{index}]", place.path), span: element.span() };
        let Some(entries) = element.get_ref().as_table() else {
            let expected = "a probe like { type = \"icmp\", to = \"2606:4700:4700::1111\" }".to_owned();
            return table.wrong_type(&place, element.get_ref(), expected);
        };
        let prefix = format!("{}.", place.path);
        Some(RawProbe::read(&Table::new(&PROBE, prefix, place.span, Some(entries), errors)))
    };
    Some(list.iter().enumerate().filter_map(read).collect())
}

impl RawProbe {
    fn read(table: &Table<'_>) -> Self {
        let targets = match (probe_type(table), name(table)) {
            (Some(probe), name) => targets(table, probe, &name),
            (None, _) => Vec::new(),
        };
        Self {
            targets,
            every: table.span("every"),
            timeout: table.span("timeout"),
            max_loss: percent(table, "max_loss"),
            max_rtt: table.span("max_rtt"),
        }
    }
}

/// What other programs call a probe is watched here without being asked for.
fn probe_type(table: &Table<'_>) -> Option<ProbeType> {
    if let Some(At { value, place }) = table.element("type")
        && let Some(word @ ("link" | "nd")) = value.as_str()
    {
        return table.wrong(&place, Problem::Probe(ProbeProblem::AlwaysWatched(word.to_owned())));
    }
    Some(table.word::<ProbeType>("type")?.value)
}

/// The name that a DNS probe asks for; the root where there is none.
fn name(table: &Table<'_>) -> String {
    let root = || ".".to_owned();
    let Some(At { value, place }) = table.text("name") else { return root() };
    let is_dns = table.element("type").and_then(|at| at.value.as_str()) == Some("dns");
    if !is_dns {
        return table.wrong(&place, Problem::Probe(ProbeProblem::NameWithoutDns)).unwrap_or_else(root);
    }
    if value == "." || is_domain_name(&value) {
        return value;
    }
    table.wrong(&place, Problem::Probe(ProbeProblem::DomainName(value))).unwrap_or_else(root)
}

fn targets(table: &Table<'_>, probe: ProbeType, name: &str) -> Vec<At<(ProbeKind, Ipv6Addr)>> {
    if !table.has("to") {
        // Says what is missing.
        table.text("to");
    }
    let read = |element: At<&DeValue<'_>>| {
        let At { value: text, place } = table.element_text(&element, "a target in quotes")?;
        let address = text.parse::<Ipv6Addr>().ok();
        let with_port = text.parse::<SocketAddrV6>().ok().filter(|target| target.port() != 0);
        let target = match (probe, address, with_port) {
            (ProbeType::Icmp, Some(address), _) => (ProbeKind::Echo, address),
            (ProbeType::Tcp, _, Some(target)) => (ProbeKind::Tcp(target.port()), *target.ip()),
            (ProbeType::Dns, Some(address), _) => (ProbeKind::Dns(DNS_PORT, name.to_owned()), address),
            (ProbeType::Dns, _, Some(target)) => (ProbeKind::Dns(target.port(), name.to_owned()), *target.ip()),
            _ => return table.wrong(&place, Problem::Probe(ProbeProblem::Target { text, probe })),
        };
        Some(At { value: target, place })
    };
    table.elements("to").into_iter().filter_map(read).collect()
}

/// Whole percent; `None` without the key.
fn percent(table: &Table<'_>, name: &str) -> Known<u8> {
    let At { value: text, place } = table.text(name)?;
    let number = text.strip_suffix('%').filter(|number| number.bytes().all(|digit| digit.is_ascii_digit()));
    match number.and_then(|number| number.parse::<u8>().ok()) {
        Some(share @ 1..=99) => Some(At { value: share, place }),
        Some(_) => table.wrong(&place, Problem::Range { found: text, limits: table.limits(name) }),
        None => table.wrong(&place, Problem::Probe(ProbeProblem::Percent { text, limits: table.limits(name) })),
    }
}

impl RawHealth {
    /// The table `name` of an ISP, with defaults for what it leaves out.
    pub fn read(table: &Table<'_>, name: &str, errors: &Errors) -> Self {
        let place = table.place_of(name);
        let table = Table::new(&HEALTH, format!("{}.", place.path), place.span, table.subtable(name), errors);
        let hold_down = table.span("hold_down");
        let mut backoff_max = table.span("backoff_max");
        if let (Some(most), Some(hold), false) = (&mut backoff_max, &hold_down, table.has("backoff_max")) {
            most.value = most.value.max(hold.value);
        }
        Self {
            need: table.number("need"),
            down_after: table.number("down_after"),
            up_after: table.number("up_after"),
            hold_down,
            backoff_max,
            silence: table.span("silence"),
            patience: table.span("patience"),
            tries: table.number("tries"),
        }
    }
}
