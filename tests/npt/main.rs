//! RFC 6296 by the library: its clauses one by one, and its properties.

mod clauses;
mod properties;
#[path = "../common/slow_npt.rs"]
mod slow_npt;

use std::net::Ipv6Addr;

use sixways::npt::{Mapping, Prefix};

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn mapping(internal: &str, external: &str) -> Mapping {
    Mapping::new(prefix(internal), prefix(external)).unwrap()
}

fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// The one's-complement sum of an address, 0x0000 and 0xFFFF being one value.
fn checksum(address: Ipv6Addr) -> u32 {
    address.segments().into_iter().map(u32::from).sum::<u32>() % 0xffff
}
