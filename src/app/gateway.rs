//! The run loop: one thread that hears the kernel, the workers and the operator.

mod drill;
mod metering;
mod operator;
mod prefixes;
mod publication;
mod reload;
mod telling;
mod verdicts;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use time::OffsetDateTime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};

pub(crate) use drill::{DrillReport, DrillRequest};
pub(crate) use operator::{DrainRequest, Drained, UndrainRequest, Undrained};
pub(crate) use reload::{ReloadRequest, Reloaded};

use drill::Drills;

use super::beside::Beside;
use super::carried::CarriedKeeper;
use super::config_watch::{self, Saved};
use super::dataplane::{self, Barriers, Dataplane, LeftOut, Sockets, Surroundings};
use super::explainer::Explainer;
use super::health::HealthWatch;
use super::host;
use super::host_port;
use super::interfaces::Interfaces;
use super::memory::Memory;
use super::nd_proxy::NdProxies;
use super::notify::Addressees;
use super::orders::{Order, Orders};
use super::prefixes::PrefixWatch;
use super::privileges;
use super::recorder::Recorder;
use super::reporter::Reporter;
use super::routers::Advertised;
use super::traffic::TrafficMeter;
use super::watchdog::Watchdog;
use super::{GatewayError, Places};
use crate::control::Control;
use crate::control::config::{Config, ConfigFile, OnStop};
use crate::control::events::Events;
use crate::control::reload::Reloads;
use crate::control::takeovers::Takeovers;
use crate::limits::{BIND_RETRY_NANOS, HEALTH_NANOS};
use crate::observe::view::Observed;
use crate::os::{Supervisor, now};
use crate::snapshot::Snapshot;
use crate::worker::{Exit, World};
use crate::xdp::{Adoption, Loader, PinnedFlows, Pins, release};

/// Time between two looks at counters, ledgers and devices.
const TICK: Duration = Duration::from_secs(1);

/// A gateway that runs.
#[derive(Debug)]
pub struct Gateway {
    control: Control,
    reloads: Reloads,
    /// What was saved in the configuration file.
    saved: mpsc::Receiver<Saved>,
    around: Surroundings,
    dataplane: Option<Dataplane>,
    left_out: LeftOut,
    memory: Memory,
    nd_proxies: NdProxies,
    prefixes: PrefixWatch,
    health: HealthWatch,
    /// What the ISPs' routers have answered.
    routers: mpsc::Receiver<Advertised>,
    reporter: Reporter,
    /// The flow memory of [`Surroundings::world`].
    flows: Arc<PinnedFlows>,
    exits: UnboundedReceiver<(usize, Exit)>,
    orders: UnboundedReceiver<Order>,
    /// Where is told what happens.
    events: Events,
    addressees: Addressees,
    traffic: TrafficMeter,
    interfaces: Interfaces,
    drills: Drills,
    takeovers: Takeovers,
    carried: CarriedKeeper,
    /// Former snapshots that a worker's latest batch may still have seen.
    retired: Vec<Arc<Snapshot>>,
    /// Why the latest generation is not in force.
    refused: Option<GatewayError>,
}

/// How the gateway ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Gate and guard stay.
    Blocking,
    /// Gate, guard and rules are gone.
    Released,
}

