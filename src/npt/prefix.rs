//! An IPv6 prefix without host bits.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// An IPv6 prefix: a length of 0 to 128 bits and an address that is zero beyond it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    bits: u128,
    len: u8,
}

/// Why a text or an (address, length) is no [`Prefix`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not `ADDRESS/LENGTH`.
    #[error("`{0}` is not an IPv6 prefix; write ADDRESS/LENGTH like 2001:db8:1::/48")]
    Syntax(String),
    /// A length over 128.
    #[error("prefix length /{0} is over /128")]
    Length(u8),
    /// Bits are set beyond the length.
    #[error("`{address}/{len}` has bits set beyond its length; did you mean {suggestion}?")]
    HostBits {
        /// The address as given.
        address: Ipv6Addr,
        /// The length as given.
        len: u8,
        /// The prefix that contains it.
        suggestion: Prefix,
    },
}

const fn mask(len: u8) -> u128 {
    match len {
        0 => 0,
        len => u128::MAX << (128 - len as u32),
    }
}

impl Prefix {
    /// The prefix `address/len`.
    ///
    /// # Errors
    /// When `len` is over 128 or `address` has bits set beyond `len`.
    pub fn new(address: Ipv6Addr, len: u8) -> Result<Self, PrefixError> {
        if len > 128 {
            return Err(PrefixError::Length(len));
        }
        let containing = Self { bits: address.to_bits() & mask(len), len };
        if containing.bits != address.to_bits() {
            return Err(PrefixError::HostBits { address, len, suggestion: containing });
        }
        Ok(containing)
    }

    /// The prefix of `len` bits that contains `address`; `len` over 128 counts as 128.
    pub const fn containing(address: Ipv6Addr, len: u8) -> Self {
        let len = if len > 128 { 128 } else { len };
        Self { bits: address.to_bits() & mask(len), len }
    }

    /// The address part.
    pub const fn address(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.bits)
    }

    /// The length in bits, 0 to 128.
    #[expect(clippy::len_without_is_empty, reason = "the length of a prefix counts bits")]
    pub const fn len(self) -> u8 {
        self.len
    }

    /// Whether `address` lies inside.
    pub const fn contains(self, address: Ipv6Addr) -> bool {
        (address.to_bits() ^ self.bits) & mask(self.len) == 0
    }

    /// Whether every address of `other` lies inside.
    pub const fn covers(self, other: Self) -> bool {
        self.len <= other.len && (other.bits ^ self.bits) & mask(self.len) == 0
    }

    /// Whether the two share an address.
    pub const fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let syntax = || PrefixError::Syntax(text.to_owned());
        let (address, len) = text.split_once('/').ok_or_else(syntax)?;
        let address: Ipv6Addr = address.parse().map_err(|_| syntax())?;
        if len.is_empty() || !len.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(syntax());
        }
        Self::new(address, len.parse().map_err(|_| syntax())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in ["::/0", "2001:db8:1::/48", "fd12:3456:789a:10::/60", "::1/128", "8000::/1"] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn host_bits_are_refused_with_the_prefix_that_was_meant() {
        let error = "2001:db8:1::1/48".parse::<Prefix>().unwrap_err();
        assert!(error.to_string().ends_with("did you mean 2001:db8:1::/48?"), "{error}");
    }

    #[test]
    fn syntax_errors_are_refused() {
        for text in ["", "::", "::/", "::/129", "::/+4", "::/4 ", "1.2.3.0/24", "::/4/5", "::/256"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn containment_at_every_length() {
        let address: Ipv6Addr = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff".parse().unwrap();
        for len in 0..=128 {
            let prefix = Prefix::containing(address, len);
            assert!(prefix.contains(address) && prefix.covers(Prefix::containing(address, 128)));
            if len > 0 {
                let flipped = Ipv6Addr::from_bits(address.to_bits() ^ (1 << (128 - u32::from(len))));
                assert!(!prefix.contains(flipped), "/{len}");
            }
        }
    }
}
