//! What can go wrong with BPF programs and maps, and the way out of it.

use std::io;

use aya::maps::{Map, MapError};
use aya::programs::ProgramError;
use aya::programs::links::LinkError;
use aya::{Ebpf, EbpfError};

/// Why a gate or guard could not be loaded, attached or told.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    /// The object or its maps were refused.
    #[error("{interface}: cannot load the BPF program: {error}; the gateway needs root or CAP_BPF and CAP_NET_ADMIN")]
    Load {
        /// The device.
        interface: String,
        /// aya's and the kernel's words.
        error: Box<EbpfError>,
    },
    /// The program was refused, or could not be attached.
    #[error("{interface}: cannot attach the BPF program: {error}{}", hint(error))]
    Program {
        /// The device.
        interface: String,
        /// aya's and the kernel's words.
        error: Box<ProgramError>,
    },
    /// A pinned link is of another kind.
    #[error("{interface}: what is pinned for it is no link of ours: {error}; remove it with `sixways release`")]
    Link {
        /// The device.
        interface: String,
        /// aya's words.
        error: LinkError,
    },
    /// A pin could not be made or removed.
    #[error("{interface}: cannot change a pin: {error}; the BPF file system must be writable")]
    Pin {
        /// The device.
        interface: String,
        /// The kernel's words.
        error: io::Error,
    },
    /// A map was refused or is full.
    #[error("a BPF map could not be read or changed: {0}")]
    Map(#[from] MapError),
}

impl BpfError {
    pub(super) fn load(interface: &str, error: EbpfError) -> Self {
        Self::Load { interface: interface.to_owned(), error: Box::new(error) }
    }

    pub(super) fn program(interface: &str, error: ProgramError) -> Self {
        Self::Program { interface: interface.to_owned(), error: Box::new(error) }
    }

    pub(super) fn pin(interface: &str, error: io::Error) -> Self {
        Self::Pin { interface: interface.to_owned(), error }
    }
}

/// The map of this name, which the program of ours has.
pub(super) fn map(program: &mut Ebpf, name: &'static str) -> Result<Map, BpfError> {
    program.take_map(name).ok_or_else(|| BpfError::Map(MapError::InvalidName { name: name.to_owned() }))
}

fn hint(error: &ProgramError) -> String {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(code) = current.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return match code {
                libc::EBUSY | libc::EEXIST => {
                    "; another program is there: see `ip link` and take it away (`ip link set DEV xdp off`)".into()
                }
                libc::ERANGE => {
                    "; the MTU is over the driver's limit for XDP: lower it (`ip link set DEV mtu 1500`)".into()
                }
                libc::EOPNOTSUPP => "; the driver cannot: set mode = \"generic\" in [dataplane]".into(),
                libc::EINVAL => {
                    "; the device may have fewer receive queues than its peer transmit queues, or LRO on: see `ethtool -l` and `ethtool -k`"
                        .into()
                }
                libc::EPERM => "; run as root or with CAP_BPF and CAP_NET_ADMIN".into(),
                _ => String::new(),
            };
        }
        source = current.source();
    }
    String::new()
}
