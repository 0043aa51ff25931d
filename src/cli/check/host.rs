//! What this machine says to a configuration: nothing where its interfaces are not here.

use serde::Serialize;

use super::installs;
use crate::app::socket_options;
use crate::control::bypass;
use crate::control::config::{Config, NdProxy};
use crate::control::kernel::KernelState;
use crate::control::netlink::Netlink;
use crate::npt::{Mapping, Prefix};
use crate::units::PortId;
use crate::xdp::device::Device;
use crate::xdp::ethtool::receive_queues;
use crate::xdp::open::buffer_octets;
use crate::xdp::{PortSpec, plan_queues};

/// What the machine adds to the report.
#[derive(Debug, Default, Serialize)]
pub struct HostReport {
    /// What the packet buffers take, in words.
    pub memory: String,
    /// Octets of all packet buffers of one start.
    pub memory_octets: u64,
    /// Workers that `memory_octets` is for.
    pub workers: usize,
    /// What the gateway puts into the kernel for the host itself, in words.
    pub installs: Vec<String>,
    /// What was or was not looked at.
    pub notes: Vec<String>,
    /// Moved to the report's own.
    #[serde(skip)]
    pub warnings: Vec<String>,
}

/// Looks at the interfaces of `config` in this network namespace.
pub fn look(config: &Config) -> anyhow::Result<HostReport> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let dump = runtime.block_on(async { Netlink::open()?.dump().await });
    let mut report = HostReport::default();
    let names = interfaces(config);
    let kernel = dump.unwrap_or_else(|error| {
        report.notes.push(format!("not looked at: {error}"));
        KernelState::default()
    });
    let (here, missing): (Vec<&str>, Vec<&str>) = names.iter().copied().partition(|name| kernel.link(name).is_some());
    memory(config, &missing, &mut report)?;
    if !missing.is_empty() && report.notes.is_empty() {
        let note = format!("{} not on this machine: no look at addresses, filters and queues there", list(&missing));
        report.notes.push(note);
    }
    report.installs = installs::installs(config, &kernel);
    report.warnings.extend(installs::obstacles(config, &kernel));
    own_addresses(config, &kernel, &mut report.warnings);
    subnet_ffff(config, &kernel, &mut report.warnings);
    on_link(config, &kernel, &mut report.warnings);
    if !here.is_empty() {
        let (bypassed, unanswered) = bypass::bypassed(&here);
        report.warnings.extend(bypassed.into_iter().map(|one| format!("{} {}", one.what, one.effect)));
        report.notes.extend(unanswered.iter().map(ToString::to_string));
    }
    Ok(report)
}

