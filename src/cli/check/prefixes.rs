//! Prefixes that are learnt: where, and what is known of them here.

use serde::Serialize;

use crate::cli::learnt::{Basis, Known};
use crate::control::config::span;

/// Where an ISP's prefix is learnt.
#[derive(Debug, Serialize)]
pub struct SourceReport {
    #[serde(skip)]
    pub isp: String,
    /// Where, in words.
    learnt_from: String,
    /// Time for which flows of a former prefix keep it, in seconds.
    grace_seconds: u64,
    /// The ISP's part of what is known; none: nothing is.
    prefix: Option<String>,
    /// By what it is known.
    basis: Option<Basis>,
    /// Why that is not what the source shows on this machine.
    trouble: Option<String>,
    #[serde(skip)]
    text: String,
}

impl SourceReport {
    pub fn new(known: Known) -> Self {
        let words = known.in_words();
        let Known { isp, source, prefix, trouble } = known;
        let part = source.part.length.map(|length| format!(", part {} of /{length}", source.part.subnet_id));
        let learnt_from = source.origin.to_string() + &part.unwrap_or_default();
        Self {
            text: format!("learnt from {learnt_from}, grace {}: {words}", span::show(source.grace)),
            isp,
            learnt_from,
            grace_seconds: source.grace.0 / 1_000_000_000,
            prefix: prefix.map(|(prefix, _)| prefix.to_string()),
            basis: prefix.map(|(_, basis)| basis),
            trouble,
        }
    }

    /// The lines of the text report.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }
}
