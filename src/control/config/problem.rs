//! Everything that can be wrong with a configuration: what it is, and what to do about it.

mod metered;
mod notify;
mod prefix;
mod probes;
mod syntax;
mod words;

use std::net::Ipv6Addr;

use super::raw::is_isp_name;
use super::traffic::prefix_name;
use crate::limits::{MAX_ALLOWS, MAX_EDGES, MAX_MAPPINGS, MAX_POLICIES, MAX_RULES, MAX_UPLINKS};
use crate::npt::Prefix;
pub use metered::MeteredProblem;
pub use notify::NotifyProblem;
pub use prefix::SourceProblem;
pub use probes::ProbeProblem;
use words::{first_keys, with_ports};

/// What is wrong with one place of a configuration. The message says what; [`Problem::remedy`]
/// says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum Problem {
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    #[error("this is not TOML: {0}")]
    Syntax(String),
    #[error("version {0} of the file format is not known")]
    Version(u64),
    #[error("there is no such key {}", place(.section))]
    UnknownKey { section: &'static str, similar: Option<&'static str>, valid: Vec<&'static str> },
    #[error("this key does not belong {}", place(.section))]
    Elsewhere { section: &'static str, home: &'static str },
    #[error("`{0}` is not built yet")]
    Planned(String),
    #[error("this key is missing")]
    Missing { key: &'static str, example: String },
    #[error("this section is missing")]
    MissingSection(&'static str),
    #[error("this is a section, not {found}")]
    NotSection { header: &'static str, found: &'static str },
    #[error("this section has the wrong number of brackets")]
    Brackets(&'static str),
    #[error("{found} does not fit here")]
    Type { found: &'static str, expected: String },
    #[error("{found} is out of range")]
    Range { found: String, limits: String },
    #[error("`{found}` is not one of the choices")]
    Choice { found: String, similar: Option<&'static str>, limits: String },
    #[error("{found} is not a power of two")]
    PowerOfTwo { found: u64, below: u64, above: u64 },
    #[error("`{0}` is a time without its unit")]
    SpanUnit(String),
    #[error("`{0}` is not a time")]
    SpanSyntax(String),
    #[error("the list is empty")]
    EmptyList { example: String },

    #[error("`{0}` is not an IPv6 prefix")]
    PrefixSyntax(String),
    #[error("`{0}` is an address without a length")]
    PrefixLength(Ipv6Addr),
    #[error("`{address}/{len}` has bits set beyond its length")]
    HostBits { address: Ipv6Addr, len: u8, suggestion: Prefix },
    #[error("{0} is longer than /64")]
    LongerThan64(Prefix),
    #[error("{prefix} holds {what} addresses, which are never translated")]
    Reserved { prefix: Prefix, what: &'static str },

    #[error("{inner} lies inside {outer}, which is listed as well")]
    InternalOverlap { inner: Prefix, outer: Prefix },
    #[error("the internal prefix {internal} lies in none of the site's internal prefixes")]
    OutsideSite { internal: Prefix, site: String },
    #[error("internal prefix {one} overlaps {other} of the same ISP")]
    InternalTwice { one: Prefix, other: Prefix },
    #[error("external prefix {external} is already that of {other}")]
    ExternalTwice { external: Prefix, other: String },
    #[error("external prefix {one} overlaps {other} of the same ISP")]
    ExternalOverlap { one: Prefix, other: Prefix },
    #[error("external prefix {external} overlaps the internal prefix {internal} but is not equal to it")]
    ExternalInside { external: Prefix, internal: Prefix },
    #[error("the site has {internals} internal prefixes, so one `prefix` does not say which of them it is for")]
    AmbiguousPrefix { internals: usize, mappings: String },
    #[error("both `prefix` and `mappings` are given")]
    PrefixAndMappings,
    #[error("neither `prefix` nor `mappings` is given")]
    NoPrefix,

    #[error("`{0}` is not a name for an ISP")]
    IspName(String),
    #[error("the name \"{name}\" is taken by the ISP of line {line}")]
    NameTwice { name: String, line: usize },
    #[error("`{0}` is not the name of a network interface")]
    InterfaceName(String),
    #[error("{words} is already that of {other}")]
    InterfaceTwice { words: String, other: String },
    #[error("`{0}` is not an IPv6 address")]
    NextHopSyntax(String),
    #[error("`{0}` names an interface after the address")]
    NextHopZone(String),
    #[error("{address} is {what}: no router has such an address")]
    NextHopKind { address: Ipv6Addr, what: &'static str },
    #[error("next hop {address} lies in the site's own {internal}")]
    NextHopInside { address: Ipv6Addr, internal: Prefix },
    #[error("next hop {address} lies in {external}, which belongs to ISP \"{isp}\"")]
    NextHopElsewhere { address: Ipv6Addr, external: Prefix, isp: String },
    #[error(transparent)]
    Probe(ProbeProblem),
    #[error(transparent)]
    Source(SourceProblem),
    #[error(transparent)]
    Metered(MeteredProblem),
    #[error("`{0}` is not a name for a policy")]
    PolicyName(String),
    #[error("`{0}` is not a name for a rule")]
    RuleName(String),
    #[error("the name \"{name}\" is taken by the rule of line {line}")]
    RuleNameTwice { name: String, line: usize },
    #[error("the policy that `isps` makes would be called \"{0}\" like the rule, and there is such a policy")]
    RuleNameIsPolicy(String),
    #[error("there is no ISP \"{name}\"")]
    UnknownIsp { name: String, similar: Option<String>, known: Vec<String> },
    #[error("there is no policy \"{name}\"")]
    UnknownPolicy { name: String, similar: Option<String>, known: Vec<String> },
    #[error("ISP \"{0}\" is listed twice")]
    IspListedTwice(String),
    #[error("the rule does not say what happens")]
    NoAction,
    #[error("{} are given, and only one of them can hold", .0.join(" and "))]
    SeveralActions(Vec<String>),
    #[error("`else` is given, but a rule that drops has no else")]
    ElseOfDrop,
    #[error("`{0}` is neither an IPv6 address nor a prefix")]
    NotAddresses(String),
    #[error("`{0}` is not a port or a range of ports")]
    Ports(String),
    #[error("protocol {0} is an extension header, which rules look behind")]
    ExtensionHeader(u8),
    #[error("ports are given, but {protocol} has none")]
    PortsOfPortless { protocol: String },
    #[error("ports are given, but no protocol that has them")]
    PortsOfAnything,
    #[error("{} lies outside the site, where nothing that is to leave comes from", prefix_name(*prefix))]
    SourceOutside { prefix: Prefix, site: String },
    #[error("{} lies inside the site, and what stays inside meets no rule", prefix_name(*prefix))]
    DestinationInside { prefix: Prefix },
    #[error("{} lies outside the site, where nothing that comes in goes to", prefix_name(*prefix))]
    AllowOutside { prefix: Prefix, site: String, inside: Option<Ipv6Addr> },
    #[error("{} lies inside the site, where nothing that comes in comes from", prefix_name(*prefix))]
    AllowFromInside { prefix: Prefix },
    #[error(
        "without flow memory no packet is known for an answer, and [filter] inbound = \"established\" would let none in"
    )]
    StatelessFilter,
    #[error("without flow memory no connection is known to have moved")]
    StatelessReset,
    #[error("{found} policies are too many")]
    TooManyPolicies { found: usize },
    #[error("{found} rules are too many")]
    TooManyRules { found: usize },
    #[error("{found} elements of `allow` are too many")]
    TooManyAllows { found: usize },
    #[error("every weight is 0, so no ISP would get a flow")]
    NoWeight,
    #[error("an MTU of {mtu} octets does not fit into a frame of {frame_size}")]
    MtuOverFrame { mtu: u64, frame_size: u64, largest: u64 },
    #[error("{found} ISPs are too many")]
    TooManyIsps { found: usize },
    #[error("{found} interfaces are too many")]
    TooManyEdges { found: usize },
    #[error("{found} prefix pairs are too many")]
    TooManyMappings { found: usize },

    #[error("{completion} slots are fewer than the {transmit} of `tx_ring`")]
    CompletionRing { completion: u64, transmit: u64 },
    #[error("{frames} frames do not fill the rings")]
    TooFewFrames { frames: u64, needed: u64 },
    #[error("core {0} is listed twice")]
    CoreTwice(usize),
    #[error("{queues} workers need as many cores, but there are {cores}")]
    TooFewCores { cores: usize, queues: u64 },
    #[error("`{0}` is not an address and port")]
    Listen(String),
    #[error(transparent)]
    Notify(#[from] NotifyProblem),

    #[error("the host's own traffic cannot be steered without the rules that lead its answers")]
    SteerWithoutRules,
    #[error("the host's own port has no zero-copy mode, and `steer` is on")]
    SteerZeroCopy,
    #[error("{0} is the host's own, because `steer` is on")]
    SteersInterface(String),
}

/// Where a section is, in words.
fn place(section: &str) -> String {
    match section {
        "" => "at the top of the file".to_owned(),
        section if section.starts_with('[') => format!("in {section}"),
        section if section.starts_with("mappings") => "in a pair of `mappings`".to_owned(),
        section if section.starts_with("prefix") => "in a table of `prefix`".to_owned(),
        section if section.starts_with("match") => "in `match`".to_owned(),
        section if section.starts_with("health") => "in `health`".to_owned(),
        section if section.starts_with("probes") => "in an element of `probes`".to_owned(),
        _ => "in an element of `allow`".to_owned(),
    }
}

impl Problem {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable(_) => "name a file that this user may read".to_owned(),
            Self::Syntax(reason) => syntax::remedy(reason).to_owned(),
            Self::Version(_) => "write version = 1".to_owned(),
            Self::UnknownKey { similar: Some(similar), .. } => format!("did you mean `{similar}`?"),
            Self::UnknownKey { valid, section, .. } => format!("{} there may be: {}", place(section), valid.join(", ")),
            Self::Elsewhere { home, .. } => format!("move it to {home}"),
            Self::Planned(_) => "remove it".to_owned(),
            Self::Missing { key, example } => format!("add {key} = {example}"),
            Self::MissingSection(header) => format!("add {header} with {}", first_keys(header)),
            Self::NotSection { header, .. } => format!("write {header} on a line of its own, and its keys below it"),
            Self::Brackets(header) => format!("write {header}"),
            Self::Type { expected, .. } => format!("write {expected}"),
            Self::Choice { similar: Some(similar), .. } => format!("did you mean \"{similar}\"?"),
            Self::Choice { limits, .. } | Self::Range { limits, .. } => format!("write {limits}"),
            Self::PowerOfTwo { below, above, .. } => format!("the powers of two next to it are {below} and {above}"),
            Self::SpanUnit(number) => {
                format!("write \"{number}ms\" for milliseconds, \"{number}s\" for seconds, or minutes (m), hours (h)")
            }
            Self::SpanSyntax(_) => {
                "write whole hours (h), minutes (m), seconds (s) and milliseconds (ms) in this order, like \"2h4m\" or \
                 \"400ms\""
                    .to_owned()
            }
            Self::EmptyList { example } => format!("write at least one, like {example}"),

            Self::PrefixSyntax(_) => "write ADDRESS/LENGTH, like 2001:db8:1::/48".to_owned(),
            Self::PrefixLength(address) => match address.octets() {
                [.., 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => {
                    format!("add the length that the ISP delegated, like {address}/48")
                }
                _ => "write the prefix and its length, like 2001:db8:1::/48".to_owned(),
            },
            Self::HostBits { suggestion, .. } => format!("did you mean {suggestion}?"),
            Self::LongerThan64(prefix) => {
                let parent = Prefix::containing(prefix.address(), 64);
                format!("NPTv6 (RFC 6296) translates prefixes of up to 64 bits; use {parent} if it is all yours")
            }
            Self::Reserved { .. } => "use a ULA prefix (fd00::/8) or a global one".to_owned(),

            Self::InternalOverlap { inner, .. } => format!("remove {inner}: the other one covers it"),
            Self::OutsideSite { internal, site } => {
                format!("translate a part of {site}, or add \"{internal}\" to [site] internal")
            }
            Self::InternalTwice { .. } => {
                "give each host one image per ISP: make the pairs' internal prefixes disjoint".to_owned()
            }
            Self::ExternalTwice { .. } => {
                "each ISP needs a prefix of its own, by which answers find their way back".to_owned()
            }
            Self::ExternalOverlap { .. } => {
                "two hosts would share an address: make the pairs' external prefixes disjoint".to_owned()
            }
            Self::ExternalInside { internal, .. } => format!(
                "map {internal} to itself, which leaves its addresses as they are, or use an external prefix elsewhere"
            ),
            Self::AmbiguousPrefix { mappings, .. } => format!("replace it by {mappings}"),
            Self::PrefixAndMappings => "keep `mappings` for pairs written one by one, else `prefix`".to_owned(),
            Self::NoPrefix => "add the prefix that the ISP delegated, like prefix = \"2001:db8:1::/48\"".to_owned(),

            Self::IspName(name) if is_isp_name(&name.to_ascii_lowercase()) => {
                format!("did you mean \"{}\"?", name.to_ascii_lowercase())
            }
            Self::IspName(_) => "use 1 to 32 characters out of a-z 0-9 _ -, like \"fiber\"".to_owned(),
            Self::NameTwice { .. } => "give every ISP a name of its own".to_owned(),
            Self::InterfaceName(_) => {
                "use 1 to 15 characters without space, / or :, as `ip link` shows them".to_owned()
            }
            Self::InterfaceTwice { .. } => {
                "give every [[lan]] and [[isp]] an interface of its own, or a `vlan` of its own on a shared one"
                    .to_owned()
            }
            Self::NextHopSyntax(_) => "write the router's IPv6 address, like \"fe80::1\", or \"auto\"".to_owned(),
            Self::NextHopZone(text) => {
                let address = text.split('%').next().unwrap_or_default();
                format!("write \"{address}\": the interface is that of the ISP")
            }
            Self::NextHopKind { .. } => "write the router's link-local or on-link address, or \"auto\"".to_owned(),
            Self::NextHopInside { .. } => {
                "write the address of the ISP's router on the ISP's side, or \"auto\"".to_owned()
            }
            Self::NextHopElsewhere { .. } => "write the router of this ISP, or \"auto\"".to_owned(),
            Self::Probe(problem) => problem.remedy(),
            Self::Source(problem) => problem.remedy(),
            Self::Metered(problem) => problem.remedy(),
            Self::PolicyName(name) if is_isp_name(&name.to_ascii_lowercase()) => {
                format!("did you mean [policy.{}]?", name.to_ascii_lowercase())
            }
            Self::PolicyName(_) => "use 1 to 32 characters out of a-z 0-9 _ -, like [policy.voice]".to_owned(),
            Self::RuleName(_) => {
                "use 1 to 64 characters without quotes, backslashes and spaces at the ends, like \"voice\"".to_owned()
            }
            Self::RuleNameTwice { .. } => "give every rule a name of its own".to_owned(),
            Self::RuleNameIsPolicy(name) => {
                format!("give the rule another name, or write policy = \"{name}\" if that policy is meant")
            }
            Self::UnknownIsp { similar: Some(similar), .. } | Self::UnknownPolicy { similar: Some(similar), .. } => {
                format!("did you mean \"{similar}\"?")
            }
            Self::UnknownIsp { known, .. } => format!("the ISPs are: {}", known.join(", ")),
            Self::UnknownPolicy { name, known, .. } => {
                format!("the policies are: {}; or add [policy.{name}]", known.join(", "))
            }
            Self::IspListedTwice(_) => "name every ISP once; its share is its `weight`".to_owned(),
            Self::NoAction => {
                "add one of policy = \"default\", isps = [\"…\"] with names of ISPs, and drop = true".to_owned()
            }
            Self::SeveralActions(_) => "keep one of them".to_owned(),
            Self::ElseOfDrop => "remove `else`".to_owned(),
            Self::NotAddresses(_) => {
                "write an address like \"2001:db8:f::53\" or ADDRESS/LENGTH like \"2001:db8:f::/48\"".to_owned()
            }
            Self::Ports(_) => "write a port like 443, or a range, the lower port first, like \"8000-8099\"".to_owned(),
            Self::ExtensionHeader(_) => {
                "write the upper-layer protocol that stands behind it, like \"tcp\" or \"esp\"".to_owned()
            }
            Self::PortsOfPortless { .. } => {
                format!("remove the ports, or write one of the protocols that have them: {}", with_ports())
            }
            Self::PortsOfAnything => format!("add `proto`: one of {}", with_ports()),
            Self::SourceOutside { site, .. } => format!("write inside addresses, out of {site}"),
            Self::DestinationInside { .. } => {
                "write addresses outside the site; traffic within it is not the gateway's to steer".to_owned()
            }
            Self::AllowOutside { inside: Some(inside), .. } => {
                format!("allow rules are written on inside addresses: write \"{inside}\", the host behind that address")
            }
            Self::AllowOutside { site, .. } => {
                format!(
                    "allow rules are written on inside addresses, whichever ISP they come by: write some out of {site}"
                )
            }
            Self::AllowFromInside { .. } => "write addresses outside the site".to_owned(),
            Self::StatelessFilter => {
                "write [filter] inbound = \"open\", which lets everything in, or a [flows] capacity over 0".to_owned()
            }
            Self::StatelessReset => "remove the line, or write a capacity over 0".to_owned(),
            Self::TooManyPolicies { .. } => format!(
                "keep at most {MAX_POLICIES}, the default one and those that `isps` of rules make included; rules may \
                 share a policy by its name"
            ),
            Self::TooManyRules { .. } => {
                format!("keep at most {MAX_RULES} [[rule]] blocks; one rule may list many prefixes and ports")
            }
            Self::TooManyAllows { .. } => {
                format!("keep at most {MAX_ALLOWS}; one element may list many prefixes and ports")
            }
            Self::NoWeight => "give at least one ISP a weight over 0".to_owned(),
            Self::MtuOverFrame { frame_size: 2048, largest, .. } => {
                format!("write an MTU of at most {largest}, or [dataplane] frame_size = 4096")
            }
            Self::MtuOverFrame { largest, .. } => format!("write an MTU of at most {largest}"),
            Self::TooManyIsps { .. } => format!("keep at most {MAX_UPLINKS} [[isp]] blocks"),
            Self::TooManyEdges { .. } => format!("keep at most {MAX_EDGES} [[lan]] and [[isp]] blocks in all"),
            Self::TooManyMappings { .. } => format!("keep at most {MAX_MAPPINGS} over all ISPs"),

            Self::CompletionRing { transmit, .. } => format!("write completion_ring = {transmit} or more"),
            Self::TooFewFrames { needed, .. } => {
                format!("write at least {needed}, or \"auto\"; smaller rings need fewer frames")
            }
            Self::CoreTwice(_) => "name every core once".to_owned(),
            Self::TooFewCores { queues, .. } => format!("name {queues} cores, one for each worker, or \"auto\""),
            Self::SteerWithoutRules => "remove rules = false, or steer = true".to_owned(),
            Self::SteerZeroCopy => "write mode = \"auto\", or remove steer = true from [host]".to_owned(),
            Self::SteersInterface(_) => {
                "remove the block: the gateway makes that interface and serves it by itself".to_owned()
            }
            Self::Notify(problem) => problem.remedy(),
            Self::Listen(_) => "write ADDRESS:PORT with a port over 0, like \"[::1]:9636\", or \"off\"".to_owned(),
        }
    }
}
