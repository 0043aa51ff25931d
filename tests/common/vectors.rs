//! The vectors of `tests/data/npt66-vectors.json`.

use std::net::Ipv6Addr;

#[derive(Debug, serde::Deserialize)]
struct File {
    count: usize,
    vectors: Vec<Vector>,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub struct Vector {
    pub id: String,
    pub internal: String,
    pub external: String,
    pub direction: String,
    pub input: Ipv6Addr,
    pub expected: String,
}

/// All of them; none was lost on the way.
pub fn vectors() -> Vec<Vector> {
    let file: File = serde_json::from_str(include_str!("../data/npt66-vectors.json")).unwrap();
    assert_eq!(file.vectors.len(), file.count);
    file.vectors
}
