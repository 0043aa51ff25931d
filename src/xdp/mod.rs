//! Everything that touches AF_XDP and BPF: sockets and the packet buffer, the gate and guard
//! programs, and the checks before start.
//!
//! Implements [`crate::port`]; knows nothing of packets' meaning or of the configuration. The
//! only folder besides `os.rs` that may use `unsafe`.

pub mod stamp;
