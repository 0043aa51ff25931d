//! Every value of the adjusted word there and back.

use std::net::Ipv6Addr;

use super::{AdjustedWord, Counterexample, Flaw};
use crate::npt::{Prefix, Unmappable};
use crate::units::Direction;

/// One direction of a mapping.
pub type Translate<'a> = &'a dyn Fn(Ipv6Addr) -> Result<Ipv6Addr, Unmappable>;

/// One direction of a mapping, with the way back.
pub struct Side<'a> {
    pub direction: Direction,
    pub from: Prefix,
    pub to: Prefix,
    pub word: AdjustedWord,
    pub there: Translate<'a>,
    pub back: Translate<'a>,
}

/// What a walk has met.
#[derive(Default)]
pub struct Walked {
    /// Addresses that went there and back.
    pub addresses: u64,
    /// Refusals that are due, each with the first address that met it.
    pub refused: Vec<(Unmappable, Ipv6Addr)>,
}

const IDENTIFIER: u128 = u64::MAX as u128;
/// Positions of the words of the interface identifier, in the order of RFC 6296 §3.5.
const IDENTIFIER_WORDS: [u32; 4] = [48, 32, 16, 0];
const SUBNET_WORD: u32 = 64;

impl Side<'_> {
    /// Takes every value of the adjusted word there and back, in each place where that word can be
    /// and with all other free bits zero, then one.
    pub fn walk(&self) -> Result<Walked, Counterexample> {
        self.outside()?;
        let mut walked = Walked::default();
        for position in self.positions() {
            // A word of the identifier is adjusted only when those before it are 0xFFFF.
            let before = if *position < SUBNET_WORD { IDENTIFIER & !((1 << (position + 16)) - 1) } else { 0 };
            let word = 0xffff << position;
            for rest in [0, !self.exchanged() & !word & !before] {
                self.walk_word(*position, self.from.address().to_bits() | before | rest, &mut walked)?;
            }
        }
        Ok(walked)
    }

    fn positions(&self) -> &'static [u32] {
        match self.word {
            AdjustedWord::Subnet => &[SUBNET_WORD],
            AdjustedWord::InterfaceIdentifier => &IDENTIFIER_WORDS,
            // Any will do where nothing is changed; this one is free for every length.
            AdjustedWord::Nothing => &IDENTIFIER_WORDS[..1],
        }
    }

    /// Bits that belong to the prefixes: as many as the longer one has (RFC 6296 §3.1).
    pub fn exchanged(&self) -> u128 {
        let length = self.from.len().max(self.to.len());
        u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
    }

    fn walk_word(&self, position: u32, base: u128, walked: &mut Walked) -> Result<(), Counterexample> {
        for value in 0..=0xffff_u16 {
            let bits = base | u128::from(value) << position;
            let address = Ipv6Addr::from_bits(bits);
            if self.is_turn_of_the_next_word(bits, position) {
                continue;
            }
            let image = (self.there)(address);
            match (image, self.due_refusal(bits)) {
                (Err(reason), Some(due)) if reason == due => {
                    if walked.refused.iter().all(|(known, _)| *known != reason) {
                        walked.refused.push((reason, address));
                    }
                }
                (image, Some(due)) => return Err(self.flaw(address, Flaw::NotRefused { image, due })),
                (Err(reason), None) => return Err(self.flaw(address, Flaw::Refused(reason))),
                (Ok(image), None) => {
                    self.image(address, image, position)?;
                    walked.addresses += 1;
                }
            }
        }
        Ok(())
    }

    /// Checks one image. Where every image leads back, no two addresses share one.
    fn image(&self, address: Ipv6Addr, image: Ipv6Addr, position: u32) -> Result<(), Counterexample> {
        let (before, after) = (address.to_bits(), image.to_bits());
        let untouchable = !self.exchanged() & !(0xffff << position);
        let is_neutral = checksum(before) == checksum(after);
        let flaw = if after & self.exchanged() != self.to.address().to_bits() {
            Flaw::OutsidePrefix(image)
        } else if (before ^ after) & untouchable != 0 {
            Flaw::OtherBits(image)
        } else if !is_neutral {
            Flaw::Checksum(image)
        } else if self.word != AdjustedWord::Nothing && word_at(after, position) == 0xffff {
            Flaw::BecameFfff(image)
        } else {
            match (self.back)(image) {
                Ok(back) if back == address => return Ok(()),
                back => Flaw::NoWayBack { image, back },
            }
        };
        Err(self.flaw(address, flaw))
    }

    /// Whether RFC 6296 §3.5 adjusts a later word than the one at `position`.
    fn is_turn_of_the_next_word(&self, bits: u128, position: u32) -> bool {
        self.word == AdjustedWord::InterfaceIdentifier && position > 0 && word_at(bits, position) == 0xffff
    }

    /// Why the address must be refused, told from its bits and the checksum alone.
    fn due_refusal(&self, bits: u128) -> Option<Unmappable> {
        match self.word {
            AdjustedWord::Nothing => None,
            AdjustedWord::Subnet => (word_at(bits, SUBNET_WORD) == 0xffff).then_some(Unmappable::SubnetFfff),
            AdjustedWord::InterfaceIdentifier => {
                let [first, after @ ..] = IDENTIFIER_WORDS.map(|position| word_at(bits, position));
                // The neutral image of X:0:0:0 has an all-zero identifier when prefix and subnet make up for X.
                let emptied = self.to.address().to_bits() | bits & !self.exchanged() & !IDENTIFIER;
                match (first, after) {
                    (0, [0, 0, 0]) => Some(Unmappable::IidAllZero),
                    (0xffff, [0xffff, 0xffff, 0xffff]) => Some(Unmappable::IidAllOnes),
                    (1..0xffff, [0, 0, 0]) if checksum(emptied) == checksum(bits) => Some(Unmappable::NoReturn),
                    _ => None,
                }
            }
        }
    }

    /// Each bit of the prefix turned over by itself: such addresses must be refused.
    fn outside(&self) -> Result<(), Counterexample> {
        let length = self.from.len().max(self.to.len());
        for bit in 0..length {
            let due = if bit < self.from.len() { Unmappable::NotInPrefix } else { Unmappable::UnmappedSubnet };
            let address = Ipv6Addr::from_bits((self.from.address().to_bits() | 1) ^ 1 << (127 - bit));
            match (self.there)(address) {
                Err(reason) if reason == due => {}
                image => return Err(self.flaw(address, Flaw::NotRefused { image, due })),
            }
        }
        Ok(())
    }

    fn flaw(&self, address: Ipv6Addr, flaw: Flaw) -> Counterexample {
        Counterexample { direction: self.direction, address, flaw }
    }
}

/// The 16-bit word whose lowest bit is bit `position`.
fn word_at(bits: u128, position: u32) -> u16 {
    (bits >> position) as u16
}

/// The address's share in the Internet checksum: the sum of its words modulo 0xFFFF, in which 0x0000
/// and 0xFFFF are one value (RFC 1071).
fn checksum(bits: u128) -> u16 {
    // 0x1_0000_0000 is 1 modulo 0xFFFF, so that digits of 32 bits have the same sum.
    let digits = (bits & 0xffff_ffff) + (bits >> 32 & 0xffff_ffff) + (bits >> 64 & 0xffff_ffff) + (bits >> 96);
    (digits as u64 % 0xffff) as u16
}
