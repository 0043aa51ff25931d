//! What can be wrong with `probes` and `health` of an ISP.

use std::net::Ipv6Addr;

use crate::control::config::kind::Word;
use crate::control::config::{ProbeType, span};
use crate::limits::MAX_PROBES;
use crate::npt::Prefix;
use crate::units::Nanos;

/// What is wrong with one place of `probes` or `health`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ProbeProblem {
    #[error("`{0}` is no probe: every ISP's link and router are watched, always")]
    AlwaysWatched(String),
    #[error("`{text}` is not a target for {}", words(*probe))]
    Target { text: String, probe: ProbeType },
    #[error("{address} is {what}: no ISP leads to such a target")]
    NotGlobal { address: Ipv6Addr, what: &'static str },
    #[error("target {address} lies in {prefix}, which is the site's own")]
    Inside { address: Ipv6Addr, prefix: Prefix },
    #[error("{0} is asked twice by this ISP")]
    Twice(String),
    #[error("{found} targets are too many")]
    TooMany { found: usize },
    #[error("`name` is given, but only a probe of type \"dns\" asks for one")]
    NameWithoutDns,
    #[error("`{0}` is not a name of the DNS")]
    DomainName(String),
    #[error("`{text}` is not a share in percent")]
    Percent { text: String, limits: String },
    #[error("a `max_rtt` of {} is not below the `timeout` of {}", span::show(*max_rtt), span::show(*timeout))]
    RttBeyondTimeout { max_rtt: Nanos, timeout: Nanos },
    #[error("{need} targets must be well, but {}", match targets { 0 => "there is none".to_owned(), n => format!("there are only {n}") })]
    Need { need: u64, targets: usize },
    #[error("{} is shorter than the `hold_down` of {}", span::show(*backoff_max), span::show(*hold_down))]
    Backoff { hold_down: Nanos, backoff_max: Nanos },
}

fn words(probe: ProbeType) -> &'static str {
    match probe {
        ProbeType::Icmp => "an ICMPv6 echo",
        ProbeType::Tcp => "a TCP handshake",
        ProbeType::Dns => "a DNS query",
    }
}

impl ProbeProblem {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::AlwaysWatched(_) => {
                "remove it; `silence`, `patience` and `tries` of `health` say how soon a router counts as gone"
                    .to_owned()
            }
            Self::Target { text, probe } => match (probe, text.parse::<Ipv6Addr>()) {
                (ProbeType::Tcp, Ok(address)) => format!("add the port, like \"[{address}]:443\""),
                (ProbeType::Icmp, _) => "write an IPv6 address, like \"2606:4700:4700::1111\"".to_owned(),
                (ProbeType::Tcp, _) => {
                    "write an IPv6 address and a port, like \"[2606:4700:4700::1111]:443\"".to_owned()
                }
                (ProbeType::Dns, _) => {
                    "write an IPv6 address, like \"2606:4700:4700::1111\", or \"[ADDRESS]:PORT\"".to_owned()
                }
            },
            Self::NotGlobal { .. } => "write a global address of somebody beyond the ISP who agrees to it".to_owned(),
            Self::Inside { .. } => {
                "write an address beyond the ISP: this one says nothing about the Internet".to_owned()
            }
            Self::Twice(_) => "keep one of them".to_owned(),
            Self::TooMany { .. } => format!("keep at most {MAX_PROBES} for each ISP"),
            Self::NameWithoutDns => format!("remove it, or write type = \"{}\"", ProbeType::Dns.word()),
            Self::DomainName(_) => {
                "write letters, digits, hyphens and underscores between dots, like \"www.example.com\"".to_owned()
            }
            Self::Percent { limits, .. } => format!("write {limits}"),
            Self::RttBeyondTimeout { timeout, .. } => {
                format!("write less than {}, or a longer `timeout`", span::show(*timeout))
            }
            Self::Need { targets: 0, .. } => "remove `need`, or name targets in `probes`".to_owned(),
            Self::Need { targets, .. } => format!("write a number up to {targets}, or name more targets in `probes`"),
            Self::Backoff { hold_down, .. } => format!("write \"{}\" or more", span::show(*hold_down)),
        }
    }
}
