//! The prefix pairs of the run, and addresses that they map.

use std::net::Ipv6Addr;

use sixways::units::Direction;

use crate::random::Random;

/// An internal and an external prefix.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub internal: (Ipv6Addr, u32),
    pub external: (Ipv6Addr, u32),
}

const PAIRS: [(&str, &str); 9] = [
    ("fd12:3456:7800::/40", "2001:db8:100::/40"),
    ("fd12:3456:789a::/48", "2001:db8:1::/48"),
    ("fd12:3456:789a:7000::/52", "2001:db8:2:a000::/52"),
    ("fd12:3456:789a:5500::/56", "2001:db8:2:aa00::/56"),
    ("fd12:3456:789a:8880::/59", "2001:db8:2:bba0::/59"),
    ("fd12:3456:789a:10::/64", "2001:db8:3:77ab::/64"),
    ("fd12:3456:789a::/48", "2001:db8:4:4400::/56"),
    ("fd12:3456:789a:6600::/56", "2001:db8:5::/48"),
    ("fd12:3456:789a::/48", "2001:db8:6:1::/64"),
];

pub fn pairs() -> Vec<Pair> {
    PAIRS.iter().map(|(internal, external)| Pair { internal: prefix(internal), external: prefix(external) }).collect()
}

fn prefix(text: &str) -> (Ipv6Addr, u32) {
    let (address, length) = text.split_once('/').expect("a prefix");
    (address.parse().expect("an address"), length.parse().expect("a length"))
}

impl Pair {
    /// The longer of the two lengths: what RFC 6296 §3.1 extends the other one to.
    pub fn length(&self) -> u32 {
        self.internal.1.max(self.external.1)
    }

    /// The prefix that a sender's packets have the local end in.
    pub fn near(&self, direction: Direction) -> (Ipv6Addr, u32) {
        match direction {
            Direction::Outbound => self.internal,
            Direction::Inbound => self.external,
        }
    }

    /// A local address that both can map, as seen where packets of `direction` come from.
    pub fn address(&self, random: &mut Random, direction: Direction) -> Ipv6Addr {
        let (prefix, _) = self.near(direction);
        let mut iid = random.bits();
        match random.below(16) {
            // The word that would be adjusted is not eligible; the next one is.
            0 => iid |= 0xffff << 48,
            1 => iid |= 0xffff_ffff << 32,
            // As an administrator writes it.
            2 => iid = 1 + random.below(0xfffe),
            _ => {}
        }
        loop {
            let subnet = random.bits() & low(64 - self.length());
            if self.length() > 48 || subnet & 0xffff != 0xffff {
                return Ipv6Addr::from_bits(prefix.to_bits() | u128::from(subnet) << 64 | u128::from(iid));
            }
        }
    }

    /// A local address with this identifier.
    pub fn with_iid(&self, random: &mut Random, direction: Direction, iid: u64) -> Ipv6Addr {
        let address = self.address(random, direction).to_bits();
        Ipv6Addr::from_bits(address >> 64 << 64 | u128::from(iid))
    }

    /// A local address in subnet 0xFFFF of a prefix of at most 48 bits.
    pub fn in_subnet_ffff(&self, random: &mut Random, direction: Direction) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.address(random, direction).to_bits() | 0xffff << 64)
    }

    /// A local address in a subnet that the other prefix has no room for, if there is one.
    pub fn excess(&self, random: &mut Random, direction: Direction) -> Option<Ipv6Addr> {
        let spare = self.length() - self.near(direction).1;
        let subnet = u128::from(1 + random.below(u64::from(low(spare).max(1) as u32))) << (128 - self.length());
        (spare > 0).then(|| Ipv6Addr::from_bits(self.address(random, direction).to_bits() | subnet))
    }

    /// The identifier whose image is all zeros: one word, the others zero.
    pub fn vanishing_iid(&self, direction: Direction) -> u64 {
        let sum = |(prefix, _): (Ipv6Addr, u32)| prefix.segments()[..4].iter().fold(0, |sum, word| add(sum, *word));
        let (from, to) = match direction {
            Direction::Outbound => (sum(self.internal), sum(self.external)),
            Direction::Inbound => (sum(self.external), sum(self.internal)),
        };
        // word + from - to = 0xFFFF, which is written as 0 (RFC 6296 §3.2, §3.3).
        u64::from(add(to, !from)) << 48
    }
}

const fn low(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// One's complement.
fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}
