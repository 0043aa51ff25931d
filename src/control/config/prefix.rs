//! Where the prefix of an ISP comes from when it is not written in the file.

use std::fmt;
use std::path::PathBuf;

use crate::units::Nanos;

/// `[[isp]] prefix = { … }`: a prefix that is learnt, and may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixSource {
    /// Where it is seen.
    pub origin: PrefixOrigin,
    /// Which part of what is seen.
    pub part: Part,
    /// Time for which flows of a former prefix keep it.
    pub grace: Nanos,
}

/// Where a delegated prefix is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixOrigin {
    /// On a line of this file, which a DHCPv6-PD client writes.
    File(PathBuf),
    /// At this device, where a DHCPv6-PD client or a router has put it.
    Interface(String),
}

impl fmt::Display for PrefixOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Interface(interface) => write!(f, "interface {interface}"),
        }
    }
}

/// Which part of a delegated prefix is the ISP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its length; `None`: all of it.
    pub length: Option<u8>,
    /// Its number among the parts of this length.
    pub subnet_id: u64,
}
