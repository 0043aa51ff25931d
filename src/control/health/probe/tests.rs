//! Probes judged by another parser, and answers made by hand.

use etherparse::{SlicedPacket, TransportSlice};

use super::*;

const TOKEN: u16 = 0x5157;

/// Makes an answer of a question.
type Edit = fn(&mut [u8]);

fn source() -> Ipv6Addr {
    "fd12:3456:789a::fdff:ffff:ffff:ff80".parse().unwrap()
}

fn target() -> Ipv6Addr {
    "2001:db8:f::53".parse().unwrap()
}

fn kinds() -> [ProbeKind; 3] {
    [ProbeKind::Echo, ProbeKind::Tcp(443), ProbeKind::Dns(53, "example.net".to_owned())]
}

/// `packet` with its ends exchanged, `edit`ed, and its checksum at `at` made right again.
fn answer(packet: &[u8], at: usize, edit: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut answer = packet.to_vec();
    answer[8..24].copy_from_slice(&packet[24..40]);
    answer[24..40].copy_from_slice(&packet[8..24]);
    edit(&mut answer[40..]);
    answer[40 + at..40 + at + 2].fill(0);
    let upper = answer[40..].to_vec();
    let sum = crate::wire::checksum::Sum::new();
    let sum = sum.add_pseudo_header(target(), source(), upper.len() as u32, answer[6]).add_bytes(&upper).checksum();
    answer[40 + at..40 + at + 2].copy_from_slice(&sum.to_be_bytes());
    answer
}

fn swap_ports(upper: &mut [u8]) {
    let (a, b) = ([upper[0], upper[1]], [upper[2], upper[3]]);
    upper[..2].copy_from_slice(&b);
    upper[2..4].copy_from_slice(&a);
}

#[test]
fn every_probe_is_whole_and_its_checksum_right() {
    for kind in kinds() {
        let packet = build(&kind, source(), target(), TOKEN, 0x0102);
        let sliced = SlicedPacket::from_ip(&packet).unwrap();
        let (from, to) = (source().octets(), target().octets());
        let (found, computed) = match sliced.transport.unwrap() {
            TransportSlice::Icmpv6(echo) => {
                (echo.header().checksum, echo.icmp_type().calc_checksum(from, to, echo.payload()).unwrap())
            }
            TransportSlice::Tcp(segment) => {
                assert!(segment.syn() && !segment.ack() && segment.source_port() == TOKEN);
                (segment.checksum(), segment.calc_checksum_ipv6(from, to).unwrap())
            }
            TransportSlice::Udp(datagram) => {
                assert_eq!((datagram.source_port(), datagram.destination_port()), (TOKEN, 53));
                let header = datagram.to_header();
                (datagram.checksum(), header.calc_checksum_ipv6_raw(from, to, datagram.payload()).unwrap())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(found, computed, "{kind:?}");
    }
}

#[test]
fn every_answer_is_known_by_target_token_and_sequence() {
    let edits: [(usize, Edit); 3] = [
        (2, |upper| upper[0] = 129),
        (16, |upper| {
            swap_ports(upper);
            let next = u32::from_be_bytes([upper[4], upper[5], upper[6], upper[7]]).wrapping_add(1);
            upper[8..12].copy_from_slice(&next.to_be_bytes());
            upper[13] = SYN | ACK;
        }),
        (6, |upper| {
            swap_ports(upper);
            upper[10] |= 0x80;
        }),
    ];
    for (kind, (at, edit)) in kinds().into_iter().zip(edits) {
        let packet = build(&kind, source(), target(), TOKEN, 0xfffe);
        let mut heard = answer(&packet, at, edit);
        let expected =
            Heard { target: target(), asked: Asked::from(&kind), sequence: 0xfffe, outcome: Outcome::Answered };
        assert_eq!(read(&heard, TOKEN), Some(expected), "{kind:?}");
        assert_eq!(read(&heard, TOKEN + 1), None, "{kind:?}: somebody else's");
        assert_eq!(read(&packet, TOKEN), None, "{kind:?}: the question itself");
        *heard.last_mut().unwrap() ^= 1;
        assert_eq!(read(&heard, TOKEN), None, "{kind:?}: damaged");
        for length in 0..heard.len() {
            assert!(read(&heard[..length], TOKEN).is_none_or(|heard| heard.sequence == 0xfffe), "cut short");
        }
    }
}

#[test]
fn errors_and_resets_are_refusals_of_the_probe_that_they_quote() {
    let router: Ipv6Addr = "2001:db8:1::1".parse().unwrap();
    for kind in kinds() {
        let probe = build(&kind, source(), target(), TOKEN, 7);
        let mut message = vec![1, 0, 0, 0, 0, 0, 0, 0];
        message.extend(&probe);
        let mut packet = vec![0x60, 0, 0, 0, 0, message.len() as u8, 58, 64];
        packet.extend(router.octets());
        packet.extend(source().octets());
        let sum = crate::wire::checksum::Sum::new();
        let sum = sum.add_pseudo_header(router, source(), message.len() as u32, 58).add_bytes(&message).checksum();
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        packet.extend(message);
        // Cut short, as the data path hands it over.
        let heard = read(&packet[..packet.len().min(crate::limits::PROBE_ANSWER_OCTETS)], TOKEN).unwrap();
        assert_eq!((heard.target, heard.sequence, heard.is_answer()), (target(), 7, false), "{kind:?}");
    }
    let probe = build(&ProbeKind::Tcp(443), source(), target(), TOKEN, 7);
    let reset = answer(&probe, 16, |upper| {
        swap_ports(upper);
        let next = u32::from_be_bytes([upper[4], upper[5], upper[6], upper[7]]).wrapping_add(1);
        upper[8..12].copy_from_slice(&next.to_be_bytes());
        upper[13] = RST | ACK;
    });
    assert_eq!(read(&reset, TOKEN).map(|heard| heard.outcome), Some(Outcome::Refused(Refusal::Reset)));
}
