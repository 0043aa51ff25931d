//! Values checked against each other, and the configuration as meant.

mod host;
mod metered;
mod probes;
mod steering;

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use super::error::line_number;
use super::problem::{Problem, SourceProblem};
use super::raw::{Raw, RawDataplane, RawIsp, RawPrefix};
use super::reader::{At, Errors, Place};
use super::schema::FRAME_OVERHEAD;
use super::{Config, Dataplane, Flows, Icmp, Isp, Lan, Metrics, NextHop, Notify, Site};
use crate::limits::{MAX_EDGES, MAX_FORMER_PREFIXES, MAX_MAPPINGS, MAX_UPLINKS, RESERVED_FRAMES};
use crate::npt::{Mapping, Prefix};
use crate::snapshot::is_bogon;

/// A mapping of an ISP and the places to blame.
struct Claim {
    isp: usize,
    mapping: Mapping,
    internal: Place,
    external: Place,
}

/// Checks `raw` and makes the configuration of it, `None` if anything is wrong. `text` is the
/// file, for line numbers.
pub fn validate(raw: Raw, text: &str, errors: &Errors) -> Option<Config> {
    let site: Vec<Prefix> = raw.internal.iter().map(|internal| internal.value).collect();
    site_prefixes(&raw.internal, errors);
    interfaces(&raw, errors);
    names(&raw, text, errors);
    let claims = claims(&raw, &site, errors);
    externals(&raw, &claims, &site, errors);
    next_hops(&raw, &claims, &site, errors);
    weights(&raw, errors);
    counts(&raw, &claims, errors);
    dataplane(&raw, errors);
    host::check(&raw, errors);
    probes::check(&raw, &site, &claims, errors);
    metered::check(&raw, errors);
    steering::check(&raw, &site, &claims, text, errors);
    build(raw, site, &claims)
}

fn site_prefixes(internal: &[At<Prefix>], errors: &Errors) {
    for (index, one) in internal.iter().enumerate() {
        for other in &internal[..index] {
            if one.value.overlaps(other.value) {
                let (inner, outer) = if other.value.covers(one.value) { (one, other) } else { (other, one) };
                errors.add(&inner.place, Problem::InternalOverlap { inner: inner.value, outer: outer.value });
            }
        }
    }
}

fn interfaces(raw: &Raw, errors: &Errors) {
    // Owner and name of each edge.
    let mut owners: Vec<(&str, String)> = Vec::new();
    for edge in raw.lans.iter().chain(raw.isps.iter().map(|isp| &isp.edge)) {
        let Some((name, words, place)) = edge.named() else { continue };
        if let Some((other, _)) = owners.iter().find(|(_, taken)| *taken == name) {
            errors.add(place, Problem::InterfaceTwice { words, other: (*other).to_owned() });
        }
        owners.push((&edge.block.path, name));
    }
}

fn names(raw: &Raw, text: &str, errors: &Errors) {
    let names: Vec<&At<String>> = raw.isps.iter().filter_map(|isp| isp.name.as_ref()).collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().find(|first| first.value == name.value) {
            let line = line_number(text, first.place.span.start);
            errors.add(&name.place, Problem::NameTwice { name: name.value.clone(), line });
        }
    }
}

/// The mappings of every ISP as far as they are known.
fn claims(raw: &Raw, site: &[Prefix], errors: &Errors) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (isp, block) in raw.isps.iter().enumerate() {
        let pairs = match (block.has_prefix, block.has_mappings) {
            (false, false) => {
                errors.add(&block.place, Problem::NoPrefix);
                continue;
            }
            (true, true) => {
                let place = block.prefix.as_ref().map_or(&block.place, |prefix| &prefix.place);
                errors.add(place, Problem::PrefixAndMappings);
                continue;
            }
            (true, false) => prefix_pair(block, site, errors),
            (false, true) => written_pairs(block, site, errors),
        };
        let mapped = pairs.into_iter().filter_map(|(internal, external)| {
            let mapping = Mapping::new(internal.value, external.value).ok()?;
            Some(Claim { isp, mapping, internal: internal.place, external: external.place })
        });
        claims.extend(mapped);
    }
    claims
}

type PrefixPair = (At<Prefix>, At<Prefix>);

/// `prefix`: the site's one internal prefix and this one.
fn prefix_pair(block: &RawIsp, site: &[Prefix], errors: &Errors) -> Vec<PrefixPair> {
    let prefix = match &block.prefix {
        Some(At { value: RawPrefix::Literal(prefix), place }) => At { value: *prefix, place: place.clone() },
        Some(At { value: RawPrefix::Learnt(_), place }) if site.len() > 1 => {
            errors.add(place, Problem::Source(SourceProblem::SeveralInternals { internals: site.len() }));
            return Vec::new();
        }
        _ => return Vec::new(),
    };
    match site {
        [] => Vec::new(),
        [internal] => vec![(At { value: *internal, place: prefix.place.clone() }, prefix)],
        several => {
            let pair = |internal: &Prefix| format!("{{ internal = \"{internal}\", external = \"…\" }}");
            let pairs: Vec<String> = several.iter().map(pair).collect();
            let mappings = format!("mappings = [{}]", pairs.join(", "));
            errors.add(&prefix.place, Problem::AmbiguousPrefix { internals: several.len(), mappings });
            Vec::new()
        }
    }
}

