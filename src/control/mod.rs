//! The one writer: configuration → validation → compilation, and the kernel's state by netlink.
//!
//! [`Control`] is what the run loop holds. It knows nothing of workers, sockets or BPF: it hands
//! out generations, and says when the world has changed so that another is due.

pub mod ask;
pub mod bypass;
pub mod compile;
pub mod config;
pub mod events;
pub mod health;
pub mod history;
pub mod host_link;
pub mod host_rules;
pub mod ids;
pub mod intents;
pub mod ipv4;
pub mod kernel;
mod metering;
pub mod mirror;
pub mod nd_proxy;
pub mod neighbours;
pub mod netlink;
pub mod operator;
pub mod prefixes;
mod prepared;
pub mod quotas;
pub mod reload;
pub mod socket;
pub mod state;
pub mod stays;
pub mod takeovers;
mod unserved;
mod whole_file;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::hash::HashKey;
use crate::limits::MAX_HELD_NEWS;
use crate::observe::prefixes::LearntPrefix;
use crate::observe::report::QuotaUse;
use crate::snapshot::{Candidates, Fitness, Generation, Judgement, NeighbourTable, Snapshot, Steering};
use crate::units::{Nanos, PortId};
use compile::{CompileError, Ingredients, check_room, compile, steering_of};
use config::Config;
use ids::{Ids, Reused, TooMany};
use intents::Intents;
use ipv4::Ipv4;
use kernel::KernelState;
use mirror::{Mirror, Orders, Wants};
use netlink::NetlinkError;
use prefixes::{History, Moment, News, Prefixes};
pub use prepared::Prepared;
use quotas::Quotas;
use state::{StateDir, StateError};
use stays::Stays;

/// Why control cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The kernel.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// More interfaces, ISPs or prefix pairs than ids.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// An id would change hands while packets of its former owner pass.
    #[error(
        "there are not enough ids for the prefix pairs that go and those that come; remove the former with one \
         reload and add the latter with another"
    )]
    IdsInUse,
    /// The configuration.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// What control tells of the ISPs, beyond their health.
#[derive(Clone, Debug)]
pub struct ControlReport {
    /// Quotas, of those that have one.
    pub quotas: Vec<QuotaUse>,
    /// Prefixes, of those that learn theirs.
    pub prefixes: Vec<LearntPrefix>,
}

/// Configuration, ids, kernel state and neighbours of one gateway.
#[derive(Debug)]
pub struct Control {
    /// As it is written.
    written: Config,
    /// With the prefixes that were learnt.
    config: Config,
    prefixes: Prefixes,
    history: History,
    /// Not told yet: of the start, of a reload, or of pairs that there are no ids for.
    news: Vec<News>,
    ids: Ids,
    /// That of `config` and `ids`: the kernel has no part in it.
    steering: Steering,
    /// Ids that mean something else than in the last run, until [`Control::settle_ids`].
    reused: Reused,
    hash_key: HashKey,
    state: StateDir,
    mirror: Mirror,
    /// With `[ipv4] follow`.
    ipv4: Option<Ipv4>,
    generation: u64,
    probe_token: u16,
    /// What health said last.
    judgement: Judgement,
    /// Of the latest generation.
    candidates: Candidates,
    /// What operators have asked of the ISPs.
    intents: Intents,
    unkept: operator::Unkept,
    /// What the ISPs have carried.
    quotas: Quotas,
    /// How long flows may stay on metered ISPs.
    stays: Stays,
    /// Queues of a new link between the host and the workers.
    host_queues: u32,
    /// Ports that the workers have no sockets of.
    left_out: BTreeSet<PortId>,
}

impl Control {
    /// Opens the state directory and follows the kernel from here on, in a task of the current
    /// tokio runtime and in the network namespace of its thread. Installs nothing yet, and keeps no
    /// ids: see [`Control::settle_ids`].
    ///
    /// # Errors
    /// When the directory is unusable or in use, or the kernel cannot be asked.
    pub async fn start(config: Config, state_dir: &Path) -> Result<Self, ControlError> {
        let state = StateDir::open(state_dir)?;
        let mirror = Mirror::start().await?;
        let now = Moment::now();
        let (mut prefixes, mut news) = Prefixes::restore(&state.prefixes()?, &config, now);
        news.extend(prefixes.look(&config, &mirror.state(), now));
        let history = state.prefix_history()?;
        let (written, config) = (config.clone(), prefixes.apply(&config));
        let mut ids = state.ids()?;
        let reused = ids.assign(&config)?;
        let steering = steering_of(&config, &ids)?;
        let hash_key = state.hash_key()?;
        let mut quotas = Quotas::of(state.carried()?, OffsetDateTime::now_utc());
        // Those that are spent already are no news.
        quotas.judge(metering::quotas(&config));
        let ipv4 = config.ipv4.follow.then(Ipv4::start).transpose()?;
        let probe_token = state::random_word()? as u16;
        let intents = Intents::of(&state.intents()?, now.nanos);
        // Nothing is known of the ISPs yet but what operators want and what has been carried.
        let is_closed = |isp: &str| intents.closing(isp).is_some() || quotas.is_spent(isp);
        let closed = config.isps.iter().filter(|isp| is_closed(&isp.name));
        let closed = closed.filter_map(|isp| ids.uplink(&isp.name)).fold(0, |bits, uplink| bits | 1 << uplink.0);
        let judgement = Judgement { closed, ..Judgement::default() };
        Ok(Self {
            written,
            config,
            prefixes,
            history,
            news,
            ids,
            steering,
            reused,
            hash_key,
            state,
            mirror,
            ipv4,
            generation: 0,
            probe_token,
            judgement,
            candidates: Candidates::default(),
            intents,
            unkept: operator::Unkept::default(),
            quotas,
            stays: Stays::default(),
            host_queues: 1,
            left_out: BTreeSet::new(),
        })
    }

