//! What the gateway says of itself: in the log, in the event log, in the metrics, on its status page.

use std::convert::Infallible;
use std::time::Duration;

use time::OffsetDateTime;

use super::reload::Nothing;
use super::{Gateway, Outcome};
use crate::app::GatewayError;
use crate::app::notify::Undelivered;
use crate::app::orders::answer;
use crate::control::events::{Ending, Event, Events};
use crate::control::socket::Reply;
use crate::limits::{EVENT_LOG_PATIENCE_NANOS, NOTIFY_FAREWELL_NANOS};
use crate::observe::status::Status;
use crate::os;
use crate::snapshot::GatePort;
use crate::worker::thread_name;

/// Tells how the gateway has ended, and waits for it to be written and told, a while at most.
pub(super) fn tell_end(events: &Events, undelivered: &Undelivered, ended: &Result<Outcome, GatewayError>) {
    let (outcome, reason) = match ended {
        Ok(Outcome::Blocking) => (Ending::Blocking, None),
        Ok(Outcome::Released) => (Ending::Released, None),
        Err(error) => (Ending::Failed, Some(error.to_string())),
    };
    events.tell(Event::GatewayStopped { outcome, reason });
    if !events.flush(Duration::from_nanos(EVENT_LOG_PATIENCE_NANOS)) {
        tracing::warn!("the event log could not be written in time; its last lines may be missing");
    }
    undelivered.wait(Duration::from_nanos(NOTIFY_FAREWELL_NANOS));
}

impl Gateway {
    /// A frame that is nowhere is a bug; the metric has it too.
    pub(super) fn check_ledgers(&self) {
        for (worker, thread) in self.dataplane.iter().flat_map(|dataplane| &dataplane.threads).enumerate() {
            let ledger = thread.channel.counters.ledger.load();
            if ledger.lost() != 0 {
                tracing::error!(worker, lost = ledger.lost(), ?ledger, "frames are missing; please report this");
            }
        }
    }

    /// A worker has panicked: tells it, and makes the error of it that ends the gateway.
    pub(super) fn panicked(&self, worker: usize, text: String) -> GatewayError {
        self.events.tell(Event::WorkerPanicked { worker: thread_name(worker), text: text.clone() });
        GatewayError::Panicked { worker, text }
    }

    /// Tells that packets are forwarded now. `last_alive` is when a gateway last was before.
    pub(super) fn tell_started(&mut self, last_alive: Option<OffsetDateTime>, ports: &[GatePort]) {
        self.events.tell(Event::GatewayStarted {
            program: env!("CARGO_PKG_VERSION").to_owned(),
            boot: os::boot_id(),
            isps: self.control.config().isps.iter().map(|isp| isp.name.clone()).collect(),
            last_alive,
        });
        self.tell_interfaces(ports);
    }

    /// Tells which interfaces have gone or come back; `ports` are those that there are.
    pub(super) fn tell_interfaces(&mut self, ports: &[GatePort]) {
        let gated = |port| self.dataplane.as_ref().is_some_and(|dataplane| dataplane.is_gated(port));
        for event in self.interfaces.follow(self.control.config(), ports, gated) {
            match &event {
                Event::InterfaceGone { interface } => tracing::warn!(%interface, "gone"),
                Event::InterfaceBack { interface } => tracing::info!(%interface, "there again"),
                _ => {}
            }
            self.events.tell(event);
        }
    }

    /// `sixways status`: the numbers of this moment.
    pub(in crate::app) fn order_status(&mut self, _: Nothing, reply: Reply) {
        self.report();
        answer::<Infallible>(reply, Ok(Status::of(&self.around.observed, os::now())));
    }

    pub(super) fn report(&mut self) {
        let control = self.control.report();
        self.reporter.report(self.dataplane.as_ref(), self.memory.report(), &self.health.health, control);
    }

    pub(super) fn tell_start(&self) {
        let Some(dataplane) = &self.dataplane else { return };
        self.reporter.set_facts(self.control.config(), dataplane);
        let snapshot = self.around.world.snapshot.load();
        for (number, uplink) in snapshot.uplinks.iter().enumerate().filter(|(_, uplink)| !uplink.name.is_empty()) {
            let next_hop = uplink.next_hop.map_or_else(|| "none yet".to_owned(), |address| address.to_string());
            let usable = snapshot.usable & 1 << number != 0;
            tracing::info!(isp = %uplink.name, %next_hop, usable, "uplink");
        }
        for port in &dataplane.ports {
            let native = dataplane.gates.get(&port.port).is_some_and(crate::xdp::Gate::is_native);
            let mode = if native { "native" } else { "generic" };
            tracing::info!(interface = %port.interface, mode, queues = port.queues, "port");
        }
        let workers = dataplane.threads.len();
        match &dataplane.capped_by {
            Some(interface) => tracing::info!(workers, capped_by = %interface, "forwarding"),
            None => tracing::info!(workers, "forwarding"),
        }
    }
}
