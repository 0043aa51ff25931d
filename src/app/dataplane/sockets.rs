//! Packet buffers and sockets of all workers, opened side by side: what takes longest of a start, since the
//! kernel clears and pins them page by page.

use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use super::socket_options;
use crate::app::GatewayError;
use crate::control::config::Dataplane as Options;
use crate::snapshot::GatePort;
use crate::units::PortId;
use crate::xdp::device::Device;
use crate::xdp::ethtool::receive_queues;
use crate::xdp::{PortSpec, SocketError, SocketOptions, Umem, XskPort, open_worker, plan_queues};

/// One port, and duplicates of its sockets' descriptors to read their statistics by.
#[derive(Debug)]
pub(in crate::app) struct OpenPort {
    pub(in crate::app) port: PortId,
    pub(in crate::app) interface: String,
    pub(in crate::app) ifindex: u32,
    pub(in crate::app) queues: u32,
    pub(in crate::app) sockets: Vec<OwnedFd>,
}

/// What one worker has: its packet buffer, its sockets, and of which queues they are.
pub(super) type Devices = (Umem, Vec<XskPort>, Vec<PortSpec>);

/// The sockets of one start. Nothing arrives by them before their gates know them.
#[derive(Debug)]
pub(in crate::app) struct Sockets {
    pub(super) ports: Vec<OpenPort>,
    /// By worker.
    pub(super) workers: Vec<Devices>,
    /// The port whose few queues set the number of workers.
    pub(super) capped_by: Option<String>,
}

impl Sockets {
    /// Opens the sockets of `ports`, each worker's in a thread. A queue that is busy is tried again for `patience`.
    ///
    /// # Errors
    /// When the devices cannot be asked, or a packet buffer or a socket is refused.
    pub(in crate::app) fn open(
        options: &Options,
        ports: &[GatePort],
        patience: Duration,
    ) -> Result<Self, GatewayError> {
        let ports = open_ports(ports)?;
        let queues: Vec<u32> = ports.iter().map(|port| port.queues).collect();
        let plan = plan_queues(&queues, options.queues);
        let options = SocketOptions { patience, ..socket_options(options) };
        let open =
            |specs: Vec<PortSpec>| open_worker(&options, &specs).map(|(memory, sockets)| (memory, sockets, specs));
        let workers = thread::scope(|scope| {
            let open = &open;
            let specs = plan.workers.iter().map(|shares| specs(&ports, shares));
            let opening: Vec<_> = specs.map(|specs| scope.spawn(move || open(specs))).collect();
            opening.into_iter().map(outcome).collect::<Result<_, SocketError>>()
        })?;
        let capped_by = plan.capped_by.map(|position| ports[position].interface.clone());
        Ok(Self { ports, workers, capped_by })
    }
}

fn outcome<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// One worker's shares of the ports.
fn specs(ports: &[OpenPort], shares: &[Vec<u32>]) -> Vec<PortSpec> {
    let share = |(port, queues): (&OpenPort, &Vec<u32>)| PortSpec {
        port: port.port,
        interface: port.interface.clone(),
        queues: queues.clone(),
    };
    ports.iter().zip(shares).map(share).collect()
}

/// The queues of each port's device.
pub(super) fn open_ports(ports: &[GatePort]) -> Result<Vec<OpenPort>, GatewayError> {
    let device = Device::open().map_err(GatewayError::system("open a socket for device queries"))?;
    let open = |port: &GatePort| {
        let queues = receive_queues(&device, &port.interface)
            .map_err(GatewayError::system("read the number of an interface's queues"))?;
        let interface = port.interface.clone();
        Ok(OpenPort { port: port.port, interface, ifindex: port.ifindex, queues, sockets: Vec::new() })
    };
    ports.iter().map(open).collect()
}