    /// Calls `forget` with the ids that mean something else than in the last run, and then keeps
    /// the ids. To be called once, before the first publication: flow memory outlasts a run, and a
    /// gateway that dies in between finds the same ids reused again.
    ///
    /// # Errors
    /// When the ids cannot be kept.
    pub fn settle_ids(&mut self, forget: impl FnOnce(&Reused)) -> Result<(), ControlError> {
        forget(&std::mem::take(&mut self.reused));
        self.state.keep_ids(&self.ids)?;
        self.state.keep_prefixes(&self.prefixes.kept())?;
        self.note_pairs();
        Ok(())
    }

    /// Looks at the sources of the ISPs' prefixes, and says what has become of them. Where pairs have come
    /// or gone ([`News::changes_pairs`]), `forget` was called as by [`Control::reload`]; compile then.
    ///
    /// # Errors
    /// When there are more pairs than ids, once for all that is seen: the former ones stay. Each call tries again,
    /// as a grace may have ended meanwhile, and says then what there was to say.
    pub fn learn(&mut self, forget: impl FnOnce(&Reused)) -> Result<Vec<News>, ControlError> {
        let (kernel, now) = (self.mirror.state(), Moment::now());
        let seen = self.prefixes.look(&self.written, &kernel, now);
        let is_new = !seen.is_empty();
        self.news.extend(seen);
        if self.news.iter().any(News::changes_pairs) {
            let config = self.prefixes.apply(&self.written);
            let reused = match self.ids.assign(&config) {
                Ok(reused) => reused,
                Err(error) => {
                    self.news.drain(..self.news.len().saturating_sub(MAX_HELD_NEWS));
                    return if is_new { Err(error.into()) } else { Ok(Vec::new()) };
                }
            };
            self.config = config;
            forget(&reused);
            // Packets do not wait for a disk that is full.
            let kept = self.state.keep_ids(&self.ids).and_then(|()| self.state.keep_prefixes(&self.prefixes.kept()));
            if let Err(error) = kept {
                tracing::error!(%error, "a restart will not know the ISPs' prefixes");
            }
            self.note_pairs();
        }
        Ok(std::mem::take(&mut self.news))
    }

    /// What the ISPs have used and have learnt, as of now.
    pub fn report(&self) -> ControlReport {
        let prefixes = self.prefixes.report(&self.written, Moment::now());
        ControlReport { quotas: self.quota_uses(), prefixes }
    }

    fn note_pairs(&mut self) {
        if self.history.note(&self.config, Moment::now().at)
            && let Err(error) = self.state.keep_prefix_history(&self.history)
        {
            tracing::error!(%error, "`map --at` will not know whose an address is now");
        }
    }

    /// Returns when another [`Control::compile`] is due because the kernel's links, addresses,
    /// routes or default routers changed. May be dropped at any time, as `select!` does.
    ///
    /// # Errors
    /// When the kernel can no longer be followed.
    pub async fn next_change(&mut self) -> Result<(), ControlError> {
        Ok(self.mirror.changed().await?)
    }

    /// The next generation, of the newest picture of the kernel. From here on the next hops of
    /// this generation are kept resolved, and the host's rules are kept installed.
    ///
    /// # Errors
    /// When the configuration contradicts itself, or the kernel has more than gates or guards take.
    pub fn compile(&mut self) -> Result<Generation, CompileError> {
        let kernel = self.mirror.state();
        let mut generation = compile(&self.ingredients(&kernel, self.generation + 1))?;
        check_room(&generation.gate)?;
        self.close_unserved(&mut generation);
        self.generation += 1;
        self.candidates = generation.candidates;
        self.mirror.follow(self.orders(&kernel, &generation));
        self.tell_ipv4(&kernel, generation.snapshot.accepting);
        Ok(generation)
    }

    /// Installs the host's rules for the newest picture and waits for the kernel's word.
    ///
    /// # Errors
    /// When the configuration contradicts itself or the kernel refuses a rule or a route.
    pub async fn apply_host_rules(&self) -> Result<(), ControlError> {
        let kernel = self.mirror.state();
        let generation = compile(&self.ingredients(&kernel, self.generation))?;
        Ok(self.mirror.follow_and_wait(self.orders(&kernel, &generation)).await?)
    }

