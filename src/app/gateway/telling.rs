//! What the gateway says of itself: in the log, in the metrics, on its status page.

use super::Gateway;

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

    pub(super) fn report(&mut self) {
        self.reporter.report(self.dataplane.as_ref(), self.memory.report(), &self.health.health);
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
