//! What became of a packet, and how to say it.

use std::collections::BTreeMap;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use sixways::units::Direction;

/// How the addresses of both gateways begin.
const OWN: [u8; 6] = [0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff];

/// What became of one packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing came out.
    #[default]
    Dropped,
    /// It came out: on which side, and the IPv6 packet.
    Sent(Side, Vec<u8>),
    /// Its sender was told: type, code, the 32 bits behind the checksum, and the quote.
    Answered(u8, u8, u32, Vec<u8>),
}

/// A side of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Lan,
    Isp,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::Lan, Self::Isp];

    /// Where packets of `direction` come from.
    pub const fn of(direction: Direction) -> Self {
        match direction {
            Direction::Outbound => Self::Lan,
            Direction::Inbound => Self::Isp,
        }
    }
}

/// Puts what comes out beside what went in, by the flow label.
#[derive(Default)]
pub struct Outcomes(BTreeMap<u32, Outcome>);

impl Outcomes {
    /// Takes a frame that came out on `side`; the label of the packet that it is, or is about.
    pub fn take(&mut self, side: Side, frame: &[u8]) -> Option<u32> {
        let packet = frame.get(14..).filter(|_| frame[12..14] == [0x86, 0xdd])?;
        let packet = packet.get(..40 + usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?])))?;
        if packet[8..24] == [0; 16] || packet[8] == 0xfe {
            return None;
        }
        let (name, outcome) = if packet[8..14] != OWN {
            (label(packet), Outcome::Sent(side, packet.to_vec()))
        } else {
            let word = u32::from_be_bytes(packet.get(44..48)?.try_into().expect("four octets"));
            let quote = packet.get(48..).filter(|quote| packet[6] == 58 && quote.len() >= 40)?;
            (label(quote), Outcome::Answered(packet[40], packet[41], word, quote.to_vec()))
        };
        let before = self.0.insert(name, outcome);
        assert!(before.is_none(), "two packets for one: {before:02x?} {frame:02x?}");
        Some(name)
    }

    /// What became of the packet with this label.
    pub fn of(&mut self, label: u32) -> Outcome {
        self.0.remove(&label).unwrap_or_default()
    }
}

/// The flow label of a packet.
pub fn label(packet: &[u8]) -> u32 {
    u32::from_be_bytes(packet[..4].try_into().expect("four octets")) & 0xf_ffff
}

impl Outcome {
    /// In words, about a packet that went in as `sent`.
    pub fn words(&self, sent: &[u8], direction: Direction) -> String {
        match self {
            Self::Dropped => "dropped".to_owned(),
            Self::Sent(side, packet) => {
                let mut words = match (sent[8..24] == packet[8..24], sent[24..40] == packet[24..40]) {
                    (true, true) => "passed on untranslated",
                    (false, false) => "both ends translated",
                    _ => "translated",
                }
                .to_owned();
                if sent[40..] != packet[40..] {
                    words += " with its quote";
                }
                if *side == Side::of(direction) {
                    words += ", to where it came from";
                }
                if checksum_right(sent) && !checksum_right(packet) {
                    words += ", checksum broken";
                }
                words
            }
            Self::Answered(kind, code, word, quote) => {
                let pointer = if *kind == 4 { format!(" pointer {word}") } else { String::new() };
                let same = sent.starts_with(quote);
                let quoted = if same { "" } else { " that quotes it translated" };
                format!("dropped, {kind}/{code}{pointer}{quoted}")
            }
        }
    }
}

/// Whether the checksum of a whole UDP datagram is right; true where there is none.
fn checksum_right(packet: &[u8]) -> bool {
    let Ok(sliced) = SlicedPacket::from_ip(packet) else { return true };
    let (Some(NetSlice::Ipv6(net)), Some(TransportSlice::Udp(udp))) = (&sliced.net, &sliced.transport) else {
        return true;
    };
    let (source, destination) = (net.header().source(), net.header().destination());
    let sum = udp.to_header().calc_checksum_ipv6_raw(source, destination, udp.payload());
    udp.checksum() == 0 || sum.is_ok_and(|sum| sum == udp.checksum())
}
