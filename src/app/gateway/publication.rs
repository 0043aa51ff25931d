//! Another generation is put in force, by new sockets where a device is new.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Gateway;
use crate::app::dataplane::{Barriers, Configured, Dataplane, Refused, Sockets};
use crate::app::{GatewayError, host_port};
use crate::limits::REBIND_RETRY_NANOS;
use crate::snapshot::{GatePort, GateTables, Generation};
use crate::xdp::{Gate, SocketError};

impl Gateway {
    /// The kernel's state has changed: compile and put in force. What cannot be compiled, or what the kernel refuses
    /// of its tables, is told once; the latter is tried again with each tick.
    ///
    /// # Errors
    /// When a worker does not obey, or a pin cannot be removed.
    pub(super) fn follow(&mut self) -> Result<(), GatewayError> {
        match self.try_follow() {
            Err(error @ (GatewayError::Bpf(_) | GatewayError::Compile(_))) => {
                if self.refused.as_ref().map(ToString::to_string) != Some(error.to_string()) {
                    tracing::error!(%error, "what is new in the kernel cannot be put in force; the former generation stays");
                }
                self.refused = Some(error);
                Ok(())
            }
            outcome => outcome.map(|()| self.refused = None),
        }
    }

    /// As [`Gateway::follow`], and whatever is refused is an error.
    pub(super) fn try_follow(&mut self) -> Result<(), GatewayError> {
        let mut generation = self.control.compile()?;
        self.tell_interfaces(&generation.gate.ports);
        self.open_devices(&generation)?;
        self.tell_interfaces(&generation.gate.ports);
        if self.control.leave_out(self.left_out.ids()) {
            generation = self.control.compile()?;
        }
        let Some(dataplane) = &mut self.dataplane else { return Ok(()) };
        // What is new in guards and gates, then the snapshot, then what is gone: see control::compile.
        dataplane.guard(&self.around.pins, &generation.gate.guards)?;
        if let Err(error) = dataplane.gates(&generation.gate, Gate::widen) {
            // What it has taken of the new must not fill its tables in time; what is refused of this as
            // well is in the kernel already.
            let _ = dataplane.gates(&self.around.tables.load(), Gate::apply);
            return Err(error.into());
        }
        self.publish(&generation);
        let Some(dataplane) = &mut self.dataplane else { return Ok(()) };
        dataplane.gates(&generation.gate, Gate::apply)?;
        dataplane.close_gone(&generation.gate, &Configured::of(&self.control))
    }

    /// Opens the devices of `generation` that are new: beside the others, or together with all of them where only
    /// that can help. One that cannot be opened is left out, and an ISP of it carries nothing.
    fn open_devices(&mut self, generation: &Generation) -> Result<(), GatewayError> {
        const LOSS: &str = "all sockets are bound anew, by which packets are lost for a moment";
        let refused = match self.open_new(generation) {
            Ok(refused) => refused,
            Err(error) if self.is_helped_by_all_anew(&error) => {
                tracing::warn!("{error}: {LOSS}");
                return self.restart_dataplane(generation, &[]);
            }
            Err(error) => return Err(error),
        };
        if self.dataplane.is_none() {
            return self.restart_dataplane(generation, &generation.gate.ports);
        }
        let (helped, others): (Vec<_>, Vec<_>) =
            refused.into_iter().partition(|refused| self.is_helped_by_all_anew(&refused.error));
        others.iter().filter(|refused| refused.is_news).for_each(|refused| tell(&refused.port, &refused.error));
        if helped.is_empty() {
            return Ok(());
        }
        let ports: Vec<GatePort> = helped.iter().map(|refused| refused.port.clone()).collect();
        // The others are stopped only for what can be had.
        match Sockets::open(&self.around.options, &ports, Duration::from_nanos(REBIND_RETRY_NANOS)) {
            Ok(trial) => drop(trial),
            Err(error) => {
                helped.iter().filter(|refused| refused.is_news).for_each(|refused| tell(&refused.port, &error));
                return Ok(());
            }
        }
        helped.iter().for_each(|refused| tracing::warn!("{}: {LOSS}", refused.error));
        self.restart_dataplane(generation, &ports)
    }

    /// Whether workers and packet buffers that are made anew for all interfaces can be what `error` asks for.
    fn is_helped_by_all_anew(&self, error: &GatewayError) -> bool {
        match error {
            GatewayError::TooFewQueues { .. } | GatewayError::OtherEdges { .. } | GatewayError::Disobedient { .. } => {
                true
            }
            GatewayError::Socket(SocketError::Orphaned { .. }) => true,
            GatewayError::Socket(SocketError::TooFewFrames { .. }) => self.around.options.frames.is_none(),
            _ => false,
        }
    }