impl Gateway {
    /// Checks the host and starts everything. Returns when packets are forwarded.
    ///
    /// # Errors
    /// When the host is not ready or anything is refused.
    pub async fn start(file: ConfigFile, places: &Places) -> Result<Self, GatewayError> {
        let config = file.config.clone();
        let host_queues = host_port::make(&config).await?;
        host::check(&config)?;
        let loader = Beside::begin("loader", Loader::default)?;
        let pins = Pins::open(places.bpffs.as_deref())?;
        let mut control = Control::start(config, &places.state).await?;
        control.set_host_queues(host_queues);
        if let Err(error) = privileges::reduce() {
            tracing::warn!(%error, "cannot give up capabilities");
        }
        let generation = control.compile()?;
        let options = control.config().dataplane.clone();
        let barriers = Barriers::set(loader.finish(), &pins, &options, &generation.gate)?;
        let ports = generation.gate.ports.clone();
        let patience = Duration::from_nanos(BIND_RETRY_NANOS);
        let sockets = Beside::begin("sockets", move || Sockets::open(&options, &ports, patience))?;
        // The pins are ours: so the process is dead that had sockets in the gates.
        let barriers = Beside::begin("gates", || barriers.hand_over())?;
        let flows = Arc::new(open_flows(&pins, control.config(), &generation.snapshot)?);
        let (sender, exits) = mpsc::unbounded_channel();
        let world = World {
            snapshot: Arc::new(ArcSwap::from_pointee(generation.snapshot.clone())),
            neighbours: control.neighbours(),
            flows: flows.clone(),
            fragments: Arc::default(),
        };
        let mut memory = Memory::of(&world);
        control.settle_ids(|reused| memory.forget(reused))?;
        memory.sweep_all(now());
        let observed = Arc::new(Observed::new(Arc::clone(&world.snapshot)));
        let tables = Arc::new(ArcSwap::from_pointee(generation.gate.clone()));
        let max_frame = dataplane::max_frame(&control.config().dataplane);
        let explainer = Explainer::new(world.clone(), Arc::clone(&tables), max_frame as usize);
        let (given, orders) = Orders::channel();
        let addressees = Addressees::default();
        addressees.set(control.config().notify.as_ref());
        let recorder = Recorder::new(&places.state, addressees.clone(), Arc::clone(observed.telling()));
        let last_alive = recorder.last_alive();
        let events = recorder.start().map_err(GatewayError::system("start a thread"))?;
        let reporter =
            Reporter::start(Arc::clone(&observed), &world, explainer, &given, control.config(), &places.socket)?;
        let around = Surroundings {
            pins,
            options: control.config().dataplane.clone(),
            world,
            tables,
            observed,
            bell: Arc::default(),
            exits: sender,
            watchdog: Watchdog::default(),
        };
        around
            .watchdog
            .start(events.clone(), addressees.undelivered.clone())
            .map_err(GatewayError::system("start a thread"))?;
        let dataplane = Dataplane::start(&around, barriers.finish()?, sockets.finish()?)?;
        host::look_for_bypasses(control.config())?;
        let counters = Arc::clone(around.observed.nd_counters());
        let mut nd_proxies = NdProxies::new(around.world.clone(), control.wants(), counters);
        nd_proxies.follow(&generation.proxies);
        let (mut health, routers) =
            HealthWatch::start(Arc::clone(&around.bell)).map_err(GatewayError::system("watch the ISPs' links"))?;
        health.follow(control.config(), &generation);
        let mut prefixes = PrefixWatch::start().map_err(GatewayError::system("watch files of prefixes"))?;
        prefixes.follow(control.written());
        let saved =
            config_watch::watch(file.path.clone()).map_err(GatewayError::system("watch the configuration file"))?;
        let carried = CarriedKeeper::new(control.state(), control.carried().clone(), now());
        let mut gateway = Self {
            control,
            reloads: Reloads::new(file),
            saved,
            around,
            dataplane: Some(dataplane),
            left_out: LeftOut::default(),
            memory,
            nd_proxies,
            prefixes,
            health,
            routers,
            reporter,
            flows,
            exits,
            orders,
            events,
            addressees,
            traffic: TrafficMeter::new(OffsetDateTime::now_utc(), now()),
            interfaces: Interfaces::default(),
            drills: Drills::default(),
            takeovers: Takeovers::default(),
            carried,
            retired: Vec::new(),
            refused: None,
        };
        gateway.tell_start();
        gateway.tell_started(last_alive, &generation.gate.ports);
        gateway.tell_config(None);
        gateway.report();
        Ok(gateway)
    }

    /// Serves until a signal ends it.
    ///
    /// # Errors
    /// When a worker panics or the kernel can no longer be followed.
    pub async fn run(mut self) -> Result<Outcome, GatewayError> {
        let (events, addressees) = (self.events.clone(), self.addressees.clone());
        let ended = match self.serve().await {
            Ok(()) => self.stop().await,
            Err(error) => {
                self.close_books().await;
                Err(error)
            }
        };
        telling::tell_end(&events, &addressees.undelivered, &ended);
        ended
    }