/// `mappings`: inside the site, disjoint inside.
fn written_pairs(block: &RawIsp, site: &[Prefix], errors: &Errors) -> Vec<PrefixPair> {
    let internals: Vec<&At<Prefix>> = block.mappings.iter().filter_map(|pair| pair.internal.as_ref()).collect();
    for (index, internal) in internals.iter().enumerate() {
        if !site.is_empty() && !site.iter().any(|prefix| prefix.covers(internal.value)) {
            let site: Vec<String> = site.iter().map(Prefix::to_string).collect();
            let problem = Problem::OutsideSite { internal: internal.value, site: site.join(" or ") };
            errors.add(&internal.place, problem);
        }
        if let Some(other) = internals[..index].iter().find(|other| other.value.overlaps(internal.value)) {
            let problem = Problem::InternalTwice { one: internal.value, other: other.value };
            errors.add(&internal.place, problem);
        }
    }
    block.mappings.iter().filter_map(|pair| pair.internal.clone().zip(pair.external.clone())).collect()
}

/// External prefixes: answers must find their way back to one host.
fn externals(raw: &Raw, claims: &[Claim], site: &[Prefix], errors: &Errors) {
    for (index, claim) in claims.iter().enumerate() {
        let external = claim.mapping.external();
        for other in &claims[..index] {
            let theirs = other.mapping.external();
            if other.isp == claim.isp && theirs.overlaps(external) {
                errors.add(&claim.external, Problem::ExternalOverlap { one: external, other: theirs });
            } else if theirs == external {
                let other = raw.isps[other.isp].place.path.clone();
                errors.add(&claim.external, Problem::ExternalTwice { external, other });
            }
        }
        // An identity pair is its own internal prefix; the site's others do not overlap it.
        let inside = site.iter().find(|internal| internal.overlaps(external));
        if let (Some(internal), false) = (inside, claim.mapping.is_identity()) {
            errors.add(&claim.external, Problem::ExternalInside { external, internal: *internal });
        }
    }
}

fn next_hops(raw: &Raw, claims: &[Claim], site: &[Prefix], errors: &Errors) {
    for (index, isp) in raw.isps.iter().enumerate() {
        let Some(At { value: NextHop::Address(address), place }) = &isp.next_hop else { continue };
        let address = *address;
        let identity = |internal: Prefix| {
            claims
                .iter()
                .any(|claim| claim.isp == index && claim.mapping.is_identity() && claim.mapping.internal() == internal)
        };
        let inside = |address: Ipv6Addr| site.iter().copied().find(|prefix| prefix.contains(address));
        let elsewhere = claims.iter().find(|claim| claim.isp != index && claim.mapping.external().contains(address));
        if let Some(internal) = inside(address).filter(|internal| !identity(*internal)) {
            errors.add(place, Problem::NextHopInside { address, internal });
        } else if let Some(claim) = elsewhere {
            let isp = raw.isps[claim.isp].name.as_ref().map(|name| name.value.clone()).unwrap_or_default();
            errors.add(place, Problem::NextHopElsewhere { address, external: claim.mapping.external(), isp });
        }
    }
}

fn weights(raw: &Raw, errors: &Errors) {
    let weights: Option<Vec<&At<u64>>> = raw.isps.iter().map(|isp| isp.weight.as_ref()).collect();
    if let Some(weights @ [first, ..]) = weights.as_deref()
        && weights.iter().all(|weight| weight.value == 0)
    {
        errors.add(&first.place, Problem::NoWeight);
    }
}

fn counts(raw: &Raw, claims: &[Claim], errors: &Errors) {
    let isps = raw.isps.len();
    if let Some(first) = raw.isps.get(MAX_UPLINKS) {
        errors.add(&first.place, Problem::TooManyIsps { found: isps });
    }
    let edges = raw.lans.len() + isps + usize::from(host::steers(raw));
    if edges > MAX_EDGES
        && isps <= MAX_UPLINKS
        && let Some(last) = raw.lans.last()
    {
        errors.add(&last.block, Problem::TooManyEdges { found: edges });
    }
    let learnt = raw.isps.iter().filter(|isp| isp.source().is_some()).count();
    let found = claims.len() + learnt * (1 + MAX_FORMER_PREFIXES);
    if let (true, Some(last)) = (found > MAX_MAPPINGS, claims.get(MAX_MAPPINGS).or(claims.last())) {
        errors.add(&last.internal, Problem::TooManyMappings { found });
    }
}

