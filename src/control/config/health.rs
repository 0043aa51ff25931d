//! When an ISP counts as down, and what is asked to find out.

use std::fmt;
use std::net::Ipv6Addr;

use super::kind::Word;
use crate::units::Nanos;

/// `[[isp]] health = { … }`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Probes that must be well; never more than there are.
    pub need: usize,
    /// Unanswered probes in a row after which a target is not well.
    pub down_after: u32,
    /// Answered probes in a row after which it is well again.
    pub up_after: u32,
    /// Time for which everything must have been well before the ISP carries flows again.
    pub hold_down: Nanos,
    /// Longest hold-down of an ISP that goes down again and again: it doubles each time.
    pub backoff_max: Nanos,
    /// Time without a packet from the ISP after which its router is asked.
    pub silence: Nanos,
    /// Time that the router has for each answer.
    pub patience: Nanos,
    /// Unanswered questions to the router after which the ISP is down.
    pub tries: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            need: 1,
            down_after: 5,
            up_after: 3,
            hold_down: Nanos::from_millis(2000),
            backoff_max: Nanos::from_millis(300_000),
            silence: Nanos::from_millis(200),
            patience: Nanos::from_millis(200),
            tries: 3,
        }
    }
}

/// An element of `[[isp]] probes`, for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is asked for.
    pub kind: ProbeKind,
    /// Whom.
    pub target: Ipv6Addr,
    /// Time between two probes while all is well.
    pub every: Nanos,
    /// Time that the target has for each answer.
    pub timeout: Nanos,
    /// Share of probes lost, in percent, above which the target is not well; `None`: any.
    pub max_loss: Option<u8>,
    /// Round-trip time above which an answer counts as lost; `None`: any within the time-out.
    pub max_rtt: Option<Nanos>,
}

/// What a probe asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// ICMPv6 Echo Reply.
    Echo,
    /// A TCP handshake on this port, which is reset at once.
    Tcp(u16),
    /// A DNS answer from this port about this name.
    Dns(u16, String),
}

impl ProbeKind {
    /// Its type, as the file has it.
    pub const fn kind(&self) -> ProbeType {
        match self {
            Self::Echo => ProbeType::Icmp,
            Self::Tcp(_) => ProbeType::Tcp,
            Self::Dns(..) => ProbeType::Dns,
        }
    }
}

/// `type` of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeType {
    /// [`ProbeKind::Echo`]
    Icmp,
    /// [`ProbeKind::Tcp`]
    Tcp,
    /// [`ProbeKind::Dns`]
    Dns,
}

impl Word for ProbeType {
    const WORDS: &'static [(&'static str, Self)] = &[("icmp", Self::Icmp), ("tcp", Self::Tcp), ("dns", Self::Dns)];
}

/// The port that resolvers answer at.
pub const DNS_PORT: u16 = 53;

/// Whether a DNS query can hold `name` (RFC 1035 §2.3.4), and people can read it: letters, digits,
/// hyphens and underscores between dots, a last dot or none.
pub fn is_domain_name(name: &str) -> bool {
    let relative = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    };
    // On the wire each label has an octet before it, and the root one of its own.
    relative.len() + 2 <= 255 && relative.split('.').all(is_label)
}

/// What is asked of whom, in a few words without blanks: `icmp:2001:db8::1`, `tcp:[2001:db8::1]:443`.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind.kind().word())?;
        match self.kind {
            ProbeKind::Tcp(port) => write!(f, "[{}]:{port}", self.target),
            ProbeKind::Dns(port, _) if port != DNS_PORT => write!(f, "[{}]:{port}", self.target),
            ProbeKind::Echo | ProbeKind::Dns(..) => write!(f, "{}", self.target),
        }
    }
}

/// Targets unless the configuration names others: public resolvers at anycast addresses of two
/// operators (Cloudflare and Google), so that the outage of one is not taken for the ISP's.
pub const DEFAULT_TARGETS: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111),
    Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888),
];

impl Probe {
    /// Whether both ask the same of the same target, however often.
    pub fn is_same_target(&self, other: &Self) -> bool {
        (&self.kind, self.target) == (&other.kind, other.target)
    }

    /// A ping a second to `target`.
    pub const fn ping(target: Ipv6Addr) -> Self {
        Self {
            kind: ProbeKind::Echo,
            target,
            every: Nanos::from_millis(1000),
            timeout: Nanos::from_millis(400),
            max_loss: None,
            max_rtt: None,
        }
    }
}
