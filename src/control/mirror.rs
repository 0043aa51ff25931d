//! The task that keeps control's picture of the kernel, the neighbour table and the host's
//! rules up to date. Everything that awaits the kernel awaits it here, so that the run loop's
//! `select!` may drop control's futures at any time.

use std::future::Future;
use std::net::Ipv6Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::control::compile::next_hops;
use crate::control::host_link::{self, HostLink};
use crate::control::host_rules::{self, HostRules};
use crate::control::kernel::{KernelState, Neighbour};
use crate::control::neighbours::{Key, Neighbours, Order};
use crate::control::netlink::{Event, Fresh, Netlink, NetlinkError, Stale, Watch};
use crate::limits::{NEIGHBOUR_SWEEP_NANOS, NETLINK_PATIENCE_NANOS, NETLINK_QUIET_NANOS, NETLINK_REST, WANT_QUEUE};
use crate::snapshot::NeighbourTable;
use crate::units::{EdgeId, MacAddr, Nanos};

/// What the task follows between two compilations.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    /// Edges and their devices' names.
    pub edges: Vec<(EdgeId, String)>,
    /// Next hops, kept fresh whether used or not.
    pub pinned: Vec<Key>,
    /// Neighbours that need no resolving, and their MACs.
    pub fixed: Vec<(Key, MacAddr)>,
    /// Rules and routes for the host.
    pub host: HostRules,
    /// The link between the host and the workers.
    pub host_link: Option<HostLink>,
}

enum Command {
    Follow(Orders, Option<oneshot::Sender<Result<(), NetlinkError>>>),
    Release(oneshot::Sender<Result<(), NetlinkError>>),
}

/// Control's end of the task. The task ends when this is dropped.
#[derive(Debug)]
pub struct Mirror {
    commands: mpsc::UnboundedSender<Command>,
    pictures: watch::Receiver<Arc<KernelState>>,
    wants: Wants,
    table: Arc<NeighbourTable>,
}

/// Where workers' wishes for neighbours go in. Cheap to clone; never blocks.
#[derive(Clone, Debug)]
pub struct Wants {
    queue: mpsc::Sender<Key>,
    refused: Arc<AtomicU64>,
}

impl Wants {
    /// Asks for `address` on `edge` to be resolved. Repetitions cost nothing but their place in
    /// the queue; what does not fit is counted and has to be asked for again.
    pub fn want(&self, edge: EdgeId, address: Ipv6Addr) {
        if self.queue.try_send((edge, address)).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Neighbours that found no place: in this queue, among those being asked for, or in the
    /// table. It counts up under a scan.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Mirror {
    /// Subscribes, dumps everything, and goes on in a task of the current tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses a socket or a dump.
    pub async fn start() -> Result<Self, NetlinkError> {
        let watch = Watch::open()?;
        let netlink = Netlink::open()?;
        let state = netlink.dump().await?;
        let (commands, command_queue) = mpsc::unbounded_channel();
        let (picture, pictures) = watch::channel(Arc::new(state.clone()));
        let (queue, want_queue) = mpsc::channel(WANT_QUEUE);
        let neighbours = Neighbours::default();
        let (table, refused) = (neighbours.table(), neighbours.refused());
        let task = Task {
            netlink,
            watch,
            state,
            orders: Orders::default(),
            neighbours,
            picture,
            stale: Stale::default(),
            removed: false,
            burst: None,
            refresh: None,
            rest: Instant::now(),
            born: Instant::now(),
        };
        tokio::spawn(task.run(command_queue, want_queue));
        Ok(Self { commands, pictures, wants: Wants { queue, refused }, table })
    }

    /// The newest picture.
    pub fn state(&self) -> Arc<KernelState> {
        Arc::clone(&self.pictures.borrow())
    }

    /// Returns when there is a picture that [`Mirror::state`] has not been followed by yet: links,
    /// addresses or routes changed, or the reachability of a default router. May be dropped.
    ///
    /// # Errors
    /// When the task is gone.
    pub async fn changed(&mut self) -> Result<(), NetlinkError> {
        self.pictures.changed().await.map_err(|_| NetlinkError::Closed("report changes"))
    }

    /// Follows `orders` from now on.
    pub fn follow(&self, orders: Orders) {
        // A task that is gone is reported by `changed`.
        let _ = self.commands.send(Command::Follow(orders, None));
    }

    /// Follows `orders` from now on, and waits until rules and routes are installed.
    ///
    /// # Errors
    /// When the kernel refuses one of them.
    pub async fn follow_and_wait(&self, orders: Orders) -> Result<(), NetlinkError> {
        self.ask(|done| Command::Follow(orders, Some(done)), "install the host's rules").await
    }

    /// Takes the host's rules and routes away, leaves neighbours to age, and follows nothing.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn release(&self) -> Result<(), NetlinkError> {
        self.ask(Command::Release, "remove the host's rules").await
    }

