//! Every section and key that a configuration file may hold: shape, limits, default, meaning.
//!
//! The one source of all of them: the parser takes its checks and defaults from here, and
//! `docs/configuration.md` is rendered from here.

mod dataplane;
mod flows;
mod health;
mod host;
mod icmp;
mod isp;
mod metered;
mod nd_proxy;
mod notify;
mod prefix;
mod steering;

use super::AllDown;
use super::kind::{Kind, words};
pub use dataplane::DATAPLANE;
pub use flows::FLOWS;
pub use health::{HEALTH, PROBE};
pub use host::{HOST, IPV4};
pub use icmp::ICMP;
pub use isp::{ISP, PAIR};
pub use notify::NOTIFY;
pub use prefix::SOURCE;
pub use steering::{ALLOW, FILTER, MATCH, POLICY, RULE};

/// The version of the file format that this gateway reads.
pub const VERSION: u64 = 1;

/// A table of the file.
#[derive(Debug)]
pub struct Section {
    /// As it is written in the file; empty for the top of the file.
    pub header: &'static str,
    /// What it is about.
    pub meaning: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Keys and tables that are planned but not built. They are refused by name.
    pub planned: &'static [&'static str],
}

/// A key of a section.
#[derive(Debug)]
pub struct Key {
    /// As it is written in the file.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The unit of a number; empty for others.
    pub unit: &'static str,
    /// What holds without it.
    pub default: Default,
    /// What it does.
    pub meaning: &'static str,
}

/// What holds without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// The key must be there. The text is an example of its value.
    Required(&'static str),
    /// This value, in TOML.
    Value(&'static str),
    /// No single value; described in words.
    Words(&'static str),
}

const fn key(name: &'static str, kind: Kind, unit: &'static str, default: Default, meaning: &'static str) -> Key {
    Key { name, kind, unit, default, meaning }
}

/// Largest ring: what the kernel's ring arithmetic and a sane packet buffer allow.
const MAX_RING: u64 = 65_536;
/// Octets of a frame that are not packet: the kernel's headroom, the arrival stamp, Ethernet
/// header, VLAN tag.
pub(super) const FRAME_OVERHEAD: u64 = 256 + 16 + 14 + 4;
/// Largest MTU that frames of `frame_size` octets carry, with a tag and an arrival stamp.
pub const fn largest_mtu(frame_size: u32) -> u32 {
    frame_size - FRAME_OVERHEAD as u32
}
const FRAME_SIZES: &[u64] = &[2048, 4096];
/// Largest MTU that the largest frame carries.
const MAX_MTU: u64 = FRAME_SIZES[FRAME_SIZES.len() - 1] - FRAME_OVERHEAD;

/// The top of the file.
pub static ROOT: Section = Section {
    header: "",
    meaning: "The top of the file, before the first section.",
    keys: &[key(
        "version",
        Kind::Version,
        "",
        Default::Required("1"),
        "Version of the file format. Another version is refused.",
    )],
    planned: &["ha"],
};

/// `[site]`
pub static SITE: Section = Section {
    header: "[site]",
    meaning: "What the hosts inside use. Required, once.",
    keys: &[
        key(
            "internal",
            Kind::Prefixes,
            "",
            Default::Required(r#"["fd12:3456:789a::/48"]"#),
            "Prefixes that the hosts inside use: ULA, or an ISP's own prefix, which that ISP then does not translate. \
             None may overlap another.",
        ),
        key(
            "accept_any_uplink",
            Kind::Boolean,
            "",
            Default::Value("false"),
            "Whether a packet for one ISP's prefix may arrive by another ISP. Otherwise it is dropped as \
             `wrong-uplink`.",
        ),
        key(
            "failback",
            Kind::Failback,
            "",
            Default::Value(r#""new-flows""#),
            "What happens when an ISP is back after an outage. `new-flows`: new flows use it at once, those that went \
             elsewhere stay there. `immediate`: flows that would prefer it go back to it at once. `gradual 60s`: new flows \
             at once, the others evenly over that time. `manual`: it gets nothing that another ISP can take until \
             `sixways undrain ISP`. A connection that moves gets another outside address, which TCP does not survive. \
             Flows opened from outside never move.",
        ),
        key(
            "all_down",
            Kind::Word(words::<AllDown>),
            "",
            Default::Value(r#""keep-best""#),
            "What happens while every ISP is down. `keep-best`: the best tier of those that only wait out their \
             hold-down, or else of those that have a link, goes on being used, since a wrong verdict must not cut the \
             site off. `drop`: packets to the Internet are dropped as \
             `no-uplink`, and their senders told that there is no route.",
        ),
    ],
    planned: &["next_hop", "ipv4", "dns"],
};

const VLAN: Key = key(
    "vlan",
    Kind::WordOr("untagged", 1, 4094),
    "",
    Default::Value(r#""untagged""#),
    "The VLAN (802.1Q) on that interface; `\"untagged\"`: its untagged frames. Each interface may be named once in the file \
     with each VLAN, and once without. The kernel needs a device of its own for the VLAN: \
     `ip link add link eth0 name eth0.10 type vlan id 10`.",
);

/// `[[lan]]`
pub static LAN: Section = Section {
    header: "[[lan]]",
    meaning: "An interface with hosts of the site behind it. At least one.",
    keys: &[key("interface", Kind::Interface, "", Default::Required(r#""lan0""#), "The Ethernet interface."), VLAN],
    planned: &["next_hop", "ipv4"],
};

/// `[metrics]`
pub static METRICS: Section = Section {
    header: "[metrics]",
    meaning: "The Prometheus exporter. Optional.",
    keys: &[key(
        "listen",
        Kind::Listen,
        "",
        Default::Value(r#""[::1]:9636""#),
        "Where `/metrics`, `/healthz` and `/readyz` are served. `\"off\"`: nowhere.",
    )],
    planned: &["latency_sample"],
};

/// Every section, in the order of the documentation.
pub static SECTIONS: [&Section; 20] = [
    &ROOT, &SITE, &LAN, &ISP, &SOURCE, &PAIR, &PROBE, &HEALTH, &POLICY, &RULE, &MATCH, &FLOWS, &FILTER, &ALLOW, &ICMP,
    &DATAPLANE, &HOST, &IPV4, &METRICS, &NOTIFY,
];

impl Section {
    /// The key called `name`.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Its key in the document: its name without brackets, and without what names one of several.
    pub(super) fn bare(&self) -> &'static str {
        let name = self.header.trim_matches(['[', ']']);
        name.split_once('.').map_or(name, |(first, _)| first)
    }
}