    /// Opens the devices of `generation` that are new, and no others. Returns which could not be opened, and are left
    /// out.
    ///
    /// # Errors
    /// When it does not fit what runs, or a guard or a worker refuses.
    pub(super) fn open_new(&mut self, generation: &Generation) -> Result<Vec<Refused>, GatewayError> {
        let Some(dataplane) = &mut self.dataplane else { return Ok(Vec::new()) };
        let is_new = !dataplane.new_ports(&generation.gate, &self.left_out).is_empty();
        if is_new {
            // What sockets have counted that are closed now.
            let control = self.control.report();
            self.reporter.report(Some(dataplane), self.memory.report(), &self.health.health, control);
        }
        let refused = dataplane.open_new(&self.around, &generation.gate, &mut self.left_out)?;
        if is_new {
            host_port::settle(self.control.config());
        }
        Ok(refused)
    }

    /// Binds all sockets anew: of the ports that are not left out, and of `wanted`.
    fn restart_dataplane(&mut self, generation: &Generation, wanted: &[GatePort]) -> Result<(), GatewayError> {
        tracing::info!("binding the sockets again");
        host_port::settle(self.control.config());
        let is_wanted = |port: &&GatePort| wanted.contains(port) || !self.left_out.has(port);
        let ports = generation.gate.ports.iter().filter(is_wanted).cloned().collect();
        let started = self.try_restart(generation, ports);
        match started {
            Ok(dataplane) => {
                self.left_out.retain(&generation.gate.ports, |port| dataplane.is_open(port));
                self.dataplane = Some(dataplane);
                self.tell_start();
                Ok(())
            }
            // The one that runs has not been stopped.
            Err(error) if self.dataplane.is_some() => Err(error),
            Err(error) => {
                tracing::error!(%error, "nothing is forwarded; trying again every second");
                Ok(())
            }
        }
    }

    /// Guards and gates come before anything else, and then new sockets.
    fn try_restart(&mut self, generation: &Generation, mut ports: Vec<GatePort>) -> Result<Dataplane, GatewayError> {
        let tables = GateTables { ports: ports.clone(), ..generation.gate.clone() };
        let barriers = Barriers::set(Default::default(), &self.around.pins, &self.around.options, &tables);
        if let (Err(_), Some(dataplane)) = (&barriers, &mut self.dataplane) {
            // Some are in force already whose tables it does not know.
            dataplane.forget_guards();
        }
        let barriers = barriers?;
        if let Some(former) = self.dataplane.take() {
            let control = self.control.report();
            self.reporter.report(Some(&former), self.memory.report(), &self.health.health, control);
            if let Err(error) = former.stop() {
                tracing::warn!(%error, "a gate could not be closed; its device is gone");
            }
        }
        self.publish(generation);
        let patience = Duration::from_nanos(REBIND_RETRY_NANOS);
        let sockets = loop {
            match Sockets::open(&self.around.options, &ports, patience) {
                Ok(sockets) => break sockets,
                Err(error) if ports.len() > 1 => {
                    let Some(culprit) = ports.iter().position(|port| is_of(&error, port)) else { return Err(error) };
                    let port = ports.remove(culprit);
                    if self.left_out.add(&port, &error, Instant::now()) {
                        tell(&port, &error);
                    }
                }
                Err(error) => return Err(error),
            }
        };
        Dataplane::start(&self.around, barriers, sockets)
    }

    pub(super) fn publish(&mut self, generation: &Generation) {
        let former = self.around.world.snapshot.swap(Arc::new(generation.snapshot.clone()));
        self.retired.push(former);
        self.around.tables.store(Arc::new(generation.gate.clone()));
        self.nd_proxies.follow(&generation.proxies);
        self.health.follow(self.control.config(), generation);
    }
}

/// Whether it is a socket of `port` that could not be bound.
fn is_of(error: &GatewayError, port: &GatePort) -> bool {
    matches!(error, GatewayError::Socket(error) if error.interface() == Some(port.interface.as_str()))
}

/// Says why an interface is left out.
fn tell(port: &GatePort, error: &GatewayError) {
    tracing::error!(interface = %port.interface, %error, "left out, while the others go on; it is tried again now and then");
}
