//! Every vector of `tests/data/npt66-vectors.json` through the library.

#[path = "common/vectors.rs"]
mod vectors;

use sixways::npt::{Mapping, Prefix};
use sixways::verdict::DropReason;
use vectors::{Vector, vectors};

fn answer(vector: &Vector) -> String {
    let parse = |prefix: &str| prefix.parse::<Prefix>().unwrap();
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
    let wrong: Vec<String> = vectors()
        .iter()
        .filter(|vector| answer(vector) != vector.expected)
        .map(|vector| format!("{}: {} instead of {}", vector.id, answer(vector), vector.expected))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
