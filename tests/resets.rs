//! `[flows] reset_on_failover` over connections that nobody thought of: a reset comes when it should, is
//! one that the host's TCP believes, and comes at no other time.

#[path = "common/rig/mod.rs"]
mod rig;

use proptest::prelude::*;
use rig::packet::{Check, Flags, Packet, Upper};
use rig::site::{CABLE, FIBER, LAN0, Site, WAN0, WAN1, address};
use rig::{Rig, read};
use sixways::units::{Direction, EdgeId};

const ETHERNET: usize = 14;
/// Offset of the acknowledgement number in a frame.
const ACKNOWLEDGEMENT: usize = ETHERNET + 40 + 8;
const HOST: &str = "fd12:3456:789a:10::5";
const PEER: &str = "2001:db8:f::53";
const PORTS: (u16, u16) = (40_000, 443);

#[derive(Clone, Debug)]
enum Step {
    /// Those of the two ISPs that carry packets from now on.
    Usable(bool, bool),
    /// The host sends, and waits for this octet.
    Out(Flags, u32),
    /// The peer sends by the ISP that the connection has.
    In(Flags),
}

fn step() -> impl Strategy<Value = Step> {
    let flags = || prop_oneof![3 => Just(Flags::Data), 2 => prop::sample::select(Flags::ALL.to_vec())];
    prop_oneof![
        2 => prop_oneof![Just((true, true)), Just((true, false)), Just((false, true))]
            .prop_map(|(fiber, cable)| Step::Usable(fiber, cable)),
        4 => (flags(), any::<u32>()).prop_map(|(flags, waits_for)| Step::Out(flags, waits_for)),
        3 => flags().prop_map(Step::In),
    ]
}

/// What a connection is, seen from outside of the gateway.
#[derive(Clone, Copy, Debug)]
struct Connection {
    opened: Direction,
    by: EdgeId,
    established: bool,
    over: bool,
}

impl Connection {
    fn of(opened: Direction, by: EdgeId) -> Self {
        Self { opened, by, established: false, over: false }
    }

    fn after(mut self, direction: Direction, flags: Flags, by: EdgeId) -> Self {
        if self.over && flags == Flags::Syn {
            return Self::of(direction, by);
        }
        let closes = matches!(flags, Flags::Fin | Flags::Rst);
        self.over |= self.established && closes;
        self.established = !self.over && (self.established || flags == Flags::Data && direction != self.opened);
        Self { by, ..self }
    }
}

fn segment(from: &str, to: &str, (source, destination): (u16, u16), flags: Flags) -> Packet {
    let upper = Upper::Tcp { source, destination, flags, mss: None, len: 9, sum: Check::Right };
    Packet { upper, ..Packet::udp(address(from), address(to), 0) }
}

proptest! {
    #[test]
    fn a_reset_comes_when_a_connection_moves_and_at_no_other_time(steps in prop::collection::vec(step(), 1..40)) {
        let mut rig = Rig::new(Site::standard());
        rig.site.snapshot.reset_on_failover = true;
        let mut usable = vec![WAN0, WAN1];
        let mut connection: Option<Connection> = None;
        for step in steps {
            match step {
                Step::Usable(fiber, cable) => {
                    let both = [(FIBER, WAN0, fiber), (CABLE, WAN1, cable)];
                    let up = || both.iter().filter(|(.., up)| *up);
                    rig.site.set_usable(&up().map(|(uplink, ..)| *uplink).collect::<Vec<_>>());
                    usable = up().map(|(_, edge, _)| *edge).collect();
                }
                Step::Out(flags, waits_for) => {
                    let packet = segment(HOST, PEER, PORTS, flags);
                    let mut frame = packet.frame(rig.site.last_hop(LAN0, packet.source), rig.site.mac(LAN0));
                    frame[ACKNOWLEDGEMENT..][..4].copy_from_slice(&waits_for.to_be_bytes());
                    let sent = rig.send_one(LAN0, &frame);
                    prop_assert_eq!(sent.len(), 1);
                    let moves = |connection: &Connection| {
                        connection.established && connection.opened == Direction::Outbound && !usable.contains(&connection.by)
                    };
                    let answered = matches!(flags, Flags::Data | Flags::Fin) && connection.as_ref().is_some_and(moves);
                    let told = read::packet(&sent[0].bytes[ETHERNET..]);
                    if answered {
                        // RFC 9293 3.10.7.4: the reset is at RCV.NXT, and nowhere else in the window.
                        let upper = Upper::Reset { source: PORTS.1, destination: PORTS.0, sequence: waits_for };
                        let reset = Packet { upper, ..Packet::udp(address(PEER), address(HOST), 0) };
                        prop_assert_eq!(told, Some(reset), "{:?}", connection);
                        prop_assert_eq!(sent[0].edge, LAN0);
                        let moved = Connection { by: usable[0], established: false, over: true, ..connection.unwrap() };
                        connection = Some(moved);
                        continue;
                    }
                    let is_reset = told.is_some_and(|told| matches!(told.upper, Upper::Reset { .. }));
                    prop_assert!(!is_reset, "after {:?} of {:?}", flags, connection);
                    if sent[0].edge != LAN0 {
                        let before = connection.unwrap_or(Connection::of(Direction::Outbound, sent[0].edge));
                        connection = Some(before.after(Direction::Outbound, flags, sent[0].edge));
                    }
                }
                Step::In(flags) => {
                    let by = connection.map_or(WAN0, |connection| connection.by);
                    let uplink = if by == WAN0 { FIBER } else { CABLE };
                    let image = rig.site.outside(uplink, address(HOST)).unwrap().to_string();
                    let packet = segment(PEER, &image, (PORTS.1, PORTS.0), flags);
                    let sent = rig.send_one(by, &packet.frame(rig.site.last_hop(by, packet.source), rig.site.mac(by)));
                    prop_assert_eq!(sent.len(), 1, "the peer reaches the host by the connection's ISP");
                    let before = connection.unwrap_or(Connection::of(Direction::Inbound, by));
                    connection = Some(before.after(Direction::Inbound, flags, by));
                }
            }
        }
        let resets = rig.counters.edge(LAN0).resets.get();
        prop_assert!(resets <= rig.counters.flows.moved.get());
    }
}
