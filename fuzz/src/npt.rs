//! The translation, against RFC 6296 written down once more, slowly.

use std::net::Ipv6Addr;

use sixways::npt::{Mapping, Prefix};
use sixways::verdict::DropReason;

use crate::octets::Octets;
use crate::slow_npt;

/// One input: two lengths, two prefixes, an address, and which bits of it become the prefix's.
pub fn run(data: &[u8]) {
    let mut input = Octets(data);
    let lengths = [input.u8() % 65, input.u8() % 65];
    let place = input.u8();
    let [internal, external] = lengths.map(|length| Prefix::containing(Ipv6Addr::from_bits(input.u128()), length));
    let mapping = Mapping::new(internal, external).expect("no prefix is longer than /64");
    let address = input.u128();
    let inside = |prefix: Prefix, length: u8| {
        let host_bits = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        Ipv6Addr::from_bits(address & host_bits | prefix.address().to_bits() & !host_bits)
    };
    let longest = lengths[0].max(lengths[1]);
    let (from_inside, from_outside) = match place % 3 {
        0 => (inside(internal, longest), inside(external, longest)),
        1 => (inside(internal, internal.len()), inside(external, external.len())),
        _ => (Ipv6Addr::from_bits(address), Ipv6Addr::from_bits(address)),
    };
    one_way(internal, external, from_inside, |it| mapping.outbound(it), |it| mapping.inbound(it));
    one_way(external, internal, from_outside, |it| mapping.inbound(it), |it| mapping.outbound(it));
}

fn one_way<E: Into<DropReason> + std::fmt::Debug + PartialEq>(
    from: Prefix,
    to: Prefix,
    address: Ipv6Addr,
    there: impl Fn(Ipv6Addr) -> Result<Ipv6Addr, E>,
    back: impl Fn(Ipv6Addr) -> Result<Ipv6Addr, E>,
) {
    let words = |address: Ipv6Addr| address.segments().map(u32::from);
    let prefix = |prefix: Prefix| (words(prefix.address()), usize::from(prefix.len()));
    let slowly = slow_npt::translate(prefix(from), prefix(to), words(address));
    match there(address) {
        Ok(image) => {
            assert_eq!(Ok(words(image)), slowly, "{from} to {to}: {address}");
            assert_eq!(back(image), Ok(address), "{from} to {to}: {address} comes back from {image}");
            let sum = |address| words(address).iter().sum::<u32>() % 0xffff;
            assert_eq!(sum(image), sum(address), "checksum-neutral");
            assert!(to.contains(image));
        }
        Err(reason) => assert_eq!(slowly, Err(reason.into().label()), "{from} to {to}: {address}"),
    }
}
