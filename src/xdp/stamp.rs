//! The arrival stamp that the gate writes before a frame it redirects.
//!
//! The gate reserves [`STAMP_LEN`] octets of XDP metadata on every Nth frame and writes, in the
//! host's byte order:
//!
//! | octets before the packet | content |
//! |---|---|
//! | 16 to 9 | [`STAMP_MAGIC`] |
//! | 8 to 1 | nanoseconds of `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`) |
//!
//! The kernel says nowhere whether a frame carries metadata, and an unstamped frame shows what
//! its buffer held before: hence the magic word, and hence a reader clears what it has read.

/// First word of a stamp; random, so that packet data is not mistaken for it. `bpf/` has the
/// same value.
pub const STAMP_MAGIC: u64 = 0x5349_5857_a79c_3e51;

/// Octets of a stamp.
pub const STAMP_LEN: usize = 16;
