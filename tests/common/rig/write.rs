//! From [`Packet`] to octets, by etherparse.

use etherparse::{
    Ethernet2Header, Icmpv6Type, IpAuthHeader, IpFragOffset, IpNumber, Ipv6FragmentHeader, Ipv6Header,
    Ipv6RawExtHeader, TcpHeader, TcpOptionElement, UdpHeader,
};
use sixways::units::MacAddr;

use super::packet::{ACKNOWLEDGED, Body, Check, Extension, Packet, Upper, pattern};

impl Packet {
    /// The IPv6 packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut ip = Ipv6Header {
            traffic_class: self.class,
            flow_label: self.flow.try_into().expect("20 bits"),
            hop_limit: self.hop,
            source: self.source.octets(),
            destination: self.destination.octets(),
            ..Ipv6Header::default()
        };
        let (mut next, mut payload) = self.upper.bytes(&ip);
        for extension in self.extensions.iter().rev() {
            payload.splice(0..0, extension.bytes(next));
            next = extension.number();
        }
        ip.next_header = next;
        ip.payload_length = self.declared.unwrap_or(payload.len() as u16);
        [ip.to_bytes().as_slice(), &payload].concat()
    }

    /// The whole frame.
    pub fn frame(&self, from: MacAddr, to: MacAddr) -> Vec<u8> {
        let link = Ethernet2Header { source: from.0, destination: to.0, ether_type: etherparse::EtherType::IPV6 };
        [link.to_bytes().as_slice(), &self.bytes()].concat()
    }
}

impl Extension {
    fn number(&self) -> IpNumber {
        match self {
            Self::HopByHop(_) => IpNumber::IPV6_HEADER_HOP_BY_HOP,
            Self::Destination(_) => IpNumber::IPV6_DESTINATION_OPTIONS,
            Self::Routing { .. } => IpNumber::IPV6_ROUTE_HEADER,
            Self::Fragment { .. } => IpNumber::IPV6_FRAGMENTATION_HEADER,
            Self::Authentication => IpNumber::AUTHENTICATION_HEADER,
        }
    }

    fn bytes(&self, next: IpNumber) -> Vec<u8> {
        let raw = |payload: &[u8]| Ipv6RawExtHeader::new_raw(next, payload).unwrap().to_bytes().to_vec();
        match *self {
            // Zeros are Pad1 options.
            Self::HopByHop(octets) | Self::Destination(octets) => raw(&vec![0; octets - 2]),
            Self::Routing { kind, left } => raw(&[kind, left, 0, 0, 0, 0]),
            Self::Fragment { offset, more, id } => {
                let offset = IpFragOffset::try_new(offset / 8).unwrap();
                Ipv6FragmentHeader::new(next, offset, more, id).to_bytes().to_vec()
            }
            Self::Authentication => IpAuthHeader::new(next, 1, 1, &[0x5a; 12]).unwrap().to_bytes().to_vec(),
        }
    }
}

impl Upper {
    fn bytes(&self, ip: &Ipv6Header) -> (IpNumber, Vec<u8>) {
        match self {
            Self::Udp { source, destination, len, sum } => {
                let payload = pattern(*len);
                let mut header = UdpHeader::with_ipv6_checksum(*source, *destination, ip, &payload).unwrap();
                header.checksum = sum.or(header.checksum);
                (IpNumber::UDP, [header.to_bytes().as_slice(), &payload].concat())
            }
            Self::Tcp { source, destination, flags, mss, len, sum } => {
                let payload = pattern(*len);
                let mut header = TcpHeader::new(*source, *destination, 1, 1024);
                (header.syn, header.ack, header.fin, header.rst) = flags.bits();
                header.acknowledgment_number = if header.ack { ACKNOWLEDGED } else { 0 };
                header.set_options(mss.map(TcpOptionElement::MaximumSegmentSize).as_slice()).unwrap();
                header.checksum = sum.or(header.calc_checksum_ipv6(ip, &payload).unwrap());
                (IpNumber::TCP, [header.to_bytes().as_slice(), &payload].concat())
            }
            Self::Reset { source, destination, sequence } => {
                let mut header = TcpHeader::new(*source, *destination, *sequence, 0);
                header.rst = true;
                header.checksum = header.calc_checksum_ipv6(ip, &[]).unwrap();
                (IpNumber::TCP, header.to_bytes().to_vec())
            }
            Self::Icmpv6 { kind, code, word, body, sum } => {
                let body = body.bytes();
                let message = Icmpv6Type::Unknown { type_u8: *kind, code_u8: *code, bytes5to8: word.to_be_bytes() };
                let right = message.calc_checksum(ip.source, ip.destination, &body).unwrap();
                let [high, low] = sum.or(right).to_be_bytes();
                let head = [&[*kind, *code, high, low], word.to_be_bytes().as_slice()].concat();
                (IpNumber::IPV6_ICMP, [head, body].concat())
            }
            Self::Other { protocol, len } => (IpNumber(*protocol), pattern(*len)),
        }
    }
}

impl Body {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Pattern(len) => pattern(*len),
            Self::Quote { packet, cut } => {
                let mut bytes = packet.bytes();
                bytes.truncate(cut.unwrap_or(usize::MAX));
                bytes
            }
        }
    }
}

impl Check {
    fn or(self, right: u16) -> u16 {
        match self {
            Self::Right => right,
            Self::Is(value) => value,
        }
    }
}
