//! Neighbor Solicitations made by hand, and advertisements read by etherparse.

use std::net::Ipv6Addr;

use etherparse::{Icmpv6Type, LinkSlice, NetSlice, SlicedPacket, TransportSlice};

/// A solicitation, field by field.
#[derive(Clone, Debug)]
pub struct Solicitation {
    pub to_mac: [u8; 6],
    pub from_mac: [u8; 6],
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub hop_limit: u8,
    pub kind: u8,
    pub code: u8,
    pub target: Ipv6Addr,
    pub options: Vec<u8>,
    /// Octets of the message that are left out at its end.
    pub cut: usize,
    pub checksum_is_right: bool,
    /// Octets behind the packet.
    pub padding: usize,
}

/// ff02::1:ffXX:XXXX
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

fn group_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

impl Solicitation {
    /// As a router asks that has no entry: to the group, with its own MAC.
    pub fn multicast(from_mac: [u8; 6], source: Ipv6Addr, target: Ipv6Addr) -> Self {
        let group = solicited_node(target);
        Self {
            to_mac: group_mac(group),
            from_mac,
            source,
            destination: group,
            hop_limit: 255,
            kind: 135,
            code: 0,
            target,
            options: [&[1, 1], &from_mac[..]].concat(),
            cut: 0,
            checksum_is_right: true,
            padding: 0,
        }
    }

    /// As a router asks that wants to know whether its entry still holds.
    pub fn unicast(from_mac: [u8; 6], source: Ipv6Addr, to_mac: [u8; 6], target: Ipv6Addr) -> Self {
        Self { to_mac, destination: target, options: Vec::new(), ..Self::multicast(from_mac, source, target) }
    }

    /// As somebody asks who wants the address for himself.
    pub fn duplicate(from_mac: [u8; 6], target: Ipv6Addr) -> Self {
        Self { options: Vec::new(), ..Self::multicast(from_mac, Ipv6Addr::UNSPECIFIED, target) }
    }

    /// The frame.
    pub fn frame(&self) -> Vec<u8> {
        let mut body = [&self.target.octets()[..], &self.options].concat();
        let kind = Icmpv6Type::Unknown { type_u8: self.kind, code_u8: self.code, bytes5to8: [0; 4] };
        body.truncate(body.len() - self.cut);
        let sum = kind.calc_checksum(self.source.octets(), self.destination.octets(), &body).expect("it fits");
        let sum = if self.checksum_is_right { sum } else { sum ^ 0x0100 };
        let length = 8 + body.len() as u16;
        let mut frame = [&self.to_mac[..], &self.from_mac, &[0x86, 0xdd, 0x60, 0, 0, 0]].concat();
        frame.extend(length.to_be_bytes());
        frame.extend([58, self.hop_limit]);
        frame.extend(self.source.octets());
        frame.extend(self.destination.octets());
        frame.extend([self.kind, self.code]);
        frame.extend(sum.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(body);
        frame.extend(vec![0; self.padding]);
        frame
    }
}

/// An advertisement, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertisement {
    pub to_mac: [u8; 6],
    pub from_mac: [u8; 6],
    pub source: Ipv6Addr,
    pub destination: Ipv6Addr,
    pub router: bool,
    pub solicited: bool,
    pub overrides: bool,
    pub target: Ipv6Addr,
    /// The Target Link-Layer Address option, which one to a single node may leave out.
    pub mac: Option<[u8; 6]>,
}

impl Advertisement {
    /// The advertisement in `frame`; `None` if it is something else.
    ///
    /// # Panics
    /// If it is one that RFC 4861 §7.1.2 has discarded.
    #[track_caller]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let (Some(LinkSlice::Ethernet2(ethernet)), Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) =
            (packet.link, packet.net, packet.transport)
        else {
            return None;
        };
        let Icmpv6Type::NeighborAdvertisement(flags) = icmp.icmp_type() else { return None };
        let header = ip.header();
        let (source, destination) = (header.source_addr(), header.destination_addr());
        assert_eq!((header.hop_limit(), icmp.code_u8()), (255, 0), "{frame:02x?}");
        assert!(icmp.is_checksum_valid(source.octets(), destination.octets()), "{frame:02x?}");
        let (target, option) = icmp.payload().split_first_chunk::<16>().expect("a target");
        let mac = match option {
            [] if !destination.is_multicast() => None,
            [2, 1, mac @ ..] => Some(mac.try_into().expect("one address of six octets")),
            _ => panic!("not one link-layer address: {frame:02x?}"),
        };
        assert!(!destination.is_multicast() || !flags.solicited, "{frame:02x?}");
        Some(Self {
            to_mac: ethernet.destination(),
            from_mac: ethernet.source(),
            source,
            destination,
            router: flags.router,
            solicited: flags.solicited,
            overrides: flags.r#override,
            target: Ipv6Addr::from_octets(*target),
            mac,
        })
    }
}
