//! Everything that touches AF_XDP and BPF: sockets and the packet buffer, the gate and guard
//! programs, flow memory that outlives the process, and the checks before start.
//!
//! Implements [`crate::port`]; knows nothing of packets' meaning or of the configuration. The
//! only folder besides `os.rs` that may use `unsafe`.

mod anchor;
mod binder;
mod bpf_error;
mod clsact;
mod counts;
pub mod device;
pub mod error;
pub mod ethtool;
pub mod facts;
mod flows;
mod gate;
mod guard;
mod kick;
pub mod limit;
mod link;
mod loader;
mod mapped;
pub mod netdev;
pub mod open;
mod pins;
pub mod plan;
pub mod preflight;
mod release;
mod ring;
mod rtnetlink;
pub mod socket;
pub mod stamp;
mod tables;
pub mod umem;

pub use binder::Binder;
pub use bpf_error::BpfError;
pub use error::SocketError;
pub use flows::{Adoption, FlowMemoryError, PinnedFlows};
pub use gate::{Attach, Gate, GateOptions};
pub use guard::{Guard, GuardAttach};
pub use loader::Loader;
pub use open::{PortSpec, SocketOptions, open_worker};
pub use pins::{DEFAULT_BPFFS, PinError, Pins};
pub use plan::{QueuePlan, plan_queues};
pub use release::{Released, release};
pub use socket::XskPort;
pub use umem::Umem;