    /// Serves until a signal says stop.
    async fn serve(&mut self) -> Result<(), GatewayError> {
        let supervisor = Supervisor::of_environment().map_err(GatewayError::system("use NOTIFY_SOCKET"))?;
        supervisor.tell("READY=1");
        let mut terminate = catch(SignalKind::terminate())?;
        let mut interrupt = catch(SignalKind::interrupt())?;
        let mut hangup = catch(SignalKind::hangup())?;
        let bell = Arc::clone(&self.around.bell);
        let mut tick = tokio::time::interval(TICK);
        let mut pulse = tokio::time::interval(Duration::from_nanos(HEALTH_NANOS));
        pulse.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.around.watchdog.turn();
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    // The log has what came of it.
                    let _ = self.reload(None);
                }
                changed = self.control.next_change() => {
                    changed?;
                    self.learn();
                    self.follow()?;
                }
                changed = self.prefixes.changed() => {
                    changed.map_err(GatewayError::system("watch files of prefixes"))?;
                    self.mind_prefixes()?;
                }
                () = bell.notified() => {
                    self.hear_workers();
                    self.mind_health()?;
                }
                Some(saved) = self.saved.recv() => self.heed_saved(saved),
                Some(order) = self.orders.recv() => order(self),
                Some(heard) = self.routers.recv() => self.health.advertised(heard),
                _ = pulse.tick() => self.mind_health()?,
                Some((worker, exit)) = self.exits.recv() => {
                    if let Exit::Panicked(text) = exit {
                        return Err(self.panicked(worker, text));
                    }
                }
                _ = tick.tick() => self.tick()?,
            }
        }
        supervisor.tell("STOPPING=1");
        Ok(())
    }

    fn tick(&mut self) -> Result<(), GatewayError> {
        self.flows.served(now());
        self.memory.sweep(now());
        self.nd_proxies.retry();
        self.roll_back_if_due();
        self.mind_prefixes()?;
        self.control.keep_intents();
        let is_refused = matches!(self.refused, Some(GatewayError::Bpf(_)));
        let is_due = is_refused || self.left_out.is_any_due(Instant::now());
        if is_due || self.dataplane.as_ref().is_none_or(|dataplane| !dataplane.is_whole()) {
            self.follow()?;
        }
        let threads = self.dataplane.iter().flat_map(|dataplane| &dataplane.threads);
        let oldest = threads.map(|thread| thread.channel.generation()).min().unwrap_or(u64::MAX);
        self.retired.retain(|snapshot| snapshot.generation + 1 > oldest);
        self.check_ledgers();
        self.report();
        self.meter();
        self.tell_hourly_traffic();
        Ok(())
    }

    async fn stop(mut self) -> Result<Outcome, GatewayError> {
        let on_stop = self.control.config().host.on_stop;
        let stopped = self.dataplane.take().map_or(Ok(()), Dataplane::stop);
        self.close_books().await;
        stopped?;
        while let Ok((worker, exit)) = self.exits.try_recv() {
            match exit {
                Exit::Stopped(ledger) if ledger.lost() != 0 || ledger.free != ledger.total => {
                    tracing::error!(worker, ?ledger, "frames are missing at the end; please report this");
                }
                Exit::Stopped(_) => {}
                Exit::Panicked(text) => return Err(self.panicked(worker, text)),
            }
        }
        match on_stop {
            OnStop::Block => {
                self.control.stop_steering_host().await?;
                Ok(Outcome::Blocking)
            }
            OnStop::Release => {
                release(self.around.pins).map_err(GatewayError::system("remove the pins"))?;
                self.control.release().await?;
                Ok(Outcome::Released)
            }
        }
    }
}

/// The flow memory, and in the log what became of an earlier one.
fn open_flows(pins: &Pins, config: &Config, snapshot: &Snapshot) -> Result<PinnedFlows, GatewayError> {
    let (flows, adoption) = PinnedFlows::open(pins, config.flows.capacity, &snapshot.hash_key, now())?;
    match adoption {
        Adoption::Replaced { .. } => tracing::warn!("flow memory: {adoption}; flows may change their ISP"),
        _ => tracing::info!("flow memory: {adoption}"),
    }
    Ok(flows)
}

fn catch(kind: SignalKind) -> Result<Signal, GatewayError> {
    signal(kind).map_err(GatewayError::system("catch a signal"))
}
