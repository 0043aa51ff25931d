//! `probes` and `health` of an `[[isp]]`.

use super::{Default, Key, Section, key};
use crate::control::config::health::ProbeType;
use crate::control::config::kind::{Kind, words};
use crate::limits::{HEALTH_NANOS, MAX_PROBES};
use crate::units::Nanos;

/// Nothing shorter is told apart: control looks at the ISPs that often.
const GRAIN: Nanos = Nanos(HEALTH_NANOS);

const fn seconds(count: u64) -> Nanos {
    Nanos::from_millis(count * 1000)
}

/// `probes` of an `[[isp]]`.
pub const PROBES: Key = key(
    "probes",
    Kind::Probes,
    "",
    Default::Words("a ping a second to each of two public resolvers"),
    "What is asked for beyond the ISP's router, through the gateway's own data path. `[]`: nothing. See \
     [health.md](health.md).",
);

/// `health` of an `[[isp]]`.
pub const HEALTH_KEY: Key = key(
    "health",
    Kind::Health,
    "",
    Default::Words("the defaults of all its keys"),
    "When the ISP counts as down, and as up again.",
);

/// An element of `probes`.
pub static PROBE: Section = Section {
    header: "probes = [{ … }]",
    meaning: "What is asked of one target, or of several alike. An ISP has at most 16 targets. Its link and its router \
              are watched besides, always.",
    keys: &[
        key(
            "type",
            Kind::Word(words::<ProbeType>),
            "",
            Default::Required(r#""icmp""#),
            "`icmp`: an ICMPv6 echo. `tcp`: a TCP handshake, which is reset at once. `dns`: an answer of a resolver.",
        ),
        key(
            "to",
            Kind::Targets,
            "",
            Default::Required(r#"["2606:4700:4700::1111"]"#),
            "Whom: addresses; for `tcp` with the port, for `dns` with the port unless it is 53. Neither inside the site \
             nor inside an ISP's prefix for it.",
        ),
        key(
            "name",
            Kind::DomainName,
            "",
            Default::Words("the root, `\".\"`"),
            "For `dns`: the name whose AAAA record is asked for. That there is none is an answer, too.",
        ),
        key("every", Kind::Span(GRAIN, seconds(3600)), "", Default::Value(r#""1s""#), "Time between two probes."),
        key(
            "timeout",
            Kind::Span(GRAIN, seconds(10)),
            "",
            Default::Value(r#""400ms""#),
            "Time for the answer. One that comes later counts as lost.",
        ),
        key(
            "max_loss",
            Kind::Percent,
            "",
            Default::Words("any"),
            "Share of the latest 20 probes that may be lost before the target is not well.",
        ),
        key(
            "max_rtt",
            Kind::Span(Nanos::from_millis(1), seconds(10)),
            "",
            Default::Words("any"),
            "Round-trip time beyond which an answer counts as lost; below `timeout`.",
        ),
    ],
    planned: &[],
};

/// The table of `health`.
pub static HEALTH: Section = Section {
    header: "health = { … }",
    meaning: "When an ISP counts as down, and as up again.",
    keys: &[
        key(
            "need",
            Kind::Integer(1, MAX_PROBES as u64),
            "targets",
            Default::Value("1"),
            "Targets that must be well. With fewer the ISP is down; with as many, but not all, it is degraded: it carries \
             packets as before, and `status`, metrics and events say so.",
        ),
        key(
            "down_after",
            Kind::Integer(1, 100),
            "probes",
            Default::Value("5"),
            "Lost probes in a row after which a target is not well.",
        ),
        key(
            "up_after",
            Kind::Integer(1, 100),
            "probes",
            Default::Value("3"),
            "Answered probes in a row after which it is well again.",
        ),
        key(
            "hold_down",
            Kind::Span(Nanos(0), seconds(3600)),
            "",
            Default::Value(r#""2s""#),
            "Time for which everything must have been well before an ISP that was down carries packets again. It doubles \
             with each outage that begins within ten minutes of the former one.",
        ),
        key(
            "backoff_max",
            Kind::Span(Nanos(0), seconds(12 * 3600)),
            "",
            Default::Value(r#""5m""#),
            "Where the doubling of `hold_down` ends. Without it, `hold_down` if that is longer.",
        ),
        key(
            "silence",
            Kind::Span(GRAIN, seconds(60)),
            "",
            Default::Value(r#""200ms""#),
            "Time without a packet from the ISP after which its router is asked whether it is there.",
        ),
        key(
            "patience",
            Kind::Span(GRAIN, seconds(10)),
            "",
            Default::Value(r#""200ms""#),
            "Time that the router has for each answer.",
        ),
        key(
            "tries",
            Kind::Integer(1, 100),
            "questions",
            Default::Value("3"),
            "Questions in a row without an answer after which the ISP is down.",
        ),
    ],
    planned: &[],
};
