//! Another generation is put in force, by new sockets where a device is new.

use std::sync::Arc;

use super::Gateway;
use crate::app::dataplane::{Barriers, Configured, Dataplane, Sockets};
use crate::app::{GatewayError, host_port};
use crate::snapshot::Generation;
use crate::xdp::Gate;

impl Gateway {
    /// The kernel's state has changed: compile and put in force.
    pub(super) fn follow(&mut self) -> Result<(), GatewayError> {
        let generation = match self.control.compile() {
            Ok(generation) => generation,
            Err(error) => {
                tracing::error!(%error, "the kernel's new state cannot be compiled; the former generation stays");
                return Ok(());
            }
        };
        self.tell_interfaces(&generation.gate.ports);
        if self.opened(&generation) {
            if let Some(dataplane) = &mut self.dataplane {
                // What is new in guards and gates, then the snapshot, then what is gone: see control::compile.
                dataplane.guard(&self.around.pins, &generation.gate.guards)?;
                dataplane.gates(&generation.gate, Gate::widen)?;
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
