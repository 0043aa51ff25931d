//! What the keys of a configuration take.

use super::schema::VERSION;
use super::span;
use super::traffic::PROTOCOLS;
use super::{AllDown, Bogons, Idle, Mode, OnStop, Otherwise, Quota};
use crate::limits::{MAX_FLOW_TIMEOUT, MIN_MTU};
use crate::snapshot::{HashFields, Inbound, Scope};
use crate::units::Nanos;

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// The version of the file format.
    Version,
    /// A whole number from the first to the second.
    Integer(u64, u64),
    /// A power of two from the first to the second.
    PowerOfTwo(u64, u64),
    /// 0, or a power of two up to this.
    PowerOfTwoOrZero(u64),
    /// One of these numbers.
    OneOf(&'static [u64]),
    /// This word, or a whole number in between.
    WordOr(&'static str, u64, u64),
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// `"auto"`, `"off"`, or a size of TCP segments.
    MssClamp,
    /// A word, and with one of them a time.
    Failback,
    /// A time with its units, from the first to the second.
    Span(Nanos, Nanos),
    /// An amount of octets a month.
    Quota,
    /// `true` or `false`.
    Boolean,
    /// An IPv6 prefix that NPTv6 can translate.
    Prefix,
    /// Such a prefix, or a table that says where one is learnt.
    PrefixOrSource,
    /// The path of a file.
    File,
    /// A list of such prefixes.
    Prefixes,
    /// A list of prefix pairs.
    Pairs,
    /// The name of a network interface.
    Interface,
    /// The name of an ISP.
    IspName,
    /// The names of some ISPs.
    IspNames,
    /// The name of a policy.
    PolicyName,
    /// The name of a rule.
    RuleName,
    /// A table of conditions.
    Match,
    /// A list of tables of conditions.
    Allows,
    /// IPv6 prefixes of any length, or addresses: one or a list.
    AnyPrefixes,
    /// The name or number of a protocol.
    Protocol,
    /// Ports and ranges of ports: one or a list.
    Ports,
    /// Code points by name or number: one or a list.
    Dscp,
    /// `"auto"` or an IPv6 address.
    NextHop,
    /// `true`, `false` or `"static"`.
    NdProxy,
    /// A list of tables of probes, which may be empty.
    Probes,
    /// A table of thresholds and times.
    Health,
    /// Addresses, some with ports: one or a list.
    Targets,
    /// A name of the DNS.
    DomainName,
    /// A share in percent.
    Percent,
    /// `"auto"` or a list of cores.
    Cores,
    /// `"off"` or an address with a port.
    Listen,
    /// A program and its arguments.
    Command,
    /// An URL.
    Webhook,
    /// Kinds of events.
    Events,
}

/// Sizes of TCP segments that a clamp may ask for: what every IPv6 host takes (RFC 8200 §5 less
/// 60 octets of headers), and what the longest packet holds.
pub(super) const MSS_CLAMP: (u64, u64) = (MIN_MTU as u64 - 60, 65_475);

/// Shortest and longest time over which flows are moved.
pub const MOVING: Kind = Kind::Span(Nanos::from_millis(1000), MAX_FLOW_TIMEOUT);

/// A value that is written as one of a few words.
pub trait Word: Copy + PartialEq + 'static {
    /// Every word with its value.
    const WORDS: &'static [(&'static str, Self)];

    /// The word for it.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| word)
    }
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("zero-copy", Self::ZeroCopy), ("copy", Self::Copy), ("generic", Self::Generic)];
}

impl Word for Idle {
    const WORDS: &'static [(&'static str, Self)] = &[("adaptive", Self::Adaptive), ("busy", Self::Busy)];
}

impl Word for OnStop {
    const WORDS: &'static [(&'static str, Self)] = &[("block", Self::Block), ("release", Self::Release)];
}

impl Word for HashFields {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("source+destination", Self::SourceAndDestination),
        ("source", Self::Source),
        ("source-64", Self::Source64),
        ("five-tuple", Self::FiveTuple),
    ];
}

impl Word for Inbound {
    const WORDS: &'static [(&'static str, Self)] = &[("established", Self::Established), ("open", Self::Open)];
}

impl Word for Scope {
    const WORDS: &'static [(&'static str, Self)] = &[("flow", Self::Flow), ("endpoint", Self::Endpoint)];
}

impl Word for Bogons {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("drop", Self::Drop), ("pass", Self::Pass)];
}

impl Word for AllDown {
    const WORDS: &'static [(&'static str, Self)] = &[("keep-best", Self::KeepBest), ("drop", Self::Drop)];
}

impl Word for Otherwise {
    const WORDS: &'static [(&'static str, Self)] = &[("default", Self::Default), ("drop", Self::Drop)];
}

pub(super) fn words<W: Word>() -> Vec<&'static str> {
    W::WORDS.iter().map(|(word, _)| *word).collect()
}

impl Kind {
    /// Whether a time is within the limits, where it has any.
    pub fn fits(&self, span: Nanos) -> bool {
        match *self {
            Self::Span(low, high) => (low..=high).contains(&span),
            _ => true,
        }
    }

