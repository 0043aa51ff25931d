//! An IPv6 packet as the tests speak of it. Payloads are a fixed pattern, so that a packet is
//! known to the last octet by what its text says.

use std::net::Ipv6Addr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub hop: u8,
    pub class: u8,
    pub flow: u32,
    pub extensions: Vec<Extension>,
    pub upper: Upper,
    /// The payload length field, where it is not the true one.
    pub declared: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Octets of the whole header, a multiple of 8.
    HopByHop(usize),
    /// Octets of the whole header, a multiple of 8.
    Destination(usize),
    Routing {
        kind: u8,
        left: u8,
    },
    Fragment {
        offset: u16,
        more: bool,
        id: u32,
    },
    Authentication,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upper {
    Udp {
        source: u16,
        destination: u16,
        len: usize,
        sum: Check,
    },
    Tcp {
        source: u16,
        destination: u16,
        flags: Flags,
        /// The segment size that it announces, its only option.
        mss: Option<u16>,
        len: usize,
        sum: Check,
    },
    /// A TCP reset without data, as a gateway makes it.
    Reset {
        source: u16,
        destination: u16,
        sequence: u32,
    },
    Icmpv6 {
        kind: u8,
        code: u8,
        /// The 32 bits behind the checksum.
        word: u32,
        body: Body,
        sum: Check,
    },
    /// Any other protocol, or what is left of one in a later fragment.
    Other {
        protocol: u8,
        len: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Pattern(usize),
    /// The first octets of another packet; all of it when `cut` is `None`.
    Quote {
        packet: Box<Packet>,
        cut: Option<usize>,
    },
}

/// A checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Right,
    Is(u16),
}

/// The payload of every packet.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + 3) as u8).collect()
}

impl Packet {
    /// A UDP packet with hop limit 64.
    pub fn udp(source: Ipv6Addr, destination: Ipv6Addr, len: usize) -> Self {
        Self {
            source,
            destination,
            hop: 64,
            class: 0,
            flow: 0,
            extensions: Vec::new(),
            upper: Upper::Udp { source: 1000, destination: 53, len, sum: Check::Right },
            declared: None,
        }
    }

    /// A message about `quoted`, as a router makes it: at most 1280 octets long.
    pub fn error(source: Ipv6Addr, destination: Ipv6Addr, kind: u8, quoted: Self) -> Self {
        let cut = (quoted.bytes().len() > 1232).then_some(1232);
        let body = Body::Quote { packet: Box::new(quoted), cut };
        let upper = Upper::Icmpv6 { kind, code: 0, word: 0, body, sum: Check::Right };
        Self { upper, ..Self::udp(source, destination, 0) }
    }
}

/// What every segment with ACK acknowledges.
pub const ACKNOWLEDGED: u32 = 0xcafe_0001;

/// The TCP flags that a model packet may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flags {
    /// ACK alone.
    Data,
    Syn,
    SynAck,
    /// FIN and ACK.
    Fin,
    Rst,
}

impl Flags {
    pub const ALL: [Self; 5] = [Self::Data, Self::Syn, Self::SynAck, Self::Fin, Self::Rst];

    /// SYN, ACK, FIN, RST.
    pub const fn bits(self) -> (bool, bool, bool, bool) {
        match self {
            Self::Data => (false, true, false, false),
            Self::Syn => (true, false, false, false),
            Self::SynAck => (true, true, false, false),
            Self::Fin => (false, true, true, false),
            Self::Rst => (false, false, false, true),
        }
    }

    pub fn of(bits: (bool, bool, bool, bool)) -> Option<Self> {
        Self::ALL.into_iter().find(|flags| flags.bits() == bits)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "tcp",
            Self::Syn => "syn",
            Self::SynAck => "synack",
            Self::Fin => "fin",
            Self::Rst => "rst",
        }
    }

    pub fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|flags| flags.name() == name).expect("a name of TCP flags")
    }
}
