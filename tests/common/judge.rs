//! What a frame that leaves must look like, given the one that came in.

use std::net::Ipv6Addr;

use sixways::snapshot::Role;
use sixways::units::{EdgeId, MacAddr, UplinkId};

use crate::rig::Sent;
use crate::rig::site::Site;

/// Octets of an untagged Ethernet header.
pub const ETHERNET: usize = 14;
/// Octets of an IPv6 header.
pub const IPV6: usize = 40;
/// Octets that an ICMPv6 error quotes at most (RFC 4443 §2.4 c).
const LONGEST_QUOTE: usize = 1280 - IPV6 - 8;
/// How far apart the octets may be that change behind the header: the two addresses of a quote, or a
/// TCP checksum and the last of its options.
const CHANGED_SPAN: usize = 44;

type Verdict = Result<(), String>;

fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// One's-complement sum; `bytes` begin at an even offset of what is summed.
pub fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0)));
    (words.sum::<u64>() % 0xffff) as u32
}

fn address(packet: &[u8], at: usize) -> Ipv6Addr {
    Ipv6Addr::from_octets(packet[at..at + 16].try_into().expect("sixteen octets"))
}

/// Source of an IPv6 packet.
pub fn source(packet: &[u8]) -> Ipv6Addr {
    address(packet, 8)
}

/// Destination of an IPv6 packet.
pub fn destination(packet: &[u8]) -> Ipv6Addr {
    address(packet, 24)
}

/// Octets of the packet, without padding, if its header is there.
pub fn whole(packet: &[u8]) -> Option<usize> {
    let length = packet.get(4..6)?;
    (packet.len() >= IPV6).then(|| IPV6 + usize::from(u16::from_be_bytes([length[0], length[1]])))
}

/// The one's-complement sum over an ICMPv6 message and its pseudo-header (RFC 8200 §8.1): 0 when its
/// checksum is right.
pub fn icmpv6_sum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u32 {
    let sums = sum(&source.octets()) + sum(&destination.octets()) + sum(message);
    (sums + message.len() as u32 + 58) % 0xffff
}

/// Whether `sent` is `input`, which came in by `origin`, as the gateway has to forward it.
///
/// # Errors
/// What is wrong with it.
pub fn forwarded(site: &Site, origin: EdgeId, input: &[u8], sent: &Sent) -> Verdict {
    must(sent.origin == origin, "counted elsewhere than it came in")?;
    must(input.len() >= ETHERNET + IPV6, "no header")?;
    let (before, after) = (&input[ETHERNET..], &sent.bytes[ETHERNET..]);
    let length = whole(before).filter(|length| *length <= before.len()).ok_or("shorter than its payload length")?;
    must(after.len() == length, "another length, or padded")?;
    must(input[12..14] == [0x86, 0xdd] && before[0] >> 4 == 6, "not IPv6")?;
    link(site, sent)?;
    must(before[..7] == after[..7], "version, class, label, length or next header changed")?;
    must(before[7] >= 2 && after[7] == before[7] - 1, "hop limit")?;
    must(length <= usize::from(site.snapshot.edges[sent.edge.index()].mtu), "longer than the MTU")?;
    must(sum(&before[8..IPV6]) == sum(&after[8..IPV6]), "the addresses' sum changed")?;
    behind_the_header(&before[IPV6..length], &after[IPV6..])?;
    scopes(before)?;
    addresses(site, origin, before, sent)
}

fn link(site: &Site, sent: &Sent) -> Verdict {
    let mac = |at: usize| MacAddr(sent.bytes[at..at + 6].try_into().expect("six octets"));
    must(site.whose(sent.edge, mac(0)).is_some(), "to a MAC that nobody has")?;
    must(mac(6) == site.mac(sent.edge), "not from the edge's MAC")
}

/// What changes there has the sum of what it replaces, so that every checksum is as right as it was.
fn behind_the_header(before: &[u8], after: &[u8]) -> Verdict {
    let changed = |(one, other): (&u8, &u8)| one != other;
    let Some(first) = before.iter().zip(after).position(changed) else { return Ok(()) };
    let last = before.iter().zip(after).rposition(changed).unwrap_or(first);
    must(last - first < CHANGED_SPAN, "the payload changed")?;
    must(sum(before) == sum(after), "the payload's sum changed")
}