    async fn ask(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), NetlinkError>>) -> Command,
        what: &'static str,
    ) -> Result<(), NetlinkError> {
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).map_err(|_| NetlinkError::Closed(what))?;
        answer.await.map_err(|_| NetlinkError::Closed(what))?
    }

    /// The table that workers read.
    pub fn table(&self) -> Arc<NeighbourTable> {
        Arc::clone(&self.table)
    }

    /// Where workers ask for neighbours.
    pub fn wants(&self) -> Wants {
        self.wants.clone()
    }
}

type Refresh = Pin<Box<dyn Future<Output = Result<Fresh, NetlinkError>> + Send>>;

struct Task {
    netlink: Netlink,
    watch: Watch,
    state: KernelState,
    orders: Orders,
    neighbours: Neighbours,
    picture: watch::Sender<Arc<KernelState>>,
    stale: Stale,
    /// A device was removed since the latest picture.
    removed: bool,
    /// First and last event since the last refresh began.
    burst: Option<(Instant, Instant)>,
    refresh: Option<(Instant, Refresh)>,
    /// No refresh before this.
    rest: Instant,
    born: Instant,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>, mut wants: mpsc::Receiver<Key>) {
        let mut sweep = interval(Duration::from_nanos(NEIGHBOUR_SWEEP_NANOS));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = self.due();
            let outcome = tokio::select! {
                event = self.watch.next() => match event {
                    Ok(event) => self.on_event(event).await,
                    Err(error) => Err(error),
                },
                fresh = ready(&mut self.refresh), if self.refresh.is_some() => {
                    self.on_fresh(fresh).await
                }
                () = sleep_until(due.unwrap_or(self.born)), if due.is_some() => {
                    self.start_refresh();
                    Ok(())
                }
                Some((edge, address)) = wants.recv() => self.on_want(edge, address, &mut commands).await,
                _ = sweep.tick() => {
                    let now = self.now();
                    let orders = self.neighbours.sweep(now);
                    self.send(orders)
                }
                command = commands.recv() => match command {
                    Some(command) => self.on_command(command).await,
                    None => return,
                },
            };
            if let Err(error) = outcome {
                // Control hears of it because the channel of pictures closes.
                tracing::error!(%error, "the kernel's state is no longer followed");
                return;
            }
        }
    }

    /// When the next refresh is to begin: after a quiet spell, or when patience ends.
    fn due(&self) -> Option<Instant> {
        let (first, last) = self.burst.filter(|_| self.refresh.is_none())?;
        let quiet = last + Duration::from_nanos(NETLINK_QUIET_NANOS);
        Some(quiet.min(first + Duration::from_nanos(NETLINK_PATIENCE_NANOS)).max(self.rest))
    }

    fn start_refresh(&mut self) {
        self.burst = None;
        let stale = std::mem::take(&mut self.stale);
        self.removed |= stale.removed;
        let netlink = self.netlink.clone();
        self.refresh = Some((Instant::now(), Box::pin(async move { netlink.refresh(stale).await })));
    }

    fn mark(&mut self, stale: Stale) {
        let now = Instant::now();
        self.stale.add(stale);
        let (first, _) = self.burst.unwrap_or((now, now));
        self.burst = Some((first, now));
    }

    async fn on_event(&mut self, event: Event) -> Result<(), NetlinkError> {
        match event {
            Event::Stale(stale) => self.mark(stale),
            Event::Neighbour((ifindex, address), neighbour) => return self.on_neighbour(ifindex, address, neighbour),
            Event::Lost => {
                tracing::warn!("netlink events were lost; looking at everything again");
                self.mark(Stale::ALL);
                // Not beside the events, as the rest is: those that come after this dump are
                // applied to it in their order.
                self.state.neighbours = self.netlink.neighbours().await?;
                self.follow()?;
                self.publish();
            }
        }
        Ok(())
    }

    fn on_neighbour(
        &mut self,
        ifindex: u32,
        address: Ipv6Addr,
        neighbour: Option<Neighbour>,
    ) -> Result<(), NetlinkError> {
        let before = next_hops::reachability(&self.state, ifindex, address);
        match neighbour {
            Some(neighbour) => self.state.neighbours.insert((ifindex, address), neighbour),
            None => self.state.neighbours.remove(&(ifindex, address)),
        };
        let now = self.now();
        let order = self.neighbours.on_event(ifindex, address, neighbour, now);
        self.send(order)?;
        let is_router = || next_hops::routers(&self.state).any(|router| router == (ifindex, address));
        if next_hops::reachability(&self.state, ifindex, address) != before && is_router() {
            self.publish();
        }
        Ok(())
    }

    async fn on_fresh(&mut self, fresh: Result<Fresh, NetlinkError>) -> Result<(), NetlinkError> {
        // A table of 200 000 BGP routes that never stands still must not keep a core busy.
        if let Some((began, _)) = self.refresh.take() {
            self.rest = Instant::now() + NETLINK_REST * began.elapsed();
        }
        // A device that was made anew looks the same and has neither gate nor guard.
        let changed = fresh?.store(&mut self.state) | std::mem::take(&mut self.removed);
        if changed {
            self.follow()?;
            self.publish();
        }
        // Whatever changed: somebody may have undone what had been done since the last picture.
        self.install().await.unwrap_or_else(
            |error| tracing::warn!(%error, "the host's own traffic may leave by another ISP, or not at all"),
        );
        Ok(())
    }

    /// A want may come from a worker that has the newest generation: its edges come first.
    async fn on_want(
        &mut self,
        edge: EdgeId,
        address: Ipv6Addr,
        commands: &mut mpsc::UnboundedReceiver<Command>,
    ) -> Result<(), NetlinkError> {
        while let Ok(command) = commands.try_recv() {
            self.on_command(command).await?;
        }
        let now = self.now();
        let order = self.neighbours.want(edge, address, now);
        self.send(order)
    }

    async fn on_command(&mut self, command: Command) -> Result<(), NetlinkError> {
        match command {
            Command::Follow(orders, done) => {
                self.orders = orders;
                self.follow()?;
                let installed = self.install().await;
                match (done, installed) {
                    (Some(done), installed) => drop(done.send(installed)),
                    (None, Err(error)) => {
                        tracing::warn!(%error, "the host's own traffic may leave by another ISP, or not at all")
                    }
                    (None, Ok(())) => {}
                }
            }
            Command::Release(done) => {
                self.send(self.neighbours.release())?;
                self.orders = Orders::default();
                self.follow()?;
                let _ = done.send(host_rules::remove_all(&self.netlink).await);
            }
        }
        Ok(())
    }

    fn follow(&mut self) -> Result<(), NetlinkError> {
        let now = self.now();
        self.neighbours.fix(&self.orders.fixed);
        let orders = self.neighbours.follow(&self.orders.edges, &self.orders.pinned, &self.state, now);
        self.send(orders)
    }

    async fn install(&mut self) -> Result<(), NetlinkError> {
        let link = host_link::apply(&self.netlink, self.orders.host_link.as_ref(), &self.state).await;
        host_rules::apply(&self.netlink, &self.orders.host, &self.state).await.and(link)
    }

    fn publish(&self) {
        self.picture.send_replace(Arc::new(self.state.clone()));
    }

    /// Answers come as events of the neighbour, so nothing is waited for.
    fn send(&self, orders: impl IntoIterator<Item = Order>) -> Result<(), NetlinkError> {
        orders.into_iter().try_for_each(|order| self.netlink.order_unheard(order.message(), "resolve a neighbour"))
    }

    fn now(&self) -> Nanos {
        Nanos(u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

async fn ready(refresh: &mut Option<(Instant, Refresh)>) -> Result<Fresh, NetlinkError> {
    match refresh {
        Some((_, refresh)) => refresh.await,
        None => std::future::pending().await,
    }
}
