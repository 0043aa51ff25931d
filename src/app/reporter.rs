//! Gathers what gates, guards, sockets and devices have counted, and lets it be seen.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::GatewayError;
use super::dataplane::{Dataplane, OpenPort, gate_counts};
use super::explainer::Explainer;
use super::orders::Orders;
use crate::control::ControlReport;
use crate::control::config::{Config, Mode};
use crate::control::health::Health;
use crate::control::socket::{ControlSocket, Verbs};
use crate::observe::exporter::{self, ListenError};
use crate::observe::flows;
use crate::observe::report::{MemoryReport, PortReport, Report};
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
    /// Where it listens, and the task that serves.
    exporter: Option<(SocketAddr, JoinHandle<io::Result<()>>)>,
}

/// What becomes of the exporter.
#[derive(Debug)]
pub(super) enum NewExporter {
    /// It stays.
    Same,
    /// It ends.
    None,
    /// It listens elsewhere.
    Another(SocketAddr, TcpListener),
}

impl Reporter {
    /// Serves metrics and control socket from here on. Call it within the runtime.
    ///
    /// # Errors
    /// When the address of `[metrics] listen` or the place of the socket cannot be had.
    pub(super) fn start(
        observed: Arc<Observed>,
        world: &World,
        explainer: Explainer,
        orders: &Orders,
        config: &Config,
        socket: &Path,
    ) -> Result<Self, GatewayError> {
        let view = flows::View::new(Arc::clone(&world.snapshot), Arc::clone(&world.flows));
        let verbs = Verbs::default()
            .on_thread("flows", move |query| encode(view.list(&query, os::now()).map_err(|error| error.to_string())?))
            .on_thread("explain", move |question| {
                encode(explainer.answer(&question).map_err(|error| error.to_string())?)
            });
        tokio::spawn(ControlSocket::bind(socket)?.serve(orders.verbs(verbs)));
        let device = Device::open().map_err(GatewayError::system("open a socket for device queries"))?;
        let zero_copy = config.dataplane.mode == Mode::ZeroCopy;
        let mut reporter = Self { observed, device, zero_copy, exporter: None };
        let exporter = reporter.open_exporter(config)?;
        reporter.use_exporter(exporter);
        Ok(reporter)
    }

    /// Opens the exporter's socket where `[metrics] listen` asks for another one than there is.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(super) fn open_exporter(&self, config: &Config) -> Result<NewExporter, ListenError> {
        let wanted = config.metrics.listen;
        if wanted == self.exporter.as_ref().map(|(address, _)| *address) {
            return Ok(NewExporter::Same);
        }
        let Some(address) = wanted else { return Ok(NewExporter::None) };
        Ok(NewExporter::Another(address, exporter::listen(address)?))
    }

    /// Serves metrics by it from now on, and no longer by the former one.
    pub(super) fn use_exporter(&mut self, new: NewExporter) {
        let new = match new {
            NewExporter::Same => return,
            NewExporter::None => None,
            NewExporter::Another(address, listener) => {
                Some((address, tokio::spawn(exporter::serve(listener, Arc::clone(&self.observed)))))
            }
        };
        if let Some((_, former)) = std::mem::replace(&mut self.exporter, new) {
            former.abort();
        }
    }

    /// Tells what is not counted.
    pub(super) fn set_facts(&self, config: &Config, dataplane: &Dataplane) {
        self.observed.set_facts(Facts {
            weights: config.isps.iter().map(|isp| (isp.name.clone(), isp.weight)).collect(),
            capped_by: dataplane.capped_by.clone(),
            timed_one_in: config.dataplane.stamp_every,
        });
    }

    /// Reads everything once. `memory` is what flow memory holds, `health` what is known of the ISPs, and
    /// `control` what else control tells of them.
    pub(super) fn report(
        &self,
        dataplane: Option<&Dataplane>,
        memory: &MemoryReport,
        health: &Health,
        control: ControlReport,
    ) {
        self.observed.refresh(os::now(), || {
            let devices = dataplane.map_or_else(Report::default, |dataplane| self.read(dataplane));
            let ControlReport { quotas, prefixes } = control;
            Report { memory: memory.clone(), health: health.report(), quotas, prefixes, ..devices }
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
