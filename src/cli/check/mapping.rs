//! One prefix pair with its proof.

use anyhow::Context;
use serde::Serialize;

use crate::npt::Mapping;
use crate::npt::proof::{Gap, Proof, prove};
use crate::units::Direction;

/// One prefix pair.
#[derive(Debug, Serialize)]
pub struct MappingReport {
    internal: String,
    external: String,
    /// Whether addresses stay as they are.
    identity: bool,
    /// What the chosen word is adjusted by outbound (RFC 6296 §3.1), in hexadecimal.
    adjustment: String,
    /// Addresses that were taken there and back to show that the pair is one to one.
    walked: u64,
    without_mapping: Vec<GapReport>,
    #[serde(skip)]
    text: String,
}

/// Addresses that have no mapping.
#[derive(Debug, Serialize)]
struct GapReport {
    side: &'static str,
    addresses: String,
    reason: String,
}

impl MappingReport {
    /// Proves `mapping`.
    pub fn new(mapping: &Mapping) -> anyhow::Result<Self> {
        let proof = prove(mapping).context("this prefix pair cannot be proved; please report this as a bug")?;
        let Proof { internal, external, adjustment, walked, gaps, .. } = &proof;
        Ok(Self {
            internal: internal.to_string(),
            external: external.to_string(),
            identity: mapping.is_identity(),
            adjustment: format!("0x{adjustment:04x}"),
            walked: *walked,
            without_mapping: gaps.iter().map(GapReport::new).collect(),
            text: proof.to_string(),
        })
    }

    /// The lines of the text report.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }
}

impl GapReport {
    fn new(gap: &Gap) -> Self {
        let side = match gap.direction {
            Direction::Outbound => "inside",
            Direction::Inbound => "outside",
        };
        Self { side, addresses: gap.left_out.to_string(), reason: gap.reason.to_string() }
    }
}
