//! The question whether an ISP's router is there, and its answer (RFC 4861 §4.3, §4.4).

use std::net::Ipv6Addr;

use crate::control::nd_proxy::message::{
    ADVERTISEMENT, ANSWER, FIXED, HOP_LIMIT, PAYLOAD, SOLICITATION, SOURCE_LINK_LAYER, TARGET, frame, solicited_node,
};
use crate::units::MacAddr;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::icmpv6::checksum_is_right;
use crate::wire::ipv6::{self, Ipv6};
use crate::wire::protocol;

/// The frame that asks `target` whether it is there, from `source` at `mac`; to the MAC `to`, or to
/// the group of all who might be it.
pub fn ask(target: Ipv6Addr, to: Option<MacAddr>, source: Ipv6Addr, mac: MacAddr) -> [u8; ANSWER] {
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
    message[TARGET].copy_from_slice(&target.octets());
    message[FIXED..FIXED + 2].copy_from_slice(&[SOURCE_LINK_LAYER, 1]);
    message[FIXED + 2..].copy_from_slice(&mac.0);
    frame(message, (source, mac), (destination, to))
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
    let target: [u8; 16] = message.get(TARGET)?.try_into().ok()?;
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
