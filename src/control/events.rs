//! What happened: the events that go into the event log, to `[notify]` and into the metrics.
//!
//! Whoever makes something happen holds an [`Events`] and tells it. Telling is a push into a
//! bounded queue: it never waits, whatever disk, hook or web server do.

mod draft;
mod log;
mod queue;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

pub use crate::observe::isp_health::IspState;
use crate::os;
use crate::units::Nanos;
pub use draft::{keep as keep_draft, remove as remove_draft, unrecorded};
pub use log::{EventLog, Recorded, read};
pub use queue::{Events, Inbox};

/// The version of the event log's format.
pub const VERSION: u32 = 1;

/// How a gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// As it was told to; gate and guard stay.
    Blocking,
    /// As it was told to; gate, guard and rules are gone.
    Released,
    /// By an error; gate and guard stay.
    Failed,
}

/// Packets and octets of one ISP since the former [`Event::Traffic`] of the same run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IspTraffic {
    /// Whose.
    pub isp: String,
    /// Packets that came in by it.
    pub received_packets: u64,
    /// Their octets, Ethernet header included.
    pub received_bytes: u64,
    /// Packets that left by it.
    pub sent_packets: u64,
    /// Their octets, Ethernet header included.
    pub sent_bytes: u64,
}

macro_rules! events {
    ($($(#[doc = $doc:literal])+ $name:ident = $kind:literal {
        $($(#[doc = $field_doc:literal])+ $(#[serde($($serde:tt)*)])? $field:ident: $ty:ty,)*
    })+) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Event {
            $($(#[doc = $doc])+ #[serde(rename = $kind)] $name {
                $($(#[doc = $field_doc])+ $(#[serde($($serde)*)])? $field: $ty,)*
            },)+
        }

        impl Event {
            /// Kind and meaning of every event.
            pub const KINDS: &[(&str, &str)] = &[$(($kind, concat!($($doc),+).trim_ascii())),+];

            /// Kind, and name and meaning of what else it holds, of every event.
            pub const FIELDS: &[(&str, &[(&str, &str)])] =
                &[$(($kind, &[$((stringify!($field), concat!($($field_doc),+).trim_ascii())),*])),+];

            /// Its kind: a word for the log, for metrics and for `[notify] events`.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$name { .. } => $kind,)+ }
            }
        }
    };
}

events! {
    /// The gateway forwards.
    GatewayStarted = "gateway-started" {
        /// The program's version.
        program: String,
        /// The kernel's boot id: times of `monotonic` compare within one boot only.
        boot: String,
        /// The ISPs of the configuration.
        isps: Vec<String>,
        /// The latest sign of life of any gateway before, give or take 10 s.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "millis::option")]
        last_alive: Option<OffsetDateTime>,
    }
    /// The gateway has ended.
    GatewayStopped = "gateway-stopped" {
        /// What it left behind.
        outcome: Ending,
        /// The error that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    }
    /// An ISP is fit for something else than before, or down by a fault instead of a drill, or the contrary.
    IspState = "isp-state" {
        /// Which.
        isp: String,
        /// Its former state.
        from: IspState,
        /// Its state now.
        to: IspState,
        /// What told: a word, like `carrier`, `next-hop`, `probes`.
        cause: String,
        /// Seconds that it was in the former state, as far as this run saw it.
        after_seconds: f64,
    }
    /// Other ISPs carry the packets of one that went down.
    Failover = "failover" {
        /// Which went down.
        isp: String,
        /// What told: a word, as in `isp-state`.
        cause: String,
        /// Seconds from its last sign of life until the first packet that would have been its own had left by another.
        seconds: f64,
    }
    /// An ISP has another prefix.
    PrefixChanged = "prefix-changed" {
        /// Which.
        isp: String,
        /// Its former prefix, if it had one.
        old: Option<String>,
        /// Its prefix now, if it has one.
        new: Option<String>,
    }
    /// What was seen for an ISP's prefix cannot be used; the former one stays.
    PrefixRefused = "prefix-refused" {
        /// Which.
        isp: String,
        /// Why.
        reason: String,
    }
    /// Another configuration is in force.
    ConfigReloaded = "config-reloaded" {
        /// Generation from which on it is in force.
        generation: u64,
    }
    /// A configuration was refused; the former one stays.
    ConfigRefused = "config-refused" {
        /// Why.
        reason: String,
    }
    /// A configuration was not confirmed in time; the former one is in force again.
    ConfigRolledBack = "config-rolled-back" {
        /// Generation from which on the former one is in force.
        generation: u64,
    }
    /// An operator takes new flows away from an ISP.
    IspDrained = "isp-drained" {
        /// Which.
        isp: String,
        /// Seconds over which the flows that it has are moved as well; 0: they stay.
        over_seconds: f64,
    }
    /// An operator lets an ISP have new flows again.
    IspUndrained = "isp-undrained" {
        /// Which.
        isp: String,
    }
    /// A metered ISP has carried its quota of the month: new flows avoid it.
    QuotaReached = "quota-reached" {
        /// Which.
        isp: String,
        /// Octets that it may carry in a month.
        quota_bytes: u64,
        /// Octets that it has carried this month.
        used_bytes: u64,
    }
    /// A rehearsed outage has begun.
    DrillBegan = "drill-began" {
        /// Of which ISP.
        isp: String,
        /// Seconds that it is to last.
        for_seconds: f64,
    }
    /// A rehearsed outage is over.
    DrillEnded = "drill-ended" {
        /// Of which ISP.
        isp: String,
        /// Flows that another ISP took over meanwhile.
        moved_flows: u64,
    }
    /// A thread makes no turns: the process ends, for a supervisor to start it again.
    WorkerStalled = "worker-stalled" {
        /// The thread's name, like `dp-0`.
        worker: String,
        /// Seconds without a turn.
        for_seconds: f64,
    }
    /// A worker has panicked, which is a bug: the process ends.
    WorkerPanicked = "worker-panicked" {
        /// The thread's name, like `dp-0`.
        worker: String,
        /// The panic's text.
        text: String,
    }
    /// An interface of the configuration is gone.
    InterfaceGone = "interface-gone" {
        /// Which.
        interface: String,
    }
    /// An interface that was gone is there again.
    InterfaceBack = "interface-back" {
        /// Which.
        interface: String,
    }
    /// What the ISPs have carried since the former event of this kind; once an hour and at the end.
    Traffic = "traffic" {
        /// `monotonic` of the moment from which on it is counted: no two events of this kind have the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counted_from: Option<u64>,
        /// Each of them.
        isps: Vec<IspTraffic>,
    }
    /// Events were lost: they came faster than the log could be written, or the disk refused them.
    EventsLost = "events-lost" {
        /// How many.
        count: u64,
    }
    /// Messages of `[notify]` were left out: more than its rate, or than a slow hook or server could take.
    NotificationsSuppressed = "notifications-suppressed" {
        /// How many.
        count: u64,
    }
}

impl Event {
    /// The ISP that it is about, if it is about one.
    pub fn isp(&self) -> Option<&str> {
        match self {
            Self::IspState { isp, .. }
            | Self::Failover { isp, .. }
            | Self::PrefixChanged { isp, .. }
            | Self::PrefixRefused { isp, .. }
            | Self::IspDrained { isp, .. }
            | Self::IspUndrained { isp }
            | Self::QuotaReached { isp, .. }
            | Self::DrillBegan { isp, .. }
            | Self::DrillEnded { isp, .. } => Some(isp),
            _ => None,
        }
    }
}

/// An event and when it happened: a line of the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// [`VERSION`]
    pub version: u32,
    /// The time of day, in UTC.
    #[serde(with = "millis")]
    pub at: OffsetDateTime,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Entry {
    /// `event`, which happens now.
    pub fn now(event: Event) -> Self {
        Self { version: VERSION, at: OffsetDateTime::now_utc(), monotonic: os::now().0, event }
    }

    /// When it happened, on the clock of the packet path.
    pub const fn moment(&self) -> Nanos {
        Nanos(self.monotonic)
    }
}

/// RFC 3339 in UTC with three decimals, as in `2026-11-24T19:40:00.123Z`.
pub(super) mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};

    use super::{OffsetDateTime, Rfc3339};

    pub fn serialize<S: Serializer>(at: &OffsetDateTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::rfc3339(*at).map_err(ser::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OffsetDateTime, D::Error> {
        OffsetDateTime::parse(&String::deserialize(deserializer)?, &Rfc3339).map_err(de::Error::custom)
    }

    pub mod option {
        use super::{Deserializer, OffsetDateTime, Serializer};

        pub fn serialize<S: Serializer>(at: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OffsetDateTime>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

/// `at` in UTC, in milliseconds.
fn rfc3339(at: OffsetDateTime) -> Result<String, time::error::Format> {
    let at = at.to_offset(time::UtcOffset::UTC);
    let whole = at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339)?;
    Ok(format!("{}.{:03}Z", whole.trim_end_matches('Z'), at.millisecond()))
}

#[cfg(test)]
mod tests;
