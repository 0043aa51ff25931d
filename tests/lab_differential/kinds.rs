//! The kinds of packets: ordinary ones, on which both must agree, and those on which they do not.

use std::net::Ipv6Addr;

use etherparse::IpNumber;
use sixways::units::Direction;

use crate::draw::{Draw, ECHO_REQUEST, Extension, options, remote, routing};

/// One kind of packets.
pub struct Kind {
    pub name: &'static str,
    /// One such packet, if this pair has any.
    pub make: fn(&mut Draw<'_>) -> Option<Vec<u8>>,
}

/// A kind on which the two are not of one mind, and the judge.
pub struct Odd {
    pub kind: Kind,
    /// Who is right.
    pub right: &'static str,
    /// By which section.
    pub by: &'static str,
}

const fn kind(name: &'static str, make: fn(&mut Draw<'_>) -> Option<Vec<u8>>) -> Kind {
    Kind { name, make }
}

const ECHO_REPLY: u8 = 129;
const ROUTER_RENUMBERING: u8 = 138;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const UDP_LITE: u8 = 136;
const DCCP: u8 = 33;
/// Options that every node skips: PadN.
const PADDING: [u8; 6] = [1, 4, 0, 0, 0, 0];

pub const ORDINARY: [Kind; 27] = [
    kind("TCP, any flags and options", |draw| plain(draw, Draw::tcp)),
    kind("UDP", |draw| plain(draw, Draw::udp)),
    kind("UDP without a checksum", |draw| {
        plain(draw, |draw| {
            let (number, mut octets) = draw.udp();
            octets[6..8].fill(0);
            (number, octets)
        })
    }),
    kind("Echo Request", |draw| plain(draw, |draw| draw.echo(ECHO_REQUEST))),
    kind("Echo Reply", |draw| plain(draw, |draw| draw.echo(ECHO_REPLY))),
    kind("ESP", |draw| plain(draw, |draw| draw.other(IpNumber::ENCAPSULATING_SECURITY_PAYLOAD.0))),
    kind("AH before TCP, UDP or echo", |draw| {
        let extension = draw.authentication();
        behind(draw, &[extension])
    }),
    kind("SCTP", |draw| plain(draw, |draw| draw.other(IpNumber::SCTP.0))),
    kind("DCCP", |draw| plain(draw, |draw| draw.other(DCCP))),
    kind("UDP-Lite", |draw| plain(draw, |draw| draw.other(UDP_LITE))),
    kind("protocol 253", |draw| plain(draw, |draw| draw.other(253))),
    kind("IPv6 in IPv6, GRE, no next header", |draw| {
        let protocol = draw.random.pick(&[IpNumber::IPV6.0, IpNumber::GRE.0, IpNumber::IPV6_NO_NEXT_HEADER.0]);
        plain(draw, |draw| draw.other(protocol))
    }),
    kind("first fragment", |draw| {
        let extension = draw.fragment(0, true);
        let (number, mut octets) = draw.any();
        octets.resize(1024, 0x5a);
        Some(draw.packet(&[extension], (number, octets)))
    }),
    // Behind the longest upper-layer header: inside it Sixways drops one (`header-split`).
    kind("later fragment", |draw| {
        let (offset, more) = (3 + draw.random.below(1000) as u16, draw.random.below(2) == 0);
        let extension = draw.fragment(offset, more);
        let units = 1 + draw.random.below(60) as usize;
        let octets = draw.random.octets(8 * units);
        let number = draw.random.pick(&[IpNumber::TCP, IpNumber::UDP, IpNumber::IPV6_ICMP]);
        Some(draw.packet(&[extension], (number, octets)))
    }),
    kind("atomic fragment", |draw| {
        let extension = draw.fragment(0, false);
        behind(draw, &[extension])
    }),
    kind("Destination Options", |draw| behind(draw, &[options(IpNumber::IPV6_DESTINATION_OPTIONS, &PADDING)])),
    kind("Hop-by-Hop Options", |draw| behind(draw, &[options(IpNumber::IPV6_HEADER_HOP_BY_HOP, &PADDING)])),
    kind("Routing header of type 2, 3 or 4", |draw| {
        let kind = draw.random.pick(&[2, 3, 4]);
        behind(draw, &[routing(kind, 1)])
    }),
    kind("several extension headers", |draw| {
        let fragment = draw.fragment(0, false);
        behind(
            draw,
            &[
                options(IpNumber::IPV6_HEADER_HOP_BY_HOP, &PADDING),
                options(IpNumber::IPV6_DESTINATION_OPTIONS, &PADDING),
                fragment,
                options(IpNumber::IPV6_DESTINATION_OPTIONS, &PADDING),
            ],
        )
    }),
    kind("Destination Unreachable", |draw| Some(draw.error(1, &[]))),
    kind("Packet Too Big", |draw| Some(draw.error(2, &[]))),
    kind("Time Exceeded", |draw| Some(draw.error(3, &[]))),
    kind("Parameter Problem", |draw| Some(draw.error(4, &[]))),
    kind("error about a fragment", |draw| {
        let first = draw.random.below(2) == 0;
        let fragment = draw.fragment(if first { 0 } else { 181 }, first);
        let quote = draw.quoted(draw.local, &[fragment]);
        let kind = draw.random.pick(&[1, 2, 3]);
        Some(draw.error_about(kind, &[], &quote))
    }),
    kind("error that quotes 40 to 120 octets", |draw| {
        let mut quote = draw.quoted(draw.local, &[]);
        quote.truncate(40 + draw.random.below(81) as usize);
        let kind = draw.random.pick(&[1, 2, 3, 4]);
        Some(draw.error_about(kind, &[], &quote))
    }),
    kind("shorter than its payload length", |draw| {
        let mut packet = plain(draw, Draw::udp)?;
        packet.truncate(packet.len() - 1 - draw.random.below(8) as usize);
        Some(packet)
    }),
    kind("padded beyond its payload length", |draw| {
        let mut packet = plain(draw, Draw::udp)?;
        packet.resize(packet.len() + 1 + draw.random.below(40) as usize, 0xee);
        Some(packet)
    }),
];

