//! Which flows are asked for: the words behind `sixways flows`.

use std::net::Ipv6Addr;

use super::Stage;
use crate::hash::FlowKey;
use crate::npt::Prefix;

/// Every word that there is, for messages.
const WORDS: &str = "internal=PREFIX, remote=PREFIX, isp=NAME, proto=PROTOCOL, port=NUMBER, state=STATE, or an \
                     address or prefix of either end";

/// Protocols that have a name here.
const PROTOCOLS: [(u8, &str); 10] = [
    (6, "tcp"),
    (17, "udp"),
    (58, "icmpv6"),
    (33, "dccp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (132, "sctp"),
    (136, "udplite"),
];

/// The name of an upper-layer protocol, its number where it has none here, and `any` for 0.
pub fn protocol_name(protocol: u8) -> String {
    let name = PROTOCOLS.iter().find(|(number, _)| *number == protocol).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| if protocol == 0 { "any".to_owned() } else { protocol.to_string() })
}

/// A word that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// No `key=value`, and no address.
    #[error("`{0}` is no filter; there are {WORDS}")]
    Word(String),
    /// A key that there is not.
    #[error("there is no filter `{0}=`; there are {WORDS}")]
    Key(String),
    /// A flow has one of it.
    #[error("`{0}=` is given twice; a flow must match all filters, so leave one out")]
    Twice(&'static str),
    /// No address and no prefix.
    #[error("`{word}`: {reason}")]
    Address {
        /// As given.
        word: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// No protocol.
    #[error("`{0}` is no protocol; write {names}, or a number from 1 to 255", names = names())]
    Protocol(String),
    /// No port.
    #[error("`{0}` is no port; write a number from 0 to 65535 (of either end; for ICMPv6 echo the identifier)")]
    Port(String),
    /// No state.
    #[error("`{0}` is no state; write established, unanswered, closing or companion")]
    State(String),
}

fn names() -> String {
    PROTOCOLS.map(|(_, name)| name).join(", ")
}

/// What a flow must match, all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    internal: Option<Prefix>,
    remote: Option<Prefix>,
    /// Each holds one of the two ends.
    ends: Vec<Prefix>,
    protocol: Option<u8>,
    ports: Vec<u16>,
    /// The ISP's name.
    pub(super) isp: Option<String>,
    pub(super) stage: Option<Stage>,
}

impl Selection {
    /// What `words` ask for; all flows if there are none.
    ///
    /// # Errors
    /// When a word means nothing, or two contradict each other.
    pub fn parse(words: &[impl AsRef<str>]) -> Result<Self, SelectionError> {
        let mut selection = Self::default();
        for word in words {
            selection.add(word.as_ref())?;
        }
        Ok(selection)
    }

    fn add(&mut self, word: &str) -> Result<(), SelectionError> {
        let Some((key, value)) = word.split_once('=') else {
            if !word.contains(':') {
                return Err(SelectionError::Word(word.to_owned()));
            }
            self.ends.push(prefix(word, word)?);
            return Ok(());
        };
        match key {
            "internal" => once("internal", &mut self.internal, prefix(word, value)?),
            "remote" => once("remote", &mut self.remote, prefix(word, value)?),
            "isp" => once("isp", &mut self.isp, value.to_owned()),
            "proto" => once("proto", &mut self.protocol, protocol(value)?),
            "state" => once("state", &mut self.stage, stage(value)?),
            "port" => {
                self.ports.push(value.parse().map_err(|_| SelectionError::Port(value.to_owned()))?);
                Ok(())
            }
            _ => Err(SelectionError::Key(key.to_owned())),
        }
    }

    /// Whether the key of a flow must be read to tell.
    pub(super) fn asks_for_keys(&self) -> bool {
        let ends = self.internal.is_some() || self.remote.is_some() || !self.ends.is_empty();
        ends || self.protocol.is_some() || !self.ports.is_empty()
    }

    /// Whether a record at `stage` is of the kind that is asked for: flows, or else companions.
    pub(super) fn is_about(&self, stage: Stage) -> bool {
        (self.stage == Some(Stage::Companion)) == (stage == Stage::Companion)
    }

    /// Whether a record of that kind at `stage` may match.
    pub(super) fn takes_stage(&self, stage: Stage) -> bool {
        self.stage.is_none_or(|wanted| wanted == stage)
    }

    /// Whether the flow with this key may match.
    pub(super) fn takes_key(&self, key: &FlowKey) -> bool {
        self.internal.is_none_or(|prefix| prefix.contains(key.internal))
            && self.remote.is_none_or(|prefix| prefix.contains(key.remote))
            && self.ends.iter().all(|prefix| prefix.contains(key.internal) || prefix.contains(key.remote))
            && self.protocol.is_none_or(|protocol| protocol == key.protocol)
            && self.ports.iter().all(|port| *port == key.internal_port || *port == key.remote_port)
    }
}

fn once<T>(key: &'static str, place: &mut Option<T>, value: T) -> Result<(), SelectionError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(SelectionError::Twice(key)),
    }
}

/// An address is the prefix of itself alone.
fn prefix(word: &str, value: &str) -> Result<Prefix, SelectionError> {
    let wrong = |reason| SelectionError::Address { word: word.to_owned(), reason };
    if value.contains('/') {
        return value.parse::<Prefix>().map_err(|error| wrong(error.to_string()));
    }
    let address: Ipv6Addr =
        value.parse().map_err(|_| wrong(format!("`{value}` is no IPv6 address; write one like 2001:db8::1")))?;
    Ok(Prefix::containing(address, 128))
}

fn protocol(value: &str) -> Result<u8, SelectionError> {
    let named = PROTOCOLS.iter().find(|(_, name)| *name == value).map(|(number, _)| *number);
    named
        .or_else(|| value.parse().ok().filter(|number| *number != 0))
        .ok_or_else(|| SelectionError::Protocol(value.to_owned()))
}

fn stage(value: &str) -> Result<Stage, SelectionError> {
    let found = Stage::ALL.into_iter().find(|stage| stage.label() == value);
    found.ok_or_else(|| SelectionError::State(value.to_owned()))
}
