//! The vectors of the flow hash, `tests/data/flow-hash-vectors.json`.

use std::net::Ipv6Addr;

use sixways::hash::{FlowKey, HASH_VERSION, HashKey, KEY_WORDS};

#[derive(serde::Deserialize)]
struct File {
    version: u32,
    count: usize,
    sets: Vec<Set>,
}

#[derive(serde::Deserialize)]
struct Set {
    key: [String; KEY_WORDS],
    flows: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    internal: Ipv6Addr,
    remote: Ipv6Addr,
    protocol: u8,
    internal_port: u16,
    remote_port: u16,
    hash: String,
}

/// For each key the flows and their hashes; none was lost on the way.
pub fn sets() -> Vec<(HashKey, Vec<(FlowKey, u64)>)> {
    let file: File = serde_json::from_str(include_str!("../data/flow-hash-vectors.json")).unwrap();
    assert_eq!(file.version, HASH_VERSION, "another hash needs other vectors");
    assert_eq!(file.sets.iter().map(|set| set.flows.len()).sum::<usize>(), file.count);
    assert!(file.count >= 64);
    let set = |set: Set| (HashKey(set.key.map(|word| number(&word))), set.flows.iter().map(flow).collect());
    file.sets.into_iter().map(set).collect()
}

fn flow(case: &Case) -> (FlowKey, u64) {
    let Case { internal, remote, protocol, internal_port, remote_port, ref hash } = *case;
    (FlowKey { internal, remote, protocol, internal_port, remote_port }, number(hash))
}

fn number(text: &str) -> u64 {
    assert_eq!(text.len(), 16);
    u64::from_str_radix(text, 16).unwrap()
}
