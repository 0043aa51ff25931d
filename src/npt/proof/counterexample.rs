//! What refutes a mapping.

use std::net::Ipv6Addr;

use crate::npt::Unmappable;
use crate::units::Direction;

/// An address for which a mapping is not what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} {}: {flaw}", direction.label())]
pub struct Counterexample {
    /// The way in which it was translated.
    pub direction: Direction,
    /// The address.
    pub address: Ipv6Addr,
    /// What is wrong.
    pub flaw: Flaw,
}

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It should have one.
    #[error("has no image ({0}), but must have one")]
    Refused(Unmappable),
    /// It should have none, or for another reason.
    #[error("{}, but must be refused: {due}", answer(.image))]
    NotRefused {
        /// What came of it.
        image: Result<Ipv6Addr, Unmappable>,
        /// The reason that is due.
        due: Unmappable,
    },
    /// The image has another prefix.
    #[error("becomes {0}, which is outside the other prefix")]
    OutsidePrefix(Ipv6Addr),
    /// More than the prefix and one word was changed.
    #[error("becomes {0}, which differs in more than the prefix and one word")]
    OtherBits(Ipv6Addr),
    /// The checksum of a packet would have to change.
    #[error("becomes {0}, which has another checksum")]
    Checksum(Ipv6Addr),
    /// The adjusted word became 0xFFFF: the way back would adjust another one.
    #[error("becomes {0}, whose adjusted word is ffff")]
    BecameFfff(Ipv6Addr),
    /// The image does not lead back.
    #[error("becomes {image}, which {} on its way back", answer(.back))]
    NoWayBack {
        /// The image.
        image: Ipv6Addr,
        /// What the other direction makes of it.
        back: Result<Ipv6Addr, Unmappable>,
    },
}

fn answer(image: &Result<Ipv6Addr, Unmappable>) -> String {
    match image {
        Ok(image) => format!("becomes {image}"),
        Err(reason) => format!("has no image ({reason})"),
    }
}
