//! TCP resets: what ends a connection at once (RFC 9293 §3.5.2).

use std::net::Ipv6Addr;

use super::checksum::Sum;
use super::ipv6::{self, Ipv6Mut};
use super::protocol;
use super::transport::{ACK, FLAGS, Ports, RST, SYN};

/// Octets of a TCP header without options.
const TCP_HEADER: usize = 20;
/// Offset of the acknowledgement number in it.
const ACKNOWLEDGEMENT: usize = 8;
/// Offset of the checksum.
const CHECKSUM: usize = 16;
/// Hop limit of packets that the gateway originates.
const HOP_LIMIT: u8 = 64;

/// A reset about to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Who seems to send it.
    pub source: Ipv6Addr,
    /// Who is told.
    pub destination: Ipv6Addr,
    /// The ports of both.
    pub ports: Ports,
    /// The next octet that the receiver waits for. A reset anywhere else in its window is only
    /// questioned, and one outside it ignored (RFC 9293 §3.10.7.4).
    pub sequence: u32,
}

impl Reset {
    /// Octets of the IPv6 packet.
    pub const LENGTH: usize = ipv6::HEADER + TCP_HEADER;

    /// The reset that answers `segment`, which `source` has sent to `destination`: its acknowledgement
    /// is what its sender waits for (RFC 9293 §3.10.7.1). `None` for what no reset may answer, another
    /// reset; for what acknowledges nothing; for a SYN, which opens a connection; and for a header that
    /// is cut short.
    pub fn answering(source: Ipv6Addr, destination: Ipv6Addr, ports: Ports, segment: &[u8]) -> Option<Self> {
        let flags = *segment.first_chunk::<TCP_HEADER>()?.get(FLAGS)?;
        if flags & (SYN | RST | ACK) != ACK {
            return None;
        }
        let sequence = u32::from_be_bytes(*segment.get(ACKNOWLEDGEMENT..)?.first_chunk()?);
        let ports = Ports { source: ports.destination, destination: ports.source };
        Some(Self { source: destination, destination: source, ports, sequence })
    }

    /// Writes the whole IPv6 packet.
    pub fn write(self, packet: &mut [u8; Self::LENGTH]) {
        let Some((header, segment)) = packet.split_first_chunk_mut() else { return };
        let mut view = Ipv6Mut::initialise(header, TCP_HEADER as u16, protocol::TCP, HOP_LIMIT);
        view.set_source(self.source);
        view.set_destination(self.destination);
        segment.fill(0);
        segment[..2].copy_from_slice(&self.ports.source.to_be_bytes());
        segment[2..4].copy_from_slice(&self.ports.destination.to_be_bytes());
        segment[4..ACKNOWLEDGEMENT].copy_from_slice(&self.sequence.to_be_bytes());
        segment[FLAGS - 1] = (TCP_HEADER / 4) as u8 * 0x10;
        segment[FLAGS] = RST;
        let sum = Sum::new()
            .add_pseudo_header(self.source, self.destination, TCP_HEADER as u32, protocol::TCP)
            .add_bytes(segment);
        segment[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum.checksum().to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{SlicedPacket, TcpHeader, TransportSlice};
    use proptest::prelude::*;

    const PORTS: Ports = Ports { source: 4000, destination: 443 };

    fn host() -> Ipv6Addr {
        "fd12:3456:789a:10::5".parse().unwrap()
    }

    fn server() -> Ipv6Addr {
        "2001:db8:f::53".parse().unwrap()
    }

    fn answering(segment: &[u8]) -> Option<Reset> {
        Reset::answering(host(), server(), PORTS, segment)
    }

    fn segment(change: impl FnOnce(&mut TcpHeader)) -> Vec<u8> {
        let mut header = TcpHeader::new(PORTS.source, PORTS.destination, 7, 65535);
        change(&mut header);
        header.to_bytes().to_vec()
    }

    proptest! {
        /// What an independent parser reads is the reset that RFC 9293 §3.10.7.1 describes, wherever the
        /// segment was in the sequence space.
        #[test]
        fn a_reset_begins_where_its_receiver_waits(acknowledged: u32, fin: bool, psh: bool, leftover: u8) {
            let segment = segment(|header| {
                (header.ack, header.fin, header.psh) = (true, fin, psh);
                header.acknowledgment_number = acknowledged;
            });
            let mut packet = [leftover; Reset::LENGTH];
            answering(&segment).unwrap().write(&mut packet);
            let read = SlicedPacket::from_ip(&packet).unwrap();
            let Some(TransportSlice::Tcp(tcp)) = read.transport else { panic!("no TCP") };
            prop_assert_eq!(tcp.sequence_number(), acknowledged);
            prop_assert_eq!((tcp.source_port(), tcp.destination_port()), (443, 4000));
            prop_assert!(tcp.rst() && !tcp.ack() && !tcp.syn() && !tcp.fin() && tcp.payload().is_empty());
            prop_assert_eq!(tcp.window_size(), 0);
            prop_assert!(tcp.calc_checksum_ipv6(server().octets(), host().octets()).unwrap() == tcp.checksum());
            let etherparse::NetSlice::Ipv6(ip) = read.net.unwrap() else { panic!("no IPv6") };
            prop_assert_eq!((ip.header().source_addr(), ip.header().destination_addr()), (server(), host()));
        }

        #[test]
        fn no_octets_panic(segment in prop::collection::vec(any::<u8>(), 0..40)) {
            let answer = answering(&segment);
            prop_assert!(answer.is_none() || segment.len() >= TCP_HEADER);
        }
    }

    #[test]
    fn what_no_reset_answers() {
        for change in [
            |_: &mut TcpHeader| {},
            |header: &mut TcpHeader| header.syn = true,
            |header: &mut TcpHeader| (header.syn, header.ack) = (true, true),
            |header: &mut TcpHeader| header.rst = true,
            |header: &mut TcpHeader| (header.rst, header.ack) = (true, true),
        ] {
            assert_eq!(answering(&segment(change)), None);
        }
        let data = segment(|header| header.ack = true);
        assert!(answering(&data).is_some());
        assert_eq!(answering(&data[..19]), None);
    }
}
