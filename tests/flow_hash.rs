//! The keyed hash of flows against `tests/data/flow-hash-vectors.json` and a slow form of its own.

#[path = "common/flow_vectors.rs"]
mod flow_vectors;

use std::collections::HashSet;
use std::net::Ipv6Addr;

use flow_vectors::sets;
use proptest::prelude::*;
use sixways::hash::{FlowKey, HashKey, KEY_WORDS};

const WORD: u128 = 1 << 64;
const HALF: u128 = 1 << 32;

/// The definition as it is written down, in arithmetic that never wraps by itself.
fn slow(key: &HashKey, flow: &FlowKey) -> u64 {
    let octets: Vec<u8> = [
        &flow.internal.octets()[..],
        &flow.remote.octets(),
        &[0, 0, 0, flow.protocol],
        &flow.internal_port.to_be_bytes(),
        &flow.remote_port.to_be_bytes(),
    ]
    .concat();
    let halves: Vec<u128> =
        octets.chunks(4).map(|four| four.iter().fold(0, |sum, octet| sum * 256 + u128::from(*octet))).collect();
    let [first, rest @ ..] = key.0.map(u128::from);
    let mut sum = first;
    for (halves, keys) in halves.chunks(2).zip(rest.chunks(2)) {
        let (left, right) = ((halves[0] + keys[0]) % WORD, (halves[1] + keys[1]) % WORD);
        sum = (sum + product(left, right)) % WORD;
    }
    for _ in 0..2 {
        sum = product(sum ^ (sum / HALF), 0xd6e8_feb8_6659_fd93);
    }
    (sum ^ (sum / HALF)) as u64
}

/// The lower 64 bits of a product, without the half that would not fit into 128 bits.
fn product(left: u128, right: u128) -> u128 {
    let crossed = (left / HALF * (right % HALF) + left % HALF * (right / HALF)) % HALF;
    (crossed * HALF + left % HALF * (right % HALF)) % WORD
}

#[test]
fn all_vectors_pass() {
    for (key, cases) in sets() {
        for (flow, expected) in cases {
            assert_eq!(flow.hash(&key), expected, "{flow:?}");
            assert_eq!(slow(&key, &flow), expected, "the slow form, {flow:?}");
        }
    }
}

/// Vectors that all had one value would prove nothing. The key of the third set is a random one.
#[test]
fn vectors_differ() {
    let (_, cases) = sets().swap_remove(2);
    let hashes: HashSet<_> = cases.iter().map(|(_, hash)| hash).collect();
    assert_eq!(hashes.len(), cases.len());
}

fn flows() -> impl Strategy<Value = FlowKey> {
    (any::<u128>(), any::<u128>(), any::<u8>(), any::<u16>(), any::<u16>()).prop_map(
        |(internal, remote, protocol, internal_port, remote_port)| FlowKey {
            internal: Ipv6Addr::from_bits(internal),
            remote: Ipv6Addr::from_bits(remote),
            protocol,
            internal_port,
            remote_port,
        },
    )
}

proptest! {
    #[test]
    fn fast_is_slow(key in any::<[u64; KEY_WORDS]>(), flow in flows()) {
        let key = HashKey(key);
        prop_assert_eq!(flow.hash(&key), slow(&key, &flow));
    }
}

/// Places in a table: neither hosts in sequence nor ports in sequence share lines more than chance
/// has it.
#[test]
fn flows_in_sequence_spread_over_the_lines() {
    const LINES: usize = 1024;
    let (key, _) = sets().swap_remove(2);
    let flow = |host: u32, port: u32| FlowKey {
        internal: Ipv6Addr::from_bits(0xfd12_3456_789a_0001 << 64 | u128::from(host)),
        remote: "2001:db8:9::1".parse().unwrap(),
        protocol: 17,
        internal_port: port as u16,
        remote_port: 443,
    };
    let hosts: Vec<_> = (0..8192).map(|host| flow(host, 5000)).collect();
    let ports: Vec<_> = (0..8192).map(|port| flow(1, port)).collect();
    for flows in [hosts, ports] {
        for shift in [0, 26] {
            let mut lines = [0u32; LINES];
            flows.iter().for_each(|flow| lines[(flow.hash(&key) >> shift) as usize % LINES] += 1);
            // Eight on average: Poisson has 27 or more in one line of 1024 once in 300 tables.
            assert!(lines.iter().all(|count| *count < 30), "{:?}", lines.iter().max());
            let empty = lines.iter().filter(|count| **count == 0).count();
            assert!(empty < 8, "{empty} lines without a flow");
        }
    }
}
