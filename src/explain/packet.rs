//! The packet that [`Fields`] describe.

use super::Fields;
use crate::wire::checksum::Sum;
use crate::wire::icmpv6::ECHO_REQUEST;
use crate::wire::ipv6::{self, Ipv6Mut};
use crate::wire::{protocol, transport};

const HOP_LIMIT: u8 = 64;
const TCP_SYN: u8 = 0x02;
/// Of a TCP header of 20 octets.
const TCP_DATA_OFFSET: u8 = 5 << 4;
/// Identifier of the echo request.
const ECHO_IDENTIFIER: u16 = 1;

/// The first packet of the flow, from its IPv6 header on, its checksum right.
pub fn build(fields: &Fields) -> Vec<u8> {
    let mut upper = vec![0; transport::header_length(fields.protocol)];
    let length = upper.len() as u16;
    if let (Some(source), Some(destination)) = (fields.source_port, fields.destination_port) {
        upper[..2].copy_from_slice(&source.to_be_bytes());
        upper[2..4].copy_from_slice(&destination.to_be_bytes());
    }
    let checksum = match fields.protocol {
        protocol::TCP => {
            (upper[12], upper[13]) = (TCP_DATA_OFFSET, TCP_SYN);
            Some(16)
        }
        // UDP-Lite has the octets that its checksum covers in this place.
        protocol::UDP | protocol::UDP_LITE => {
            upper[4..6].copy_from_slice(&length.to_be_bytes());
            Some(6)
        }
        protocol::ICMPV6 => {
            upper[0] = ECHO_REQUEST;
            upper[4..6].copy_from_slice(&ECHO_IDENTIFIER.to_be_bytes());
            Some(2)
        }
        _ => None,
    };
    if let Some(at) = checksum {
        let sum = Sum::new().add_pseudo_header(fields.source, fields.destination, u32::from(length), fields.protocol);
        let checksum = sum.add_bytes(&upper).checksum();
        upper[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
    let mut header = [0; ipv6::HEADER];
    let mut writer = Ipv6Mut::initialise(&mut header, length, fields.protocol, HOP_LIMIT);
    writer.set_source(fields.source);
    writer.set_destination(fields.destination);
    let class = u32::from(fields.dscp) << 2;
    let first = 6 << 28 | class << 20;
    header[..4].copy_from_slice(&u32::to_be_bytes(first));
    [&header[..], &upper].concat()
}
