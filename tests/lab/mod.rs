//! The lab: the real gateway between real kernels, in network namespaces of its own.
//!
//! `scripts/lib/lab.py` builds the network (its picture is there), this harness runs the gateway
//! and the traffic in it, captures, and judges with `etherparse` and the ISPs' own counters,
//! never with code of the gateway. One lab at a time on one machine, over all test binaries.
//!
//! Where a lab cannot run the tests fail and say why; `SIXWAYS_SKIP_LAB=1` leaves them out.

#![allow(dead_code, reason = "each test binary uses its own part of the harness")]

pub mod accounts;
pub mod capture;
pub mod clients;
pub mod flood;
pub mod gateway;
pub mod images;
pub mod load;
pub mod losses;
pub mod netns;
pub mod process;
pub mod service;
pub mod steps;
pub mod traffic;
pub mod watch;

pub use netns::Lab;

/// The distribution's Python, which `scripts/deps` installs. A version manager's `python3` is a script that
/// takes a quarter of a second each time, and the labs call it many hundred times.
pub const PYTHON: &str = "/usr/bin/python3";

/// The host on the gateway's own LAN link.
pub const H10: &str = "fd12:3456:789a:10::10";
/// The host behind the inner router; all of [`H20_PREFIX`] is its own as well.
pub const H20: &str = "fd12:3456:789a:20::20";
/// See [`H20`].
pub const H20_PREFIX: &str = "fd12:3456:789a:21::/64";
/// The server; all of [`SERVER_PREFIX`] is its own as well.
pub const SERVER: &str = "2001:db8:f::53";
/// See [`SERVER`].
pub const SERVER_PREFIX: &str = "2001:db8:f::/64";
/// What ISP A delegates.
pub const ISP_A: &str = "2001:db8:1::/48";
/// What ISP B delegates.
pub const ISP_B: &str = "2001:db8:2::/48";
/// The host in the routed DMZ, out of ISP A's prefix.
pub const DMZ_HOST: &str = "2001:db8:1:d::80";
/// The host behind the VPN.
pub const VPN_HOST: &str = "fd99:1::2";
