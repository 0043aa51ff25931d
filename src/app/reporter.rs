//! Gathers what gates, guards, sockets and devices have counted.

use std::os::fd::AsFd;

use super::GatewayError;
use super::Places;
use super::dataplane::{Dataplane, OpenPort, Surroundings};
use crate::control::Control;
use crate::observe::report::{PortReport, Report};
use crate::xdp::device::Device;
use crate::xdp::ethtool::driver;
use crate::xdp::socket::read_statistics;

/// Keeps the numbers that are read from the kernel.
#[derive(Debug)]
pub(super) struct Reporter {
    device: Device,
}

impl Reporter {
    pub(super) async fn start(_: &Surroundings, _: &Control, _: &Places) -> Result<Self, GatewayError> {
        let device = Device::open().map_err(GatewayError::system("open a socket for device queries"))?;
        Ok(Self { device })
    }

    /// New sockets count from zero.
    pub(super) fn rebase(&mut self, _: &Surroundings) {}

    /// Reads everything once.
    pub(super) fn report(&mut self, _: &Surroundings, dataplane: Option<&Dataplane>, _: &Control) {
        let Some(dataplane) = dataplane else { return };
        let report = Report {
            ports: dataplane.ports.iter().map(|port| self.port(dataplane, port)).collect(),
            gates: dataplane.gates.values().filter_map(|gate| gate.counts().ok()).flatten().collect(),
            guards: dataplane.guards.iter().filter_map(|guard| Some((guard.edge(), guard.counts().ok()?))).collect(),
        };
        tracing::debug!(?report, "report");
    }

    fn port(&self, dataplane: &Dataplane, port: &OpenPort) -> PortReport {
        let native = dataplane.gates.get(&port.port).is_some_and(crate::xdp::Gate::is_native);
        PortReport {
            port: port.port,
            interface: port.interface.clone(),
            driver: driver(&self.device, &port.interface).unwrap_or_default(),
            mode: if native { "copy" } else { "generic" }.to_owned(),
            queues: port.queues,
            up: self.device.is_running(&port.interface),
            sockets: port.sockets.iter().map(|fd| read_statistics(fd.as_fd()).unwrap_or_default()).collect(),
        }
    }
}
