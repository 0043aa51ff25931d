//! `[icmp]` as written.

use toml::de::DeTable;

use super::{Known, section};
use crate::control::config::reader::Errors;
use crate::control::config::schema::ICMP;

/// `[icmp]`
#[derive(Debug)]
pub struct RawIcmp {
    pub errors_per_second: Known<u64>,
    pub errors_per_source: Known<u64>,
    pub too_big_per_second: Known<u64>,
    pub unreachable: Known<bool>,
}

impl RawIcmp {
    pub fn read(document: &DeTable<'_>, errors: &Errors) -> Self {
        let table = section(document, &ICMP, errors);
        Self {
            errors_per_second: table.number("errors_per_second"),
            errors_per_source: table.number("errors_per_source"),
            too_big_per_second: table.number("too_big_per_second"),
            unreachable: table.boolean("unreachable"),
        }
    }
}
