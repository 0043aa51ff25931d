//! The keyed hash that spreads flows over buckets: Multilinear-HM with a bijective mixer.
//!
//! One definition for Rust and BPF C. Input: five 64-bit words, each multiplied as two 32-bit
//! halves; two distinct inputs collide with a probability of at most 2⁻³² over the keys. The
//! mixer is a bijection on the 64-bit sum: it adds no collisions, and it makes truncated
//! results (bucket numbers) depend on all bits, which the plain sum's do not. It is no PRF:
//! a stranger who guesses collisions gains a shared bucket, never a wrong translation.

use std::net::Ipv6Addr;

/// Words of key material that the hash uses.
pub const KEY_WORDS: usize = 11;

/// The secret of the hash. Made once per installation and kept: with another key every flow
/// may move to another ISP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey(pub [u64; KEY_WORDS]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(secret)")
    }
}

/// Hash of a flow, the same from both directions.
pub fn flow_hash(
    key: &HashKey,
    internal: Ipv6Addr,
    remote: Ipv6Addr,
    protocol: u8,
    internal_port: u16,
    remote_port: u16,
) -> u64 {
    let [i0, i1] = halves(internal);
    let [r0, r1] = halves(remote);
    let ports = u64::from(protocol) << 32 | u64::from(internal_port) << 16 | u64::from(remote_port);
    multilinear(key, [i0, i1, r0, r1, ports])
}

/// Hash of an address pair, the same for every packet between the two.
pub fn pair_hash(key: &HashKey, internal: Ipv6Addr, remote: Ipv6Addr) -> u64 {
    flow_hash(key, internal, remote, 0, 0, 0)
}

/// High and low 64 bits of an address, in network order.
const fn halves(address: Ipv6Addr) -> [u64; 2] {
    let bits = address.to_bits();
    [(bits >> 64) as u64, bits as u64]
}

fn multilinear(key: &HashKey, input: [u64; 5]) -> u64 {
    let mut sum = key.0[0];
    for (pair, word) in input.into_iter().enumerate() {
        let high = (word >> 32).wrapping_add(key.0[1 + 2 * pair]);
        let low = (word & 0xffff_ffff).wrapping_add(key.0[2 + 2 * pair]);
        sum = sum.wrapping_add(high.wrapping_mul(low));
    }
    mix(sum)
}

/// A bijection on 64 bits in which every input bit reaches every output bit.
pub(super) const fn mix(mut sum: u64) -> u64 {
    sum ^= sum >> 32;
    sum = sum.wrapping_mul(0xd6e8_feb8_6659_fd93);
    sum ^= sum >> 32;
    sum = sum.wrapping_mul(0xd6e8_feb8_6659_fd93);
    sum ^ sum >> 32
}