pub const ODD: [Odd; 24] = [
    Odd {
        kind: kind("subnet 0xFFFF, outbound", |draw| subnet_ffff(draw, Direction::Outbound)),
        right: "Sixways",
        by: "RFC 6296 §3.2, §4.2: 0xFFFF is discarded, not sent as another subnet",
    },
    Odd {
        kind: kind("subnet 0xFFFF, inbound", |draw| subnet_ffff(draw, Direction::Inbound)),
        right: "Sixways",
        by: "RFC 6296 §3.3 is silent; a second name for a host of another subnet",
    },
    Odd {
        kind: kind("identifier all zeros, prefix longer than /48", |draw| with_iid(draw, 0)),
        right: "Sixways",
        by: "RFC 6296 §3.7: MUST drop, SHOULD send Parameter Problem",
    },
    Odd {
        kind: kind("identifier all ones, prefix longer than /48", |draw| with_iid(draw, u64::MAX)),
        right: "Sixways",
        by: "RFC 6296 §3.5: no word is eligible; RFC 4443 §2.4(c): quoted as it was sent",
    },
    Odd {
        kind: kind("identifier whose image is all zeros", |draw| {
            let iid = draw.pair.vanishing_iid(draw.direction);
            with_iid(draw, iid)
        }),
        right: "Sixways",
        by: "RFC 6296 §3.7: answers to the image would have to be dropped",
    },
    Odd {
        kind: kind("subnet beyond the other prefix", |draw| {
            draw.local = draw.pair.excess(draw.random, draw.direction)?;
            plain(draw, Draw::udp)
        }),
        right: "Sixways",
        by: "RFC 6296 §3.2, §3.7: discarded, not folded onto another subnet",
    },
    Odd {
        kind: kind("source outside the internal prefix", |draw| {
            draw.local = only(draw, Direction::Outbound, "fd99::77")?;
            plain(draw, Draw::udp)
        }),
        right: "Sixways",
        by: "RFC 6092 REC-5, RFC 4443 §3.1 code 5; Linux needs a rule of its own",
    },
    Odd {
        kind: kind("destination outside the external prefix", |draw| {
            draw.local = only(draw, Direction::Inbound, "2001:db8:77::77")?;
            plain(draw, Draw::udp)
        }),
        right: "Sixways",
        by: "RFC 7084 WPD-5: not back to where it came from",
    },
    Odd {
        kind: kind("inbound with a source of our own", |draw| {
            only(draw, Direction::Inbound, "::")?;
            draw.remote = draw.pair.address(draw.random, Direction::Outbound);
            plain(draw, Draw::udp)
        }),
        right: "Sixways",
        by: "RFC 6092 REC-6; Linux needs a rule of its own",
    },
    Odd {
        kind: kind("outbound to our own external address", |draw| {
            only(draw, Direction::Outbound, "::")?;
            draw.remote = draw.pair.address(draw.random, Direction::Inbound);
            plain(draw, Draw::udp)
        }),
        right: "Sixways",
        by: "RFC 6296 §4.3: hairpinning MUST work",
    },
    Odd {
        kind: kind("error behind an extension header", |draw| {
            Some(draw.error(3, &[options(IpNumber::IPV6_DESTINATION_OPTIONS, &PADDING)]))
        }),
        right: "Sixways",
        by: "RFC 4443 §2.4(c), RFC 8201 §4: the quote must be what its reader sent",
    },
    Odd {
        kind: kind("error about somebody else's packet, inbound", |draw| {
            only(draw, Direction::Inbound, "::")?;
            let somebody = remote(draw.random);
            let quote = draw.quoted(somebody, &[]);
            Some(draw.error_about(1, &[], &quote))
        }),
        right: "Sixways",
        by: "rfc6296-bis §3.8: MUST drop",
    },
    Odd {
        kind: kind("error that quotes fewer than 40 octets", |draw| {
            let mut quote = draw.quoted(draw.local, &[]);
            quote.truncate(draw.random.below(40) as usize);
            Some(draw.error_about(3, &[], &quote))
        }),
        right: "Sixways",
        by: "rfc6296-bis §3.8: the quote has a whole IPv6 header",
    },
    Odd {
        kind: kind("error with a wrong checksum", |draw| {
            let mut packet = draw.error(1, &[]);
            packet[42] ^= 0x55;
            Some(packet)
        }),
        right: "Sixways",
        by: "rfc6296-bis §3.8: SHOULD verify before the quote is used",
    },
    Odd {
        kind: kind("hop limit 1, outbound", |draw| last_hop(draw, Direction::Outbound, 1)),
        right: "both",
        by: "RFC 4443 §3.3",
    },
    Odd {
        kind: kind("hop limit 1, inbound", |draw| last_hop(draw, Direction::Inbound, 1)),
        right: "Sixways",
        by: "RFC 4443 §2.4(c): as it was sent; Linux tells the world an internal address",
    },
    Odd {
        kind: kind("hop limit 0", |draw| last_hop(draw, draw.direction, 0)),
        right: "Sixways",
        by: "RFC 4443 §3.3, §2.4(c)",
    },
    Odd {
        kind: kind("too big, outbound", |draw| too_big(draw, Direction::Outbound)),
        right: "both",
        by: "RFC 4443 §3.2",
    },
    Odd {
        kind: kind("too big, inbound", |draw| too_big(draw, Direction::Inbound)),
        right: "Sixways",
        by: "RFC 8201 §4: the sender must know its packet again",
    },
    Odd {
        kind: kind("Routing header of type 0", |draw| behind(draw, &[routing(0, 1)])),
        right: "Sixways",
        by: "RFC 5095 §3, RFC 6092 REC-4",
    },
    Odd {
        kind: kind("Hop-by-Hop option that wants an error", |draw| {
            behind(draw, &[options(IpNumber::IPV6_HEADER_HOP_BY_HOP, &[0xbe, 4, 0, 0, 0, 0])])
        }),
        right: "both",
        by: "RFC 8200 §4: routers look at it only if they are told to",
    },
    Odd {
        kind: kind("Neighbour Solicitation to pass on", |draw| {
            let body = draw.remote.octets();
            plain(draw, |draw| draw.icmp(NEIGHBOUR_SOLICITATION, 0, 0, &body))
        }),
        right: "Sixways",
        by: "RFC 4861 §7.1.1, RFC 4890 §4.3.3",
    },
    Odd {
        kind: kind("Router Renumbering", |draw| plain(draw, |draw| draw.icmp(ROUTER_RENUMBERING, 0, 0, &[0; 16]))),
        right: "Sixways",
        by: "RFC 4890 §4.3.5",
    },
    Odd {
        kind: kind("source unspecified", |draw| {
            let (_, destination) = draw.ends();
            let upper = draw.other(253);
            Some(draw.between(Ipv6Addr::UNSPECIFIED, destination, &[], upper))
        }),
        right: "both",
        by: "RFC 4291 §2.5.2",
    },
];

