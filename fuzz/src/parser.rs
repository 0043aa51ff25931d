//! Step 1 of the path, which every octet from outside meets first.

use etherparse::Ipv6Header;
use sixways::datapath::parse::parse;
use sixways::verdict::DropReason;
use sixways::wire::extension;

use crate::judge::{ETHERNET, IPV6, whole};

/// One input: a frame.
pub fn run(frame: &[u8]) {
    let parsed = parse(frame);
    let length = frame.get(ETHERNET..).and_then(whole);

    // Padding says nothing (RFC 8200 §3); what is missing from the end is missed.
    let padded = [frame, &[0xa5; 7]].concat();
    if length.is_some_and(|length| ETHERNET + length <= frame.len()) {
        assert_eq!(format!("{parsed:?}"), format!("{:?}", parse(&padded)), "padding changes what is seen");
    }
    if let Ok(packet) = &parsed {
        let cut = &frame[..ETHERNET + packet.length - 1];
        assert!(matches!(parse(cut), Err(DropReason::Malformed)), "an octet is missing, and nobody notices");
    }
    // Whose frame it is says nothing about the packet.
    if frame.len() >= ETHERNET {
        let mut other = frame.to_vec();
        other[..12].reverse();
        let same = match (&parsed, &parse(&other)) {
            (Ok(one), Ok(two)) => {
                format!("{:?}", (one.quote, one.transport)) == format!("{:?}", (two.quote, two.transport))
            }
            (Err(one), Err(two)) => one == two,
            _ => false,
        };
        assert!(same, "the MACs change what is seen");
    }

    let Ok(packet) = parsed else { return };
    let (header, _) = Ipv6Header::from_slice(&frame[ETHERNET..]).expect("etherparse reads it too");
    assert_eq!((packet.source, packet.destination), (header.source_addr(), header.destination_addr()));
    assert_eq!((packet.hop_limit, packet.dscp), (header.hop_limit, header.traffic_class >> 2));
    assert_eq!(packet.length, IPV6 + usize::from(header.payload_length));
    if let Some(quote) = packet.quote {
        let quoted = &frame[quote.offset..ETHERNET + packet.length];
        let (inner, _) = Ipv6Header::from_slice(quoted).expect("a quote is a whole header");
        assert_eq!((quote.source, quote.destination), (inner.source_addr(), inner.destination_addr()));
        assert!(packet.icmpv6.is_some_and(|kind| kind < 128));
    }
    chain(header.next_header.0, &frame[ETHERNET + IPV6..ETHERNET + packet.length]);
}

/// The walk ends where etherparse's ends, wherever both know what they see.
fn chain(next_header: u8, payload: &[u8]) {
    let Ok(ours) = extension::walk(next_header, payload) else { return };
    assert!(ours.offset <= payload.len());
    let Ok((theirs, next, rest)) = etherparse::Ipv6Extensions::from_slice(next_header.into(), payload) else { return };
    let end = payload.len() - rest.len();
    // It stops at a header that it has no place for (a second one of its kind), and we at the limits.
    let stopped = matches!(next.0, 0 | 43 | 44 | 51 | 60);
    let is_later = theirs.fragment.as_ref().is_some_and(|fragment| fragment.fragment_offset.value() > 0);
    if let Some(protocol) = ours.protocol
        && !stopped
        && !is_later
    {
        assert_eq!((protocol, ours.offset), (next.0, end), "the upper layer");
    }
}
