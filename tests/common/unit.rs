//! configs/sixways.service, read.

const UNIT: &str = include_str!("../../configs/sixways.service");

/// The value of a key of the unit.
#[track_caller]
pub fn setting(key: &str) -> &'static str {
    let value = UNIT.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key} in the unit"))
}
