//! Interfaces that come and go while the others go on: only their own sockets are opened and closed.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Dataplane, LeftOut, OpenPort, Surroundings, gate_options, open_ports, socket_options};
use crate::app::GatewayError;
use crate::control::Control;
use crate::limits::REBIND_RETRY_NANOS;
use crate::snapshot::{GatePort, GateTables};
use crate::units::{EdgeId, PortId};
use crate::worker::PortOrders;
use crate::xdp::open::{check_frames, frames};
use crate::xdp::{Binder, Gate, PortSpec, SocketOptions, XskPort, plan_queues};

/// What reaches into a running worker.
#[derive(Debug)]
pub(super) struct Hands {
    binder: Binder,
    orders: Arc<PortOrders<XskPort>>,
    /// Of its packet buffer.
    frames: u32,
    /// The ports that it serves.
    specs: Vec<PortSpec>,
}

/// A port that could not be opened.
#[derive(Debug)]
pub(in crate::app) struct Refused {
    pub(in crate::app) port: GatePort,
    /// Not for the first time.
    pub(in crate::app) again: bool,
    /// For the first time, or for another reason than before.
    pub(in crate::app) is_news: bool,
    pub(in crate::app) error: GatewayError,
}

/// What the configuration names.
#[derive(Debug)]
pub(in crate::app) struct Configured {
    ports: BTreeSet<PortId>,
    isps: BTreeSet<EdgeId>,
}

impl Configured {
    /// What that of `control` names.
    pub(in crate::app) fn of(control: &Control) -> Self {
        let (config, ids) = (control.config(), control.ids());
        let lans = config.lans.iter().map(|lan| &lan.interface);
        let interfaces = lans.chain(config.isps.iter().map(|isp| &isp.interface));
        Self {
            ports: interfaces.filter_map(|interface| ids.port(interface)).collect(),
            isps: config.isps.iter().filter_map(|isp| ids.edge(&isp.edge_name())).collect(),
        }
    }
}

impl Hands {
    pub(super) fn new(
        binder: Binder,
        orders: Arc<PortOrders<XskPort>>,
        around: &Surroundings,
        specs: Vec<PortSpec>,
    ) -> Self {
        Self { binder, orders, frames: frames(&socket_options(&around.options), &specs), specs }
    }
}

impl Dataplane {
    /// Opens the ports of `tables` that are not open and due, for good: guard, gate, sockets, workers. One whose device
    /// was made anew is closed first. The workers drop what comes by a new port until a snapshot has it. Returns
    /// which could not be opened; those are left out now, behind a closed gate if they have one.
    ///
    /// # Errors
    /// When one has other edges than its gate, or a guard or a worker refuses. Others may be open then.
    pub(in crate::app) fn open_new(
        &mut self,
        around: &Surroundings,
        tables: &GateTables,
        left_out: &mut LeftOut,
    ) -> Result<Vec<Refused>, GatewayError> {
        if let Some(port) =
            tables.ports.iter().find(|port| self.gates.get(&port.port).is_some_and(|gate| !gate.fits(port)))
        {
            return Err(GatewayError::OtherEdges { interface: port.interface.clone() });
        }
        left_out.retain(&tables.ports, |port| self.is_open(port));
        let new = self.new_ports(tables, left_out);
        if new.is_empty() {
            return Ok(Vec::new());
        }
        for port in &new {
            self.close(port.port)?;
        }
        self.guard(&around.pins, &tables.guards)?;
        let mut refused = Vec::new();
        for port in new {
            let again = left_out.has(port);
            // Whoever is tried again and again must not hold up the others each time.
            let patience = if again { Duration::ZERO } else { Duration::from_nanos(REBIND_RETRY_NANOS) };
            match self.open(around, port, tables, patience) {
                Ok(()) => tracing::info!(interface = %port.interface, "opened, while the others go on"),
                Err(error) => {
                    self.close(port.port)?;
                    let is_news = left_out.add(port, &error, Instant::now());
                    refused.push(Refused { port: port.clone(), again, is_news, error });
                }
            }
        }
        left_out.retain(&tables.ports, |port| self.is_open(port));
        Ok(refused)
    }

