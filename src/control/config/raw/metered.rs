//! `metered`, `max_stay` and `quota` of an `[[isp]]` as written.

use super::Known;
use crate::control::config::Quota;
use crate::control::config::problem::{MeteredProblem, Problem};
use crate::control::config::reader::{Place, Table};
use crate::units::Nanos;

/// What the file says of an ISP's price.
#[derive(Debug)]
pub struct RawMetered {
    pub metered: Known<bool>,
    pub max_stay: Known<Nanos>,
    pub quota: Known<Quota>,
    /// Which of the keys that only a metered ISP has the file gives, right or wrong.
    pub given: Vec<(&'static str, Place)>,
}

impl RawMetered {
    pub fn read(table: &Table<'_>) -> Self {
        Self {
            metered: table.boolean("metered"),
            max_stay: table.span("max_stay"),
            quota: quota(table, "quota"),
            given: ["max_stay", "quota"]
                .into_iter()
                .filter(|name| table.has(name))
                .map(|name| (name, table.place_of(name)))
                .collect(),
        }
    }
}

fn quota(table: &Table<'_>, name: &str) -> Known<Quota> {
    let text = table.text(name)?;
    match Quota::parse(&text.value) {
        Some(quota) if (Quota::LEAST..=Quota::MOST).contains(&quota) => Some(text.map(|_| quota)),
        Some(_) => {
            let problem = Problem::Range { found: text.value, limits: table.limits(name) };
            table.wrong(&text.place, problem)
        }
        None => table.wrong(&text.place, Problem::Metered(MeteredProblem::Quota(text.value))),
    }
}
