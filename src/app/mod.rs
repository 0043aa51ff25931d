//! The running gateway: where control, workers, gate and observation meet.

mod beside;
mod carried;
mod carrier;
mod config_watch;
mod dataplane;
mod explainer;
mod file_watch;
mod gateway;
mod health;
mod host;
mod host_port;
mod interfaces;
mod memory;
mod nd_proxy;
mod notify;
mod orders;
mod prefixes;
mod privileges;
mod recorder;
mod reporter;
mod routers;
mod traffic;
mod watchdog;

use std::io;
use std::path::PathBuf;

use crate::control::ControlError;
use crate::control::compile::CompileError;
use crate::observe::exporter::ListenError;
use crate::xdp::{BpfError, FlowMemoryError, PinError, SocketError};

pub(crate) use dataplane::socket_options;
pub(crate) use gateway::{DrainRequest, Drained, DrillReport, DrillRequest, UndrainRequest, Undrained};
pub use gateway::{Gateway, Outcome};
pub(crate) use gateway::{ReloadRequest, Reloaded};

/// Where the gateway keeps things.
#[derive(Clone, Debug)]
pub struct Places {
    /// The BPF file system for pins; `None`: the usual one.
    pub bpffs: Option<PathBuf>,
    /// The state directory.
    pub state: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
}

/// Why the gateway cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The host is not ready.
    #[error("the host is not ready; see above what to mend")]
    Preflight,
    /// Ids, state or netlink.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The configuration.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// No place for pins.
    #[error(transparent)]
    Pins(#[from] PinError),
    /// Flow memory.
    #[error(transparent)]
    Flows(#[from] FlowMemoryError),
    /// Gate or guard.
    #[error(transparent)]
    Bpf(#[from] BpfError),
    /// AF_XDP.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The exporter.
    #[error(transparent)]
    Metrics(#[from] ListenError),
    /// The control socket.
    #[error(transparent)]
    ControlSocket(#[from] crate::control::socket::SocketError),
    /// A worker cannot do without a queue of every interface.
    #[error(
        "{interface} has {queues} receive queues, and {workers} workers run, each of which needs one of its own; \
         restart the gateway, or give {interface} more queues (ethtool -L {interface} combined {workers})"
    )]
    TooFewQueues {
        /// Which.
        interface: String,
        /// How many it has.
        queues: u32,
        /// How many are needed.
        workers: usize,
    },
    /// How its frames are marked is fixed while its gate is loaded.
    #[error("{interface} gets other LANs or ISPs by VLAN than it has; restart the gateway")]
    OtherEdges {
        /// Which.
        interface: String,
    },
    /// A worker did not open or close sockets in time.
    #[error("a worker did not take or give up the sockets of {interface} in time; please report this")]
    Disobedient {
        /// Which.
        interface: String,
    },
    /// The system refused something else.
    #[error("cannot {what}: {source}")]
    System {
        /// What was attempted.
        what: &'static str,
        /// The kernel's words.
        source: io::Error,
    },
    /// A worker panicked: a bug.
    #[error("worker {worker} panicked: {text}; gate and guard stay closed, please report this")]
    Panicked {
        /// Which.
        worker: usize,
        /// The panic's text.
        text: String,
    },
}

impl GatewayError {
    fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
