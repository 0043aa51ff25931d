//! Every vector of `tests/data/npt66-vectors.json` through the library.

use std::net::Ipv6Addr;

use sixways::npt::{Mapping, Prefix};
use sixways::verdict::DropReason;

#[derive(serde::Deserialize)]
struct Vectors {
    count: usize,
    vectors: Vec<Vector>,
}

#[derive(serde::Deserialize)]
struct Vector {
    id: String,
    internal: Prefixed,
    external: Prefixed,
    direction: String,
    input: Ipv6Addr,
    expected: String,
}

#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Prefixed(String);

fn answer(vector: &Vector) -> String {
    let parse = |prefix: &Prefixed| prefix.0.parse::<Prefix>().unwrap();
    let Ok(mapping) = Mapping::new(parse(&vector.internal), parse(&vector.external)) else {
        return "config:prefix-longer-than-64".to_owned();
    };
    let image = match vector.direction.as_str() {
        "outbound" => mapping.outbound(vector.input),
        "inbound" => mapping.inbound(vector.input),
        other => panic!("{}: direction {other}", vector.id),
    };
    match image {
        Ok(address) => address.to_string(),
        Err(reason) => format!("drop:{}", DropReason::from(reason).label()),
    }
}

#[test]
fn all_vectors_pass() {
    let vectors: Vectors = serde_json::from_str(include_str!("data/npt66-vectors.json")).unwrap();
    assert_eq!(vectors.vectors.len(), vectors.count);
    let wrong: Vec<String> = vectors
        .vectors
        .iter()
        .filter(|vector| answer(vector) != vector.expected)
        .map(|vector| format!("{}: {} instead of {}", vector.id, answer(vector), vector.expected))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
