//! Gates, guards, sockets and workers, started in the order in which nothing can leak.

mod change;
mod left_out;
mod sockets;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use change::Hands;
pub(super) use change::{Configured, Refused};
pub(super) use left_out::LeftOut;
use sockets::{Devices, open_ports};
pub(super) use sockets::{OpenPort, Sockets};

use super::GatewayError;
use super::watchdog::Watchdog;
use crate::control::config::{Dataplane as Options, Idle, Mode};
use crate::limits::BIND_RETRY_NANOS;
use crate::observe::counters::WorkerCounters;
use crate::observe::latency::LatencyRecorder;
use crate::observe::report::GateCounts;
use crate::observe::view::Observed;
use crate::snapshot::{GatePort, GateTables, GuardTable};
use crate::units::{EdgeId, PortId};
use crate::worker::{self, Channel, Exit, IdlePolicy, Thread, Worker, World};
use crate::xdp::umem::XDP_HEADROOM;
use crate::xdp::{Attach, BpfError, Gate, GateOptions, Guard, GuardAttach, Loader, Pins, SocketOptions, XskPort};

/// What outlives the workers of one start.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) pins: Pins,
    pub(super) options: Options,
    pub(super) world: World,
    /// The gates' tables that are in force, for whoever asks.
    pub(super) tables: Arc<ArcSwap<GateTables>>,
    pub(super) observed: Arc<Observed>,
    /// Notified by workers that have told something.
    pub(super) bell: Arc<Notify>,
    pub(super) exits: UnboundedSender<(usize, Exit)>,
    pub(super) watchdog: Watchdog,
}

/// How a gate takes tables: [`Gate::widen`] or [`Gate::apply`].
type TakeTables = fn(&mut Gate, &GatePort, &[(Ipv6Addr, u16)]) -> Result<(), BpfError>;

/// The gates, guards and workers of one start.
#[derive(Debug)]
pub(super) struct Dataplane {
    pub(super) gates: BTreeMap<PortId, Gate>,
    pub(super) guards: Vec<Guard>,
    /// A guard that was wanted could not be set.
    unguarded: bool,
    pub(super) threads: Vec<Thread>,
    /// By worker.
    hands: Vec<Hands>,
    pub(super) ports: Vec<OpenPort>,
    /// The port whose few queues set the number of workers.
    pub(super) capped_by: Option<String>,
}

/// Guards and gates in force, the gates closed: nothing leaks, and transit is dropped.
#[derive(Debug)]
pub(super) struct Barriers {
    guards: Vec<Guard>,
    gates: BTreeMap<PortId, Gate>,
}

impl Barriers {
    /// Guards first, then gates. On a device that has a gate already, that one goes on
    /// as it is until [`Barriers::hand_over`] or [`Dataplane::start`].
    ///
    /// # Errors
    /// When a program is refused. What is attached by then stays.
    pub(super) fn set(
        loader: Loader<'_>,
        pins: &Pins,
        options: &Options,
        tables: &GateTables,
    ) -> Result<Self, GatewayError> {
        let (guards, gates) = loader.set(pins, tables, &gate_options(options))?;
        let gates = tables.ports.iter().map(|port| port.port).zip(gates).collect();
        Ok(Self { guards, gates })
    }

    /// Hands the devices over to these gates before there are sockets. The kernel waits with each until no
    /// packet is in the former program, and meanwhile sockets can be opened. To be called where no process
    /// serves the former gates any more: they are as closed as these.
    ///
    /// # Errors
    /// When the kernel refuses; the former gate then goes on.
    pub(super) fn hand_over(mut self) -> Result<Self, GatewayError> {
        self.gates.values_mut().try_for_each(Gate::open)?;
        Ok(self)
    }
}

impl Dataplane {
    /// Gives `sockets` to the gates of `barriers`, then the gates are opened that are not yet, and last the
    /// workers run. Until a gate is open and has sockets, transit is dropped.
    ///
    /// # Errors
    /// When any of it is refused. The barriers stay, closed.
    pub(super) fn start(
        around: &Surroundings,
        Barriers { guards, mut gates }: Barriers,
        Sockets { mut ports, workers, capped_by }: Sockets,
    ) -> Result<Self, GatewayError> {
        around.observed.open_books(&gate_counts(gates.values()));

        for (_, sockets, _) in &workers {
            for (port, open) in sockets.iter().zip(&mut ports) {
                enter(port, open, gates.get_mut(&open.port))?;
            }
        }
        for gate in gates.values_mut() {
            gate.open()?;
        }
        let cores = cores(&around.options, workers.len());
        let recorders = around.observed.start_workers(workers.len());
        let started = workers
            .into_iter()
            .zip(cores.into_iter().zip(recorders))
            .enumerate()
            .map(|(index, (devices, (core, recorders)))| spawn(around, index, core, devices, recorders))
            .collect::<Result<Vec<_>, _>>()?;
        let (threads, hands) = started.into_iter().unzip();
        Ok(Self { gates, guards, unguarded: false, threads, hands, ports, capped_by })
    }

    /// The guards in force are no longer the ones that this one holds: all are set anew when they are next asked for.
    pub(super) fn forget_guards(&mut self) {
        self.guards.clear();
        self.unguarded = true;
    }

