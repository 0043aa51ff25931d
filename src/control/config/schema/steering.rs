//! Sections about what flows do: policies, rules, the inbound filter.

use super::{Default, Key, Section, key};
use crate::control::config::kind::{Kind, words};
use crate::control::config::{Bogons, Otherwise};
use crate::snapshot::{HashFields, Inbound, Scope};

/// What holds without a condition.
const ANY: Default = Default::Words("any");

/// `[policy.NAME]`
pub static POLICY: Section = Section {
    header: "[policy.NAME]",
    meaning: "Which ISPs a flow may take, and what of it decides among them. Tiers and weights are those of the ISPs. \
              `[policy.default]` says what holds for flows without a rule.",
    keys: &[
        key(
            "isps",
            Kind::IspNames,
            "",
            Default::Words("all ISPs"),
            "The ISPs that flows may take. Where all of them have `weight = 0`, they share alike.",
        ),
        key(
            "hash",
            Kind::Word(words::<HashFields>),
            "",
            Default::Value(r#""source+destination""#),
            "What decides. `source+destination`: two hosts talk by one ISP. `source`: a host has one outside address. \
             `source-64`: a subnet has one outside prefix. `five-tuple`: connections of one host are spread out.",
        ),
    ],
    planned: &[],
};

/// `[[rule]]`
pub static RULE: Section = Section {
    header: "[[rule]]",
    meaning: "What happens to new outbound flows of some kind; a flow that is remembered stays where it is. The first \
              rule that matches decides, in the order of the file; flows without one have the default policy. Each rule \
              has exactly one of `policy`, `isps` and `drop = true`.",
    keys: &[
        key(
            "name",
            Kind::RuleName,
            "",
            Default::Words("`rule 1`, `rule 2` and so on, by position"),
            "Name of the rule in what `check` says, and of the policy that `isps` makes.",
        ),
        key("match", Kind::Match, "", Default::Words("everything"), "Conditions, all of which must hold."),
        key("policy", Kind::PolicyName, "", Default::Words("none"), "This policy chooses the ISP."),
        key(
            "isps",
            Kind::IspNames,
            "",
            Default::Words("none"),
            "One of these ISPs, by a policy of one line: by source and destination, with their tiers and weights.",
        ),
        key("drop", Kind::Boolean, "", Default::Value("false"), "`true`: no such flow leaves."),
        key(
            "else",
            Kind::Word(words::<Otherwise>),
            "",
            Default::Value(r#""default""#),
            "When none of the rule's ISPs is usable or has a prefix for the source: the default policy chooses, or the \
             packet is dropped.",
        ),
    ],
    planned: &[],
};

const PROTOCOL: Key = key(
    "proto",
    Kind::Protocol,
    "",
    ANY,
    "Upper-layer protocol, behind all extension headers. A packet in which it cannot be seen does not match.",
);
const DESTINATION_PORT: &str = "Destination ports. A packet without ports does not match.";

/// `match` of a rule.
pub static MATCH: Section = Section {
    header: "match = { … }",
    meaning: "Conditions of a rule. What is inside is written with its inside address.",
    keys: &[
        key("src", Kind::AnyPrefixes, "", ANY, "Source addresses, inside."),
        key("dst", Kind::AnyPrefixes, "", ANY, "Destination addresses, outside."),
        PROTOCOL,
        key("src_port", Kind::Ports, "", ANY, "Source ports. A packet without ports does not match."),
        key("dst_port", Kind::Ports, "", ANY, DESTINATION_PORT),
        key("dscp", Kind::Dscp, "", ANY, "Differentiated services code points, by name or number."),
    ],
    planned: &[],
};

/// `[filter]`
pub static FILTER: Section = Section {
    header: "[filter]",
    meaning: "What may come in unasked (RFC 6092). Optional. Answers always come in.",
    keys: &[
        key(
            "inbound",
            Kind::Word(words::<Inbound>),
            "",
            Default::Value(r#""established""#),
            "`established`: what belongs to a flow, ICMPv6 echo requests, and what `allow` lists. `open`: everything.",
        ),
        key(
            "scope",
            Kind::Word(words::<Scope>),
            "",
            Default::Value(r#""flow""#),
            "Who may answer. `flow`: the address and port that a host sent to. `endpoint`: anybody, to the address and \
             port that the host sent from (RFC 6092 REC-11, 17, 33).",
        ),
        key("allow", Kind::Allows, "", Default::Words("nothing"), "What comes in unasked besides."),
        key(
            "bogons",
            Kind::Word(words::<Bogons>),
            "",
            Default::Value(r#""auto""#),
            "Remote addresses of ranges that are not used on the Internet: documentation, benchmarking, discard-only, \
             ORCHID, site-local, v4-compatible, SRv6 identifiers (RFC 6092 REC-3). `drop` or `pass` them, both ways. \
             `auto`: drop, but pass in a lab, where a prefix of the site or of an ISP is of such a range itself.",
        ),
    ],
    planned: &["unmapped_source"],
};

/// An element of `allow`.
pub static ALLOW: Section = Section {
    header: "allow = [{ … }]",
    meaning: "Conditions of what comes in unasked; all of them must hold.",
    keys: &[
        key("src", Kind::AnyPrefixes, "", ANY, "Source addresses, outside."),
        key("dst", Kind::AnyPrefixes, "", ANY, "Destination addresses: the inside ones of the hosts."),
        PROTOCOL,
        key("dst_port", Kind::Ports, "", ANY, DESTINATION_PORT),
    ],
    planned: &[],
};
