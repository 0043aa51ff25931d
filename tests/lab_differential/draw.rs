//! Random packets: where they come from and what they are made of. Octets by `etherparse`.

use std::net::Ipv6Addr;

use etherparse::{
    Icmpv6Type, IpAuthHeader, IpFragOffset, IpNumber, Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, TcpHeader,
    TcpOptionElement, UdpHeader,
};
use sixways::units::Direction;

use crate::pairs::Pair;
use crate::random::Random;

/// Octets before the upper layer that no packet of these tests exceeds.
const EXTENSIONS: usize = 80;
/// Largest packet that fits every link of both sides; MSS options stay below it as well.
const LARGEST: u64 = 1280;
/// Ports, lengths and words have no meaning here.
pub const ECHO_REQUEST: u8 = 128;

/// A packet in the making.
pub struct Draw<'a> {
    pub random: &'a mut Random,
    pub pair: &'a Pair,
    pub direction: Direction,
    /// Of a host of the site, as the sender of the packet sees it.
    pub local: Ipv6Addr,
    pub remote: Ipv6Addr,
    pub hop: u8,
    /// Known again on the other side by it: nobody may change it (RFC 6437 §3).
    pub label: u32,
}

/// What stands between IPv6 header and upper layer.
pub struct Extension(IpNumber, Box<dyn Fn(IpNumber) -> Vec<u8>>);

impl<'a> Draw<'a> {
    pub fn new(random: &'a mut Random, pair: &'a Pair, direction: Direction, label: u32) -> Self {
        let local = pair.address(random, direction);
        let remote = remote(random);
        let hop = 2 + random.below(254) as u8;
        Self { random, pair, direction, local, remote, hop, label }
    }

    /// A packet that goes its way, as octets.
    pub fn packet(&mut self, extensions: &[Extension], upper: (IpNumber, Vec<u8>)) -> Vec<u8> {
        let (source, destination) = self.ends();
        self.between(source, destination, extensions, upper)
    }

    /// As [`Draw::packet`], between any two.
    pub fn between(
        &mut self,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        extensions: &[Extension],
        (mut next, mut payload): (IpNumber, Vec<u8>),
    ) -> Vec<u8> {
        for Extension(number, make) in extensions.iter().rev() {
            payload.splice(0..0, make(next));
            next = *number;
        }
        let header = Ipv6Header {
            traffic_class: self.random.bits() as u8,
            flow_label: self.label.try_into().expect("20 bits"),
            payload_length: payload.len() as u16,
            next_header: next,
            hop_limit: self.hop,
            source: source.octets(),
            destination: destination.octets(),
        };
        [header.to_bytes().as_slice(), &payload].concat()
    }

    /// Source and destination.
    pub fn ends(&self) -> (Ipv6Addr, Ipv6Addr) {
        match self.direction {
            Direction::Outbound => (self.local, self.remote),
            Direction::Inbound => (self.remote, self.local),
        }
    }

    /// Random octets; `used` of a packet's are taken already.
    pub fn payload(&mut self, used: usize) -> Vec<u8> {
        let room = LARGEST - (40 + EXTENSIONS + used) as u64;
        let count = if self.random.below(4) == 0 { self.random.below(room) } else { self.random.below(64) };
        self.random.octets(count as usize)
    }

    pub fn udp(&mut self) -> (IpNumber, Vec<u8>) {
        let (source, destination) = self.ends();
        let payload = self.payload(8);
        let mut header = UdpHeader {
            source_port: self.random.bits() as u16,
            destination_port: self.random.bits() as u16,
            length: 8 + payload.len() as u16,
            checksum: 0,
        };
        let sum = header.calc_checksum_ipv6_raw(source.octets(), destination.octets(), &payload);
        header.checksum = sum.expect("a short payload");
        (IpNumber::UDP, [header.to_bytes().as_slice(), &payload].concat())
    }

    /// Any flags, and options as hosts send them.
    pub fn tcp(&mut self) -> (IpNumber, Vec<u8>) {
        let (source, destination) = self.ends();
        let payload = self.payload(60);
        let bits = self.random.bits();
        let mut header =
            TcpHeader::new(bits as u16, (bits >> 16) as u16, (bits >> 32) as u32, self.random.bits() as u16);
        header.acknowledgment_number = self.random.bits() as u32;
        let flags = self.random.bits();
        let flag = |n: u32| flags >> n & 1 != 0;
        (header.syn, header.ack, header.fin, header.rst) =
            (flag(0) && flag(1), flag(2), flag(3) && flag(4), flag(5) && flag(6));
        (header.psh, header.urg, header.ece, header.cwr, header.ns) = (flag(7), flag(8), flag(9), flag(10), flag(11));
        header.urgent_pointer = (flags >> 16) as u16;
        let stamp = TcpOptionElement::Timestamp(self.random.bits() as u32, self.random.bits() as u32);
        let options: &[TcpOptionElement] = match flags >> 32 & 3 {
            0 => &[],
            1 => &[TcpOptionElement::Noop, TcpOptionElement::Noop, stamp],
            2 => &[
                TcpOptionElement::MaximumSegmentSize(1220),
                TcpOptionElement::SelectiveAcknowledgementPermitted,
                stamp,
            ],
            _ => &[TcpOptionElement::SelectiveAcknowledgement((flags as u32, flags as u32 + 9), [None; 3])],
        };
        header.set_options(options).expect("they fit");
        header.checksum =
            header.calc_checksum_ipv6_raw(source.octets(), destination.octets(), &payload).expect("short");
        (IpNumber::TCP, [header.to_bytes().as_slice(), &payload].concat())
    }

