//! What can go wrong with BPF programs and maps, and the way out of it.

use std::error::Error;
use std::io;

use aya::maps::{Map, MapError};
use aya::programs::ProgramError;
use aya::programs::links::LinkError;
use aya::{Ebpf, EbpfError};

/// Why a gate or guard could not be loaded, attached or told.
#[derive(Debug, thiserror::Error)]
pub enum BpfError {
    /// The object or its maps were refused.
    #[error(
        "{interface}: cannot load the BPF program: {}; the gateway needs root or CAP_BPF and CAP_NET_ADMIN",
        chain(error)
    )]
    Load {
        /// The device.
        interface: String,
        /// aya's and the kernel's words.
        error: Box<EbpfError>,
    },
    /// The program was refused, or could not be attached.
    #[error("{interface}: cannot attach the BPF program: {}{}", chain(error), hint(interface, error))]
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
    /// The kernel is too old for links that outlive the process.
    #[error("{interface}: the gate needs BPF links of XDP programs, which Linux has since 5.9; start a newer kernel")]
    OldKernel {
        /// The device.
        interface: String,
    },
    /// A table was refused or is full.
    #[error("{interface}: cannot change the table of {table} in the kernel: {error}{}", room(error))]
    Table {
        /// The device.
        interface: String,
        /// What is in it.
        table: &'static str,
        /// aya's and the kernel's words.
        error: MapError,
    },
    /// A map could not be read or changed.
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

    pub(super) fn table(interface: &str, table: &'static str, error: MapError) -> Self {
        Self::Table { interface: interface.to_owned(), table, error }
    }

    pub(super) fn pin(interface: &str, error: io::Error) -> Self {
        Self::Pin { interface: interface.to_owned(), error }
    }
}

/// The map of this name, which the program of ours has.
pub(super) fn map(program: &mut Ebpf, name: &'static str) -> Result<Map, BpfError> {
    program.take_map(name).ok_or_else(|| BpfError::Map(MapError::InvalidName { name: name.to_owned() }))
}

/// The error and what caused it, once each: some of aya's errors repeat their cause.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

pub(super) fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    causes(error).find_map(|cause| cause.downcast_ref::<io::Error>()?.raw_os_error())
}

fn room(error: &MapError) -> &'static str {
    match errno(error) {
        Some(libc::E2BIG | libc::ENOSPC) => "; it is full",
        _ => "",
    }
}

fn hint(interface: &str, error: &ProgramError) -> String {
    match errno(error) {
        Some(libc::EBUSY | libc::EEXIST) => format!(
            "; another XDP program is there: `ip -d link show dev {interface}` names it; end the program that holds \
             it, or take it away: ip link set dev {interface} xdp off && ip link set dev {interface} xdpgeneric off"
        ),
        Some(libc::ERANGE) => {
            format!("; the MTU is over the driver's limit for XDP; lower it: ip link set dev {interface} mtu 1500")
        }
        Some(libc::EOPNOTSUPP) => "; the driver cannot: set mode = \"generic\" in [dataplane]".into(),
        Some(libc::EINVAL | libc::ENOSPC) => format!(
            "; the device may have fewer receive queues than its peer transmit queues, or LRO on: see \
             ethtool -l {interface} and ethtool -k {interface}"
        ),
        Some(libc::ENODEV) => "; the device is gone".into(),
        Some(libc::EPERM) => "; run as root or with CAP_BPF and CAP_NET_ADMIN".into(),
        _ => String::new(),
    }
}
