//! What a configuration may say but its author may not expect.

use std::net::Ipv6Addr;

use crate::control::config::{Config, Isp, NdProxy, NextHop};
use crate::npt::{Mapping, Prefix};

/// Warnings that follow from the file alone.
pub fn lints(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    ula_inside(config, &mut warnings);
    lengths(config, &mut warnings);
    unmapped(config, &mut warnings);
    nested(config, &mut warnings);
    next_hops(config, &mut warnings);
    nd_proxy(config, &mut warnings);
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

/// A link has a /64: what is shorter is routed, as a rule.
fn nd_proxy(config: &Config, warnings: &mut Vec<String>) {
    for isp in config.isps.iter().filter(|isp| isp.nd_proxy != NdProxy::Off) {
        for external in isp.mappings.iter().map(Mapping::external).filter(|external| external.len() < 64) {
            warnings.push(format!(
                "{}: nd_proxy answers for {external}, but a prefix on a link is a /64: where the ISP routes it to the \
                 gateway, nd_proxy does nothing",
                isp.name
            ));
        }
        if isp.nd_proxy == NdProxy::Static {
            warnings.push(format!(
                "{}: nd_proxy = \"static\" has the ISP's router remember whatever address somebody scans; `true` answers \
                 for hosts that exist",
                isp.name
            ));
        }
    }
}

fn metrics(config: &Config, warnings: &mut Vec<String>) {
    if let Some(listen) = config.metrics.listen.filter(|listen| !listen.ip().is_loopback()) {
        warnings.push(format!("metrics are served on {listen} to everybody who reaches it, without a password"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;

    fn of(site: &str, isps: &[&str]) -> Vec<String> {
        let mut text = format!("version = 1\n[site]\ninternal = {site}\n[[lan]]\ninterface = \"lan0\"\n");
        for (index, isp) in isps.iter().enumerate() {
            text += &format!("[[isp]]\nname = \"isp{index}\"\ninterface = \"wan{index}\"\n{isp}\n");
        }
        lints(&parse(&text).unwrap_or_else(|errors| panic!("{errors}")))
    }

    #[test]
    fn a_plain_site_with_its_own_prefix_gets_no_warning() {
        let isps = ["prefix = \"2001:db8:1::/48\"", "prefix = \"2001:db8:2::/48\"\nnext_hop = \"fe80::1\""];
        assert_eq!(of("[\"2001:db8:1::/48\"]", &isps), [""; 0]);
    }

    #[test]
    fn a_ula_inside_is_warned_of() {
        let warnings = of("[\"fd12::/48\"]", &["prefix = \"2001:db8:1::/48\""]);
        assert!(matches!(&warnings[..], [one] if one.contains("RFC 6724")), "{warnings:?}");
    }

    #[test]
    fn lengths_that_differ_are_warned_of_with_what_is_left() {
        let isps = ["prefix = \"2001:db8:1::/56\"", "prefix = \"2001:db8:200::/40\""];
        let warnings = of("[\"2001:db9::/48\"]", &isps);
        assert_eq!(
            warnings,
            [
                "isp0: 2001:db8:1::/56 is smaller than 2001:db9::/48: only hosts in 2001:db9::/56 leave by it, the others \
                 by another ISP or not at all",
                "isp1: 2001:db8:200::/40 is larger than 2001:db9::/48: only 2001:db8:200::/48 of it is used",
            ]
        );
    }

    #[test]
    fn parts_of_the_site_without_a_mapping_are_warned_of() {
        let pair = "mappings = [{ internal = \"2001:db9:0:10::/64\", external = \"2001:db8:1::/64\" }]";
        let warnings = of("[\"2001:db9::/48\", \"2001:dba::/48\"]", &[pair]);
        assert_eq!(
            warnings,
            [
                "isp0: of 2001:db9::/48 only hosts in 2001:db9:0:10::/64 can leave by it",
                "isp0: hosts in 2001:dba::/48 cannot leave by it: no mapping is for them",
            ]
        );
    }

    #[test]
    fn nested_prefixes_are_warned_of_with_their_effect() {
        let reached = ["prefix = \"2001:db8:1::/48\"", "prefix = \"2001:db8:1:ff00::/56\""];
        let warnings = of("[\"2001:db9::/48\"]", &reached);
        assert!(warnings.iter().any(|one| one.contains("answers to hosts whose image by isp0")), "{warnings:?}");
        let beyond = ["prefix = \"2001:db8::/32\"", "prefix = \"2001:db8:ffff::/48\""];
        let warnings = of("[\"2001:db9::/48\"]", &beyond);
        assert!(warnings.iter().any(|one| one.contains("so nothing is lost")), "{warnings:?}");
    }

    #[test]
    fn a_router_inside_the_prefix_is_warned_of_with_the_host_that_it_costs() {
        let isp = "prefix = \"2001:db8:1::/48\"\nnext_hop = \"2001:db8:1:1::1\"";
        let warnings = of("[\"2001:db9::/48\"]", &[isp]);
        assert!(matches!(&warnings[..], [one] if one.contains("the host 2001:db9:0:1::1 has")), "{warnings:?}");
    }

    #[test]
    fn an_nd_proxy_for_what_is_routed_or_for_nobody_is_warned_of() {
        let isp = |external: &str, nd_proxy: &str| format!("prefix = \"{external}\"\nnd_proxy = {nd_proxy}");
        let of_isp = |external: &str, nd_proxy: &str| of("[\"2001:db9:0:10::/64\"]", &[&isp(external, nd_proxy)]);
        assert_eq!(of_isp("2001:db8:1::/64", "true"), [""; 0]);
        let warnings = of_isp("2001:db8:1::/64", "\"static\"");
        assert!(matches!(&warnings[..], [one] if one.contains("somebody scans")), "{warnings:?}");
        let warnings = of("[\"2001:db9::/48\"]", &[&isp("2001:db8:1::/48", "true")]);
        assert!(matches!(&warnings[..], [one] if one.contains("2001:db8:1::/48, but")), "{warnings:?}");
    }
}
