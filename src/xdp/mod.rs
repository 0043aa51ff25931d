//! Everything that touches AF_XDP and BPF: sockets and the packet buffer, the gate and guard
//! programs, and the checks before start.
//!
//! Implements [`crate::port`]; knows nothing of packets' meaning or of the configuration. The
//! only folder besides `os.rs` that may use `unsafe`.

mod anchor;
pub mod device;
pub mod error;
mod kick;
pub mod limit;
pub mod open;
pub mod plan;
mod ring;
pub mod socket;
pub mod stamp;
pub mod umem;

pub use error::SocketError;
pub use open::{PortSpec, SocketOptions, open_worker};
pub use plan::{QueuePlan, plan_queues};
pub use socket::XskPort;
pub use umem::Umem;
