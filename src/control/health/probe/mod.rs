//! The packets of path probes: written by [`build`], their answers read by [`read`].
//!
//! Pure bytes, without sockets: the data path sends a probe as it sends a host's packet, so the
//! source written here is the inside address, and what comes back is for its image. Every probe
//! bears a token that nobody outside can know beforehand, as ICMPv6 identifier or as source port,
//! and a sequence number that its answer gives back.
//!
//! A refusal is a sign of life by somebody, but none that what was asked for works there: it counts
//! as a lost probe, only that nobody has to wait for it. So does a closed TCP port, for who asks
//! for a handshake wants one, and whoever answers in the name of a dead ISP resets connections.

mod build;
mod read;
#[cfg(test)]
mod tests;

use std::net::Ipv6Addr;

use crate::control::config::{Probe, ProbeKind};

pub use build::{build, reset};
pub use read::read;

/// What came back for a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Whom the probe was for.
    pub target: Ipv6Addr,
    /// What it asked for.
    pub asked: Asked,
    /// Its sequence number.
    pub sequence: u16,
    /// What it got.
    pub outcome: Outcome,
}

impl Heard {
    /// Whether the probe was one of `probe`.
    pub fn is_of(&self, probe: &Probe) -> bool {
        self.target == probe.target && self.asked == Asked::from(&probe.kind)
    }

    /// Whether it got what it asked for.
    pub const fn is_answer(&self) -> bool {
        matches!(self.outcome, Outcome::Answered)
    }
}

/// What a probe asked for, as far as its answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// ICMPv6 Echo Reply.
    Echo,
    /// A TCP handshake on this port.
    Tcp(u16),
    /// A DNS answer from this port.
    Dns(u16),
}

impl From<&ProbeKind> for Asked {
    fn from(kind: &ProbeKind) -> Self {
        match *kind {
            ProbeKind::Echo => Self::Echo,
            ProbeKind::Tcp(port) => Self::Tcp(port),
            ProbeKind::Dns(port, _) => Self::Dns(port),
        }
    }
}

/// What a probe got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it asked for.
    Answered,
    /// Something else.
    Refused(Refusal),
}

/// What a probe got instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A TCP reset: the port is closed.
    Reset,
    /// A DNS answer with this RCODE, neither 0 nor 3 (no such name): the resolver does not resolve.
    Dns(u8),
    /// An ICMPv6 error.
    Icmpv6 {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// Who sent it.
        from: Ipv6Addr,
    },
}

/// Offset of the identifier in an ICMPv6 echo message; the sequence number follows.
const ECHO_IDENTIFIER: usize = 4;
/// Octets of a TCP header without options.
const TCP_HEADER: usize = 20;
const TCP_SEQUENCE: usize = 4;
const TCP_ACKNOWLEDGEMENT: usize = 8;
const TCP_FLAGS: usize = 13;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
/// Octets of a UDP header.
const UDP_HEADER: usize = 8;
/// Octets of a DNS header: id, flags, four counts (RFC 1035 §4.1.1).
const DNS_HEADER: usize = 12;

/// The TCP sequence number of a probe. Two probes are further apart than one octet, and the octet
/// behind one, where its reset stands, is never a probe's.
fn initial_sequence(token: u16, sequence: u16) -> u32 {
    u32::from(sequence) << 16 | u32::from(token)
}

/// The sequence number of the probe that began at `initial`; `None` if none of ours did.
fn probe_sequence(token: u16, initial: u32) -> Option<u16> {
    (initial as u16 == token).then_some((initial >> 16) as u16)
}
