//! Which ISPs a new flow may leave by, and in which order of preference.

use super::buckets::Buckets;
use super::rules::{Match, Traffic};
use crate::hash::{FlowKey, HashKey};
use crate::npt::Prefix;

/// Rules and policies.
#[derive(Clone, Debug)]
pub struct Steering {
    /// By [`PolicyId`]. The first is the default policy.
    pub policies: Box<[Policy]>,
    /// In order: the first that matches decides.
    pub rules: Box<[Rule]>,
}

/// Position in [`Steering::policies`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyId(pub u8);

/// The choice among some of the ISPs.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name in the configuration, or that of the rule that it belongs to.
    pub name: Box<str>,
    /// What decides.
    pub hash: HashFields,
    /// Which uplink a hash prefers.
    pub buckets: Buckets,
    /// Bit `n` is set when uplink `n` belongs to it.
    pub members: u16,
}

/// The fields of a flow that choose its bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HashFields {
    /// Inside and outside address: the same for every packet between two hosts.
    #[default]
    SourceAndDestination,
    /// The inside address: a host has one outside address.
    Source,
    /// The inside /64: a subnet has one outside prefix.
    Source64,
    /// Addresses, protocol and ports.
    FiveTuple,
}

/// What happens to new flows of some kind.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// To which flows it applies. What is inside is written with inside addresses.
    pub matches: Match,
    /// What happens.
    pub action: Action,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A policy chooses.
    Policy {
        /// Which.
        policy: PolicyId,
        /// Whether the default policy chooses when none of this policy's ISPs will do.
        or_default: bool,
    },
    /// The packet is dropped.
    Drop,
}

impl Steering {
    /// No rules, and one policy: `buckets` for all flows.
    pub fn by_default(buckets: Buckets, members: u16) -> Self {
        let default = Policy { name: "default".into(), hash: HashFields::default(), buckets, members };
        Self { policies: [default].into(), rules: Box::default() }
    }

    /// What decides about a new flow.
    pub fn action(&self, traffic: &Traffic) -> Action {
        let rule = self.rule(traffic).map(|at| &self.rules[at]);
        rule.map_or(Action::Policy { policy: PolicyId::default(), or_default: false }, |rule| rule.action)
    }

    /// Position in [`Steering::rules`] of the rule that decides, if one does.
    pub fn rule(&self, traffic: &Traffic) -> Option<usize> {
        self.rules.iter().position(|rule| rule.matches.matches(traffic))
    }

    /// The policy numbered `id`.
    pub fn policy(&self, id: PolicyId) -> &Policy {
        &self.policies[usize::from(id.0)]
    }
}

impl Policy {
    /// The hash that chooses the bucket of `flow`.
    pub fn hash(&self, key: &HashKey, flow: &FlowKey) -> u64 {
        let nobody = std::net::Ipv6Addr::UNSPECIFIED;
        match self.hash {
            HashFields::SourceAndDestination => FlowKey::pair(flow.internal, flow.remote),
            HashFields::Source => FlowKey::pair(flow.internal, nobody),
            HashFields::Source64 => FlowKey::pair(Prefix::containing(flow.internal, 64).address(), nobody),
            HashFields::FiveTuple => *flow,
        }
        .hash(key)
    }
}
