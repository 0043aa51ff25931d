//! What the gateway will put into the kernel for the host itself, and what stands in the way.

use crate::control::config::{Config, HOST_DEVICE, HOST_PORT};
use crate::control::host_link::{self, FAR};
use crate::control::kernel::KernelState;
use crate::limits::{HOST_LINK_MTU, HOST_PROTOCOL, HOST_STEER_PRIORITY, HOST_STEER_TABLE};

/// One line for each thing, as `ip` would be told it.
pub fn installs(config: &Config, kernel: &KernelState) -> Vec<String> {
    let mut lines = Vec::new();
    if config.host.steer {
        let (priority, table) = (HOST_STEER_PRIORITY, HOST_STEER_TABLE);
        let address = host_link::source(config, kernel);
        let address = address.map_or_else(|| "an internal address of the host".to_owned(), |own| format!("{own}/128"));
        lines.push(format!("link {HOST_DEVICE} mtu {HOST_LINK_MTU} type veth peer {HOST_PORT}"));
        lines.push(format!("address {address} dev {HOST_DEVICE}: the source of own traffic"));
        lines.push(format!("route default via {FAR} dev {HOST_DEVICE} table {table}"));
        lines.push(format!("rule {priority}: from all lookup main suppress_prefixlength 0"));
        for internal in &config.site.internal {
            lines.push(format!("rule {}: from {internal}, or without a source yet, lookup {table}", priority + 1));
        }
        lines.push(format!("rule {}: not from all iif lo lookup {table}", priority + 2));
    }
    if config.ipv4.follow {
        let when = "while the first IPv4 default route leads to an ISP that is not usable";
        lines.push(format!("IPv4 route default, a copy of another one, proto {HOST_PROTOCOL}, {when}"));
    }
    lines
}

/// What the host's own traffic cannot do without. Nothing where the interfaces are not on this machine.
pub fn obstacles(config: &Config, kernel: &KernelState) -> Vec<String> {
    let is_here = config.lans.iter().any(|lan| kernel.link(&lan.interface).is_some());
    if !config.host.steer || !is_here {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    if host_link::ends(kernel).is_none() {
        let taken = [HOST_DEVICE, HOST_PORT].into_iter().filter(|name| kernel.link(name).is_some());
        warnings.extend(taken.map(|name| {
            format!("{name} is there and is not the gateway's: steer = true needs the name; rename or remove it")
        }));
    }
    if host_link::source(config, kernel).is_none() {
        let inside = config.site.internal.first().map(ToString::to_string).unwrap_or_default();
        warnings.push(format!(
            "the host has no address inside: its own traffic is not steered until it has one out of {inside}"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;
    use crate::control::kernel::{Address, Link};

    #[test]
    fn a_host_without_an_address_inside_is_told_so_once_its_lan_is_here() {
        let text = format!("{}\n[host]\nsteer = true\n", include_str!("../../../configs/minimal.toml"));
        let config = parse(&text).unwrap();
        let mut kernel = KernelState::default();
        assert_eq!(obstacles(&config, &kernel), [""; 0]);
        let link = |name: &str, ifindex| Link { name: name.to_owned(), ifindex, ..Link::default() };
        kernel.links.insert(7, link("lan0", 7));
        kernel.links.insert(8, link(HOST_PORT, 8));
        let warnings = obstacles(&config, &kernel);
        assert!(
            matches!(&warnings[..], [name, address] if name.contains(HOST_PORT) && address.contains("fd12:3456:789a::/48")),
            "{warnings:?}"
        );
        kernel.links.remove(&8);
        let address = "fd12:3456:789a:10::1".parse().unwrap();
        kernel.addresses.push(Address::in_use(7, address, 64));
        assert_eq!(obstacles(&config, &kernel), [""; 0]);
        assert!(installs(&config, &kernel).iter().any(|line| line.starts_with("address fd12:3456:789a:10::1/128")));
    }

    #[test]
    fn by_default_nothing_is_installed() {
        let config = parse(include_str!("../../../configs/minimal.toml")).unwrap();
        assert_eq!(installs(&config, &KernelState::default()), [""; 0]);
    }
}
