//! Parts of remedies.

use crate::control::config::traffic::{WITH_PORTS, protocol_name};

/// The protocols that have ports.
pub fn with_ports() -> String {
    WITH_PORTS.map(protocol_name).join(", ")
}

/// What a section cannot do without.
pub fn first_keys(header: &str) -> &'static str {
    match header {
        "[site]" => "`internal`, the prefixes that your hosts use",
        "[[lan]]" => "`interface`, the interface that your hosts are behind",
        _ => "`name`, `interface` and `prefix` of an ISP",
    }
}
