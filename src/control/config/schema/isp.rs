//! `[[isp]]` and its prefix pairs.

use super::super::kind::Kind;
use super::{Default, MAX_MTU, Section, VLAN, health, key, metered, nd_proxy};
use crate::limits::MIN_MTU;

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
            Kind::PrefixOrSource,
            "",
            Default::Words("required unless `mappings` is there"),
            "The prefix that the ISP delegated, or where it is learnt: `prefix = { … }` below. The site's one internal prefix \
             is translated to it.",
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
        metered::METERED,
        metered::MAX_STAY,
        metered::QUOTA,
        health::PROBES,
        health::HEALTH_KEY,
    ],
    planned: &["ipv4", "notify"],
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
