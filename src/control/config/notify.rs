//! Who is told what happens.

use super::raw::RawNotify;
use crate::control::events::Event;
use crate::units::Nanos;

/// `[notify]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// A program and its arguments.
    pub exec: Option<Vec<String>>,
    /// An URL.
    pub webhook: Option<String>,
    /// The kinds of events.
    pub events: Vec<&'static str>,
    /// Time that each of the two has for an event.
    pub timeout: Nanos,
    /// Events a minute.
    pub rate: u32,
}

impl Notify {
    /// That of the file, if all of it is right.
    pub(super) fn of(raw: RawNotify) -> Option<Self> {
        let all = || Event::KINDS.iter().map(|(kind, _)| *kind).filter(|kind| *kind != "traffic").collect();
        Some(Self {
            exec: raw.exec.map(|exec| exec.value),
            webhook: raw.webhook.map(|webhook| webhook.value),
            events: raw.events.map_or_else(all, |events| events.value),
            timeout: raw.timeout?.value,
            rate: u32::try_from(raw.rate?.value).ok()?,
        })
    }
}