/// The devices, each once.
fn interfaces(config: &Config) -> Vec<&str> {
    // The host's own port is made by the gateway.
    let lans = config.lans.iter().filter(|lan| !lan.is_host()).map(|lan| lan.interface.as_str());
    let mut names: Vec<&str> = Vec::new();
    for name in lans.chain(config.isps.iter().map(|isp| isp.interface.as_str())) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn list(names: &[&str]) -> String {
    match names {
        [one] => format!("{one} is"),
        [others @ .., last] => format!("{} and {last} are", others.join(", ")),
        [] => String::new(),
    }
}

/// The packet buffers of the workers that would start here; without the interfaces, of one
/// worker with one queue of each.
fn memory(config: &Config, missing: &[&str], report: &mut HostReport) -> anyhow::Result<()> {
    let names = interfaces(config);
    let (queues, wanted) = if missing.is_empty() {
        let device = Device::open()?;
        let queues: Vec<u32> = names.iter().map(|name| receive_queues(&device, name)).collect::<Result<_, _>>()?;
        (queues, config.dataplane.queues)
    } else {
        (vec![1; names.len()], None)
    };
    let plan = plan_queues(&queues, wanted);
    let options = socket_options(&config.dataplane);
    let of_worker = |owned: &Vec<Vec<u32>>| {
        let spec = |(name, queues): (&&str, &Vec<u32>)| PortSpec {
            port: PortId::default(),
            interface: (*name).to_owned(),
            queues: queues.clone(),
        };
        let specs: Vec<PortSpec> = names.iter().zip(owned).map(spec).collect();
        buffer_octets(&options, &specs)
    };
    report.workers = plan.workers.len();
    report.memory_octets = plan.workers.iter().map(of_worker).sum();
    let mebibytes = report.memory_octets as f64 / f64::from(1 << 20);
    let workers = if report.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", report.workers) };
    let of_what = if missing.is_empty() {
        format!("{workers} with the queues of this machine")
    } else {
        format!("each worker with one queue of each of the {} interfaces", names.len())
    };
    report.memory = format!("{mebibytes:.1} MiB of packet buffers, locked, for {of_what}");
    Ok(())
}

/// A host whose image is one of the gateway's own addresses gets no answers.
fn own_addresses(config: &Config, kernel: &KernelState, warnings: &mut Vec<String>) {
    for own in kernel.own_addresses() {
        for isp in &config.isps {
            for mapping in isp.mappings.iter().filter(|mapping| !mapping.is_identity()) {
                if !mapping.external().contains(own.address) {
                    continue;
                }
                let host = match mapping.inbound(own.address) {
                    Ok(host) => {
                        format!("host {host}, whose image it is, cannot leave by {} (image-is-gateway)", isp.name)
                    }
                    Err(_) => "no host has it as its image".to_owned(),
                };
                let external = mapping.external();
                warnings.push(format!("the gateway's own {} lies in {}'s {external}: {host}", own.address, isp.name));
            }
        }
    }
}

/// An ISP that puts the prefix on the link asks there for every address of it.
fn on_link(config: &Config, kernel: &KernelState, warnings: &mut Vec<String>) {
    for isp in config.isps.iter().filter(|isp| isp.nd_proxy == NdProxy::Off) {
        let Some(link) = kernel.link(&isp.interface) else { continue };
        for external in isp.mappings.iter().map(Mapping::external) {
            let is_here = kernel.main_routes().into_iter().any(|route| {
                let direct = route.hops.iter().any(|hop| hop.ifindex == link.ifindex && hop.gateway.is_none());
                route.prefix.len() == 64 && external.covers(route.prefix) && direct
            });
            if is_here {
                warnings.push(format!(
                    "{}'s {external} is on the link of {}: if the ISP does not route it to the gateway, no answer comes \
                     back without nd_proxy = true",
                    isp.name, isp.interface
                ));
            }
        }
    }
}

/// Subnet 0xFFFF has no image with prefixes of up to 48 bits.
fn subnet_ffff(config: &Config, kernel: &KernelState, warnings: &mut Vec<String>) {
    let lans: Vec<u32> = config
        .lans
        .iter()
        .filter_map(|lan| kernel.edge_link(&lan.interface, lan.vlan))
        .map(|link| link.ifindex)
        .collect();
    let addresses = kernel
        .own_addresses()
        .filter(|own| lans.contains(&own.ifindex))
        .map(|own| Prefix::containing(own.address, own.prefix_len.max(64)));
    let routes = kernel
        .main_routes()
        .into_iter()
        .filter(|route| route.hops.iter().any(|hop| lans.contains(&hop.ifindex)))
        .map(|route| route.prefix);
    let mut used: Vec<Prefix> = addresses.chain(routes).filter(|prefix| subnet(*prefix) == 0xffff).collect();
    used.sort_unstable();
    used.dedup();
    for prefix in used {
        let cut_off = |mapping: &&Mapping| {
            let lengths = [mapping.internal().len(), mapping.external().len()];
            !mapping.is_identity() && lengths.iter().all(|len| *len <= 48) && mapping.internal().covers(prefix)
        };
        let isps: Vec<&str> = config
            .isps
            .iter()
            .filter(|isp| isp.mappings.iter().any(|mapping| cut_off(&mapping)))
            .map(|isp| isp.name.as_str())
            .collect();
        if !isps.is_empty() {
            warnings.push(format!(
                "{prefix} is in use on a LAN, but subnet ffff has no image (RFC 6296 §4.2): its hosts cannot leave by {}; \
                 give them another subnet",
                isps.join(", ")
            ));
        }
    }
}

/// Bits 48 to 63 of a prefix that is long enough to have them; 0 of others.
fn subnet(prefix: Prefix) -> u16 {
    if prefix.len() < 64 { 0 } else { prefix.address().segments()[3] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse;
    use crate::control::kernel::{Address, Hop, Link, Preference, Route, RouteKind, TABLE_MAIN};

    const LAN: u32 = 7;
    const WAN: u32 = 8;

    fn config() -> Config {
        parse(include_str!("../../../configs/minimal.toml")).unwrap()
    }

    fn kernel(addresses: &[(u32, &str, u8)]) -> KernelState {
        let link = |(name, ifindex): (&str, u32)| (ifindex, Link { name: name.to_owned(), ifindex, ..Link::default() });
        let address = |&(ifindex, address, prefix_len): &(u32, &str, u8)| {
            Address::in_use(ifindex, address.parse().unwrap(), prefix_len)
        };
        KernelState {
            links: [("lan0", LAN), ("wan0", WAN)].into_iter().map(link).collect(),
            addresses: addresses.iter().map(address).collect(),
            ..KernelState::default()
        }
    }

    #[test]
    fn an_own_address_inside_an_external_prefix_names_the_host_that_it_costs() {
        let mut warnings = Vec::new();
        own_addresses(
            &config(),
            &kernel(&[(WAN, "2001:db8:1:7c4a::10", 64), (LAN, "fd12:3456:789a:1::1", 64)]),
            &mut warnings,
        );
        let meant = "the gateway's own 2001:db8:1:7c4a::10 lies in fiber's 2001:db8:1::/48: host fd12:3456:789a:1::10, \
                     whose image it is, cannot leave by fiber (image-is-gateway)";
        assert_eq!(warnings, [meant]);
    }

    #[test]
    fn a_prefix_on_the_isps_link_is_warned_of_unless_it_is_answered_for() {
        let mut kernel = kernel(&[]);
        let route = |text: &str, ifindex| Route {
            table: TABLE_MAIN,
            prefix: text.parse().unwrap(),
            kind: RouteKind::Unicast,
            metric: 256,
            preference: Preference::Medium,
            protocol: 2,
            hops: vec![Hop { ifindex, gateway: None, dead: false }],
        };
        let warned = |kernel: &KernelState, config: &Config| {
            let mut warnings = Vec::new();
            on_link(config, kernel, &mut warnings);
            warnings
        };
        kernel.routes = vec![route("2001:db8:1:7c4a::/64", LAN), route("2001:db8:a::/64", WAN)];
        assert_eq!(warned(&kernel, &config()), [""; 0]);
        kernel.routes.push(route("2001:db8:1:7c4a::/64", WAN));
        kernel.routes.remove(0);
        let mut config = config();
        assert!(matches!(&warned(&kernel, &config)[..], [one] if one.contains("fiber") && one.contains("wan0")));
        config.isps[0].nd_proxy = NdProxy::Confirmed;
        assert_eq!(warned(&kernel, &config), [""; 0]);
    }

    #[test]
    fn subnet_ffff_on_a_lan_is_warned_of_and_on_a_wan_is_not() {
        let mut warnings = Vec::new();
        subnet_ffff(&config(), &kernel(&[(WAN, "fd12:3456:789a:ffff::1", 64)]), &mut warnings);
        assert_eq!(warnings, [""; 0]);
        subnet_ffff(
            &config(),
            &kernel(&[(LAN, "fd12:3456:789a:ffff::1", 64), (LAN, "fd12:3456:789a:1::1", 64)]),
            &mut warnings,
        );
        assert!(
            matches!(&warnings[..], [one] if one.starts_with("fd12:3456:789a:ffff::/64") && one.contains("fiber, cable")),
            "{warnings:?}"
        );
    }
}
