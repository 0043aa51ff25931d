//! Keeps the workers' neighbour table: mirrors what the kernel knows, and tells what to ask
//! the kernel for. The kernel resolves and probes; it sees none of the workers' traffic, so
//! control says which neighbours are in use.
//!
//! Pure: told the time, returns orders. Judges no one: a neighbour that the kernel calls FAILED
//! is asked for again as soon as a worker wants it (RFC 4861 §7.3, traps of a bypass).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState as Nud,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::control::kernel::{KernelState, Link, Neighbour, Reachability};
use crate::limits::{
    ASKED_NEIGHBOURS, HELD, MANAGED_NEIGHBOURS, NEIGHBOUR_IDLE_NANOS, NEIGHBOUR_RETRY_NANOS, NEIGHBOUR_SLOTS,
};
use crate::snapshot::{NeighbourState, NeighbourTable};
use crate::units::{EdgeId, MacAddr, Nanos};

/// An address on an edge.
pub type Key = (EdgeId, Ipv6Addr);

/// What the kernel is to do about one neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// On which device.
    pub ifindex: u32,
    /// Which neighbour.
    pub address: Ipv6Addr,
    /// Keep it fresh from now on; else resolve or confirm it once, and leave it to age.
    pub keep: bool,
}

impl Order {
    /// The request to the kernel. `NTF_USE` has it resolved or confirmed now, on every kernel;
    /// `NTF_EXT_MANAGED` keeps it fresh from Linux 5.16 on and is passed over before, where the
    /// repetition by [`Neighbours::sweep`] does the same. Without it an entry is managed no more.
    pub fn message(self) -> RouteNetlinkMessage {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet6;
        message.header.ifindex = self.ifindex;
        message.header.state = Nud::None;
        message.header.flags = NeighbourFlags::Use;
        message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet6(self.address)));
        if self.keep {
            message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        }
        RouteNetlinkMessage::NewNeighbour(message)
    }
}

/// The keeper of the table.
#[derive(Debug)]
pub struct Neighbours {
    table: Arc<NeighbourTable>,
    /// The edges' devices that exist: index, and whether frames can be sent.
    edges: BTreeMap<EdgeId, (u32, bool)>,
    /// Kept fresh whether used or not: the next hops.
    pinned: BTreeSet<Key>,
    /// Known without asking.
    fixed: BTreeMap<Key, MacAddr>,
    known: BTreeMap<Key, Known>,
    /// When each unresolved neighbour was last asked for.
    asked: BTreeMap<Key, Nanos>,
    refused: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Known {
    neighbour: Neighbour,
    last_used: Option<Nanos>,
}

impl Default for Neighbours {
    fn default() -> Self {
        Self {
            table: Arc::new(NeighbourTable::new(NEIGHBOUR_SLOTS)),
            edges: BTreeMap::new(),
            pinned: BTreeSet::new(),
            fixed: BTreeMap::new(),
            known: BTreeMap::new(),
            asked: BTreeMap::new(),
            refused: Arc::default(),
        }
    }
}

impl Neighbours {
    /// The table that workers read.
    pub fn table(&self) -> Arc<NeighbourTable> {
        Arc::clone(&self.table)
    }

    /// Counts neighbours that found no place: too many were asked for, or the table was full.
    pub fn refused(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.refused)
    }

    /// Follows edges (by their devices' names), next hops and the kernel's state. What is known
    /// of an edge whose device is gone, or is another, is forgotten. Next hops that are not
    /// resolved are asked for, at once where the link has just come up.
    pub fn follow(
        &mut self,
        edges: &[(EdgeId, String)],
        pinned: &[Key],
        kernel: &KernelState,
        now: Nanos,
    ) -> Vec<Order> {
        let device = |name: &str| kernel.link(name).map(|link: &Link| (link.ifindex, link.is_usable()));
        let edges: BTreeMap<_, _> = edges.iter().filter_map(|(edge, name)| Some((*edge, device(name)?))).collect();
        let before = std::mem::replace(&mut self.edges, edges);
        let index = |edges: &BTreeMap<EdgeId, (u32, bool)>, edge: EdgeId| edges.get(&edge).map(|(index, _)| *index);
        let known: Vec<Key> = self.known.keys().copied().collect();
        for key in known {
            let now_at = index(&self.edges, key.0);
            let is_there = now_at.is_some_and(|ifindex| kernel.neighbours.contains_key(&(ifindex, key.1)));
            if now_at != index(&before, key.0) || !is_there {
                self.forget(key);
            }
        }
        for ((ifindex, address), neighbour) in &kernel.neighbours {
            if let Some(edge) = self.edge_at(*ifindex) {
                self.learn((edge, *address), *neighbour);
            }
        }
        self.pinned = pinned.iter().copied().collect();
        for (edge, (_, usable)) in &self.edges {
            let was = before.get(edge).is_some_and(|(_, usable)| *usable);
            if *usable && !was {
                self.asked.retain(|(asked, _), _| asked != edge);
            }
        }
        self.missing_pins(now)
    }

    /// Neighbours that are always there: the kernel is never asked for them.
    pub fn fix(&mut self, fixed: &[(Key, MacAddr)]) {
        let former = std::mem::replace(&mut self.fixed, fixed.iter().copied().collect());
        for (key, _) in former {
            if !self.fixed.contains_key(&key) {
                self.store(key, NeighbourState::Unknown);
            }
        }
        for (key, mac) in fixed {
            self.store(*key, NeighbourState::Resolved(*mac));
        }
    }

