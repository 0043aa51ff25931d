//! Every section and key that a configuration file may hold: shape, limits, default, meaning.
//!
//! The one source of all of them: the parser takes its checks and defaults from here, and
//! `docs/configuration.md` is rendered from here.

mod icmp;
mod nd_proxy;
mod steering;

use super::kind::{Kind, words};
use super::{Idle, Mode, OnStop};
pub use icmp::ICMP;
pub use steering::{ALLOW, FILTER, MATCH, POLICY, RULE};

use crate::limits::{MAX_BATCH, MAX_FLOWS, MIN_MTU};

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
    planned: &["ha", "notify", "ipv4"],
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

/// `[[isp]]`
pub static ISP: Section = Section {
    header: "[[isp]]",
    meaning: "Everything about one ISP. At least one, at most 15.",
    keys: &[
        key(
            "name",
            Kind::IspName,
            "",
            Default::Required(r#""fiber""#),
            "Name of the ISP: in metrics, in `status`, and in the hash that chooses it, so that a renamed ISP gets \
             other flows.",
        ),
        key(
            "interface",
            Kind::Interface,
            "",
            Default::Required(r#""wan0""#),
            "The Ethernet interface that leads to it.",
        ),
        VLAN,
        key(
            "prefix",
            Kind::Prefix,
            "",
            Default::Words("required unless `mappings` is there"),
            "The prefix that the ISP delegated. The site's one internal prefix is translated to it.",
        ),
        key(
            "mappings",
            Kind::Pairs,
            "",
            Default::Words("required unless `prefix` is there"),
            "Prefix pairs, one by one: for several internal prefixes, or for an ISP that gives only a /64.",
        ),
        key(
            "next_hop",
            Kind::NextHop,
            "",
            Default::Value(r#""auto""#),
            "The ISP's router, link-local or on the link. `\"auto\"`: the kernel's default route on that interface.",
        ),
        key(
            "weight",
            Kind::Integer(0, 65_535),
            "",
            Default::Value("1"),
            "Share of the flows, relative to the other ISPs of its tier. 0: only when no other ISP will do.",
        ),
        key(
            "tier",
            Kind::Integer(1, 255),
            "",
            Default::Value("1"),
            "Order of preference: flows take an ISP of the lowest tier that has one which will do.",
        ),
        key(
            "mtu",
            Kind::WordOr("auto", MIN_MTU as u64, MAX_MTU),
            "octets",
            Default::Value(r#""auto""#),
            "Largest IPv6 packet that the ISP carries; larger ones are answered with Packet Too Big. `\"auto\"`: the \
             interface's MTU. With `frame_size = 2048` at most 1758.",
        ),
        key(
            "mss_clamp",
            Kind::MssClamp,
            "octets",
            Default::Value(r#""auto""#),
            "Largest TCP segment that a handshake by this ISP may announce, in both directions; a larger one is lowered. \
             `\"auto\"`: 60 octets less than the ISP's MTU. `\"off\"`: handshakes pass as they are.",
        ),
        nd_proxy::ND_PROXY,
    ],
    planned: &["probes", "health", "metered", "max_stay", "length", "subnet_id", "ipv4", "notify"],
};

/// An element of `mappings`.
pub static PAIR: Section = Section {
    header: "mappings = [{ … }]",
    meaning: "One prefix pair of an ISP.",
    keys: &[
        key(
            "internal",
            Kind::Prefix,
            "",
            Default::Required(r#""fd12:3456:789a:10::/64""#),
            "The inside prefix: one of `[site] internal`, or a part of one.",
        ),
        key(
            "external",
            Kind::Prefix,
            "",
            Default::Required(r#""2001:db8:c:77ab::/64""#),
            "The outside prefix, delegated by this ISP.",
        ),
    ],
    planned: &[],
};

/// `[flows]`
pub static FLOWS: Section = Section {
    header: "[flows]",
    meaning: "Flow memory: which ISP each flow goes by, and how long it is remembered without a packet. Optional.",
    keys: &[
        key(
            "capacity",
            Kind::Integer(0, MAX_FLOWS),
            "flows",
            Default::Value("1000000"),
            "Flows that are remembered at the same time. 0: none, every packet goes by the hash alone; that needs \
             `[filter] inbound = \"open\"`.",
        ),
        key("tcp_established", Kind::Span, "", Default::Value(r#""2h4m""#), "TCP after both sides have sent data."),
        key("tcp_transitory", Kind::Span, "", Default::Value(r#""4m""#), "TCP that is opening or closing."),
        key("udp", Kind::Span, "", Default::Value(r#""5m""#), "UDP and UDP-Lite."),
        key("icmpv6", Kind::Span, "", Default::Value(r#""60s""#), "ICMPv6 echo."),
        key("other", Kind::Span, "", Default::Value(r#""5m""#), "All other protocols: ESP, GRE, SCTP and so on."),
    ],
    planned: &[],
};

/// `[dataplane]`
pub static DATAPLANE: Section = Section {
    header: "[dataplane]",
    meaning: "Sockets, rings and cores. Optional.",
    keys: &[
        key(
            "mode",
            Kind::Word(words::<Mode>),
            "",
            Default::Value(r#""auto""#),
            "How frames reach the sockets. `auto`: native XDP with copy, generic XDP where the driver has no native \
             one. `zero-copy`: an error where the driver cannot.",
        ),
        key(
            "queues",
            Kind::WordOr("all", 1, 256),
            "workers",
            Default::Value(r#""all""#),
            "How many workers share the queues. `\"all\"`: as many as the interface with the fewest queues has.",
        ),
        key(
            "cores",
            Kind::Cores,
            "",
            Default::Value(r#""auto""#),
            "Cores of the workers, in order. `\"auto\"`: the cores that the process may use, the first one left to \
             control when there are enough.",
        ),
        key(
            "batch",
            Kind::Integer(1, MAX_BATCH as u64),
            "frames",
            Default::Value("64"),
            "Frames taken from one interface before the next one is served.",
        ),
        key("rx_ring", Kind::PowerOfTwo(64, MAX_RING), "slots", Default::Value("2048"), "Slots of each receive ring."),
        key("tx_ring", Kind::PowerOfTwo(64, MAX_RING), "slots", Default::Value("2048"), "Slots of each transmit ring."),
        key("fill_ring", Kind::PowerOfTwo(64, MAX_RING), "slots", Default::Value("2048"), "Slots of each fill ring."),
        key(
            "completion_ring",
            Kind::PowerOfTwo(64, MAX_RING),
            "slots",
            Default::Value("2048"),
            "Slots of each completion ring, at least `tx_ring`. Without it, `tx_ring` if that is larger.",
        ),
        key(
            "frames",
            Kind::WordOr("auto", 256, 16_777_216),
            "frames",
            Default::Value(r#""auto""#),
            "Frames of each worker's packet buffer. `\"auto\"`: enough for every ring of every interface.",
        ),
        key(
            "frame_size",
            Kind::OneOf(FRAME_SIZES),
            "octets",
            Default::Value("2048"),
            "Octets of one frame; 256 of them are the kernel's.",
        ),
        key(
            "idle",
            Kind::Word(words::<Idle>),
            "",
            Default::Value(r#""adaptive""#),
            "What a worker does when nothing arrives. `adaptive`: spins for a while, then sleeps until a frame comes. \
             `busy`: spins for ever, a whole core for the lowest latency.",
        ),
        key(
            "stamp_every",
            Kind::PowerOfTwoOrZero(65_536),
            "frames",
            Default::Value("64"),
            "One frame in this many carries an arrival stamp for the latency histogram. 0: none.",
        ),
    ],
    planned: &["busy_poll"],
};

/// `[host]`
pub static HOST: Section = Section {
    header: "[host]",
    meaning: "The gateway as a host of its own. Optional.",
    keys: &[
        key(
            "rules",
            Kind::Boolean,
            "",
            Default::Value("true"),
            "Whether policy rules (`ip -6 rule`) are kept so that the host answers by the ISP that was asked.",
        ),
        key(
            "on_stop",
            Kind::Word(words::<OnStop>),
            "",
            Default::Value(r#""block""#),
            "What stays when the gateway stops. `block`: the XDP and tc programs stay and drop transit, so that \
             nothing leaves untranslated. `release`: all is taken away and the kernel routes as it likes.",
        ),
    ],
    planned: &["steer"],
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
pub static SECTIONS: [&Section; 15] = [
    &ROOT, &SITE, &LAN, &ISP, &PAIR, &POLICY, &RULE, &MATCH, &FLOWS, &FILTER, &ALLOW, &ICMP, &DATAPLANE, &HOST,
    &METRICS,
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
