//! What a configuration may say but its author may not expect.

use std::net::Ipv6Addr;

use crate::control::config::{Config, Isp, NextHop};
use crate::npt::{Mapping, Prefix};

/// Warnings that follow from the file alone.
pub fn lints(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    ula_inside(config, &mut warnings);
    lengths(config, &mut warnings);
    unmapped(config, &mut warnings);
    nested(config, &mut warnings);
    next_hops(config, &mut warnings);
    metrics(config, &mut warnings);
    warnings
}

fn mappings(config: &Config) -> impl Iterator<Item = (&Isp, &Mapping)> {
    config.isps.iter().flat_map(|isp| isp.mappings.iter().map(move |mapping| (isp, mapping)))
}

fn ula_inside(config: &Config, warnings: &mut Vec<String>) {
    let ula = Prefix::containing(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);
    for internal in config.site.internal.iter().filter(|internal| ula.covers(**internal)) {
        warnings.push(format!(
            "{internal} is a ULA prefix: dual-stack hosts prefer IPv4 to it (RFC 6724 §2.1); an ISP's own prefix inside \
             avoids that"
        ));
    }
}

fn lengths(config: &Config, warnings: &mut Vec<String>) {
    for (isp, mapping) in mappings(config) {
        let (internal, external) = (mapping.internal(), mapping.external());
        if internal.len() < external.len() {
            warnings.push(format!(
                "{}: {external} is smaller than {internal}: only hosts in {} leave by it, the others by another ISP or \
                 not at all",
                isp.name,
                Prefix::containing(internal.address(), external.len())
            ));
        } else if internal.len() > external.len() {
            warnings.push(format!(
                "{}: {external} is larger than {internal}: only {} of it is used",
                isp.name,
                Prefix::containing(external.address(), internal.len())
            ));
        }
    }
}

/// Parts of the site that no mapping covers.
fn unmapped(config: &Config, warnings: &mut Vec<String>) {
    for isp in &config.isps {
        for internal in &config.site.internal {
            let inside: Vec<String> = isp
                .mappings
                .iter()
                .map(Mapping::internal)
                .filter(|mapped| internal.covers(*mapped))
                .map(|mapped| mapped.to_string())
                .collect();
            if inside.is_empty() {
                warnings.push(format!("{}: hosts in {internal} cannot leave by it: no mapping is for them", isp.name));
            } else if !inside.contains(&internal.to_string()) {
                let mapped = inside.join(", ");
                warnings.push(format!("{}: of {internal} only hosts in {mapped} can leave by it", isp.name));
            }
        }
    }
}

/// External prefixes of two ISPs, one inside the other: the longest match decides.
fn nested(config: &Config, warnings: &mut Vec<String>) {
    for (outer_isp, outer) in mappings(config) {
        for (inner_isp, inner) in mappings(config) {
            let (outside, inside) = (outer.external(), inner.external());
            if outside == inside || !outside.covers(inside) {
                continue;
            }
            // Where the outer pair's images lie: zero beyond its own length.
            let images = Prefix::containing(outside.address(), outside.len().max(outer.internal().len()));
            let effect = if images.overlaps(inside) {
                format!(
                    "answers to hosts whose image by {} lies there go to {}'s hosts instead",
                    outer_isp.name, inner_isp.name
                )
            } else {
                "no image lies there, so nothing is lost".to_owned()
            };
            warnings
                .push(format!("{}'s {inside} lies inside {}'s {outside}: {effect}", inner_isp.name, outer_isp.name));
        }
    }
}

fn next_hops(config: &Config, warnings: &mut Vec<String>) {
    for (isp, mapping) in mappings(config) {
        let NextHop::Address(address) = isp.next_hop else { continue };
        if !mapping.external().contains(address) {
            continue;
        }
        let host = match mapping.inbound(address) {
            Ok(host) => {
                format!("the host {host} has the router's address as its image: leave that host's address unused")
            }
            Err(_) => "no host has it as its image".to_owned(),
        };
        warnings.push(format!("{}: next hop {address} lies inside {}; {host}", isp.name, mapping.external()));
    }
}

fn metrics(config: &Config, warnings: &mut Vec<String>) {
    if let Some(listen) = config.metrics.listen.filter(|listen| !listen.ip().is_loopback()) {
        warnings.push(format!("metrics are served on {listen} to everybody who reaches it, without a password"));
    }
}
