//! Prefixes that are learnt: where, and what this machine shows there now.

use serde::Serialize;

use crate::control::config::{Config, Isp, PrefixSource, span};
use crate::control::kernel::KernelState;
use crate::control::netlink::Netlink;
use crate::control::prefixes::{Moment, Prefixes, Turn};

/// Where an ISP's prefix is learnt.
#[derive(Debug, Serialize)]
pub struct SourceReport {
    #[serde(skip)]
    pub isp: String,
    /// Where, in words.
    learnt_from: String,
    /// Time for which flows of a former prefix keep it, in seconds.
    grace_seconds: u64,
    /// What is used of what is there now; none: nothing.
    prefix: Option<String>,
    /// Why what is there is not used.
    refused: Option<String>,
    #[serde(skip)]
    text: String,
}

impl SourceReport {
    fn new(isp: &Isp, source: &PrefixSource, refused: Option<String>) -> Self {
        let part = source.part.length.map(|length| format!(", part {} of /{length}", source.part.subnet_id));
        let learnt_from = source.origin.to_string() + &part.unwrap_or_default();
        let prefix = isp.mappings.first().map(|mapping| mapping.external().to_string());
        let now = match (&prefix, &refused) {
            (Some(prefix), _) => format!("{prefix} now"),
            (None, Some(reason)) => format!("not taken, {reason}"),
            (None, None) => "none on this machine now; without one the ISP carries nothing".to_owned(),
        };
        let text = format!("learnt from {learnt_from}, grace {}: {now}", span::show(source.grace));
        Self {
            isp: isp.name.clone(),
            learnt_from,
            grace_seconds: source.grace.0 / 1_000_000_000,
            prefix,
            refused,
            text,
        }
    }

    /// The lines of the text report.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }
}

/// `config` with the prefixes that its sources show on this machine, and what they are.
pub fn look(config: Config) -> anyhow::Result<(Config, Vec<SourceReport>)> {
    if config.isps.iter().all(|isp| isp.source.is_none()) {
        return Ok((config, Vec::new()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // The host's part of the report says why the kernel was not asked.
    let kernel = runtime.block_on(async { Netlink::open()?.dump().await }).unwrap_or_else(|_| KernelState::default());
    let mut prefixes = Prefixes::default();
    let news = prefixes.look(&config, &kernel, Moment::now());
    let config = prefixes.apply(&config);
    let report = |isp: &Isp| {
        let refused = news.iter().filter(|news| news.isp == isp.name).find_map(|news| match &news.what {
            Turn::Refused(reason) => Some(reason.clone()),
            _ => None,
        });
        Some(SourceReport::new(isp, isp.source.as_ref()?, refused))
    };
    let sources = config.isps.iter().filter_map(report).collect();
    Ok((config, sources))
}
