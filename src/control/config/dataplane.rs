//! Flow memory, ICMPv6 errors, sockets: how packets are handled.

use crate::units::Nanos;

/// `[flows]`: flow memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flows {
    /// Flows remembered at the same time; 0: none.
    pub capacity: u64,
    /// Time without a packet until an established TCP flow is forgotten.
    pub tcp_established: Nanos,
    /// Likewise for TCP that is opening or closing.
    pub tcp_transitory: Nanos,
    /// Likewise for UDP and UDP-Lite.
    pub udp: Nanos,
    /// Likewise for ICMPv6.
    pub icmpv6: Nanos,
    /// Likewise for all other protocols.
    pub other: Nanos,
    /// Whether a TCP connection whose flow moves to another ISP is reset.
    pub reset_on_failover: bool,
}

/// `[icmp]`: the ICMPv6 errors that each worker makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Errors a second about packets of one edge.
    pub errors_per_second: u64,
    /// Errors a second towards one source.
    pub errors_per_source: u64,
    /// Packet Too Big messages a second about packets of one edge.
    pub too_big_per_second: u64,
    /// Whether Destination Unreachable is sent at all.
    pub unreachable: bool,
}

/// `[dataplane]`: sockets, rings and cores.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataplane {
    /// How frames reach the sockets.
    pub mode: Mode,
    /// Workers, one per queue index; `None`: as many as the port with the fewest queues has.
    pub queues: Option<usize>,
    /// Cores of the workers in order; `None`: the process's cores, the first left to control
    /// when there are enough.
    pub cores: Option<Vec<usize>>,
    /// Frames taken from one port before the next one is served.
    pub batch: usize,
    /// Slots of each receive ring, a power of two.
    pub rx_ring: u32,
    /// Slots of each transmit ring, a power of two.
    pub tx_ring: u32,
    /// Slots of each fill ring, a power of two.
    pub fill_ring: u32,
    /// Slots of each completion ring, a power of two, at least `tx_ring`.
    pub completion_ring: u32,
    /// Frames of each worker's packet buffer; `None`: enough for every ring of every port.
    pub frames: Option<u32>,
    /// Octets of one frame: 2048 or 4096. 256 of them are the kernel's.
    pub frame_size: u32,
    /// What a worker does when nothing arrives.
    pub idle: Idle,
    /// One redirected frame in this many carries an arrival stamp for the latency histogram, a
    /// power of two; 0: none.
    pub stamp_every: u32,
}

/// How frames reach the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Native XDP with copy, and generic XDP where the driver has no native one.
    Auto,
    /// Native XDP without copy; an error where the driver cannot.
    ZeroCopy,
    /// Native XDP with copy.
    Copy,
    /// Generic XDP.
    Generic,
}

/// What a worker does when nothing arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Spins for ever: lowest latency, a whole core.
    Busy,
    /// Spins for a while, then sleeps in `poll`.
    Adaptive,
}
