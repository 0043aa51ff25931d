//! Sixways, an IPv6 multihoming gateway: NPTv6 (RFC 6296) towards several ISPs over AF_XDP.
//!
//! The layers, from the bottom up; `tests/layers.rs` holds the arrows down:
//! `wire`, `units`, `verdict` → `npt` → `snapshot`, `port` → `datapath` → `worker`;
//! `xdp` implements `port`; `control` compiles snapshots; `observe` counts and exports; `replay`
//! and `explain` run the packet path without a kernel.

#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations)]

// The fuzz targets need neither, and instrumenting them takes half a minute (`fuzz/instrument`).
#[cfg(not(fuzzing))]
pub mod app;
#[cfg(not(fuzzing))]
pub mod cli;
pub mod control;
pub mod datapath;
pub mod explain;
pub mod flow;
pub mod hash;
pub mod limits;
pub mod npt;
pub mod observe;
pub mod os;
pub mod port;
pub mod replay;
pub mod snapshot;
pub mod units;
pub mod verdict;
pub mod wire;
pub mod worker;
pub mod xdp;
