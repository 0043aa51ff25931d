//! Which part of a delegation an ISP has, and what is no delegation at all.

use std::net::Ipv6Addr;

use crate::control::config::{Config, Part, Problem, refusal};
use crate::limits::SHORTEST_DELEGATION;
use crate::npt::Prefix;

/// Why a prefix that was seen is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No prefix that NPTv6 translates.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Untranslatable(Problem),
    /// Hardly a delegation.
    #[error("{0} is shorter than /{SHORTEST_DELEGATION}; no ISP delegates so much")]
    TooShort(Prefix),
    /// Smaller than the part that is wanted.
    #[error("{delegated} is too small for `length` = {length}; ask the ISP for a shorter prefix, or raise `length`")]
    TooLong {
        /// What is there.
        delegated: Prefix,
        /// What is wanted.
        length: u8,
    },
    /// Too few parts.
    #[error("{delegated} has {parts} parts of /{length}, numbered from 0; `subnet_id` = {subnet_id} is none of them")]
    NoSuchPart {
        /// What is there.
        delegated: Prefix,
        /// Length of a part.
        length: u8,
        /// How many there are.
        parts: u64,
        /// What is wanted.
        subnet_id: u64,
    },
    /// Not the ISP's alone.
    #[error("{external} overlaps {other} of {owner}")]
    Overlaps {
        /// What would be used.
        external: Prefix,
        /// What is there already.
        other: Prefix,
        /// Whose it is, in words.
        owner: String,
    },
}

/// The `part` of `delegated`.
///
/// # Errors
/// When there is none, or nobody delegates such a prefix.
pub fn part_of(delegated: Prefix, part: Part) -> Result<Prefix, Unfit> {
    if let Some(problem) = refusal(delegated) {
        return Err(Unfit::Untranslatable(problem));
    }
    if delegated.len() < SHORTEST_DELEGATION {
        return Err(Unfit::TooShort(delegated));
    }
    let Some(length) = part.length else { return Ok(delegated) };
    let Some(bits) = length.checked_sub(delegated.len()) else { return Err(Unfit::TooLong { delegated, length }) };
    let (parts, subnet_id) = (1_u64 << bits, part.subnet_id);
    if subnet_id >= parts {
        return Err(Unfit::NoSuchPart { delegated, length, parts, subnet_id });
    }
    let first = delegated.address().to_bits();
    Ok(Prefix::containing(Ipv6Addr::from_bits(first | u128::from(subnet_id) << (128 - length)), length))
}

/// Nothing where `external` would be the ISP's alone, with `others` the external prefixes of other ISPs
/// and whose they are. An identity pair is the site's own prefix.
///
/// # Errors
/// When an address of it is somebody else's.
pub fn alone(external: Prefix, config: &Config, others: impl Iterator<Item = (Prefix, String)>) -> Result<(), Unfit> {
    let site = config.site.internal.iter().filter(|internal| **internal != external);
    let site = site.map(|internal| (*internal, "the site".to_owned()));
    match site.chain(others).find(|(other, _)| other.overlaps(external)) {
        Some((other, owner)) => Err(Unfit::Overlaps { external, other, owner }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(delegated: &str, length: Option<u8>, subnet_id: u64) -> Result<String, Unfit> {
        part_of(delegated.parse().unwrap(), Part { length, subnet_id }).map(|prefix| prefix.to_string())
    }

    #[test]
    fn a_part_is_counted_from_the_start_of_the_delegation() {
        assert_eq!(part("2001:db8:a::/48", None, 0).unwrap(), "2001:db8:a::/48");
        assert_eq!(part("2001:db8:a::/48", Some(48), 0).unwrap(), "2001:db8:a::/48");
        assert_eq!(part("2001:db8:a::/48", Some(56), 0x12).unwrap(), "2001:db8:a:1200::/56");
        assert_eq!(part("2001:db8:a:8000::/49", Some(64), 0x7fff).unwrap(), "2001:db8:a:ffff::/64");
        assert_eq!(part("2001::/16", Some(64), 0xffff_ffff).unwrap(), "2001:0:ffff:ffff::/64");
    }

    #[test]
    fn what_is_no_delegation_is_refused_with_its_reason() {
        let reason = |delegated, length, subnet_id| part(delegated, length, subnet_id).unwrap_err().to_string();
        assert!(reason("2001:db8:a::/60", Some(56), 0).contains("too small for `length` = 56"));
        assert!(reason("2001:db8:a::/60", Some(64), 16).contains("has 16 parts of /64"));
        assert!(reason("2000::/3", None, 0).contains("shorter than /16"));
        assert!(reason("2001:db8::/96", None, 0).contains("longer than /64"));
        assert!(reason("fe80::/64", None, 0).contains("link-local"));
        assert!(reason("ff0e::/32", None, 0).contains("multicast"));
    }
}
