//! `prefix = { … }` of an `[[isp]]`.

use super::super::kind::Kind;
use super::super::span::SHORTEST;
use super::{Default, Section, key};
use crate::limits::MAX_FLOW_TIMEOUT;

/// `prefix` as a table.
pub static SOURCE: Section = Section {
    header: "prefix = { … }",
    meaning: "Where the prefix of an ISP is learnt, and which part of it is used. `file` or `interface` must be there; \
              [prefixes.md](prefixes.md) tells more.",
    keys: &[
        key(
            "file",
            Kind::File,
            "",
            Default::Words("required unless `interface` is there"),
            "A file that a DHCPv6-PD client writes, with `PREFIX/LENGTH` on a line; empty or missing: the ISP has none.",
        ),
        key(
            "interface",
            Kind::Interface,
            "",
            Default::Words("required unless `file` is there"),
            "A device that has an address out of the prefix: the ISP's own, or one that the DHCPv6-PD client gives a \
             subnet. Where the kernel has an `unreachable` or `blackhole` route for the whole delegation, that is \
             taken. `\"lo\"`: that route alone.",
        ),
        key(
            "length",
            Kind::Integer(16, 64),
            "bits",
            Default::Words("all of what is delegated"),
            "Length of the part that is used of a delegation that may be larger.",
        ),
        key(
            "subnet_id",
            Kind::Integer(0, 0xffff_ffff),
            "",
            Default::Words("0, the first"),
            "Number of that part among those of its length. Only with `length`.",
        ),
        key(
            "grace",
            Kind::Span(SHORTEST, MAX_FLOW_TIMEOUT),
            "",
            Default::Value(r#""10m""#),
            "Time for which flows of a former prefix keep it, both ways, while new flows use the new one.",
        ),
    ],
    planned: &[],
};
