//! Flow memory as people see it: its records in few words, and the flows one by one.

mod listing;
mod selection;
#[cfg(test)]
mod tests;

pub use listing::{Count, Listed, Listing, Query, QueryError, View};
pub use selection::{Selection, SelectionError, protocol_name};

use crate::flow::State;

/// Where a record is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Both sides have sent.
    Established,
    /// Nobody has answered.
    Unanswered,
    /// TCP after FIN or RST.
    Closing,
    /// No flow, but what goes along with flows: an address pair, an endpoint.
    Companion,
}

impl Stage {
    /// All, in the order of [`Stage::index`].
    pub const ALL: [Self; 4] = [Self::Established, Self::Unanswered, Self::Closing, Self::Companion];

    /// Position in [`Stage::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word for it, on the command line and in metric labels.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Unanswered => "unanswered",
            Self::Closing => "closing",
            Self::Companion => "companion",
        }
    }

    /// Where a record in `state` is; `None` where there is no record, or not yet.
    pub const fn of(state: State) -> Option<Self> {
        match state {
            State::Empty | State::Claimed => None,
            State::TcpEstablished | State::UdpEstablished | State::Icmpv6Established | State::OtherEstablished => {
                Some(Self::Established)
            }
            State::TcpClosing => Some(Self::Closing),
            State::Companion => Some(Self::Companion),
            State::TcpOutbound
            | State::TcpInbound
            | State::UdpOutbound
            | State::UdpInbound
            | State::Icmpv6Outbound
            | State::Icmpv6Inbound
            | State::OtherOutbound
            | State::OtherInbound => Some(Self::Unanswered),
        }
    }
}

/// The protocols that a record in `state` is of: `tcp`, `udp`, `icmpv6`, `other`, or `any` for
/// companions.
pub const fn class_label(state: State) -> &'static str {
    match state {
        State::TcpOutbound | State::TcpInbound | State::TcpEstablished | State::TcpClosing => "tcp",
        State::UdpOutbound | State::UdpInbound | State::UdpEstablished => "udp",
        State::Icmpv6Outbound | State::Icmpv6Inbound | State::Icmpv6Established => "icmpv6",
        State::OtherOutbound | State::OtherInbound | State::OtherEstablished => "other",
        State::Companion | State::Empty | State::Claimed => "any",
    }
}
