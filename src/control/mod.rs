//! The one writer: configuration → validation → compilation, and the kernel's state by netlink.

pub mod config;
