//! The configuration as meant: validated, defaults filled in, units resolved.
//!
//! A file is taken as a whole or not at all: [`load`] and [`parse`] give a [`Config`], or every
//! error of the file with its place, value and remedy. `schema` says which keys there are,
//! `raw` checks each value by itself, `validate` checks them against each other.

mod dataplane;
mod error;
mod file;
mod health;
mod host;
mod kind;
mod metered;
mod notify;
mod prefix;
mod problem;
mod raw;
mod reader;
pub mod schema;
pub mod span;
#[cfg(test)]
mod tests;
pub mod traffic;
mod validate;

use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;

use toml::de::DeTable;

pub use dataplane::{Dataplane, Flows, Icmp, Idle, Mode};
pub use error::{ConfigError, ConfigErrors};
pub use file::ConfigFile;
pub use health::{DEFAULT_TARGETS, Health, Probe, ProbeKind, ProbeType, is_domain_name};
pub use host::{HOST_DEVICE, HOST_PORT, Host, Ipv4, OnStop};
pub use kind::{Kind, MOVING, Word};
pub use metered::{Metered, Quota};
pub use notify::Notify;
pub use prefix::{Part, PrefixOrigin, PrefixSource};
pub use problem::{ProbeProblem, Problem};
pub use raw::refusal;

use crate::npt::Mapping;
pub use crate::snapshot::{AllDown, Filter, HashFields, Inbound, Match, Scope};
use crate::units::Nanos;
pub use reader::similar;
use reader::{Errors, Place};

/// The configuration in the file at `path`.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    Ok(ConfigFile::read(path)?.config)
}

/// The configuration in `text`.
///
/// # Errors
/// Everything that is wrong with it. Where it is not TOML at all, only that: what such a text
/// means would be a guess.
pub fn parse(text: &str) -> Result<Config, ConfigErrors> {
    let (document, syntax) = DeTable::parse_recoverable(text);
    let errors = Errors::default();
    for error in &syntax {
        let end = text.len()..text.len();
        let place = Place { path: String::new(), span: error.span().unwrap_or(end) };
        errors.add(&place, Problem::Syntax(error.message().to_owned()));
    }
    let config = if syntax.is_empty() {
        validate::validate(raw::Raw::read(document.get_ref(), &errors), text, &errors)
    } else {
        None
    };
    let errors = errors.into_sorted();
    match config {
        Some(config) if errors.is_empty() => Ok(config),
        _ => Err(ConfigErrors::new(text, errors)),
    }
}

/// A whole, valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[site]`
    pub site: Site,
    /// `[[lan]]`, in the order of the file; last that of the host itself, with `[host] steer`.
    pub lans: Vec<Lan>,
    /// `[[isp]]`, in the order of the file.
    pub isps: Vec<Isp>,
    /// `[policy.NAME]`: the default policy, then the others in the order of the file.
    pub policies: Vec<Policy>,
    /// `[[rule]]`, in the order of the file.
    pub rules: Vec<Rule>,
    /// `[filter]`
    pub filter: Filter,
    /// `[flows]`
    pub flows: Flows,
    /// `[icmp]`
    pub icmp: Icmp,
    /// `[dataplane]`
    pub dataplane: Dataplane,
    /// `[host]`
    pub host: Host,
    /// `[ipv4]`
    pub ipv4: Ipv4,
    /// `[metrics]`
    pub metrics: Metrics,
    /// `[notify]`; `None`: nobody is told.
    pub notify: Option<Notify>,
}

/// `[site]`: what the hosts inside use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Site {
    /// Prefixes that hosts inside use; at least one, none overlapping another.
    pub internal: Vec<crate::npt::Prefix>,
    /// Whether a packet for one ISP's prefix may arrive by another ISP (default no).
    pub accept_any_uplink: bool,
    /// What becomes of flows when an ISP is back.
    pub failback: Failback,
    /// What becomes of packets while no ISP is well.
    pub all_down: AllDown,
}

/// What becomes of flows when the ISP that they prefer is back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failback {
    /// New ones take it; those that are elsewhere stay there.
    #[default]
    NewFlows,
    /// All take it at once.
    Immediate,
    /// New ones take it; the others follow evenly over this time.
    Gradual(Nanos),
    /// Nothing, until an operator says so.
    Manual,
}

impl std::fmt::Display for Failback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NewFlows => f.write_str("new-flows"),
            Self::Immediate => f.write_str("immediate"),
            Self::Gradual(over) => write!(f, "gradual {}", span::show(*over)),
            Self::Manual => f.write_str("manual"),
        }
    }
}

/// `[[lan]]`: an interface with hosts behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Lan {
    /// The interface's name.
    pub interface: String,
    /// The VLAN on it; `None`: untagged frames.
    pub vlan: Option<u16>,
}

