//! The proof that a mapping is a bijection and checksum-neutral, and the list of what it leaves out.
//!
//! A mapping exchanges constant prefix bits and adds a constant to one 16-bit word. So a walk over
//! all 65 536 values of that word, in every place where the word can be, shows all of it: [`prove`]
//! takes each value there and back through the same functions that packets go through.

mod counterexample;
mod gap;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;

pub use counterexample::{Counterexample, Flaw};
pub use gap::{Gap, LeftOut};

use super::{Mapping, Prefix};
use crate::units::Direction;
use walk::{Side, Translate};

/// What [`prove`] has shown of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The inside prefix.
    pub internal: Prefix,
    /// The outside prefix.
    pub external: Prefix,
    /// Which word makes up for the exchanged prefix.
    pub word: AdjustedWord,
    /// What is added to that word outbound; 0 when the prefixes have the same sum.
    pub adjustment: u16,
    /// Addresses that went there and back, both directions together.
    pub walked: u64,
    /// What has no mapping, and why. Empty for an identity pair.
    pub gaps: Vec<Gap>,
}

/// The word that makes up for the exchanged prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdjustedWord {
    /// None: the prefixes are equal, nothing is ever changed.
    Nothing,
    /// Bits 48 to 63, for prefixes of up to 48 bits (RFC 6296 §3.4).
    Subnet,
    /// The first word of the interface identifier that is not 0xFFFF, for longer ones (RFC 6296 §3.5).
    InterfaceIdentifier,
}

impl AdjustedWord {
    /// The word that RFC 6296 lays down for a pair.
    fn of(internal: Prefix, external: Prefix) -> Self {
        match internal.len().max(external.len()) {
            _ if internal == external => Self::Nothing,
            0..=48 => Self::Subnet,
            _ => Self::InterfaceIdentifier,
        }
    }
}

/// Shows that `mapping` is one to one, leads back, and keeps every checksum.
///
/// # Errors
/// The first address for which that is not so.
pub fn prove(mapping: &Mapping) -> Result<Proof, Counterexample> {
    prove_of(mapping, &|address| mapping.outbound(address), &|address| mapping.inbound(address))
}

/// [`prove`] of any two functions in the place of the mapping's own, so that tests see it fail.
fn prove_of(mapping: &Mapping, outbound: Translate<'_>, inbound: Translate<'_>) -> Result<Proof, Counterexample> {
    let (internal, external) = (mapping.internal(), mapping.external());
    let word = AdjustedWord::of(internal, external);
    let sides = [
        Side { direction: Direction::Outbound, from: internal, to: external, word, there: outbound, back: inbound },
        Side { direction: Direction::Inbound, from: external, to: internal, word, there: inbound, back: outbound },
    ];
    let mut proof = Proof { internal, external, word, adjustment: mapping.adjustment(), walked: 0, gaps: Vec::new() };
    for side in &sides {
        let walked = side.walk()?;
        proof.walked += walked.addresses;
        proof.gaps.extend(gap::of_side(side, &walked.refused));
    }
    Ok(proof)
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { internal, external, adjustment, walked, .. } = self;
        writeln!(f, "{internal} <-> {external}")?;
        match self.word {
            AdjustedWord::Nothing => return write!(f, "  identity    no bit ever changes: {walked} addresses walked"),
            AdjustedWord::Subnet => {
                writeln!(
                    f,
                    "  one to one  every value of bits 48 to 63, {walked} addresses there and back (RFC 6296 §3.4)"
                )?;
            }
            AdjustedWord::InterfaceIdentifier => {
                writeln!(
                    f,
                    "  one to one  every value of the four identifier words, {walked} addresses there and back"
                )?;
                writeln!(f, "  same word   only ffff becomes ffff, so both ways adjust the same word (RFC 6296 §3.5)")?;
            }
        }
        write!(
            f,
            "  neutral     adds 0x{adjustment:04x} outbound, takes it away inbound: checksums stay (RFC 6296 §3.1)"
        )?;
        let names: Vec<_> = self.gaps.iter().map(|gap| gap.left_out.to_string()).collect();
        let width = names.iter().map(String::len).max().unwrap_or_default();
        for (gap, name) in self.gaps.iter().zip(&names) {
            let side = match gap.direction {
                Direction::Outbound => "inside ",
                Direction::Inbound => "outside",
            };
            write!(f, "\n  no mapping  {side}  {name:width$}  {}", gap.reason)?;
        }
        Ok(())
    }
}