fn dataplane(raw: &Raw, errors: &Errors) {
    let RawDataplane { tx_ring, completion_ring, fill_ring, frames, frame_size, queues, cores, .. } = &raw.dataplane;
    if let (Some(completion), Some(transmit)) = (completion_ring, tx_ring)
        && completion.value < transmit.value
    {
        errors
            .add(&completion.place, Problem::CompletionRing { completion: completion.value, transmit: transmit.value });
    }
    if let (Some(At { value: Some(frames), place }), Some(fill)) = (frames, fill_ring) {
        // Each worker has at least one queue of every interface, and its fill ring must be full.
        let edges = raw.lans.iter().chain(raw.isps.iter().map(|isp| &isp.edge));
        let names: BTreeSet<&String> = edges.filter_map(|edge| Some(&edge.interface.as_ref()?.value)).collect();
        let interfaces = names.len() as u64 + u64::from(host::steers(raw));
        let needed = interfaces * fill.value + RESERVED_FRAMES as u64;
        if *frames < needed {
            errors.add(place, Problem::TooFewFrames { frames: *frames, needed });
        }
    }
    if let (Some(At { value: Some(queues), .. }), Some(At { value: Some(cores), place })) = (queues, cores)
        && (cores.len() as u64) < *queues
    {
        errors.add(place, Problem::TooFewCores { cores: cores.len(), queues: *queues });
    }
    for isp in &raw.isps {
        if let (Some(At { value: Some(mtu), place }), Some(frame_size)) = (&isp.mtu, frame_size)
            && mtu + FRAME_OVERHEAD > frame_size.value
        {
            let (mtu, frame_size) = (*mtu, frame_size.value);
            errors.add(place, Problem::MtuOverFrame { mtu, frame_size, largest: frame_size - FRAME_OVERHEAD });
        }
    }
}

/// The configuration, if every part of it is known.
fn build(raw: Raw, internal: Vec<Prefix>, claims: &[Claim]) -> Option<Config> {
    let (accept_any_uplink, failback, all_down) =
        (raw.accept_any_uplink?.value, raw.failback?.value, raw.all_down?.value);
    let lans = raw.lans.into_iter().map(|lan| lan.build().map(|(interface, vlan)| Lan { interface, vlan }));
    let mut lans = lans.collect::<Option<Vec<Lan>>>()?;
    let (host, ipv4) = host::build(&raw.host)?;
    lans.extend(host.steer.then(Lan::of_host));
    let isp = |(index, isp): (usize, RawIsp)| {
        let (health, probes) = probes::build(&isp)?;
        let source = isp.source().cloned();
        let (interface, vlan) = isp.edge.build()?;
        Some(Isp {
            name: isp.name?.value,
            interface,
            vlan,
            mappings: claims.iter().filter(|claim| claim.isp == index).map(|claim| claim.mapping).collect(),
            former: Vec::new(),
            source,
            next_hop: isp.next_hop?.value,
            weight: u32::try_from(isp.weight?.value).ok()?,
            tier: u8::try_from(isp.tier?.value).ok()?,
            mtu: isp.mtu?.value.map(u16::try_from).transpose().ok()?,
            mss_clamp: isp.mss_clamp?.value,
            nd_proxy: isp.nd_proxy?.value,
            metered: metered::build(&isp.metered)?,
            health,
            probes,
        })
    };
    let isps = raw.isps.into_iter().enumerate().map(isp).collect::<Option<Vec<Isp>>>()?;
    let externals = claims.iter().map(|claim| claim.mapping.external());
    let is_lab = internal.iter().copied().chain(externals).any(|prefix| is_bogon(prefix.address()));
    let (policies, rules, filter) = steering::build(raw.steering, is_lab)?;
    let rings = raw.dataplane;
    let slots = |ring: Option<At<u64>>| u32::try_from(ring?.value).ok();
    let dataplane = Dataplane {
        mode: rings.mode?.value,
        queues: rings.queues?.value.map(|queues| queues as usize),
        cores: rings.cores?.value,
        batch: rings.batch?.value as usize,
        rx_ring: slots(rings.rx_ring)?,
        tx_ring: slots(rings.tx_ring)?,
        fill_ring: slots(rings.fill_ring)?,
        completion_ring: slots(rings.completion_ring)?,
        frames: rings.frames?.value.map(u32::try_from).transpose().ok()?,
        frame_size: slots(rings.frame_size)?,
        idle: rings.idle?.value,
        stamp_every: slots(rings.stamp_every)?,
    };
    let flows = Flows {
        capacity: raw.flows.capacity?.value,
        tcp_established: raw.flows.tcp_established?.value,
        tcp_transitory: raw.flows.tcp_transitory?.value,
        udp: raw.flows.udp?.value,
        icmpv6: raw.flows.icmpv6?.value,
        other: raw.flows.other?.value,
        reset_on_failover: raw.flows.reset_on_failover?.value,
    };
    let icmp = Icmp {
        errors_per_second: raw.icmp.errors_per_second?.value,
        errors_per_source: raw.icmp.errors_per_source?.value,
        too_big_per_second: raw.icmp.too_big_per_second?.value,
        unreachable: raw.icmp.unreachable?.value,
    };
    Some(Config {
        site: Site { internal, accept_any_uplink, failback, all_down },
        lans,
        isps,
        policies,
        rules,
        filter,
        flows,
        icmp,
        dataplane,
        host,
        ipv4,
        metrics: Metrics { listen: raw.listen?.value },
        notify: raw.notify.map(|notify| Notify::of(notify).ok_or(())).transpose().ok()?,
    })
}