    /// Takes in one change of the kernel's neighbours. A next hop that was lost is asked for.
    pub fn on_event(
        &mut self,
        ifindex: u32,
        address: Ipv6Addr,
        neighbour: Option<Neighbour>,
        now: Nanos,
    ) -> Option<Order> {
        let key = (self.edge_at(ifindex)?, address);
        match neighbour {
            Some(neighbour) => {
                self.learn(key, neighbour);
                None
            }
            None => {
                self.forget(key);
                self.pinned.contains(&key).then(|| self.ask(key, true, now)).flatten()
            }
        }
    }

    /// A worker wants a neighbour that the table shows as unknown or failed.
    pub fn want(&mut self, edge: EdgeId, address: Ipv6Addr, now: Nanos) -> Option<Order> {
        if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
            return None;
        }
        let key = (edge, address);
        if self.fixed.contains_key(&key) {
            return None;
        }
        if matches!(
            self.known.get(&key),
            Some(Known { neighbour: Neighbour { state: Reachability::Resolved(_), .. }, .. })
        ) {
            return None;
        }
        let order = self.ask(key, self.pinned.contains(&key), now)?;
        // From here on frames are held for it again, until the kernel's next word.
        self.store(key, NeighbourState::Unknown);
        Some(order)
    }

    /// Looks which neighbours were used, to be called every [`crate::limits::NEIGHBOUR_SWEEP_NANOS`]:
    /// those in use are kept fresh, those idle for [`NEIGHBOUR_IDLE_NANOS`] are left to age.
    pub fn sweep(&mut self, now: Nanos) -> Vec<Order> {
        self.asked.retain(|_, asked| now.since(*asked) < HELD);
        let mut managed = self.known.values().filter(|known| known.neighbour.managed).count();
        let mut orders = Vec::new();
        for (key, known) in &mut self.known {
            let Some((ifindex, _)) = self.edges.get(&key.0) else { continue };
            if self.table.take_used(key.0, key.1) || known.last_used.is_none() && known.neighbour.managed {
                known.last_used = Some(now);
            }
            let in_use = known.last_used.is_some_and(|used| now.since(used).0 < NEIGHBOUR_IDLE_NANOS);
            let resolved = matches!(known.neighbour.state, Reachability::Resolved(_));
            let keep = self.pinned.contains(key) || in_use && resolved;
            let order = Order { ifindex: *ifindex, address: key.1, keep };
            match (keep, known.neighbour.managed) {
                (true, false) if resolved && managed < MANAGED_NEIGHBOURS => {
                    managed += 1;
                    orders.push(order);
                }
                (false, true) => orders.push(order),
                _ => {}
            }
        }
        orders.extend(self.missing_pins(now));
        orders
    }

    /// Orders that leave every neighbour on our edges to the kernel's own ageing.
    pub fn release(&self) -> Vec<Order> {
        self.known
            .iter()
            .filter(|(_, known)| known.neighbour.managed)
            .filter_map(|(key, _)| Some(Order { ifindex: self.edges.get(&key.0)?.0, address: key.1, keep: false }))
            .collect()
    }

    fn missing_pins(&mut self, now: Nanos) -> Vec<Order> {
        let missing: Vec<Key> = self
            .pinned
            .iter()
            .filter(|key| {
                !self.known.get(key).is_some_and(|known| matches!(known.neighbour.state, Reachability::Resolved(_)))
            })
            .copied()
            .collect();
        missing.into_iter().filter_map(|key| self.ask(key, true, now)).collect()
    }

    /// An order to resolve, unless the link is down, it was given a moment ago, or too many wait.
    fn ask(&mut self, key: Key, keep: bool, now: Nanos) -> Option<Order> {
        let (ifindex, _) = *self.edges.get(&key.0).filter(|(_, usable)| *usable)?;
        match self.asked.get(&key) {
            Some(asked) if now.since(*asked).0 < NEIGHBOUR_RETRY_NANOS => return None,
            None if self.asked.len() >= ASKED_NEIGHBOURS => {
                self.asked.retain(|_, asked| now.since(*asked) < HELD);
                if self.asked.len() >= ASKED_NEIGHBOURS {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
            }
            _ => {}
        }
        self.asked.insert(key, now);
        Some(Order { ifindex, address: key.1, keep })
    }

    fn learn(&mut self, key: Key, neighbour: Neighbour) {
        let state = match neighbour.state {
            Reachability::Resolved(mac) => NeighbourState::Resolved(mac),
            Reachability::Failed => NeighbourState::Failed,
            Reachability::Incomplete => NeighbourState::Unknown,
        };
        if state != NeighbourState::Unknown {
            self.asked.remove(&key);
        }
        let last_used = self.known.get(&key).and_then(|known| known.last_used);
        self.known.insert(key, Known { neighbour, last_used });
        self.store(key, state);
    }

    fn forget(&mut self, key: Key) {
        if self.known.remove(&key).is_some() {
            self.store(key, NeighbourState::Unknown);
        }
    }

    fn store(&mut self, key: Key, state: NeighbourState) {
        if self.table.set(key.0, key.1, state).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn edge_at(&self, ifindex: u32) -> Option<EdgeId> {
        self.edges.iter().find(|(_, (index, _))| *index == ifindex).map(|(edge, _)| *edge)
    }
}

#[cfg(test)]
mod tests;