fn scopes(packet: &[u8]) -> Verdict {
    for address in [source(packet), destination(packet)] {
        let mapped = address.to_ipv4_mapped().is_some();
        let local = address.is_unspecified() || address.is_loopback() || address.is_unicast_link_local();
        must(!(mapped || local || address.is_multicast()), "an address that must not be forwarded")?;
    }
    Ok(())
}

fn addresses(site: &Site, origin: EdgeId, before: &[u8], sent: &Sent) -> Verdict {
    let after = &sent.bytes[ETHERNET..];
    let uplink_of = |edge: EdgeId| match site.snapshot.edges[edge.index()].role {
        Role::Lan => None,
        Role::Isp(uplink) => Some(uplink),
    };
    let uplinks = || (0..site.snapshot.uplinks.len() as u8).map(UplinkId);
    let out = |uplink| site.outside(uplink, source(before)) == Some(source(after));
    let back = |uplink| site.outside(uplink, destination(after)) == Some(destination(before));
    match (uplink_of(origin), uplink_of(sent.edge)) {
        (None, Some(uplink)) => {
            must(out(uplink), "the source is not this ISP's image")?;
            must(destination(before) == destination(after), "the destination changed")
        }
        (Some(uplink), None) => {
            let any = site.snapshot.accept_any_uplink;
            must(uplinks().any(|its| (any || its == uplink) && back(its)), "not the inside of the destination")?;
            must(source(before) == source(after), "the source changed")
        }
        (None, None) => must(uplinks().any(|uplink| out(uplink) && back(uplink)), "no hairpin"),
        (Some(_), Some(_)) => Err("transit from one ISP to another".to_owned()),
    }
}

/// Whether `sent` is an ICMPv6 error that the gateway may make about `input`, which came in by `origin`
/// (RFC 4443 §2.2, §2.4, §3).
///
/// # Errors
/// What is wrong with it.
pub fn error_about(site: &Site, origin: EdgeId, input: &[u8], sent: &Sent) -> Verdict {
    must(sent.edge == origin && sent.origin == origin, "not back where its packet came from")?;
    must(input.len() >= ETHERNET + IPV6, "no header")?;
    let (about, error) = (&input[ETHERNET..], &sent.bytes[ETHERNET..]);
    let length = whole(about).filter(|length| *length <= about.len()).ok_or("shorter than its payload length")?;
    must(sent.bytes[..6] == input[6..12], "not to the MAC that its packet came from")?;
    must(sent.bytes[6..12] == site.mac(origin).0 && sent.bytes[12..14] == [0x86, 0xdd], "link header")?;
    must(whole(error) == Some(error.len()) && error.len() <= 1280, "length")?;
    must(error[..4] == [0x60, 0, 0, 0] && error[6..8] == [58, 64], "header")?;
    must(Some(source(error)) == site.snapshot.edges[origin.index()].error_source, "source")?;
    must(destination(error) == source(about), "not to the sender")?;
    let (message, quote) = (&error[IPV6..], &error[IPV6 + 8..]);
    must(icmpv6_sum(source(error), destination(error), message) == 0, "checksum")?;
    must(quote == &about[..length.min(LONGEST_QUOTE)], "quote")?;
    let word = u32::from_be_bytes(message[4..8].try_into().expect("four octets"));
    let mtu = u16::try_from(word).unwrap_or(0);
    let mtus = || site.snapshot.edges.iter().map(|edge| edge.mtu);
    let sense = match (message[0], message[1]) {
        (1, 0 | 1 | 2 | 3 | 5) => word == 0,
        (2, 0) => mtus().any(|its| its == mtu) && length > usize::from(mtu) && mtu >= 1280,
        (3, 0) => about[7] <= 1 && word == 0,
        (4, 0) => matches!(word, 8 | 24),
        (4, 3) => word == 0,
        _ => false,
    };
    must(sense, "type, code or parameter")?;
    must(!(about[6] == 58 && about.get(IPV6).is_some_and(|kind| *kind < 128 || *kind == 137)), "about an error")?;
    must(!source(about).is_multicast() && !source(about).is_unspecified(), "to nobody in particular")?;
    let to_a_group = input[0] & 1 == 1 || destination(about).is_multicast();
    must(!to_a_group || message[0] == 2, "about what went to a group")
}
