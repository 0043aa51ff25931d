//! RFC 6296 once more, slowly and from its text: eight words and one's-complement sums.

use std::net::Ipv6Addr;

/// A prefix as (address, length).
pub type Pair = (Ipv6Addr, u8);

/// The image of `address` under the pair `from` → `to`, or `None` where the RFC or the project's
/// decisions know none. Outbound: `from` is the internal prefix.
pub fn translate(address: Ipv6Addr, from: Pair, to: Pair) -> Option<Ipv6Addr> {
    let length = from.1.max(to.1);
    if bits(address, length) != bits(from.0, length) {
        return None;
    }
    if from == to {
        return Some(address);
    }
    let mut words = address.segments();
    let chosen = if length <= 48 { 3 } else { (4..8).find(|word| words[*word] != 0xffff)? };
    if length <= 48 && words[3] == 0xffff || length > 48 && words[4..] == [0; 4] {
        return None;
    }
    let before = words[chosen];
    for bit in 0..usize::from(length) {
        let (word, mask) = (bit / 16, 0x8000 >> (bit % 16));
        words[word] = words[word] & !mask | to.0.segments()[word] & mask;
    }
    // What the sum of the address lost with the old prefix, the chosen word makes good.
    let adjustment = minus(sum(from.0), sum(to.0));
    words[chosen] = match plus(before, adjustment) {
        0xffff => 0,
        word => word,
    };
    if length > 48 && words[4..] == [0; 4] {
        return None;
    }
    Some(Ipv6Addr::from(words))
}

fn bits(address: Ipv6Addr, length: u8) -> Vec<bool> {
    (0..usize::from(length)).map(|bit| address.octets()[bit / 8] & 0x80 >> (bit % 8) != 0).collect()
}

/// One's-complement sum of the first 64 bits.
fn sum(prefix: Ipv6Addr) -> u16 {
    prefix.segments()[..4].iter().fold(0, |sum, word| plus(sum, *word))
}

fn plus(a: u16, b: u16) -> u16 {
    let sum = u32::from(a) + u32::from(b);
    if sum > 0xffff { (sum - 0xffff) as u16 } else { sum as u16 }
}

fn minus(a: u16, b: u16) -> u16 {
    plus(a, 0xffff - b)
}
