//! What can go wrong when a packet buffer is made or a socket bound, and the way out of it.

use std::error::Error;
use std::io;

/// Why a worker's packet buffer or sockets could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A ring size that the kernel does not take.
    #[error("{name} = {size}: a ring has a power of two of slots; the next one is {}", size.next_power_of_two())]
    RingSize {
        /// The configuration's word for the ring.
        name: &'static str,
        /// The size asked for.
        size: u32,
    },
    /// Completions of a full transmit ring would not fit.
    #[error("completion_ring = {completion}: must not be smaller than tx_ring = {transmit}, or transmission stalls")]
    CompletionRing {
        /// Its size.
        completion: u32,
        /// The transmit ring's.
        transmit: u32,
    },
    /// A frame size that the kernel does not take.
    #[error("frame_size = {0}: the kernel takes 2048 or 4096 octets")]
    FrameSize(u32),
    /// The fill rings could not be filled.
    #[error("frames = {frames}: the rings of a worker need {needed}; leave `frames` out, or make the rings smaller")]
    TooFewFrames {
        /// Frames asked for.
        frames: u32,
        /// Frames that the fill rings and the reserve take.
        needed: u32,
    },
    /// The buffer exceeds what this process may lock in memory.
    #[error(
        "a packet buffer of {octets} octets cannot be locked in memory (No buffer space): RLIMIT_MEMLOCK is \
         {limit} octets and CAP_IPC_LOCK is missing; run as root or with CAP_IPC_LOCK, or set \
         LimitMEMLOCK=infinity in the systemd unit (`ulimit -l unlimited` in a shell)"
    )]
    MemoryLock {
        /// Size of one worker's buffer.
        octets: u64,
        /// The limit now.
        limit: u64,
    },
    /// No privilege to open AF_XDP sockets.
    #[error(
        "AF_XDP sockets are not permitted: CAP_NET_RAW is missing; run as root or add AmbientCapabilities=CAP_NET_RAW"
    )]
    NotPermitted,
    /// The buffer could not be made for another reason.
    #[error("a packet buffer of {octets} octets cannot be made: {error}")]
    Buffer {
        /// Size of one worker's buffer.
        octets: u64,
        /// The kernel's words.
        error: io::Error,
    },
    /// A socket could not be bound to a queue.
    #[error("{interface} queue {queue}: AF_XDP socket not bound: {error}; {}", remedy(error))]
    Bind {
        /// The device.
        interface: String,
        /// Its queue.
        queue: u32,
        /// The kernel's words.
        error: io::Error,
    },
    /// All devices of a worker are gone, and its packet buffer with them.
    #[error("{interface}: no socket of the worker's packet buffer is bound any more; open the worker anew")]
    Orphaned {
        /// The device to be opened again.
        interface: String,
    },
}

impl SocketError {
    pub(super) fn buffer(error: &(dyn Error + 'static), octets: u64) -> Self {
        let error = os_error(error);
        match error.raw_os_error() {
            Some(libc::ENOBUFS) => Self::MemoryLock { octets, limit: super::limit::memory_lock().unwrap_or(0) },
            Some(libc::EPERM) => Self::NotPermitted,
            _ => Self::Buffer { octets, error },
        }
    }

    pub(super) fn bind(error: &(dyn Error + 'static), interface: &str, queue: u32) -> Self {
        Self::Bind { interface: interface.to_owned(), queue, error: os_error(error) }
    }

    /// The device that could not be bound, where it was one.
    pub fn interface(&self) -> Option<&str> {
        match self {
            Self::Bind { interface, .. } => Some(interface),
            _ => None,
        }
    }

    /// Whether the device is down: it can be bound as soon as somebody sets it up.
    pub fn is_down(&self) -> bool {
        matches!(self, Self::Bind { error, .. } if error.raw_os_error() == Some(libc::ENETDOWN))
    }

    /// Whether another socket has the queue: the previous owner may still be on its way out.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Bind { error, .. } if error.raw_os_error() == Some(libc::EBUSY))
    }
}

/// xsk-rs keeps the kernel's error as the source of its own.
fn os_error(error: &(dyn Error + 'static)) -> io::Error {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match source.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error.to_string()),
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EBUSY) => "another process owns this queue: stop it (`ss --xdp` or `bpftool map` shows who)",
        Some(libc::EOPNOTSUPP) => "the driver cannot do zero-copy: set mode = \"copy\" in [dataplane]",
        Some(libc::EINVAL) => "the device has no such queue any more: see `ethtool -l`",
        Some(libc::ENODEV | libc::ENXIO) => "there is no such interface: see `ip link`",
        Some(libc::EPERM) => "run as root or with CAP_NET_RAW",
        Some(libc::ENOBUFS) => "raise RLIMIT_MEMLOCK or run with CAP_IPC_LOCK",
        Some(libc::ENETDOWN) => "set the interface up: `ip link set DEV up`",
        Some(libc::ENOMEM) => "the kernel has no memory for the rings: make them smaller",
        _ => "`sixways doctor` checks what the socket needs",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_names_the_way_out() {
        let memory = SocketError::MemoryLock { octets: 1 << 25, limit: 8 << 20 }.to_string();
        for word in ["33554432", "8388608", "CAP_IPC_LOCK", "LimitMEMLOCK"] {
            assert!(memory.contains(word), "{memory}");
        }
        let error = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
        let bind = SocketError::Bind { interface: "wan0".into(), queue: 3, error }.to_string();
        for word in ["wan0", "queue 3", "mode = \"copy\""] {
            assert!(bind.contains(word), "{bind}");
        }
        assert!(SocketError::RingSize { name: "rx_ring", size: 1500 }.to_string().contains("2048"));
    }
}
