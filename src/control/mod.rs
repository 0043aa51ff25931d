//! The one writer: configuration → validation → compilation, and the kernel's state by netlink.

pub mod compile;
pub mod config;
pub mod ids;
pub mod kernel;
pub mod netlink;
pub mod state;
