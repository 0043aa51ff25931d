//! Another generation is put in force, by new sockets where a device is new.

use std::sync::Arc;

use super::Gateway;
use crate::app::dataplane::{Barriers, Dataplane};
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
        match &mut self.dataplane {
            Some(dataplane) if dataplane.serves(&generation.gate.ports) => {
                // What is new in guards and gates, then the snapshot, then what is gone: see control::compile.
                dataplane.guard(&self.around.pins, &generation.gate.guards)?;
                dataplane.gates(&generation.gate, Gate::widen)?;
                self.publish(&generation);
                let Some(dataplane) = &mut self.dataplane else { return Ok(()) };
                dataplane.gates(&generation.gate, Gate::apply)?;
            }
            _ => self.restart_dataplane(&generation),
        }
        Ok(())
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
        let barriers = Barriers::set(&self.around, &generation.gate)?;
        if let Some(former) = self.dataplane.take() {
            self.reporter.report(Some(&former), self.memory.report(), &self.health.health);
            if let Err(error) = former.stop() {
                tracing::warn!(%error, "a gate could not be closed; its device is gone");
            }
        }
        self.publish(generation);
        Dataplane::start(&self.around, generation, barriers)
    }

    pub(super) fn publish(&mut self, generation: &Generation) {
        let former = self.around.world.snapshot.swap(Arc::new(generation.snapshot.clone()));
        self.retired.push(former);
        self.around.tables.store(Arc::new(generation.gate.clone()));
        self.nd_proxies.follow(&generation.proxies);
        self.health.follow(self.control.config(), generation);
    }
}
