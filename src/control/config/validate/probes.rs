//! Probes and health against the rest of the file.

use std::net::Ipv6Addr;

use super::Claim;
use crate::control::config::problem::{ProbeProblem, Problem};
use crate::control::config::raw::{Raw, RawHealth, RawIsp, RawProbe};
use crate::control::config::reader::{At, Errors, Place};
use crate::control::config::{DEFAULT_TARGETS, Health, Probe};
use crate::limits::MAX_PROBES;
use crate::npt::Prefix;

/// What targets, thresholds and times cannot be.
pub fn check(raw: &Raw, site: &[Prefix], claims: &[Claim], errors: &Errors) {
    let add = |place: &Place, problem| errors.add(place, Problem::Probe(problem));
    let own = |address: Ipv6Addr| {
        let mut own = site.iter().copied().chain(claims.iter().map(|claim| claim.mapping.external()));
        own.find(|prefix| prefix.contains(address))
    };
    for isp in &raw.isps {
        let probes = || isp.probes.iter().flatten();
        let mut named: Vec<String> = Vec::new();
        for At { value: (kind, target), place } in probes().flat_map(|probe| &probe.targets) {
            if let Some(what) = not_global(*target) {
                add(place, ProbeProblem::NotGlobal { address: *target, what });
            } else if let Some(prefix) = own(*target) {
                add(place, ProbeProblem::Inside { address: *target, prefix });
            }
            let name = Probe { kind: kind.clone(), ..Probe::ping(*target) }.to_string();
            if named.contains(&name) {
                add(place, ProbeProblem::Twice(name.clone()));
            }
            named.push(name);
            if named.len() == MAX_PROBES + 1 {
                let found = probes().map(|probe| probe.targets.len()).sum();
                add(place, ProbeProblem::TooMany { found });
            }
        }
        for probe in probes() {
            if let (Some(most), Some(timeout)) = (&probe.max_rtt, &probe.timeout)
                && most.value >= timeout.value
            {
                add(&most.place, ProbeProblem::RttBeyondTimeout { max_rtt: most.value, timeout: timeout.value });
            }
        }
        let targets = if isp.probes.is_some() { named.len() } else { DEFAULT_TARGETS.len() };
        // One is the default and means nothing where there are none.
        if let Some(need) = isp.health.need.as_ref().filter(|need| need.value > targets.max(1) as u64) {
            add(&need.place, ProbeProblem::Need { need: need.value, targets });
        }
        if let (Some(hold), Some(most)) = (&isp.health.hold_down, &isp.health.backoff_max)
            && most.value < hold.value
        {
            add(&most.place, ProbeProblem::Backoff { hold_down: hold.value, backoff_max: most.value });
        }
    }
}

/// Why no ISP leads to `address`.
fn not_global(address: Ipv6Addr) -> Option<&'static str> {
    match address {
        _ if address.is_multicast() => Some("a multicast address"),
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_loopback() => Some("the loopback address"),
        _ if address.is_unicast_link_local() => Some("a link-local address"),
        _ if address.is_unique_local() => Some("a unique local address (ULA)"),
        _ if address.to_ipv4_mapped().is_some() => Some("an IPv4 address in IPv6 notation"),
        _ => None,
    }
}

/// What an ISP's block says of its health, if all of it is known.
pub fn build(isp: &RawIsp) -> Option<(Health, Vec<Probe>)> {
    let probes = match &isp.probes {
        None => DEFAULT_TARGETS.map(Probe::ping).into(),
        Some(probes) => {
            probes.iter().map(probes_of).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect::<Vec<Probe>>()
        }
    };
    Some((health(&isp.health)?, probes))
}

fn probes_of(raw: &RawProbe) -> Option<Vec<Probe>> {
    let (every, timeout) = (raw.every.as_ref()?.value, raw.timeout.as_ref()?.value);
    let max_loss = raw.max_loss.as_ref().map(|most| most.value);
    let max_rtt = raw.max_rtt.as_ref().map(|most| most.value);
    let probe = |At { value: (kind, target), .. }: &At<_>| Probe {
        kind: Clone::clone(kind),
        target: *target,
        every,
        timeout,
        max_loss,
        max_rtt,
    };
    Some(raw.targets.iter().map(probe).collect())
}

fn health(raw: &RawHealth) -> Option<Health> {
    let count = |number: &Option<At<u64>>| u32::try_from(number.as_ref()?.value).ok();
    Some(Health {
        need: count(&raw.need)? as usize,
        down_after: count(&raw.down_after)?,
        up_after: count(&raw.up_after)?,
        hold_down: raw.hold_down.as_ref()?.value,
        backoff_max: raw.backoff_max.as_ref()?.value,
        silence: raw.silence.as_ref()?.value,
        patience: raw.patience.as_ref()?.value,
        tries: count(&raw.tries)?,
    })
}