    /// Those of `tables` that are neither open nor left out for now.
    pub(in crate::app) fn new_ports<'a>(&self, tables: &'a GateTables, left_out: &LeftOut) -> Vec<&'a GatePort> {
        let now = Instant::now();
        tables.ports.iter().filter(|port| !self.is_open(port) && left_out.is_due(port, now)).collect()
    }

    /// Closes the ports that are not in `tables`, and drops the guards. What the configuration does not name any
    /// more is rid of gate and guard; else they wait for their device.
    ///
    /// # Errors
    /// When a worker does not obey, or a pin cannot be removed.
    pub(in crate::app) fn close_gone(
        &mut self,
        tables: &GateTables,
        configured: &Configured,
    ) -> Result<(), GatewayError> {
        let is_gone = |id: &PortId| tables.ports.iter().all(|port| port.port != *id);
        let gone: Vec<PortId> = self.gates.keys().copied().filter(is_gone).collect();
        for id in gone {
            let Some(mut gate) = self.gates.remove(&id) else { continue };
            // A device that is gone has taken it along.
            let closed = gate.close();
            self.close(id)?;
            if !configured.ports.contains(&id) {
                closed?;
                gate.remove().map_err(GatewayError::system("take a gate away"))?;
            }
        }
        let (wanted, unwanted) = std::mem::take(&mut self.guards)
            .into_iter()
            .partition(|guard| tables.guards.iter().any(|table| table.edge == guard.edge()));
        self.guards = wanted;
        for guard in unwanted {
            if !configured.isps.contains(&guard.edge()) {
                guard.remove().map_err(GatewayError::system("take a guard away"))?;
            }
        }
        Ok(())
    }

    pub(in crate::app) fn is_open(&self, port: &GatePort) -> bool {
        let open = self.ports.iter().any(|open| open.port == port.port && open.ifindex == port.ifindex);
        open && self.is_gated(port.port)
    }

    fn open(
        &mut self,
        around: &Surroundings,
        port: &GatePort,
        tables: &GateTables,
        patience: Duration,
    ) -> Result<(), GatewayError> {
        // Of a device that is gone, or in force with tables that are old.
        self.gates.remove(&port.port);
        let [mut open] =
            <[OpenPort; 1]>::try_from(open_ports(std::slice::from_ref(port))?).expect("one port, one answer");
        let (queues, workers) = (open.queues, self.hands.len());
        if (queues as usize) < workers {
            return Err(GatewayError::TooFewQueues { interface: port.interface.clone(), queues, workers });
        }
        let gate = Gate::prepare(&around.pins, port, &tables.own, &gate_options(&around.options))?;
        around.observed.open_port(port.port, &gate.counts()?);
        let gate = self.gates.entry(port.port).insert_entry(gate).into_mut();
        // As closed as the former one: should there be no sockets, its tables are those that are kept up to date.
        gate.open()?;
        let options = SocketOptions { patience, ..socket_options(&around.options) };
        let shares = plan_queues(&[queues], Some(workers)).workers;
        let mut sockets: Vec<(u32, OwnedFd)> = Vec::new();
        for (hands, share) in self.hands.iter_mut().zip(shares) {
            let queues = share.into_iter().flatten().collect();
            hands.specs.push(PortSpec { port: port.port, interface: port.interface.clone(), queues });
            check_frames(&options, hands.frames, &hands.specs)?;
            let spec = &hands.specs[hands.specs.len() - 1];
            let bound = XskPort::bind(&hands.binder, spec, &options)?;
            for (queue, socket) in bound.socket_fds() {
                let duplicate = socket.try_clone_to_owned().map_err(GatewayError::system("duplicate a socket"))?;
                sockets.push((queue, duplicate));
            }
            let taken = hands.orders.open(port.port, bound);
            taken.map_err(|_| GatewayError::Disobedient { interface: port.interface.clone() })?;
        }
        self.threads.iter().for_each(|thread| thread.channel.doorbell.ring());
        if !self.hands.iter().all(|hands| hands.orders.are_done()) {
            return Err(GatewayError::Disobedient { interface: port.interface.clone() });
        }
        for (queue, socket) in &sockets {
            gate.set_socket(*queue, &socket.as_fd())?;
        }
        open.sockets = sockets.into_iter().map(|(_, socket)| socket).collect();
        self.ports.push(open);
        Ok(())
    }

    /// Takes the port's sockets from the workers, if they have any.
    fn close(&mut self, id: PortId) -> Result<(), GatewayError> {
        for (hands, thread) in self.hands.iter_mut().zip(&self.threads) {
            hands.specs.retain(|spec| spec.port != id);
            hands.orders.close(id);
            thread.channel.doorbell.ring();
        }
        if !self.hands.iter().all(|hands| hands.orders.are_done()) {
            return Err(GatewayError::Disobedient { interface: format!("port {}", id.0) });
        }
        self.ports.retain(|open| open.port != id);
        Ok(())
    }
}
