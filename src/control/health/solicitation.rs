//! The question whether an ISP's router is there, and its answer (RFC 4861 §4.3, §4.4).

use std::net::Ipv6Addr;

use crate::control::nd_proxy::message::solicited_node;
use crate::units::MacAddr;
use crate::wire::checksum::Sum;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::icmpv6::checksum_is_right;
use crate::wire::ipv6::{self, Ipv6, Ipv6Mut};
use crate::wire::protocol;

const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// What has not passed a router (RFC 4861 §7.1).
const HOP_LIMIT: u8 = 255;
/// Octets of either message before its options.
const FIXED: usize = 24;
/// The option with our MAC address: type 1, one unit of eight octets.
const OPTION: usize = 8;
const PAYLOAD: usize = FIXED + OPTION;
/// Octets of the frame of a question.
pub const QUESTION: usize = ethernet::HEADER + ipv6::HEADER + PAYLOAD;

/// The frame that asks `target` whether it is there, from `source` at `mac`; to the MAC `to`, or to
/// the group of all who might be it.
pub fn ask(target: Ipv6Addr, to: Option<MacAddr>, source: Ipv6Addr, mac: MacAddr) -> [u8; QUESTION] {
    let (destination, to) = match to {
        Some(to) => (target, to),
        None => {
            let group = solicited_node(target);
            let [.., a, b, c, d] = group.octets();
            (group, MacAddr([0x33, 0x33, a, b, c, d]))
        }
    };
    let mut message = [0; PAYLOAD];
    message[0] = SOLICITATION;
    message[8..FIXED].copy_from_slice(&target.octets());
    message[FIXED..FIXED + 2].copy_from_slice(&[1, 1]);
    message[FIXED + 2..].copy_from_slice(&mac.0);
    let sum = Sum::new().add_pseudo_header(source, destination, PAYLOAD as u32, protocol::ICMPV6).add_bytes(&message);
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());

    let mut header = [0; ipv6::HEADER];
    let mut view = Ipv6Mut::initialise(&mut header, PAYLOAD as u16, protocol::ICMPV6, HOP_LIMIT);
    view.set_source(source);
    view.set_destination(destination);

    let mut frame = [0; QUESTION];
    Ethernet { destination: to, source: mac, ether_type: ethernet::IPV6 }.write(&mut frame);
    frame[ethernet::HEADER..][..ipv6::HEADER].copy_from_slice(&header);
    frame[ethernet::HEADER + ipv6::HEADER..].copy_from_slice(&message);
    frame
}

/// Who says in `frame` that he is there; `None` if it is no Neighbor Advertisement, or one that must be
/// discarded (RFC 4861 §7.1.2).
pub fn read(frame: &[u8]) -> Option<Ipv6Addr> {
    Ethernet::read(frame).filter(|header| header.ether_type == ethernet::IPV6)?;
    let packet = &frame[ethernet::HEADER..];
    let ip = Ipv6::new(packet)?;
    let message = packet[ipv6::HEADER..].get(..ip.payload_length())?;
    let is_one = ip.next_header() == protocol::ICMPV6 && message.starts_with(&[ADVERTISEMENT, 0]);
    let is_valid = ip.hop_limit() == HOP_LIMIT && checksum_is_right(ip.source(), ip.destination(), message);
    let target: [u8; 16] = message.get(8..FIXED)?.try_into().ok()?;
    (is_one && is_valid).then_some(Ipv6Addr::from_octets(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::nd_proxy::message::Solicitation;

    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x12, 0x3456);
    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

    #[test]
    fn a_question_is_a_valid_solicitation_and_its_answer_is_heard() {
        let source = "fe80::7".parse().unwrap();
        for to in [None, Some(MacAddr([2, 0, 0, 0, 0, 9]))] {
            let question = ask(ROUTER, to, source, MAC);
            let heard = Solicitation::read(&question).expect("valid");
            assert_eq!(
                (heard.target, heard.asker.map(|asker| (asker.address, asker.mac))),
                (ROUTER, Some((source, MAC)))
            );
            let mut answer = heard.answer(ROUTER, MacAddr([2, 0, 0, 0, 0, 9]));
            assert_eq!(read(&answer), Some(ROUTER));
            assert_eq!(read(&question), None);
            answer[ethernet::HEADER + ipv6::HEADER + 20] ^= 1;
            assert_eq!(read(&answer), None, "damaged");
        }
        assert_eq!(ask(ROUTER, None, source, MAC)[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    }
}
