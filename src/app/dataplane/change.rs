//! Interfaces that come and go while the others go on: only their own sockets are opened and closed.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::{Dataplane, OpenPort, Surroundings, gate_options, open_ports, socket_options};
use crate::app::GatewayError;
use crate::control::Control;
use crate::snapshot::{GatePort, GateTables};
use crate::units::{EdgeId, PortId};
use crate::worker::PortOrders;
use crate::xdp::open::{check_frames, frames};
use crate::xdp::{Binder, Gate, PortSpec, XskPort, plan_queues};

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
    /// Opens the ports of `tables` that are not open, for good: guard, gate, sockets, workers. One whose device
    /// was made anew is closed first. The workers drop what comes by a new port until a snapshot has it.
    ///
    /// # Errors
    /// When one does not fit what runs, or anything is refused. Others may be open then.
    pub(in crate::app) fn open_new(&mut self, around: &Surroundings, tables: &GateTables) -> Result<(), GatewayError> {
        if let Some(port) =
            tables.ports.iter().find(|port| self.gates.get(&port.port).is_some_and(|gate| !gate.fits(port)))
        {
            return Err(GatewayError::OtherEdges { interface: port.interface.clone() });
        }
        let new: Vec<&GatePort> = tables.ports.iter().filter(|port| !self.is_open(port)).collect();
        if new.is_empty() {
            return Ok(());
        }
        for port in &new {
            self.close(port.port)?;
        }
        self.guard(&around.pins, &tables.guards)?;
        for port in new {
            if let Err(error) = self.open(around, port, tables) {
                self.close(port.port)?;
                return Err(error);
            }
            tracing::info!(interface = %port.interface, "opened, while the others go on");
        }
        Ok(())
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

    pub(super) fn is_open(&self, port: &GatePort) -> bool {
        let open = self.ports.iter().any(|open| open.port == port.port && open.ifindex == port.ifindex);
        open && self.is_gated(port.port)
    }

    fn open(&mut self, around: &Surroundings, port: &GatePort, tables: &GateTables) -> Result<(), GatewayError> {
        let [mut open] =
            <[OpenPort; 1]>::try_from(open_ports(std::slice::from_ref(port))?).expect("one port, one answer");
        let (queues, workers) = (open.queues, self.hands.len());
        if (queues as usize) < workers {
            return Err(GatewayError::TooFewQueues { interface: port.interface.clone(), queues, workers });
        }
        let gate = Gate::prepare(&around.pins, port, &tables.own, &gate_options(&around.options))?;
        around.observed.open_port(port.port, &gate.counts()?);
        let gate = self.gates.entry(port.port).insert_entry(gate).into_mut();
        let options = socket_options(&around.options);
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
        gate.open()?;
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
