//! Texts that are not TOML at all.

/// What to do about a complaint of the TOML parser.
pub(super) fn remedy(reason: &str) -> &'static str {
    const UNQUOTED: [&str; 7] = ["time", "date", "boolean", "number", "float", "quoted", "string"];
    if reason.contains("duplicate key") {
        "keep one of the two"
    } else if UNQUOTED.iter().any(|word| reason.contains(word)) {
        "texts stand between two quotes, like prefix = \"2001:db8:1::/48\""
    } else {
        "a line is a [section], a [[block]] or key = value; texts stand in \"quotes\", lists in [brackets]"
    }
}
