//! What is known of a flow, and how long it is remembered.

use super::tick::Tick;
use crate::units::{Direction, Nanos};

/// The state of a record: four bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// No record.
    Empty = 0,
    /// Being written: binds nobody yet.
    Claimed = 1,
    /// TCP, opened from inside, unanswered.
    TcpOutbound = 2,
    /// TCP, opened from outside, unanswered.
    TcpInbound = 3,
    /// TCP, both sides have sent something behind their SYN.
    TcpEstablished = 4,
    /// TCP after FIN or RST.
    TcpClosing = 5,
    /// UDP, opened from inside, unanswered.
    UdpOutbound = 6,
    /// UDP, opened from outside, unanswered.
    UdpInbound = 7,
    /// UDP, answered.
    UdpEstablished = 8,
    /// ICMPv6, opened from inside, unanswered.
    Icmpv6Outbound = 9,
    /// ICMPv6, opened from outside, unanswered.
    Icmpv6Inbound = 10,
    /// ICMPv6, answered.
    Icmpv6Established = 11,
    /// Another protocol, opened from inside, unanswered.
    OtherOutbound = 12,
    /// Another protocol, opened from outside, unanswered.
    OtherInbound = 13,
    /// Another protocol, answered.
    OtherEstablished = 14,
    /// No flow: goes along with flows, for packets that name none (an address pair, an endpoint,
    /// a fragmented datagram).
    Companion = 15,
}

/// Protocols that are remembered alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// TCP.
    Tcp,
    /// UDP and UDP-Lite.
    Udp,
    /// ICMPv6.
    Icmpv6,
    /// All others.
    Other,
}

/// What a packet tells about its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A TCP SYN, with or without ACK.
    Syn,
    /// A TCP FIN or RST.
    Close,
    /// Anything else.
    Data,
}

/// How worthy of its place a record is. A newcomer displaces only what is below established, in
/// this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// No flow, but goes along with some.
    Companion,
    /// Nobody has answered, or ICMPv6.
    Unanswered,
    /// Going away.
    Closing,
    /// Both sides have sent.
    Established,
}

impl State {
    /// All, in order.
    pub const ALL: [Self; 16] = [
        Self::Empty,
        Self::Claimed,
        Self::TcpOutbound,
        Self::TcpInbound,
        Self::TcpEstablished,
        Self::TcpClosing,
        Self::UdpOutbound,
        Self::UdpInbound,
        Self::UdpEstablished,
        Self::Icmpv6Outbound,
        Self::Icmpv6Inbound,
        Self::Icmpv6Established,
        Self::OtherOutbound,
        Self::OtherInbound,
        Self::OtherEstablished,
        Self::Companion,
    ];

    /// The state of a flow whose first packet goes in `direction`.
    pub const fn opening(class: Class, direction: Direction) -> Self {
        match (class, direction) {
            (Class::Tcp, Direction::Outbound) => Self::TcpOutbound,
            (Class::Tcp, Direction::Inbound) => Self::TcpInbound,
            (Class::Udp, Direction::Outbound) => Self::UdpOutbound,
            (Class::Udp, Direction::Inbound) => Self::UdpInbound,
            (Class::Icmpv6, Direction::Outbound) => Self::Icmpv6Outbound,
            (Class::Icmpv6, Direction::Inbound) => Self::Icmpv6Inbound,
            (Class::Other, Direction::Outbound) => Self::OtherOutbound,
            (Class::Other, Direction::Inbound) => Self::OtherInbound,
        }
    }

    /// The state after another packet in `direction`.
    ///
    /// A TCP flow counts as established when the side that was asked has sent something other
    /// than its SYN or a refusal: it does so only after the handshake, so that SYNs, even answered
    /// ones, fill the table with nothing that lasts. FIN and RST end an established flow's long
    /// time-out and nothing else.
    #[must_use]
    pub const fn after(self, direction: Direction, signal: Signal) -> Self {
        match (self, direction, signal) {
            (Self::TcpOutbound, Direction::Inbound, Signal::Data)
            | (Self::TcpInbound, Direction::Outbound, Signal::Data) => Self::TcpEstablished,
            (Self::TcpEstablished, _, Signal::Close) => Self::TcpClosing,
            (Self::UdpOutbound, Direction::Inbound, _) | (Self::UdpInbound, Direction::Outbound, _) => {
                Self::UdpEstablished
            }
            (Self::Icmpv6Outbound, Direction::Inbound, _) | (Self::Icmpv6Inbound, Direction::Outbound, _) => {
                Self::Icmpv6Established
            }
            (Self::OtherOutbound, Direction::Inbound, _) | (Self::OtherInbound, Direction::Outbound, _) => {
                Self::OtherEstablished
            }
            _ => self,
        }
    }

    /// How worthy of its place a record in this state is.
    pub(super) const fn rank(self) -> Rank {
        match self {
            Self::TcpEstablished | Self::UdpEstablished | Self::OtherEstablished => Rank::Established,
            Self::TcpClosing => Rank::Closing,
            Self::Companion => Rank::Companion,
            // Pings as well: anybody outside may send them, and every host answers, so that answered ones
            // could fill the table with what nothing displaces.
            _ => Rank::Unanswered,
        }
    }
}

/// How long a record is remembered without a packet, by state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts([u16; 16]);

impl Timeouts {
    /// The time-outs of RFC 6092: established TCP (REC-35), TCP that is opening or closing
    /// (REC-35), UDP (REC-14), ICMPv6, and all other protocols (REC-12).
    pub fn new(established: Nanos, transitory: Nanos, udp: Nanos, icmpv6: Nanos, other: Nanos) -> Self {
        Self(State::ALL.map(|state| {
            Tick::cover(match state {
                State::Empty | State::Claimed => Nanos::default(),
                State::TcpEstablished => established,
                State::TcpOutbound | State::TcpInbound | State::TcpClosing => transitory,
                State::UdpOutbound | State::UdpInbound | State::UdpEstablished => udp,
                State::Icmpv6Outbound | State::Icmpv6Inbound | State::Icmpv6Established => icmpv6,
                State::OtherOutbound | State::OtherInbound | State::OtherEstablished => other,
                // Refreshed whenever a flow of it is: as long as the longest of those that send often.
                State::Companion => transitory.max(udp).max(other),
            })
        }))
    }

    /// The values that RFC 6092 names: the least for TCP (2 h 4 min, 4 min), the default for UDP
    /// and others (5 min); 60 s for ICMPv6.
    pub fn rfc6092() -> Self {
        let minutes = |minutes: u64| Nanos::from_millis(minutes * 60_000);
        Self::new(minutes(124), minutes(4), minutes(5), minutes(1), minutes(5))
    }

    /// The same time-out for everything.
    pub fn all(span: Nanos) -> Self {
        Self([Tick::cover(span); 16])
    }

    /// Ticks without a packet after which a record in `state` is forgotten.
    pub const fn of(&self, state: State) -> u16 {
        self.0[state as usize]
    }
}
