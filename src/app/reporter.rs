//! Gathers what gates, guards, sockets and devices have counted, and lets it be seen.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use super::GatewayError;
use super::dataplane::{Dataplane, OpenPort, gate_counts};
use super::explainer::Explainer;
use super::orders::Orders;
use crate::control::config::{Config, Mode};
use crate::control::health::Health;
use crate::control::socket::{ControlSocket, Verbs};
use crate::observe::exporter;
use crate::observe::flows;
use crate::observe::report::{MemoryReport, PortReport, Report};
use crate::observe::status::Status;
use crate::observe::view::{Facts, Observed};
use crate::os;
use crate::worker::World;
use crate::xdp::device::Device;
use crate::xdp::ethtool::driver;
use crate::xdp::socket::read_statistics;

/// Keeps the numbers that are read from the kernel.
#[derive(Debug)]
pub(super) struct Reporter {
    observed: Arc<Observed>,
    device: Device,
    zero_copy: bool,
}

impl Reporter {
    /// Serves metrics and control socket from here on.
    ///
    /// # Errors
    /// When the address of `[metrics] listen` or the place of the socket cannot be had.
    pub(super) async fn start(
        observed: Arc<Observed>,
        world: &World,
        explainer: Explainer,
        orders: &Orders,
        config: &Config,
        socket: &Path,
    ) -> Result<Self, GatewayError> {
        let asked = Arc::clone(&observed);
        let view = flows::View::new(Arc::clone(&world.snapshot), Arc::clone(&world.flows));
        let verbs = Verbs::default()
            .on("status", move || encode(Status::of(&asked, os::now())))
            .on_thread("flows", move |query| encode(view.list(&query, os::now()).map_err(|error| error.to_string())?))
            .on_thread("explain", move |question| {
                encode(explainer.answer(&question).map_err(|error| error.to_string())?)
            });
        tokio::spawn(ControlSocket::bind(socket)?.serve(orders.verbs(verbs)));
        if let Some(address) = config.metrics.listen {
            let listener = exporter::listen(address).await?;
            tokio::spawn(exporter::serve(listener, Arc::clone(&observed)));
        }
        let device = Device::open().map_err(GatewayError::system("open a socket for device queries"))?;
        Ok(Self { observed, device, zero_copy: config.dataplane.mode == Mode::ZeroCopy })
    }

    /// Tells what is not counted.
    pub(super) fn set_facts(&self, config: &Config, dataplane: &Dataplane) {
        self.observed.set_facts(Facts {
            weights: config.isps.iter().map(|isp| (isp.name.clone(), isp.weight)).collect(),
            capped_by: dataplane.capped_by.clone(),
            timed_one_in: config.dataplane.stamp_every,
        });
    }

    /// Reads everything once. `memory` is what flow memory holds, `health` what is known of the ISPs.
    pub(super) fn report(&self, dataplane: Option<&Dataplane>, memory: &MemoryReport, health: &Health) {
        self.observed.refresh(os::now(), || {
            let devices = dataplane.map_or_else(Report::default, |dataplane| self.read(dataplane));
            Report { memory: memory.clone(), health: health.report(), ..devices }
        });
    }

    fn read(&self, dataplane: &Dataplane) -> Report {
        Report {
            ports: dataplane.ports.iter().map(|port| self.port(dataplane, port)).collect(),
            gates: gate_counts(dataplane.gates.values()),
            guards: dataplane.guards.iter().filter_map(|guard| Some((guard.edge(), guard.counts().ok()?))).collect(),
            ..Report::default()
        }
    }

    fn port(&self, dataplane: &Dataplane, port: &OpenPort) -> PortReport {
        let native = dataplane.gates.get(&port.port).is_some_and(crate::xdp::Gate::is_native);
        let mode = match (native, self.zero_copy) {
            (false, _) => "generic",
            (true, true) => "zero-copy",
            (true, false) => "copy",
        };
        PortReport {
            port: port.port,
            interface: port.interface.clone(),
            driver: driver(&self.device, &port.interface).unwrap_or_default(),
            mode: mode.to_owned(),
            queues: port.queues,
            up: self.device.is_running(&port.interface),
            sockets: port.sockets.iter().map(|fd| read_statistics(fd.as_fd()).unwrap_or_default()).collect(),
        }
    }
}

fn encode(answer: impl serde::Serialize) -> Result<serde_json::Value, String> {
    serde_json::to_value(answer).map_err(|error| error.to_string())
}
