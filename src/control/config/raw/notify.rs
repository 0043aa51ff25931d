//! `[notify]` as written.

use axum::http::Uri;
use toml::de::DeTable;

use super::{Known, section};
use crate::control::config::problem::{NotifyProblem, Problem};
use crate::control::config::reader::{At, Errors, Table, similar};
use crate::control::config::schema::NOTIFY;
use crate::control::events::Event;
use crate::units::Nanos;

/// `[notify]`
#[derive(Debug)]
pub struct RawNotify {
    pub exec: Known<Vec<String>>,
    pub webhook: Known<String>,
    pub events: Known<Vec<&'static str>>,
    pub timeout: Known<Nanos>,
    pub rate: Known<u64>,
}

impl RawNotify {
    /// `None` without the section.
    pub fn read(document: &DeTable<'_>, errors: &Errors) -> Option<Self> {
        document.get(NOTIFY.bare())?;
        let table = section(document, &NOTIFY, errors);
        if !table.has("exec") && !table.has("webhook") {
            errors.add(&table.place(), NotifyProblem::Nobody.into());
        }
        Some(Self {
            exec: exec(&table),
            webhook: webhook(&table),
            events: events(&table),
            timeout: table.span("timeout"),
            rate: table.number("rate"),
        })
    }
}

fn exec(table: &Table<'_>) -> Known<Vec<String>> {
    let place = table.place_of("exec");
    let mut words = Vec::new();
    for element in table.list("exec")? {
        let text = table.element_text(&element, "a text")?;
        if words.is_empty() && !text.value.starts_with('/') {
            return table.wrong(&text.place, NotifyProblem::NotAbsolute(text.value).into());
        }
        if text.value.contains('\0') {
            return table.wrong(&text.place, NotifyProblem::Argument(text.value).into());
        }
        words.push(text.value);
    }
    Some(At { value: words, place })
}

fn webhook(table: &Table<'_>) -> Known<String> {
    let text = table.text("webhook")?;
    let is_url = text.value.parse::<Uri>().is_ok_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    if is_url { Some(text) } else { table.wrong(&text.place, NotifyProblem::Webhook(text.value).into()) }
}

fn events(table: &Table<'_>) -> Known<Vec<&'static str>> {
    let place = table.place_of("events");
    let known: Vec<&'static str> = Event::KINDS.iter().map(|(kind, _)| *kind).collect();
    let elements = table.list("events")?;
    let count = elements.len();
    let kind = |element| {
        let text = table.element_text(&element, "the kind of an event")?;
        let Some(kind) = known.iter().find(|kind| **kind == text.value) else {
            let limits = known.iter().map(|kind| format!("\"{kind}\"")).collect::<Vec<_>>().join(", ");
            let similar = similar(&text.value, &known);
            return table.wrong(&text.place, Problem::Choice { found: text.value, similar, limits });
        };
        Some(*kind)
    };
    let kinds: Vec<_> = elements.into_iter().filter_map(kind).collect();
    (kinds.len() == count).then_some(At { value: kinds, place })
}