    /// From now on a link between the host and the workers that has to be made gets so many queues.
    pub fn set_host_queues(&mut self, queues: u32) {
        self.host_queues = queues;
    }

    /// Leaves the host's own traffic to the kernel, as nobody will be there to steer it; all else stays.
    ///
    /// # Errors
    /// When the configuration contradicts itself or the kernel refuses.
    pub async fn stop_steering_host(&self) -> Result<(), ControlError> {
        let kernel = self.mirror.state();
        let generation = compile(&self.ingredients(&kernel, self.generation))?;
        let orders = self.orders(&kernel, &generation);
        Ok(self.mirror.follow_and_wait(Orders { host: orders.host.without_steering(), ..orders }).await?)
    }

    /// Takes the host's rules away and leaves neighbours to the kernel: for `on_stop = "release"`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn release(self) -> Result<(), ControlError> {
        if let Some(ipv4) = self.ipv4 {
            ipv4.release().await?;
        }
        Ok(self.mirror.release().await?)
    }

    /// `latest`, the snapshot of the latest generation, after health has said `judgement`: nothing else is
    /// compiled, since the loss of an ISP is not to wait. `None` where it changes nothing. Publish it at
    /// once; the kernel's part follows with the next [`Control::compile`].
    pub fn judge(&mut self, judgement: Judgement, latest: &Snapshot, now: Nanos) -> Option<Snapshot> {
        let Fitness { usable, accepting, kept } = self.candidates.judge(judgement);
        let overstayed = self.stays.over(&self.config, &self.ids, accepting & !kept, now);
        let moves = self.intents.moves(|isp| self.ids.uplink(isp), now).with_overstayed(overstayed);
        self.judgement = Judgement { moves, ..judgement };
        if (usable, accepting, kept, moves) == (latest.usable, latest.accepting, latest.kept, latest.moves) {
            return None;
        }
        self.generation += 1;
        self.tell_ipv4(&self.mirror.state(), accepting);
        Some(Snapshot { generation: self.generation, usable, accepting, kept, moves, ..latest.clone() })
    }

    fn ingredients<'a>(&'a self, kernel: &'a KernelState, generation: u64) -> Ingredients<'a> {
        Ingredients {
            config: &self.config,
            kernel,
            ids: &self.ids,
            steering: &self.steering,
            judgement: self.judgement,
            generation,
            hash_key: self.hash_key,
            probe_token: self.probe_token,
        }
    }

    /// IPv4 prefers the ISPs that new flows prefer: `accepting`, bits by uplink.
    fn tell_ipv4(&self, kernel: &KernelState, accepting: u16) {
        let Some(ipv4) = &self.ipv4 else { return };
        let verdict = |isp: &config::Isp| {
            let link = kernel.edge_link(&isp.interface, isp.vlan)?;
            Some((link.ifindex, accepting & 1 << self.ids.uplink(&isp.name)?.0 != 0))
        };
        ipv4.follow(self.config.isps.iter().filter_map(verdict).collect());
    }

    fn orders(&self, kernel: &KernelState, generation: &Generation) -> Orders {
        let snapshot = &generation.snapshot;
        // A device that comes later makes another compilation due.
        let named = |name: String, interface: &str, vlan: Option<u16>| {
            Some((self.ids.edge(&name)?, kernel.edge_link(interface, vlan)?.name.clone()))
        };
        let host_port = self.config.lans.iter().find(|lan| lan.is_host()).and_then(|lan| self.ids.edge(&lan.interface));
        let lans = self.config.lans.iter().filter_map(|lan| named(lan.edge_name(), &lan.interface, lan.vlan));
        let isps = self.config.isps.iter().filter_map(|isp| named(isp.edge_name(), &isp.interface, isp.vlan));
        Orders {
            edges: lans.chain(isps).collect(),
            pinned: snapshot.uplinks.iter().filter_map(|uplink| Some((uplink.edge, uplink.next_hop?))).collect(),
            fixed: host_port.map(|edge| ((edge, host_link::NEAR), host_link::MAC)).into_iter().collect(),
            host: host_rules::wanted(&self.config, kernel, &self.ids),
            host_link: host_link::wanted(&self.config, kernel, self.host_queues),
        }
    }

    /// The neighbours that workers look up.
    pub fn neighbours(&self) -> Arc<NeighbourTable> {
        self.mirror.table()
    }

    /// Where workers' requests for neighbours go in.
    pub fn wants(&self) -> Wants {
        self.mirror.wants()
    }

    /// The newest picture of the kernel.
    pub fn kernel(&self) -> Arc<KernelState> {
        self.mirror.state()
    }

    /// The configuration as it is written.
    pub fn written(&self) -> &Config {
        &self.written
    }

    /// The configuration in force, with the prefixes that were learnt.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The ids in force.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }
}
