//! Opening what one worker needs: its packet buffer and its sockets on every port.

use std::time::Duration;

use super::error::SocketError;
use super::socket::XskPort;
use super::umem::Umem;
use crate::limits::{HELD_PER_WORKER, MAX_BATCH, RESERVED_FRAMES, SPARE_PORTS};
use crate::os;
use crate::units::PortId;

/// Sizes and mode of sockets and packet buffer; the same for every worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Whether the driver hands over its own buffers; fails where the driver cannot.
    pub zero_copy: bool,
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
    /// Octets of one frame, 2048 or 4096.
    pub frame_size: u32,
    /// Time for which a busy queue is tried again.
    pub patience: Duration,
}

/// One worker's share of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpec {
    /// Which port.
    pub port: PortId,
    /// The device's name.
    pub interface: String,
    /// The worker's queues of it, from [`super::plan::plan_queues`]. The first one sends.
    pub queues: Vec<u32>,
}

/// Opens the packet buffer and the ports of one worker. Their fill rings are full on return;
/// nothing arrives before the gate's map is told of the sockets ([`XskPort::socket_fds`]).
///
/// # Errors
///
/// Wrong sizes, too little privilege or lockable memory, a queue that cannot be bound. A queue
/// that is busy is tried again for [`SocketOptions::patience`], since the kernel
/// releases the queues of a process that died only after a while.
pub fn open_worker(options: &SocketOptions, ports: &[PortSpec]) -> Result<(Umem, Vec<XskPort>), SocketError> {
    if options.completion_ring < options.tx_ring {
        return Err(SocketError::CompletionRing { completion: options.completion_ring, transmit: options.tx_ring });
    }
    let frames = frames(options, ports);
    check_frames(options, frames, ports)?;
    // libxdp makes sockets that children would inherit, until `QueueSocket::bind` says that they must not.
    let _alone = os::no_children();
    let mut umem = Umem::new(frames, options)?;
    let ports = ports.iter().map(|spec| XskPort::open(&mut umem, spec, options)).collect::<Result<Vec<_>, _>>()?;
    Ok((umem, ports))
}

/// Octets of one worker's packet buffer, which must be lockable.
pub fn buffer_octets(options: &SocketOptions, ports: &[PortSpec]) -> u64 {
    u64::from(frames(options, ports)) * u64::from(options.frame_size)
}

/// Whether a packet buffer of `frames` frames has enough for all rings of `ports`.
///
/// # Errors
/// [`SocketError::TooFewFrames`].
pub fn check_frames(options: &SocketOptions, frames: u32, ports: &[PortSpec]) -> Result<(), SocketError> {
    let needed = frames_needed(options, ports);
    if frames < needed { Err(SocketError::TooFewFrames { frames, needed }) } else { Ok(()) }
}

/// Frames of each worker's packet buffer.
pub fn frames(options: &SocketOptions, ports: &[PortSpec]) -> u32 {
    options.frames.unwrap_or_else(|| frames_wanted(options, ports))
}

/// Frames without which the fill rings and the reserve cannot be full.
fn frames_needed(options: &SocketOptions, ports: &[PortSpec]) -> u32 {
    let queues = ports.iter().map(|spec| spec.queues.len() as u32).sum::<u32>();
    queues * options.fill_ring + RESERVED_FRAMES as u32
}

/// Frames with which no ring ever waits for another: fill rings full (the frames that wait to
/// be read are counted there), transmit rings full, a batch in hand, as many held as may be; and the
/// same for interfaces that come while the gateway runs.
fn frames_wanted(options: &SocketOptions, ports: &[PortSpec]) -> u32 {
    let rings = frames_needed(options, ports) + ports.len() as u32 * options.tx_ring;
    rings + SPARE_PORTS as u32 * (options.fill_ring + options.tx_ring) + (HELD_PER_WORKER + MAX_BATCH) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SocketOptions {
        SocketOptions {
            zero_copy: false,
            rx_ring: 2048,
            tx_ring: 1024,
            fill_ring: 2048,
            completion_ring: 1024,
            frames: None,
            frame_size: 2048,
            patience: Duration::ZERO,
        }
    }

    fn spec(port: u8, queues: &[u32]) -> PortSpec {
        PortSpec { port: PortId(port), interface: format!("p{port}"), queues: queues.to_vec() }
    }

    #[test]
    fn the_buffer_is_large_enough_for_every_ring() {
        let ports = [spec(0, &[0, 2]), spec(1, &[0])];
        let frames = (3 + 2) * 2048 + (2 + 2) * 1024 + 64 + 256 + 256;
        assert_eq!(buffer_octets(&options(), &ports), frames * 2048);
        let fewer = SocketOptions { frames: Some(5000), ..options() };
        assert!(matches!(open_worker(&fewer, &ports), Err(SocketError::TooFewFrames { frames: 5000, needed: 6208 })));
    }

    #[test]
    fn a_completion_ring_smaller_than_the_transmit_ring_is_refused() {
        let small = SocketOptions { completion_ring: 512, ..options() };
        assert!(matches!(open_worker(&small, &[]), Err(SocketError::CompletionRing { .. })));
    }
}