    /// Puts the guards' new tables in force: in place, or by a new guard where a device is new, as
    /// that of a VLAN may be while its port is not.
    ///
    /// # Errors
    /// When the kernel refuses a table. A guard that cannot be set is told and tried again.
    pub(super) fn guard(&mut self, pins: &Pins, tables: &[GuardTable]) -> Result<(), GatewayError> {
        // Those that nobody asks for any more go last: see [`Dataplane::close_gone`].
        let is_stale = |guard: &Guard, table: &GuardTable| table.edge == guard.edge() && !guard.is_in_force(table);
        self.guards.retain(|guard| !tables.iter().any(|table| is_stale(guard, table)));
        self.unguarded = false;
        for table in tables {
            if let Some(guard) = self.guards.iter_mut().find(|guard| guard.edge() == table.edge) {
                guard.apply(table)?;
                continue;
            }
            match Guard::set(pins, table, GuardAttach::Auto) {
                Ok(guard) => self.guards.push(guard),
                Err(error) => {
                    tracing::error!(%error, "no guard; trying again every second");
                    self.unguarded = true;
                }
            }
        }
        Ok(())
    }

    /// Lets every gate `take` its part of `tables`.
    ///
    /// # Errors
    /// When the kernel refuses a table.
    pub(super) fn gates(&mut self, tables: &GateTables, take: TakeTables) -> Result<(), BpfError> {
        for port in &tables.ports {
            if let Some(gate) = self.gates.get_mut(&port.port) {
                take(gate, port, &tables.own)?;
            }
        }
        Ok(())
    }

    /// Whether the gate of `port` is on its device.
    pub(super) fn is_gated(&self, port: PortId) -> bool {
        self.gates.get(&port).is_some_and(Gate::is_attached)
    }

    /// Whether every gate is on its device and no guard is missing.
    pub(super) fn is_whole(&self) -> bool {
        !self.unguarded && self.gates.values().all(Gate::is_attached)
    }

    /// Takes the sockets from the gates, lets the workers empty their rings, and ends them. The
    /// gates stay attached, closed.
    ///
    /// # Errors
    /// When a gate kept its sockets. The workers have ended all the same.
    pub(super) fn stop(mut self) -> Result<(), GatewayError> {
        let closed: Vec<_> = self.gates.values_mut().map(Gate::close).collect();
        for thread in self.threads {
            thread.stop();
        }
        closed.into_iter().collect::<Result<(), _>>()?;
        Ok(())
    }
}

/// What the gates have counted; one that the kernel does not tell about is left out.
pub(super) fn gate_counts<'a>(gates: impl Iterator<Item = &'a Gate>) -> Vec<(EdgeId, GateCounts)> {
    gates.filter_map(|gate| gate.counts().ok()).flatten().collect()
}

/// Makes the port's sockets known to its gate, and keeps duplicates for statistics.
fn enter(port: &XskPort, open: &mut OpenPort, gate: Option<&mut Gate>) -> Result<(), GatewayError> {
    let Some(gate) = gate else { return Ok(()) };
    for (queue, socket) in port.socket_fds() {
        gate.set_socket(queue, &socket)?;
        let duplicate = socket.try_clone_to_owned().map_err(GatewayError::system("duplicate a socket"))?;
        open.sockets.push(duplicate);
    }
    Ok(())
}

fn spawn(
    around: &Surroundings,
    index: usize,
    core: Option<usize>,
    (memory, sockets, specs): Devices,
    (counters, latency): (Arc<WorkerCounters>, LatencyRecorder),
) -> Result<(Thread, Hands), GatewayError> {
    let channel = Channel::new(counters, Arc::clone(&around.bell)).map_err(GatewayError::system("make an eventfd"))?;
    let channel = Arc::new(channel);
    around.watchdog.watch(worker::thread_name(index), &channel);
    let ports = sockets.into_iter().map(|port| (port.port(), port)).collect();
    let idle = match around.options.idle {
        Idle::Busy => IdlePolicy::Busy,
        Idle::Adaptive => IdlePolicy::Adaptive,
    };
    let options = worker::Options { batch: around.options.batch, idle };
    let binder = memory.binder().clone();
    let worker = Worker::new(memory, ports, around.world.clone(), channel, latency, options);
    let hands = Hands::new(binder, worker.orders(), around, specs);
    let exits = around.exits.clone();
    let thread = worker::spawn(index, core, worker, move |exit| {
        // Nobody listens any more only when the gateway ends anyway.
        let _ = exits.send((index, exit));
    });
    Ok((thread.map_err(GatewayError::system("start a worker's thread"))?, hands))
}

/// One core per worker; the first core is left to control when there are enough.
fn cores(options: &Options, workers: usize) -> Vec<Option<usize>> {
    let available: Vec<usize> = match &options.cores {
        Some(cores) => cores.clone(),
        None => {
            let all: Vec<usize> =
                core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
            let spare = all.len().saturating_sub(workers).min(1);
            all[spare..].to_vec()
        }
    };
    (0..workers).map(|worker| available.get(worker).copied()).collect()
}

fn gate_options(options: &Options) -> GateOptions {
    let attach = match options.mode {
        Mode::Auto => Attach::Auto,
        Mode::ZeroCopy | Mode::Copy => Attach::Native,
        Mode::Generic => Attach::Generic,
    };
    GateOptions {
        attach,
        // Stamps lie in the headroom.
        max_frame: max_frame(options),
        stamp_every: options.stamp_every,
    }
}

/// Longest frame that the packet buffer takes.
pub(super) const fn max_frame(options: &Options) -> u32 {
    options.frame_size - XDP_HEADROOM as u32
}

/// The sockets' part of the configuration, as a start opens them.
pub(crate) fn socket_options(options: &Options) -> SocketOptions {
    SocketOptions {
        zero_copy: options.mode == Mode::ZeroCopy,
        rx_ring: options.rx_ring,
        tx_ring: options.tx_ring,
        fill_ring: options.fill_ring,
        completion_ring: options.completion_ring,
        frames: options.frames,
        frame_size: options.frame_size,
        patience: Duration::from_nanos(BIND_RETRY_NANOS),
    }
}
