//! `[flows]`.

use super::super::kind::Kind;
use super::super::span::SHORTEST;
use super::{Default, Section, key};
use crate::limits::{MAX_FLOW_TIMEOUT, MAX_FLOWS};

const TIMEOUT: Kind = Kind::Span(SHORTEST, MAX_FLOW_TIMEOUT);

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
        key("tcp_established", TIMEOUT, "", Default::Value(r#""2h4m""#), "TCP after both sides have sent data."),
        key("tcp_transitory", TIMEOUT, "", Default::Value(r#""4m""#), "TCP that is opening or closing."),
        key("udp", TIMEOUT, "", Default::Value(r#""5m""#), "UDP and UDP-Lite."),
        key("icmpv6", TIMEOUT, "", Default::Value(r#""60s""#), "ICMPv6 echo."),
        key("other", TIMEOUT, "", Default::Value(r#""5m""#), "All other protocols: ESP, GRE, SCTP and so on."),
        key(
            "reset_on_failover",
            Kind::Boolean,
            "",
            Default::Value("false"),
            "Whether a TCP connection that was opened from inside is reset when its flow moves to another ISP, so that the \
             program connects anew at once instead of waiting for a peer that knows another address of it.",
        ),
    ],
    planned: &[],
};