impl Lan {
    /// That of the host itself.
    pub fn of_host() -> Self {
        Self { interface: HOST_PORT.to_owned(), vlan: None }
    }

    /// Whether the host itself is behind it.
    pub fn is_host(&self) -> bool {
        self.interface == HOST_PORT
    }

    /// The name of its edge: the interface's, with `.VLAN` where it is a VLAN.
    pub fn edge_name(&self) -> String {
        edge_name(&self.interface, self.vlan)
    }
}

/// `[[isp]]`: everything about one ISP.
#[derive(Clone, Debug, PartialEq)]
pub struct Isp {
    /// Its name: in metrics, in `status`, and in the steering hash.
    pub name: String,
    /// The interface that leads to it.
    pub interface: String,
    /// The VLAN on it; `None`: untagged frames.
    pub vlan: Option<u16>,
    /// Prefix pairs, internal and external. None while a prefix that is learnt is not known.
    pub mappings: Vec<Mapping>,
    /// Pairs of prefixes that it had before, kept for the flows that have them.
    pub former: Vec<Mapping>,
    /// Where its prefix is learnt; `None`: the file says it.
    pub source: Option<PrefixSource>,
    /// Its router.
    pub next_hop: NextHop,
    /// Share of the flows, relative to the other ISPs of its tier; 0: only as a last resort.
    pub weight: u32,
    /// Flows take an ISP of the lowest tier that has one which will do.
    pub tier: u8,
    /// Largest IPv6 packet that it carries; `None`: the interface's MTU.
    pub mtu: Option<u16>,
    /// What becomes of the segment sizes that TCP handshakes announce.
    pub mss_clamp: MssClamp,
    /// Whether Neighbor Solicitations for its external addresses are answered.
    pub nd_proxy: NdProxy,
    /// Whether it is paid for by what it carries.
    pub metered: Option<Metered>,
    /// When it counts as down, and as up again.
    pub health: Health,
    /// What is asked for beyond its router; empty: nothing.
    pub probes: Vec<Probe>,
}

/// Whether Neighbor Solicitations on an ISP's link are answered for the hosts inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NdProxy {
    /// No: the ISP routes its prefix here (`false`).
    Off,
    /// Once the host inside has answered (`true`).
    Confirmed,
    /// For every address that has an image inside (`"static"`).
    Static,
}

/// What becomes of the segment sizes that TCP handshakes announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MssClamp {
    /// Lowered to what the ISP's MTU holds.
    Auto,
    /// Nothing.
    Off,
    /// Lowered to this many octets.
    Octets(u16),
}

/// What becomes of packets from and to addresses that are not used on the Internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bogons {
    /// Dropped, unless the site itself has such addresses: a lab.
    Auto,
    /// Dropped.
    Drop,
    /// Nothing special.
    Pass,
}

impl Isp {
    /// Its prefix pairs, former ones included.
    pub fn pairs(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.iter().chain(&self.former)
    }

    /// The name of its edge: the interface's, with `.VLAN` where it is a VLAN.
    pub fn edge_name(&self) -> String {
        edge_name(&self.interface, self.vlan)
    }
}

/// The name of an edge, and by custom of the kernel's device for it: `eth0`, `eth0.10`.
pub fn edge_name(interface: &str, vlan: Option<u16>) -> String {
    vlan.map_or_else(|| interface.to_owned(), |vlan| format!("{interface}.{vlan}"))
}

/// An ISP's router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    /// The kernel's default route on that interface.
    Auto,
    /// This link-local or on-link address.
    Address(Ipv6Addr),
}

/// `[policy.NAME]`: which ISPs, and what decides among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name; `default` for the one that needs no rule.
    pub name: String,
    /// Names of its ISPs, at least one; `None`: every ISP.
    pub isps: Option<Vec<String>>,
    /// What decides.
    pub hash: HashFields,
}

/// `[[rule]]`: what happens to new flows of some kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name; `rule N` by its position from 1 where the file gives none.
    pub name: String,
    /// To which flows it applies.
    pub matches: Match,
    /// What happens.
    pub action: RuleAction,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// The policy of this name chooses.
    Policy(String, Otherwise),
    /// A policy of its own chooses, with the default hash, among these ISPs.
    Isps(Vec<String>, Otherwise),
    /// The packet is dropped.
    Drop,
}

/// What happens when none of a rule's ISPs will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The default policy chooses.
    Default,
    /// The packet is dropped.
    Drop,
}

/// `[metrics]`
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Where the exporter listens; `None`: nowhere (`listen = "off"`).
    pub listen: Option<SocketAddr>,
}
