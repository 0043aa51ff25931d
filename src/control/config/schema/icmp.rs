//! `[icmp]`: the ICMPv6 errors that the gateway makes.

use super::{Default, Section, key};
use crate::control::config::kind::Kind;
use crate::limits::MAX_ERRORS_PER_SECOND;

/// `[icmp]`
pub static ICMP: Section = Section {
    header: "[icmp]",
    meaning: "How many ICMPv6 errors each worker makes (RFC 4443 §2.4 f). Optional. Errors in transit are not limited.",
    keys: &[
        key(
            "errors_per_second",
            Kind::Integer(1, MAX_ERRORS_PER_SECOND),
            "errors/s",
            Default::Value("1000"),
            "About packets of one interface. A burst of 100 is sent at once.",
        ),
        key(
            "errors_per_source",
            Kind::Integer(1, MAX_ERRORS_PER_SECOND),
            "errors/s",
            Default::Value("50"),
            "Towards one sender. A burst of 100 is sent at once: a traceroute of 30 hops with 3 probes fits.",
        ),
        key(
            "too_big_per_second",
            Kind::Integer(1, MAX_ERRORS_PER_SECOND),
            "errors/s",
            Default::Value("1000"),
            "Packet Too Big about packets of one interface, apart from all other errors.",
        ),
        key(
            "unreachable",
            Kind::Boolean,
            "",
            Default::Value("true"),
            "Whether Destination Unreachable is sent at all (RFC 4443 §3.1 wants a switch). Without it hosts inside wait \
             for their time-outs.",
        ),
    ],
    planned: &[],
};