fn plain<'a>(draw: &mut Draw<'a>, upper: impl FnOnce(&mut Draw<'a>) -> (IpNumber, Vec<u8>)) -> Option<Vec<u8>> {
    let upper = upper(draw);
    Some(draw.packet(&[], upper))
}

fn behind(draw: &mut Draw<'_>, extensions: &[Extension]) -> Option<Vec<u8>> {
    let upper = draw.any();
    Some(draw.packet(extensions, upper))
}

fn subnet_ffff(draw: &mut Draw<'_>, direction: Direction) -> Option<Vec<u8>> {
    if draw.direction != direction || draw.pair.length() > 48 {
        return None;
    }
    draw.local = draw.pair.in_subnet_ffff(draw.random, direction);
    plain(draw, Draw::udp)
}

fn with_iid(draw: &mut Draw<'_>, iid: u64) -> Option<Vec<u8>> {
    draw.local = draw.pair.with_iid(draw.random, draw.direction, iid);
    if draw.pair.length() > 48 { plain(draw, Draw::udp) } else { None }
}

fn only(draw: &Draw<'_>, direction: Direction, address: &str) -> Option<Ipv6Addr> {
    (draw.direction == direction).then(|| address.parse().expect("an address"))
}

fn last_hop(draw: &mut Draw<'_>, direction: Direction, hop: u8) -> Option<Vec<u8>> {
    draw.hop = hop;
    if draw.direction == direction { plain(draw, Draw::udp) } else { None }
}

fn too_big(draw: &mut Draw<'_>, direction: Direction) -> Option<Vec<u8>> {
    let (number, mut octets) = draw.other(253);
    octets.resize(1450, 0x5a);
    if draw.direction == direction { Some(draw.packet(&[], (number, octets))) } else { None }
}
