//! One test for each clause of an RFC that the packet path implements, by its number, and
//! `docs/conformance.md`, which names all of them. The arithmetic of RFC 6296 is in `tests/npt`, whole
//! conversations are in `tests/golden`.

mod conformance;
mod edges;
mod icmpv6;
mod ipv6;
#[path = "../common/rig/mod.rs"]
mod rig;

use rig::packet::{Body, Check, Packet, Upper};
use rig::site::{FIBER, LAN0, Site, WAN0};
use rig::text::Words;
use rig::{Rig, Sent, read};
use sixways::units::EdgeId;
use sixways::verdict::DropReason;

const HOST: &str = "fd12:3456:789a:10::5";
const IMAGE: &str = "2001:db8:1:7c59::5";
const REMOTE: &str = "2001:db8:f::53";

/// A site whose only way out is fiber.
fn rig() -> Rig {
    let mut site = Site::standard();
    site.set_usable(&[FIBER]);
    Rig::new(site)
}

fn outbound(rest: &str) -> Packet {
    parse(&format!("{HOST} > {REMOTE} {rest}"))
}

fn inbound(rest: &str) -> Packet {
    parse(&format!("{REMOTE} > {IMAGE} {rest}"))
}

fn parse(text: &str) -> Packet {
    Packet::parse(&mut Words::new(text))
}

fn send(rig: &mut Rig, edge: EdgeId, packet: &Packet) -> Vec<Sent> {
    let frame = packet.frame(rig.site.last_hop(edge, packet.source), rig.site.mac(edge));
    rig.send_one(edge, &frame)
}

fn read(sent: &Sent) -> Packet {
    read::packet(&sent.bytes[14..]).expect("a packet that the model can tell")
}

/// The packet as it goes on.
fn forwarded(rig: &mut Rig, edge: EdgeId, packet: &Packet) -> Packet {
    let sent = send(rig, edge, packet);
    assert!(sent.len() == 1 && sent[0].edge != edge, "not forwarded: {packet}");
    read(&sent[0])
}

/// The packet is dropped for `reason`; what its sender is told.
fn refused(rig: &mut Rig, edge: EdgeId, packet: &Packet, reason: DropReason) -> Option<Packet> {
    let before = rig.dropped(edge, reason);
    let sent = send(rig, edge, packet);
    assert_eq!(rig.dropped(edge, reason), before + 1, "not dropped as {}: {packet}", reason.label());
    assert!(sent.len() <= 1 && sent.iter().all(|sent| sent.edge == edge), "{packet}");
    sent.first().map(read)
}

/// Type, code and the 32 bits behind the checksum.
fn message(answer: &Packet) -> (u8, u8, u32) {
    match &answer.upper {
        Upper::Icmpv6 { kind, code, word, sum: Check::Right, .. } => (*kind, *code, *word),
        other => panic!("no ICMPv6 message with a right checksum: {other}"),
    }
}

fn quote(answer: &Packet) -> (&Packet, Option<usize>) {
    match &answer.upper {
        Upper::Icmpv6 { body: Body::Quote { packet, cut }, .. } => (packet, *cut),
        other => panic!("no quote: {other}"),
    }
}

/// Where a packet comes in, and how to make one there.
type Way = (EdgeId, fn(&str) -> Packet);

const BOTH: [Way; 2] = [(LAN0, outbound), (WAN0, inbound)];
