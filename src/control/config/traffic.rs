//! Protocols, ports and code points as they are written in the file.

use std::ops::RangeInclusive;

use crate::npt::Prefix;

/// Protocols by name: those of the IANA registry that a site may want to tell apart.
pub const PROTOCOLS: [(&str, u8); 15] = [
    ("tcp", 6),
    ("udp", 17),
    ("icmpv6", 58),
    ("esp", 50),
    ("gre", 47),
    ("sctp", 132),
    ("dccp", 33),
    ("udplite", 136),
    ("ipv4", 4),
    ("ipv6", 41),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
    ("l2tp", 115),
    ("etherip", 97),
];

/// Protocols with ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
pub const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// Extension headers: hop-by-hop options, routing, fragment, authentication, destination options.
const EXTENSION_HEADERS: [u8; 5] = [0, 43, 44, 51, 60];

/// The authentication header.
pub const AUTHENTICATION: u8 = 51;

/// Whether `protocol` is an extension header, behind which the upper-layer protocol stands.
pub fn is_extension_header(protocol: u8) -> bool {
    EXTENSION_HEADERS.contains(&protocol)
}

/// The protocol called `name`.
pub fn protocol(name: &str) -> Option<u8> {
    PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// A protocol's name, else its number.
pub fn protocol_name(protocol: u8) -> String {
    let known = PROTOCOLS.iter().find(|(_, number)| *number == protocol);
    known.map_or_else(|| protocol.to_string(), |(name, _)| (*name).to_owned())
}

/// A prefix as it would be written: a single address without its length.
pub fn prefix_name(prefix: Prefix) -> String {
    if prefix.len() == 128 { prefix.address().to_string() } else { prefix.to_string() }
}

/// Code points by name (RFC 2474, 2597, 3246, 5865, 8622).
pub const CODE_POINTS: [(&str, u8); 23] = [
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("ef", 46),
    ("va", 44),
    ("le", 1),
];

/// The code point called `name`.
pub fn code_point(name: &str) -> Option<u8> {
    CODE_POINTS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The code points of a set, by name where they have one; bit `n` is code point `n`.
pub fn code_point_names(set: u64) -> Vec<String> {
    let name = |point: u8| {
        let known = CODE_POINTS.iter().find(|(_, number)| *number == point);
        known.map_or_else(|| point.to_string(), |(name, _)| (*name).to_owned())
    };
    (0..64).filter(|point| set >> point & 1 != 0).map(name).collect()
}

/// `LOW-HIGH`, or one port; `None` where it is neither, or the wrong way round.
pub fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let range = number(low)?..=number(high)?;
    (!range.is_empty()).then_some(range)
}

/// Ranges of ports, as they would be written.
pub fn port_names(ranges: &[RangeInclusive<u16>]) -> Vec<String> {
    let name = |range: &RangeInclusive<u16>| match (range.start(), range.end()) {
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low}-{high}"),
    };
    ranges.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_are_those_of_their_rfcs() {
        for class in 1..=4 {
            for drop in 1..=3 {
                assert_eq!(code_point(&format!("af{class}{drop}")), Some(8 * class + 2 * drop));
            }
        }
        for class in 0..=7 {
            assert_eq!(code_point(&format!("cs{class}")), Some(8 * class));
        }
        assert_eq!(["ef", "va", "le"].map(code_point), [Some(46), Some(44), Some(1)]);
        assert_eq!(code_point("EF"), None);
        assert_eq!(code_point_names(1 << 46 | 1 << 10 | 1 << 63), ["af11", "ef", "63"]);
    }

    #[test]
    fn ranges_of_ports_are_read_and_shown() {
        assert_eq!(ports("8000-8099"), Some(8000..=8099));
        assert_eq!(ports("443"), Some(443..=443));
        assert_eq!(port_names(&[443..=443, 8000..=8099]), ["443", "8000-8099"]);
        for text in ["", "-", "1-", "-1", "5-4", "0-65536", "1 - 2", "+1-2", "http", "1-2-3"] {
            assert_eq!(ports(text), None, "{text}");
        }
    }

    #[test]
    fn no_name_stands_for_an_extension_header() {
        assert!(PROTOCOLS.iter().all(|(name, number)| {
            !is_extension_header(*number) && protocol(name) == Some(*number) && protocol_name(*number) == *name
        }));
        assert!(WITH_PORTS.iter().all(|number| protocol_name(*number).parse::<u8>().is_err()));
    }
}
