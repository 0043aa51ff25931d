//! The keyed hash of flows: Multilinear-HM with a bijective mixer.
//!
//! One definition for Rust and BPF C (`src/xdp/bpf/flow.h`). Input: five 64-bit words, each
//! multiplied as two 32-bit halves; two distinct inputs collide with a probability of at most
//! 2⁻³² over the keys. The mixer is a bijection on the 64-bit sum: it adds no collisions, and it
//! makes truncated results (bucket numbers) depend on all bits, which the plain sum's do not.
//! It is no PRF: a stranger who guesses collisions gains a shared bucket or a lost flow record,
//! never a wrong translation.

use std::net::Ipv6Addr;

/// Words of key material that the hash uses.
pub const KEY_WORDS: usize = 11;

/// Changes whenever another hash is computed from the same key and flow: what was stored by
/// hash is then worth nothing.
pub const HASH_VERSION: u32 = 1;

/// The secret of the hash. Made once per installation and kept: with another key every flow
/// may move to another ISP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey(pub [u64; KEY_WORDS]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

impl HashKey {
    /// Tells two keys apart without giving either away.
    pub const fn fingerprint(&self) -> u64 {
        let mut sum = 0;
        let mut word = 0;
        while word < KEY_WORDS {
            sum = mix(sum ^ self.0[word]);
            word += 1;
        }
        sum
    }
}

/// What names a flow, the same from both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The inside address of the host inside.
    pub internal: Ipv6Addr,
    /// The host outside.
    pub remote: Ipv6Addr,
    /// The upper-layer protocol; 0 for all protocols together.
    pub protocol: u8,
    /// The inside port; for ICMPv6 echo the identifier; 0 where there are no ports.
    pub internal_port: u16,
    /// The outside port; for ICMPv6 echo the identifier; 0 where there are no ports.
    pub remote_port: u16,
}

impl FlowKey {
    /// All that goes on between two hosts.
    pub const fn pair(internal: Ipv6Addr, remote: Ipv6Addr) -> Self {
        Self { internal, remote, protocol: 0, internal_port: 0, remote_port: 0 }
    }

    /// All that goes on between an inside port and anybody.
    pub const fn endpoint(self) -> Self {
        Self { remote: Ipv6Addr::UNSPECIFIED, remote_port: 0, ..self }
    }

    /// The hash.
    pub fn hash(&self, key: &HashKey) -> u64 {
        let [i0, i1] = halves(self.internal);
        let [r0, r1] = halves(self.remote);
        let ports = u64::from(self.protocol) << 32 | u64::from(self.internal_port) << 16 | u64::from(self.remote_port);
        multilinear(key, [i0, i1, r0, r1, ports])
    }
}

/// High and low 64 bits of an address, in network order.
const fn halves(address: Ipv6Addr) -> [u64; 2] {
    let bits = address.to_bits();
    [(bits >> 64) as u64, bits as u64]
}

/// The hash of five words in host order.
pub fn multilinear(key: &HashKey, input: [u64; 5]) -> u64 {
    let mut sum = key.0[0];
    for (pair, word) in input.into_iter().enumerate() {
        let high = (word >> 32).wrapping_add(key.0[1 + 2 * pair]);
        let low = (word & 0xffff_ffff).wrapping_add(key.0[2 + 2 * pair]);
        sum = sum.wrapping_add(high.wrapping_mul(low));
    }
    mix(sum)
}

/// A bijection on 64 bits in which every input bit reaches every output bit.
pub const fn mix(mut sum: u64) -> u64 {
    sum ^= sum >> 32;
    sum = sum.wrapping_mul(0xd6e8_feb8_6659_fd93);
    sum ^= sum >> 32;
    sum = sum.wrapping_mul(0xd6e8_feb8_6659_fd93);
    sum ^ sum >> 32
}
