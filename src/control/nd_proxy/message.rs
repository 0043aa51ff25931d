//! Neighbor Solicitations as they come, and the advertisements that answer them (RFC 4861 §4.3,
//! §4.4).

use std::net::Ipv6Addr;
use std::ops::Range;

use crate::units::MacAddr;
use crate::wire::checksum::Sum;
use crate::wire::ethernet::{self, Ethernet};
use crate::wire::icmpv6::checksum_is_right;
use crate::wire::ipv6::{self, Ipv6, Ipv6Mut};
use crate::wire::protocol;

/// Type of a Neighbor Solicitation.
pub const SOLICITATION: u8 = 135;
/// Type of a Neighbor Advertisement.
pub const ADVERTISEMENT: u8 = 136;
/// What has not passed a router (RFC 4861 §7.1).
pub const HOP_LIMIT: u8 = 255;
/// Octets of either message before its options.
pub const FIXED: usize = 24;
/// The address that is looked for, in either message.
pub const TARGET: Range<usize> = 8..24;
const CHECKSUM: Range<usize> = 2..4;
/// Flags of an advertisement: R, S and O are its upper three bits. The target is no router here,
/// and a proxy never overrides the address that somebody else announces (RFC 4861 §7.2.8).
const FLAGS: usize = 4;
const SOLICITED: u8 = 0x40;
/// The option with the asker's MAC address.
pub const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
/// An option with an Ethernet address: type, length in units of eight octets, address.
const LINK_LAYER_OPTION: usize = 8;
/// Octets of either message with one option.
pub const PAYLOAD: usize = FIXED + LINK_LAYER_OPTION;

/// All nodes on the link, and their MAC address (RFC 2464 §7).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 1]);
/// ff02::1:ff00:0/104
const SOLICITED_NODE: u128 = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0).to_bits();

/// Octets of the frame of such a message.
pub const ANSWER: usize = ethernet::HEADER + ipv6::HEADER + PAYLOAD;

/// The group that a node asks who looks for `address` (RFC 4291 §2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(SOLICITED_NODE | address.to_bits() & 0xff_ffff)
}

/// A valid Neighbor Solicitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Solicitation {
    /// The address that is looked for.
    pub target: Ipv6Addr,
    /// Who asks; `None`: somebody who wants to take the address for himself (duplicate address
    /// detection, RFC 4862 §5.4).
    pub asker: Option<Asker>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// His address.
    pub address: Ipv6Addr,
    /// Where the answer goes.
    pub mac: MacAddr,
}

impl Solicitation {
    /// The solicitation in `frame`; `None` if it is none, or one that must be discarded (RFC 4861
    /// §7.1.1). Padding behind it is left alone.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let header = Ethernet::read(frame).filter(|header| header.ether_type == ethernet::IPV6)?;
        let packet = &frame[ethernet::HEADER..];
        let ip = Ipv6::new(packet)?;
        let message = packet[ipv6::HEADER..].get(..ip.payload_length())?;
        let is_one = ip.next_header() == protocol::ICMPV6 && message.starts_with(&[SOLICITATION, 0]);
        if !is_one || ip.hop_limit() != HOP_LIMIT || message.len() < FIXED {
            return None;
        }
        let (source, destination) = (ip.source(), ip.destination());
        let target = Ipv6Addr::from_octets(message[TARGET].try_into().ok()?);
        let link_layer = source_link_layer(&message[FIXED..]).ok()?;
        if target.is_multicast() || !checksum_is_right(source, destination, message) {
            return None;
        }
        if source.is_unspecified() {
            let to_group = destination.to_bits() & !0xff_ffff == SOLICITED_NODE;
            return (to_group && link_layer.is_none()).then_some(Self { target, asker: None });
        }
        let mac = link_layer.unwrap_or(header.source);
        let nobody = source.is_multicast() || source.is_loopback() || mac.is_group();
        (!nobody).then_some(Self { target, asker: Some(Asker { address: source, mac }) })
    }

    /// The frame that tells whoever asked that packets for the target go to `mac`; `source` is an
    /// address of that interface. Whoever wants the address for himself is told as all are
    /// (RFC 4861 §7.2.4).
    pub fn answer(&self, source: Ipv6Addr, mac: MacAddr) -> [u8; ANSWER] {
        let (to, to_mac, flags) = match self.asker {
            Some(asker) => (asker.address, asker.mac, SOLICITED),
            None => (ALL_NODES, ALL_NODES_MAC, 0),
        };
        let mut message = [0; PAYLOAD];
        message[0] = ADVERTISEMENT;
        message[FLAGS] = flags;
        message[TARGET].copy_from_slice(&self.target.octets());
        message[FIXED..FIXED + 2].copy_from_slice(&[TARGET_LINK_LAYER, 1]);
        message[FIXED + 2..].copy_from_slice(&mac.0);
        frame(message, (source, mac), (to, to_mac))
    }
}

/// The frame that carries `message`, whose checksum is still zero, from one address and MAC to another.
pub fn frame(mut message: [u8; PAYLOAD], from: (Ipv6Addr, MacAddr), to: (Ipv6Addr, MacAddr)) -> [u8; ANSWER] {
    let sum = Sum::new().add_pseudo_header(from.0, to.0, PAYLOAD as u32, protocol::ICMPV6).add_bytes(&message);
    message[CHECKSUM].copy_from_slice(&sum.checksum().to_be_bytes());

    let mut header = [0; ipv6::HEADER];
    let mut view = Ipv6Mut::initialise(&mut header, PAYLOAD as u16, protocol::ICMPV6, HOP_LIMIT);
    view.set_source(from.0);
    view.set_destination(to.0);

    let mut frame = [0; ANSWER];
    Ethernet { destination: to.1, source: from.1, ether_type: ethernet::IPV6 }.write(&mut frame);
    frame[ethernet::HEADER..][..ipv6::HEADER].copy_from_slice(&header);
    frame[ethernet::HEADER + ipv6::HEADER..].copy_from_slice(&message);
    frame
}

/// The options are not whole.
struct Malformed;

/// The first Source Link-Layer Address option of `options`.
fn source_link_layer(mut options: &[u8]) -> Result<Option<MacAddr>, Malformed> {
    let mut found = None;
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units) * 8).ok_or(Malformed)?;
        match *option {
            // A length of zero.
            [] => return Err(Malformed),
            [_, _, a, b, c, d, e, f] if kind == SOURCE_LINK_LAYER => {
                found = found.or(Some(MacAddr([a, b, c, d, e, f])));
            }
            _ if kind == SOURCE_LINK_LAYER => return Err(Malformed),
            _ => {}
        }
        options = rest;
    }
    if options.is_empty() { Ok(found) } else { Err(Malformed) }
}