    /// What it takes, for the documentation and for error messages.
    pub fn limits(&self) -> String {
        let list = |words: Vec<String>| match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        };
        match *self {
            Self::Version => VERSION.to_string(),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::PowerOfTwo(low, high) => format!("a power of two from {low} to {high}"),
            Self::PowerOfTwoOrZero(high) => format!("0, or a power of two up to {high}"),
            Self::OneOf(numbers) => list(numbers.iter().map(u64::to_string).collect()),
            Self::WordOr(word, low, high) => format!("\"{word}\", or a whole number from {low} to {high}"),
            Self::Word(words) => list(words().iter().map(|word| format!("\"{word}\"")).collect()),
            Self::MssClamp => {
                let (low, high) = MSS_CLAMP;
                format!("\"auto\", \"off\", or a whole number from {low} to {high}")
            }
            Self::Failback => {
                let time = MOVING.limits();
                let time = time.split(" like ").next().unwrap_or_default();
                format!("\"new-flows\", \"immediate\", \"manual\", or \"gradual\" and {time} like \"gradual 60s\"")
            }
            Self::Span(low, high) => {
                let example = if low < Nanos::from_millis(1000) { "400ms" } else { "2h4m" };
                format!("a time from {} to {} like \"{example}\"", span::show(low), span::show(high))
            }
            Self::Quota => {
                format!("an amount a month from \"{}\" to \"{}\" like \"50GB/month\"", Quota::LEAST, Quota::MOST)
            }
            Self::Boolean => "true or false".to_owned(),
            Self::Prefix => "an IPv6 prefix of at most 64 bits like \"2001:db8:1::/48\"".to_owned(),
            Self::PrefixOrSource => {
                "an IPv6 prefix of at most 64 bits like \"2001:db8:1::/48\", or a table like { file = \
                                     \"/run/sixways/wan0.prefix\" }"
                    .to_owned()
            }
            Self::File => "the absolute path of a file like \"/run/sixways/wan0.prefix\"".to_owned(),
            Self::Prefixes => "a list of IPv6 prefixes of at most 64 bits like [\"fd12:3456:789a::/48\"]".to_owned(),
            Self::Pairs => "a list of pairs like [{ internal = \"fd12:3456:789a:10::/64\", external = \
                            \"2001:db8:c:77ab::/64\" }]"
                .to_owned(),
            Self::Interface => "an interface name of 1 to 15 characters like \"wan0\"".to_owned(),
            Self::IspName => "1 to 32 characters out of a-z 0-9 _ - like \"fiber\"".to_owned(),
            Self::IspNames => "a list of names of ISPs like [\"fiber\"]".to_owned(),
            Self::PolicyName => "the name of a policy like \"default\"".to_owned(),
            Self::RuleName => "1 to 64 characters without quotes and backslashes like \"voice\"".to_owned(),
            Self::Match => "a table of conditions like { proto = \"udp\", dst_port = 5060 }".to_owned(),
            Self::Allows => "a list of tables of conditions like [{ dst = \"fd12:3456:789a:1::25\", proto = \"tcp\", \
                             dst_port = 25 }]"
                .to_owned(),
            Self::AnyPrefixes => "an IPv6 address or prefix, or a list of them like [\"2001:db8:f::/48\"]".to_owned(),
            Self::Protocol => {
                let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
                format!("the name of a protocol ({}), or a number from 0 to 255", names.join(", "))
            }
            Self::Ports => "a port, a range like \"8000-8099\", or a list of them like [25, 443]".to_owned(),
            Self::Dscp => {
                "the name of a code point (ef, va, le, cs0 to cs7, af11 to af43), a number from 0 to 63, or a \
                           list of them like [\"ef\"]"
                    .to_owned()
            }
            Self::NextHop => "\"auto\", or an IPv6 address like \"fe80::1\"".to_owned(),
            Self::NdProxy => "true, false or \"static\"".to_owned(),
            Self::Probes => {
                "a list of probes like [{ type = \"icmp\", to = \"2606:4700:4700::1111\" }], or [] for none".to_owned()
            }
            Self::Health => "a table like { down_after = 3, hold_down = \"10s\" }".to_owned(),
            Self::Targets => {
                "an IPv6 address, \"[ADDRESS]:PORT\", or a list of them like [\"[2606:4700:4700::1111]:443\"]"
                    .to_owned()
            }
            Self::DomainName => "a domain name like \"www.example.com\", or \".\"".to_owned(),
            Self::Percent => "a share from 1% to 99% like \"20%\"".to_owned(),
            Self::Cores => "\"auto\", or a list of distinct core numbers from 0 to 1023 like [2, 3]".to_owned(),
            Self::Command => {
                "a list of the absolute path of a program and its arguments like [\"/usr/local/bin/alert\"]".to_owned()
            }
            Self::Webhook => "an http or https URL like \"https://alerts.example.net/sixways\"".to_owned(),
            Self::Events => "a list of kinds of events like [\"isp-state\"]".to_owned(),
            Self::Listen => "\"off\", or an address and port like \"[::1]:9636\"".to_owned(),
        }
    }
}
