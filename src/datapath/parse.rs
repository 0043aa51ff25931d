//! Step 1: what the packet is.

use std::net::Ipv6Addr;

use crate::verdict::DropReason;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::extension::{self, Fragment};
use crate::wire::icmpv6;
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::protocol;
use crate::wire::transport::Transport;

/// What the later steps need to know of a packet, read once.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// The Ethernet header.
    pub link: Ethernet,
    /// Source address as received.
    pub source: Ipv6Addr,
    /// Destination address as received.
    pub destination: Ipv6Addr,
    /// Hop limit as received.
    pub hop_limit: u8,
    /// Octets of the IPv6 packet, without Ethernet header and padding.
    pub length: usize,
    /// Differentiated services code point.
    pub dscp: u8,
    /// The fragment header, unless there is none or it is atomic (RFC 6946).
    pub fragment: Option<Fragment>,
    /// Offset of the upper-layer header from the start of the frame, if it is in this packet.
    pub upper: usize,
    /// Whether it is a fragment that does not leave the upper-layer header whole
    /// ([`extension::Chain::splits_header`]).
    pub splits_header: bool,
    /// What names its flow.
    pub transport: Transport,
    /// Type of the ICMPv6 message, if it is one and begins in this packet.
    pub icmpv6: Option<u8>,
    /// The packet that an ICMPv6 error quotes.
    pub quote: Option<Quote>,
}

/// The addresses of a quoted packet, as the error's sender saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Offset of the quoted IPv6 header from the start of the frame.
    pub offset: usize,
    /// Who sent the quoted packet.
    pub source: Ipv6Addr,
    /// Whom it was for.
    pub destination: Ipv6Addr,
    /// Its fragment header, like [`Packet::fragment`].
    pub fragment: Option<Fragment>,
    /// What named its flow.
    pub transport: Transport,
}

impl Packet {
    /// Octets of the frame without padding: that of one link is not for another, and may hold what
    /// its sender had in memory.
    pub const fn frame_length(&self) -> u16 {
        (ethernet::HEADER + self.length) as u16
    }
}

/// Reads `frame`.
///
/// # Errors
/// When the lengths or headers contradict each other, or an ICMPv6 error cannot be trusted.
pub fn parse(frame: &[u8]) -> Result<Packet, DropReason> {
    let link = Ethernet::read(frame).ok_or(DropReason::Malformed)?;
    if link.ether_type != ethernet::IPV6 {
        return Err(DropReason::Malformed);
    }
    let packet = &frame[ethernet::HEADER..];
    let header = Ipv6::new(packet).ok_or(DropReason::Malformed)?;
    let length = ipv6::HEADER + header.payload_length();
    // A longer frame is padded; a shorter one lost its tail.
    let payload = packet.get(ipv6::HEADER..length).ok_or(DropReason::Malformed)?;
    let chain = extension::walk(header.next_header(), payload).map_err(|_| DropReason::Malformed)?;
    if chain.routing_zero {
        return Err(DropReason::RoutingHeaderZero);
    }
    let mut parsed = Packet {
        link,
        source: header.source(),
        destination: header.destination(),
        hop_limit: header.hop_limit(),
        length,
        dscp: header.dscp(),
        fragment: chain.fragment.filter(|fragment| !fragment.is_atomic()),
        upper: ethernet::HEADER + ipv6::HEADER + chain.offset,
        splits_header: chain.splits_header(payload.len()),
        transport: transport(chain, payload),
        icmpv6: None,
        quote: None,
    };
    if chain.protocol == Some(protocol::ICMPV6) {
        let message = &payload[chain.offset..];
        let kind = *message.first().ok_or(DropReason::Malformed)?;
        parsed.icmpv6 = Some(kind);
        if icmpv6::is_error(kind) {
            parsed.quote = Some(quote(&parsed, message)?);
        }
    }
    Ok(parsed)
}

/// The quote of `message`, the ICMPv6 error that `packet` carries.
///
/// A quote without a whole IPv6 header tells nobody which flow it is about, and one whose
/// checksum cannot be verified (wrong, or a fragment) could have been made up by damage. What is
/// about another error or a Redirect must not have been sent (RFC 4443 §2.4 e), and the addresses
/// in the quote's quote would be nobody's to translate.
fn quote(packet: &Packet, message: &[u8]) -> Result<Quote, DropReason> {
    if packet.fragment.is_some() {
        return Err(DropReason::QuoteTruncated);
    }
    let whole = message.get(icmpv6::ERROR_HEADER..).unwrap_or_default();
    let quoted = Ipv6::new(whole).ok_or(DropReason::QuoteTruncated)?;
    if !icmpv6::checksum_is_right(packet.source, packet.destination, message) {
        return Err(DropReason::QuoteChecksum);
    }
    let payload = &whole[ipv6::HEADER..];
    // A quote may end anywhere: what its sender's router dropped is not judged here.
    let chain = extension::walk(quoted.next_header(), payload).ok();
    let kind =
        chain.filter(|chain| chain.protocol == Some(protocol::ICMPV6)).and_then(|chain| payload.get(chain.offset));
    if kind.is_some_and(|kind| icmpv6::is_never_answered(*kind)) {
        return Err(DropReason::QuoteIsError);
    }
    Ok(Quote {
        offset: packet.upper + icmpv6::ERROR_HEADER,
        source: quoted.source(),
        destination: quoted.destination(),
        fragment: chain.and_then(|chain| chain.fragment).filter(|fragment| !fragment.is_atomic()),
        transport: chain.map_or(Transport::UNSEEN, |chain| transport(chain, payload)),
    })
}

fn transport(chain: extension::Chain, payload: &[u8]) -> Transport {
    chain.protocol.map_or(Transport::UNSEEN, |protocol| Transport::read(protocol, &payload[chain.offset..]))
}
