//! A prefix that a DHCPv6-PD client or a router has put into the kernel.

use std::collections::BTreeSet;

use crate::control::kernel::{KernelState, RouteKind, TABLE_MAIN};
use crate::limits::SHORTEST_DELEGATION;
use crate::npt::Prefix;

/// Why a device does not tell a prefix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// There is no such device.
    #[error("there is none of this name")]
    NoDevice,
    /// Nobody has given it one.
    #[error("it has no address of a prefix that is not the site's own")]
    NoAddress,
    /// The loopback device has no delegation.
    #[error("there is no `unreachable` route for a delegation")]
    NoRoute,
    /// More than one that could be meant.
    #[error("it has several: {}; name a device that has one of them, or let the client write a file", .0.join(", "))]
    Several(Vec<String>),
}

impl Unseen {
    /// Whether there is no prefix, and not several.
    pub const fn is_absence(&self) -> bool {
        !matches!(self, Self::Several(_))
    }
}

/// The prefix at `interface`: the delegation that an address there is out of, else that address's own
/// prefix. A delegation is the prefix of a route that refuses: what is not handed on goes nowhere (RFC 7084
/// WPD-5). Whatever lies in `internal`, the site's own prefixes, is none. Of several, the `known` one.
///
/// # Errors
/// When there is none, or there are several and none is known.
pub fn seen_at(
    kernel: &KernelState,
    interface: &str,
    internal: &[Prefix],
    known: Option<Prefix>,
) -> Result<Prefix, Unseen> {
    let link = kernel.link(interface).ok_or(Unseen::NoDevice)?;
    let foreign = |prefix: &Prefix| !internal.iter().any(|internal| internal.overlaps(*prefix));
    let delegations = || {
        let routes = kernel.routes.iter().filter(|route| route.table == TABLE_MAIN && route.kind == RouteKind::Refuse);
        routes.map(|route| route.prefix).filter(|prefix| (SHORTEST_DELEGATION..=64).contains(&prefix.len()))
    };
    let addresses = kernel
        .own_addresses()
        .filter(|own| own.ifindex == link.ifindex && own.prefix_len <= 64 && !own.deprecated)
        .map(|own| Prefix::containing(own.address, own.prefix_len));
    let mut whole = BTreeSet::new();
    let mut own = BTreeSet::new();
    for prefix in addresses.filter(foreign) {
        let delegation = delegations().filter(|delegation| delegation.covers(prefix)).max_by_key(|found| found.len());
        match delegation {
            Some(delegation) => whole.insert(delegation),
            None => own.insert(prefix),
        };
    }
    if link.loopback {
        whole.extend(delegations().filter(|prefix| foreign(prefix) && !prefix.address().is_unique_local()));
    }
    let found = if whole.is_empty() { own } else { whole };
    match known.filter(|known| found.contains(known)) {
        Some(known) => Ok(known),
        None if found.len() > 1 => Err(Unseen::Several(found.iter().map(Prefix::to_string).collect())),
        None => found.first().copied().ok_or(if link.loopback { Unseen::NoRoute } else { Unseen::NoAddress }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::kernel::{Address, Link, Preference, Route};

    fn kernel(addresses: &[(u32, &str, u8)], refused: &[&str]) -> KernelState {
        let link = |(ifindex, name): (u32, &str)| {
            (ifindex, Link { name: name.to_owned(), ifindex, loopback: name == "lo", ..Link::default() })
        };
        let address = |&(ifindex, address, prefix_len): &(u32, &str, u8)| {
            Address::in_use(ifindex, address.parse().unwrap(), prefix_len)
        };
        let route = |prefix: &&str| Route {
            table: TABLE_MAIN,
            prefix: prefix.parse().unwrap(),
            kind: RouteKind::Refuse,
            metric: 1024,
            preference: Preference::Medium,
            protocol: 16,
            hops: Vec::new(),
        };
        KernelState {
            links: [(1, "lo"), (2, "wan0"), (3, "lan0")].into_iter().map(link).collect(),
            addresses: addresses.iter().map(address).collect(),
            routes: refused.iter().map(route).collect(),
            ..KernelState::default()
        }
    }

    fn seen(kernel: &KernelState, interface: &str, known: Option<&str>) -> Result<String, Unseen> {
        let internal = ["fd12:3456:789a::/48".parse().unwrap()];
        let known = known.map(|known| known.parse().unwrap());
        seen_at(kernel, interface, &internal, known).map(|prefix| prefix.to_string())
    }

    #[test]
    fn the_delegation_of_an_address_is_taken_whole() {
        let kernel = kernel(
            &[
                (2, "2001:db8:f::2", 64),
                (2, "2001:db8:a:1::1", 64),
                (3, "2001:db8:b:2::1", 64),
                (3, "fd12:3456:789a::1", 64),
            ],
            &["2001:db8:a::/56", "2001:db8:b::/48", "fd12:3456:789a::/48"],
        );
        assert_eq!(seen(&kernel, "wan0", None).unwrap(), "2001:db8:a::/56", "and not the link's own");
        assert_eq!(seen(&kernel, "lan0", None).unwrap(), "2001:db8:b::/48", "and nothing of the site's");
        assert_eq!(seen(&kernel, "wan7", None), Err(Unseen::NoDevice));
    }

    #[test]
    fn without_a_delegation_the_links_prefix_is_taken() {
        let kernel = kernel(&[(2, "2001:db8:f::2", 64), (2, "2001:db8:f:1::7", 128), (2, "fe80::1", 64)], &[]);
        assert_eq!(seen(&kernel, "wan0", None).unwrap(), "2001:db8:f::/64");
        assert_eq!(seen(&kernel, "lan0", None), Err(Unseen::NoAddress));
        assert_eq!(seen(&kernel, "lo", None), Err(Unseen::NoRoute));
    }

    #[test]
    fn the_loopback_device_stands_for_the_refusing_routes() {
        let one = kernel(&[], &["2001:db8:a::/56", "fd00::/8", "2001:db8::/96", "::/0"]);
        assert_eq!(seen(&one, "lo", None).unwrap(), "2001:db8:a::/56");
        assert_eq!(seen(&one, "wan0", None), Err(Unseen::NoAddress));
        let two = kernel(&[], &["2001:db8:a::/56", "2001:db8:b::/56"]);
        let error = seen(&two, "lo", None).unwrap_err().to_string();
        assert!(error.contains("2001:db8:a::/56, 2001:db8:b::/56"), "{error}");
        assert_eq!(seen(&two, "lo", Some("2001:db8:b::/56")).unwrap(), "2001:db8:b::/56", "the known one stays");
    }

    #[test]
    fn a_deprecated_address_is_on_its_way_out() {
        let mut kernel = kernel(&[(2, "2001:db8:a::1", 64), (2, "2001:db8:b::1", 64)], &[]);
        assert!(seen(&kernel, "wan0", None).is_err());
        kernel.addresses[0].deprecated = true;
        assert_eq!(seen(&kernel, "wan0", Some("2001:db8:a::/64")).unwrap(), "2001:db8:b::/64");
    }
}
