//! From octets to [`Packet`], by etherparse.
//!
//! What is read is written again and compared: a packet is only told as text when the text says
//! every octet of it.

use etherparse::{
    Icmpv6Slice, IpAuthHeader, IpNumber, Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, TcpHeader, UdpHeader,
};

use super::packet::{Body, Check, Extension, Flags, Packet, Upper};

/// The IPv6 packet at the start of `bytes`, of which the tail may be missing, or `None` when
/// the model cannot express it.
pub fn packet(bytes: &[u8]) -> Option<Packet> {
    let mut packet = headers(bytes)?;
    for right in [true, false] {
        if !right {
            packet.upper = packet.upper.with_sum(bytes);
        }
        if packet.bytes().starts_with(bytes) {
            return Some(packet);
        }
    }
    None
}

fn headers(bytes: &[u8]) -> Option<Packet> {
    let (ip, rest) = Ipv6Header::from_slice(bytes).ok()?;
    let mut left = usize::from(ip.payload_length);
    let mut rest = &rest[..rest.len().min(left)];
    let mut next = ip.next_header;
    let mut extensions = Vec::new();
    let mut later = false;
    while let Some((extension, following, behind)) = (!later).then(|| extension(next, rest)).flatten() {
        later = matches!(extension, Extension::Fragment { offset: 1.., .. });
        extensions.push(extension);
        left -= rest.len() - behind.len();
        (next, rest) = (following, behind);
    }
    Some(Packet {
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        hop: ip.hop_limit,
        class: ip.traffic_class,
        flow: ip.flow_label.value(),
        extensions,
        upper: upper(if later { None } else { Some(next) }, rest, left)
            .unwrap_or(Upper::Other { protocol: next.0, len: left }),
        declared: None,
    })
}

fn extension(number: IpNumber, bytes: &[u8]) -> Option<(Extension, IpNumber, &[u8])> {
    match number {
        IpNumber::IPV6_HEADER_HOP_BY_HOP | IpNumber::IPV6_DESTINATION_OPTIONS | IpNumber::IPV6_ROUTE_HEADER => {
            let (header, rest) = Ipv6RawExtHeader::from_slice(bytes).ok()?;
            let extension = match number {
                IpNumber::IPV6_HEADER_HOP_BY_HOP => Extension::HopByHop(header.header_len()),
                IpNumber::IPV6_DESTINATION_OPTIONS => Extension::Destination(header.header_len()),
                _ => Extension::Routing { kind: header.payload()[0], left: header.payload()[1] },
            };
            Some((extension, header.next_header, rest))
        }
        IpNumber::IPV6_FRAGMENTATION_HEADER => {
            let (header, rest) = Ipv6FragmentHeader::from_slice(bytes).ok()?;
            let offset = header.fragment_offset.value() * 8;
            let extension = Extension::Fragment { offset, more: header.more_fragments, id: header.identification };
            Some((extension, header.next_header, rest))
        }
        IpNumber::AUTHENTICATION_HEADER => {
            let (header, rest) = IpAuthHeader::from_slice(bytes).ok()?;
            Some((Extension::Authentication, header.next_header, rest))
        }
        _ => None,
    }
}

/// The upper-layer header at the start of `bytes`, which belongs to `len` octets.
fn upper(number: Option<IpNumber>, bytes: &[u8], len: usize) -> Option<Upper> {
    let sum = Check::Right;
    match number? {
        IpNumber::UDP => {
            let (header, _) = UdpHeader::from_slice(bytes).ok()?;
            let (source, destination) = (header.source_port, header.destination_port);
            Some(Upper::Udp { source, destination, len: len - 8, sum })
        }
        IpNumber::TCP => {
            let (header, _) = TcpHeader::from_slice(bytes).ok()?;
            let (source, destination) = (header.source_port, header.destination_port);
            if header.rst && header.window_size == 0 {
                return Some(Upper::Reset { source, destination, sequence: header.sequence_number });
            }
            let flags = Flags::of((header.syn, header.ack, header.fin, header.rst))?;
            let mss = match header.options.as_slice() {
                [] => None,
                [2, 4, high, low] => Some(u16::from_be_bytes([*high, *low])),
                _ => return None,
            };
            Some(Upper::Tcp { source, destination, flags, mss, len: len.checked_sub(header.header_len())?, sum })
        }
        IpNumber::IPV6_ICMP => {
            let message = Icmpv6Slice::from_slice(bytes).ok()?;
            let (kind, code) = (message.type_u8(), message.code_u8());
            let word = u32::from_be_bytes(message.bytes5to8());
            Some(Upper::Icmpv6 { kind, code, word, body: body(kind, &bytes[8..], len - 8), sum })
        }
        _ => None,
    }
}

fn body(kind: u8, bytes: &[u8], len: usize) -> Body {
    match (kind < 128).then(|| packet(bytes)).flatten() {
        Some(quoted) => {
            let cut = (bytes.len() < quoted.bytes().len()).then_some(bytes.len());
            Body::Quote { packet: Box::new(quoted), cut }
        }
        None => Body::Pattern(len),
    }
}

impl Upper {
    /// The same with the checksum field that stands in `bytes`: it is not the right one.
    fn with_sum(self, bytes: &[u8]) -> Self {
        // Octets from the checksum field to the end.
        let back = match &self {
            Self::Udp { len, .. } => len + 2,
            Self::Tcp { len, mss, .. } => len + 4 + mss.map_or(0, |_| 4),
            Self::Icmpv6 { body, .. } => body.len() + 6,
            Self::Reset { .. } | Self::Other { .. } => return self,
        };
        let whole = Ipv6Header::from_slice(bytes).map_or(0, |(ip, _)| 40 + usize::from(ip.payload_length));
        let at = whole.saturating_sub(back);
        let field = bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|field| u16::from_be_bytes(*field));
        let mut changed = self;
        if let (Some(value), Self::Udp { sum, .. } | Self::Tcp { sum, .. } | Self::Icmpv6 { sum, .. }) =
            (field, &mut changed)
        {
            *sum = Check::Is(value);
        }
        changed
    }
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Pattern(len) => *len,
            Self::Quote { packet, cut } => cut.unwrap_or_else(|| packet.bytes().len()),
        }
    }
}
