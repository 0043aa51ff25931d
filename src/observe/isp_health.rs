//! What is known of the ISPs' health, as plain data for metrics and `status`.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};

use super::durations::Durations;
use crate::units::{Nanos, UplinkId};

/// What an ISP is fit for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IspState {
    /// Nobody has found out yet, or it has no prefix.
    Unknown,
    /// It carries packets.
    Up,
    /// It carries packets, badly.
    Degraded,
    /// It carries none.
    Down,
    /// An operator has taken new flows away from it.
    Drain,
}

impl IspState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Up, Self::Degraded, Self::Down, Self::Drain];

    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Drain => "drain",
        }
    }
}

/// All that is known of one ISP's health.
#[derive(Clone, Debug, PartialEq)]
pub struct IspHealth {
    /// Its name.
    pub isp: String,
    /// Its id.
    pub uplink: UplinkId,
    /// What it is fit for.
    pub state: IspState,
    /// Why, in a word.
    pub cause: &'static str,
    /// Since when.
    pub since: Nanos,
    /// What it has to wait for until it is up.
    pub waits: Option<Wait>,
    /// Changes of its state so far.
    pub transitions: u64,
    /// Its router.
    pub router: RouterHealth,
    /// What is asked for beyond.
    pub targets: Vec<TargetHealth>,
}

/// What an ISP that is not up has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A prefix.
    Prefix,
    /// A router: the kernel knows none, or has no address on the link.
    Route,
    /// Its link.
    Carrier,
    /// A sign of life by its router.
    NextHop,
    /// Answers to its probes.
    Probes,
    /// The end of its hold-down, if all stays well.
    HoldDown {
        /// When that is.
        until: Nanos,
        /// How long it is in all.
        whole: Nanos,
    },
}

impl Wait {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Route => "route",
            Self::Carrier => "carrier",
            Self::NextHop => "next-hop",
            Self::Probes => "probes",
            Self::HoldDown { .. } => "hold-down",
        }
    }
}

/// What is known of an ISP's router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterHealth {
    /// Its address, once there is one.
    pub address: Option<Ipv6Addr>,
    /// Whether it is there.
    pub state: RouterState,
    /// The latest packet that came in by the ISP.
    pub heard: Option<Nanos>,
}

/// Whether a router is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterState {
    /// It has never answered a Neighbor Solicitation, so that silence says nothing.
    Mute,
    /// It answers, or something comes in by its ISP.
    Alive,
    /// It has left the latest question without an answer.
    Doubtful,
    /// It answers no more.
    Dead,
}

impl RouterState {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Mute => "mute",
            Self::Alive => "alive",
            Self::Doubtful => "doubtful",
            Self::Dead => "dead",
        }
    }
}

/// What is known of one target of an ISP's probes.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetHealth {
    /// What is asked of whom: `icmp:2001:db8::1`.
    pub name: String,
    /// Whether it is well.
    pub state: TargetState,
    /// Round-trip time of the latest answer.
    pub rtt: Option<Nanos>,
    /// Share of the latest probes that were lost, 0 to 1.
    pub loss: f64,
    /// Probes sent.
    pub sent: u64,
    /// Probes without an answer in time.
    pub lost: u64,
    /// The round-trip times of all answers.
    pub rtts: Durations,
}

/// Whether a target is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    /// It has never answered by this ISP.
    Unheard,
    /// It is.
    Well,
    /// Too many probes were lost.
    Lost,
}

impl TargetState {
    /// The word for it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unheard => "unheard",
            Self::Well => "well",
            Self::Lost => "lost",
        }
    }
}
