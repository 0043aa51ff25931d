//! Ethernet II.

use std::ops::Range;

use crate::units::MacAddr;

/// Octets of an untagged header.
pub const HEADER: usize = 14;
/// Octets of an IEEE 802.1Q tag.
pub const TAG: usize = 4;
/// The EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// The EtherType of an IEEE 802.1Q tag.
const TAGGED: u16 = 0x8100;

const DESTINATION: Range<usize> = 0..6;
const SOURCE: Range<usize> = 6..12;
const ETHER_TYPE: Range<usize> = 12..14;

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Whom it is for.
    pub destination: MacAddr,
    /// Who sent it.
    pub source: MacAddr,
    /// What follows.
    pub ether_type: u16,
}

impl Ethernet {
    /// Reads the header at the start of `frame`, or `None` when the frame is too short.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = frame.first_chunk()?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *header;
        Some(Self {
            destination: MacAddr([d0, d1, d2, d3, d4, d5]),
            source: MacAddr([s0, s1, s2, s3, s4, s5]),
            ether_type: u16::from_be_bytes([t0, t1]),
        })
    }

    /// Writes the header at the start of `frame`, which has room for it.
    pub fn write(self, frame: &mut [u8]) {
        frame[DESTINATION].copy_from_slice(&self.destination.0);
        frame[SOURCE].copy_from_slice(&self.source.0);
        frame[ETHER_TYPE].copy_from_slice(&self.ether_type.to_be_bytes());
    }
}

/// Puts the tag of `vlan`, priority 0, behind the MAC addresses of `frame`, whose last [`TAG`] octets
/// are room for it: all octets from the EtherType on move.
pub fn push_tag(frame: &mut [u8], vlan: u16) {
    frame.copy_within(ETHER_TYPE.start..frame.len() - TAG, ETHER_TYPE.start + TAG);
    frame[ETHER_TYPE].copy_from_slice(&TAGGED.to_be_bytes());
    frame[ETHER_TYPE.end..][..2].copy_from_slice(&vlan.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        let header = Ethernet { destination: MacAddr([1, 2, 3, 4, 5, 6]), source: MacAddr([7; 6]), ether_type: IPV6 };
        let mut frame = [0xa5; 20];
        header.write(&mut frame);
        assert_eq!(Ethernet::read(&frame), Some(header));
        assert_eq!(frame[HEADER..], [0xa5; 6]);
        assert_eq!(Ethernet::read(&frame[..13]), None);
    }

    #[test]
    fn a_tag_moves_what_is_behind_the_addresses() {
        let mut frame: Vec<u8> = (0..60).collect();
        let before = frame.clone();
        frame.extend([0xa5; TAG]);
        push_tag(&mut frame, 0xabc);
        assert_eq!(frame[..12], before[..12]);
        assert_eq!(frame[12..16], [0x81, 0x00, 0x0a, 0xbc]);
        assert_eq!(frame[16..], before[12..]);
    }
}
