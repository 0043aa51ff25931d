//! The first octets behind the IPv6 headers: what names a flow and tells how it fares.

use super::{icmpv6, protocol};

/// What the upper-layer header says, as far as it is in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The protocol; `None` where it cannot be seen: in a later fragment, or a quote cut short.
    pub protocol: Option<u8>,
    /// The ports. Of ICMPv6 echo both are the identifier, of other ICMPv6 questions and answers both
    /// are the even one of the two types. `None` where there are none or they cannot be seen.
    pub ports: Option<Ports>,
    /// Whether it opens a flow: a TCP SYN without ACK, or an ICMPv6 echo request.
    pub opens: bool,
    /// Whether it is a TCP SYN, with or without ACK.
    pub syn: bool,
    /// Whether it is a TCP FIN or RST.
    pub close: bool,
}

/// Source and destination port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Source.
    pub source: u16,
    /// Destination.
    pub destination: u16,
}

const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;
/// Offset of the flags in a TCP header.
pub(super) const FLAGS: usize = 13;
/// Offset of the identifier in an ICMPv6 echo message.
const IDENTIFIER: usize = 4;

/// Octets of the shortest header of `protocol`; 0 of one that nothing is read of.
pub const fn header_length(protocol: u8) -> usize {
    match protocol {
        protocol::TCP => 20,
        protocol::SCTP | protocol::DCCP => 12,
        protocol::UDP | protocol::UDP_LITE | protocol::ICMPV6 => 8,
        _ => 0,
    }
}

impl Transport {
    /// Nothing can be seen.
    pub const UNSEEN: Self = Self { protocol: None, ports: None, opens: false, syn: false, close: false };

    /// Reads the start of `upper`, a message of `protocol` that may be cut short.
    pub fn read(protocol: u8, upper: &[u8]) -> Self {
        let read = Self { protocol: Some(protocol), ..Self::UNSEEN };
        let word = |at: usize| Some(u16::from_be_bytes([*upper.get(at)?, *upper.get(at + 1)?]));
        match protocol {
            protocol::TCP => {
                let flags = upper.get(FLAGS).copied().unwrap_or_default();
                Self {
                    ports: ports(word(0), word(2)),
                    opens: flags & (SYN | ACK) == SYN,
                    syn: flags & SYN != 0,
                    close: flags & (FIN | RST) != 0,
                    ..read
                }
            }
            protocol::ICMPV6 => match upper.first() {
                Some(&(icmpv6::ECHO_REQUEST | icmpv6::ECHO_REPLY)) => Self {
                    ports: ports(word(IDENTIFIER), word(IDENTIFIER)),
                    opens: upper[0] == icmpv6::ECHO_REQUEST,
                    ..read
                },
                Some(&kind) if !icmpv6::is_error(kind) => {
                    let pair = Some(u16::from(kind & !1));
                    Self { ports: ports(pair, pair), ..read }
                }
                _ => read,
            },
            _ if protocol::has_ports(protocol) => Self { ports: ports(word(0), word(2)), ..read },
            _ => read,
        }
    }
}

fn ports(source: Option<u16>, destination: Option<u16>) -> Option<Ports> {
    Some(Ports { source: source?, destination: destination? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seen(source: u16, destination: u16) -> Option<Ports> {
        Some(Ports { source, destination })
    }

    fn tcp(flags: u8) -> Transport {
        Transport::read(6, &[0x12, 0x34, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags])
    }

    #[test]
    fn tcp_flags() {
        assert_eq!(tcp(SYN).ports, seen(0x1234, 80));
        assert!(tcp(SYN).opens && tcp(SYN).syn && !tcp(SYN).close);
        assert!(!tcp(SYN | ACK).opens && tcp(SYN | ACK).syn);
        assert!(tcp(FIN | ACK).close && tcp(RST).close && !tcp(ACK).close);
    }

    #[test]
    fn what_is_cut_off_is_not_seen() {
        assert_eq!(Transport::read(17, &[0, 1, 0]).ports, None);
        let cut = Transport::read(6, &[0, 1, 0, 2]);
        assert_eq!((cut.ports, cut.syn, cut.close), (seen(1, 2), false, false), "a quote may end here");
        assert_eq!(Transport::read(58, &[128, 0, 0, 0]).ports, None);
        assert_eq!(Transport::read(58, &[]).ports, None);
    }

    #[test]
    fn echo_has_its_identifier_as_both_ports() {
        let request = Transport::read(58, &[128, 0, 0, 0, 0xab, 0xcd, 0, 1]);
        let reply = Transport::read(58, &[129, 0, 0, 0, 0xab, 0xcd, 0, 1]);
        assert_eq!((request.ports, reply.ports), (seen(0xabcd, 0xabcd), seen(0xabcd, 0xabcd)));
        assert!(request.opens && !reply.opens);
        assert_eq!(Transport::read(58, &[147]).ports, seen(146, 146), "an answer to 146");
        assert_eq!(Transport::read(58, &[1, 0, 0, 0, 0, 0, 0, 0]).ports, None, "an error names no flow of its own");
    }

    #[test]
    fn protocols_with_and_without_ports() {
        for protocol in [17, 33, 132, 136] {
            assert_eq!(Transport::read(protocol, &[0, 1, 0, 2]).ports, seen(1, 2));
        }
        for protocol in [50, 51, 47, 59, 253] {
            assert_eq!(Transport::read(protocol, &[0, 1, 0, 2]).ports, None);
        }
    }
}
