//! Another generation is put in force, by new sockets where a device is new.

use std::sync::Arc;

use super::Gateway;
use crate::app::dataplane::{Barriers, Configured, Dataplane, Sockets};
use crate::app::{GatewayError, host_port};
use crate::snapshot::Generation;
use crate::xdp::Gate;

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
        let generation = self.control.compile()?;
        self.tell_interfaces(&generation.gate.ports);
        if self.opened(&generation) {
            if let Some(dataplane) = &mut self.dataplane {
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
                dataplane.close_gone(&generation.gate, &Configured::of(&self.control))?;
            }
        } else {
            self.restart_dataplane(&generation);
        }
        Ok(())
    }

    /// Whether every device of `generation` is open, by now at the latest.
    fn opened(&mut self, generation: &Generation) -> bool {
        match self.open_new(generation) {
            Ok(true) => self.tell_interfaces(&generation.gate.ports),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!("{error}: all sockets are bound anew, by which packets are lost for a moment");
                return false;
            }
        }
        self.dataplane.is_some()
    }

    /// Opens the devices of `generation` that are new, and no others. Returns whether there were any.
    ///
    /// # Errors
    /// When one of them cannot be had while the others go on.
    pub(super) fn open_new(&mut self, generation: &Generation) -> Result<bool, GatewayError> {
        let Some(dataplane) = &mut self.dataplane else { return Ok(false) };
        let is_new = !dataplane.serves(&generation.gate.ports);
        if is_new {
            // What sockets have counted that are closed now.
            let control = self.control.report();
            self.reporter.report(Some(dataplane), self.memory.report(), &self.health.health, control);
        }
        dataplane.open_new(&self.around, &generation.gate)?;
        if is_new {
            host_port::settle(self.control.config());
        }
        Ok(is_new)
    }

    /// A device was made anew: guard and gate come before anything else, and then new sockets on
    /// all devices.
    fn restart_dataplane(&mut self, generation: &Generation) {
        tracing::info!("an interface is new: binding the sockets again");
        host_port::settle(self.control.config());
        match self.try_restart(generation) {
            Ok(dataplane) => {
                self.dataplane = Some(dataplane);
                self.tell_start();
            }
            Err(error) => tracing::error!(%error, "cannot forward by it; trying again every second"),
        }
    }

    fn try_restart(&mut self, generation: &Generation) -> Result<Dataplane, GatewayError> {
        let barriers = Barriers::set(Default::default(), &self.around.pins, &self.around.options, &generation.gate)?;
        if let Some(former) = self.dataplane.take() {
            let control = self.control.report();
            self.reporter.report(Some(&former), self.memory.report(), &self.health.health, control);
            if let Err(error) = former.stop() {
                tracing::warn!(%error, "a gate could not be closed; its device is gone");
            }
        }
        self.publish(generation);
        let sockets = Sockets::open(&self.around.options, &generation.gate.ports)?;
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