    /// An ICMPv6 message with a right checksum.
    pub fn icmp(&mut self, kind: u8, code: u8, word: u32, body: &[u8]) -> (IpNumber, Vec<u8>) {
        let (source, destination) = self.ends();
        let message = Icmpv6Type::Unknown { type_u8: kind, code_u8: code, bytes5to8: word.to_be_bytes() };
        let sum = message.calc_checksum(source.octets(), destination.octets(), body).expect("a short body");
        let head = [&[kind, code], sum.to_be_bytes().as_slice(), &word.to_be_bytes()].concat();
        (IpNumber::IPV6_ICMP, [head, body.to_vec()].concat())
    }

    pub fn echo(&mut self, kind: u8) -> (IpNumber, Vec<u8>) {
        let (word, payload) = (self.random.bits() as u32, self.payload(8));
        self.icmp(kind, 0, word, &payload)
    }

    pub fn other(&mut self, protocol: u8) -> (IpNumber, Vec<u8>) {
        (IpNumber(protocol), self.payload(0))
    }

    /// TCP, UDP or an echo request.
    pub fn any(&mut self) -> (IpNumber, Vec<u8>) {
        match self.random.below(3) {
            0 => self.tcp(),
            1 => self.udp(),
            _ => self.echo(ECHO_REQUEST),
        }
    }

    /// An error that a router sends about a packet which came to it from this side: the packet went
    /// the other way, and is quoted as it was there.
    pub fn error(&mut self, kind: u8, extensions: &[Extension]) -> Vec<u8> {
        let quote = self.quoted(self.local, &[]);
        self.error_about(kind, extensions, &quote)
    }

    /// The packet that an error is about: from the site as the outside sees it, or to a host inside.
    pub fn quoted(&mut self, local: Ipv6Addr, extensions: &[Extension]) -> Vec<u8> {
        let back = match self.direction {
            Direction::Outbound => Direction::Inbound,
            Direction::Inbound => Direction::Outbound,
        };
        let remote = self.remote;
        let mut went = Draw { random: self.random, pair: self.pair, direction: back, local, remote, hop: 1, label: 0 };
        let upper = went.any();
        went.packet(extensions, upper)
    }

    /// As [`Draw::error`], about this packet, which is cut to what fits.
    pub fn error_about(&mut self, kind: u8, extensions: &[Extension], quote: &[u8]) -> Vec<u8> {
        let (code, word) = match kind {
            1 => (self.random.pick(&[0, 1, 3, 4, 5, 6]), 0),
            2 => (0, 1280 + self.random.below(200) as u32),
            3 => (0, 0),
            _ => (self.random.pick(&[1, 2]), 40),
        };
        let room = LARGEST as usize - 48 - EXTENSIONS;
        // A router between: any address of that side.
        let (host, remote) = (self.local, self.remote);
        match self.direction {
            Direction::Outbound if self.random.below(2) == 0 => {
                self.local = self.pair.address(self.random, self.direction)
            }
            Direction::Outbound => {}
            Direction::Inbound => self.remote = self::remote(self.random),
        }
        let upper = self.icmp(kind, code, word, &quote[..quote.len().min(room)]);
        let packet = self.packet(extensions, upper);
        (self.local, self.remote) = (host, remote);
        packet
    }

    pub fn fragment(&mut self, offset: u16, more: bool) -> Extension {
        let (id, offset) = (self.random.bits() as u32, IpFragOffset::try_new(offset).expect("13 bits"));
        Extension(
            IpNumber::IPV6_FRAGMENTATION_HEADER,
            Box::new(move |next| Ipv6FragmentHeader::new(next, offset, more, id).to_bytes().to_vec()),
        )
    }

    pub fn authentication(&mut self) -> Extension {
        let (spi, sequence, icv) = (self.random.bits() as u32, self.random.bits() as u32, self.random.octets(12));
        Extension(
            IpNumber::AUTHENTICATION_HEADER,
            Box::new(move |next| IpAuthHeader::new(next, spi, sequence, &icv).expect("an ICV").to_bytes().to_vec()),
        )
    }
}

/// Hop-by-hop or destination options: what follows next header and length, 8n + 6 octets.
pub fn options(number: IpNumber, content: &[u8]) -> Extension {
    let content = content.to_vec();
    Extension(number, Box::new(move |next| raw(next, &content)))
}

/// A routing header with room for one address.
pub fn routing(kind: u8, left: u8) -> Extension {
    let mut content = vec![kind, left, 0, 0, 0, 0];
    content.extend(Ipv6Addr::new(0x2001, 0xdb8, 0xbeef, 0, 0, 0, 0, 1).octets());
    Extension(IpNumber::IPV6_ROUTE_HEADER, Box::new(move |next| raw(next, &content)))
}

fn raw(next: IpNumber, content: &[u8]) -> Vec<u8> {
    Ipv6RawExtHeader::new_raw(next, content).expect("whole units").to_bytes().to_vec()
}

/// Somebody on the Internet.
pub fn remote(random: &mut Random) -> Ipv6Addr {
    let network = random.pick(&[0x2001_0db8_000f_0000_u64, 0x2600_0000_0000_0000, 0x2a02_0000_0000_0000]);
    let host = if network >> 32 == 0x2001_0db8 { random.below(1 << 16) } else { random.below(1 << 48) };
    Ipv6Addr::from_bits(u128::from(network | host) << 64 | u128::from(random.bits()))
}
