//! The kernel's network state by netlink, in the network namespace of the calling thread.
//!
//! [`Netlink`] asks and orders; [`watch`] hears what changes. Events only say *what* is stale:
//! links, addresses, routes and rules are then dumped again, because IPv6 route events cannot
//! be replayed (a replaced or partly deleted multipath route, routes that vanish with their
//! device without a word). Neighbour events are complete and are applied as they come.

mod parse;
mod watch;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use futures_util::{Stream, StreamExt};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::{RouteHeader, RouteMessage, RouteType};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};

use crate::control::kernel::{Address, KernelState, Link, Neighbour, Route, Rule};
use crate::limits::HOST_PROTOCOL;

pub use parse::FIND_SOURCE;
pub use watch::{Event, Stale, Watch};

/// Why the kernel could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket.
    #[error("cannot open a netlink socket: {0}; the process needs AF_NETLINK (systemd: RestrictAddressFamilies=)")]
    Open(#[source] std::io::Error),
    /// The kernel refused.
    #[error("the kernel refused to {what}: {source}; changing rules, routes and neighbours needs CAP_NET_ADMIN")]
    Refused {
        /// What was asked, in words.
        what: &'static str,
        /// Its answer.
        source: std::io::Error,
    },
    /// The name of the host's link is taken.
    #[error("`{0}` is there and is not the gateway's; rename or remove it, or remove steer = true from [host]")]
    NotOurs(&'static str),
    /// The connection's task is gone.
    #[error("the netlink connection ended while asked to {0}; restart the gateway")]
    Closed(&'static str),
}

/// A connection that asks and orders. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Netlink {
    handle: rtnetlink::Handle,
}

/// Parts of a [`KernelState`] that were dumped anew.
#[derive(Debug, Default)]
pub struct Fresh {
    links: Option<BTreeMap<u32, Link>>,
    addresses: Option<Vec<Address>>,
    routes: Option<Vec<Route>>,
    rules: Option<Vec<Rule>>,
}

impl Fresh {
    /// Puts the parts in their places. Returns whether the world is another: links, addresses,
    /// or routes that are not ours.
    pub fn store(self, state: &mut KernelState) -> bool {
        let mut changed = replace(&mut state.links, self.links);
        changed |= replace(&mut state.addresses, self.addresses);
        replace(&mut state.rules, self.rules);
        if let Some(routes) = self.routes {
            let not_ours = |route: &&Route| route.protocol != HOST_PROTOCOL;
            changed |= !routes.iter().filter(not_ours).eq(state.routes.iter().filter(not_ours));
            state.routes = routes;
        }
        changed
    }
}

fn replace<T: PartialEq>(old: &mut T, new: Option<T>) -> bool {
    match new {
        Some(new) if new != *old => {
            *old = new;
            true
        }
        _ => false,
    }
}

impl Netlink {
    /// Opens the connection and runs it as a task of the current tokio runtime.
    ///
    /// # Errors
    /// Without a socket.
    pub fn open() -> Result<Self, NetlinkError> {
        let (connection, handle, _unsolicited) = rtnetlink::new_connection().map_err(NetlinkError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Everything.
    ///
    /// # Errors
    /// When the kernel refuses one of the dumps.
    pub async fn dump(&self) -> Result<KernelState, NetlinkError> {
        let mut state = KernelState::default();
        self.refresh(Stale::ALL).await?.store(&mut state);
        state.neighbours = self.neighbours().await?;
        Ok(state)
    }

    /// The parts that are stale.
    ///
    /// # Errors
    /// When the kernel refuses one of the dumps.
    pub async fn refresh(&self, stale: Stale) -> Result<Fresh, NetlinkError> {
        let mut fresh = Fresh::default();
        if stale.links {
            let links = self.list(Message::GetLink(LinkMessage::default()), "list links", |message| match message {
                Message::NewLink(link) => Some(parse::link(link)),
                _ => None,
            });
            fresh.links = Some(links.await?.into_iter().map(|link| (link.ifindex, link)).collect());
        }
        if stale.addresses {
            let mut ask = netlink_packet_route::address::AddressMessage::default();
            ask.header.family = AddressFamily::Inet6;
            let addresses = self.list(Message::GetAddress(ask), "list addresses", |message| match message {
                Message::NewAddress(address) => parse::address(address),
                _ => None,
            });
            fresh.addresses = Some(sorted(addresses.await?));
        }
        if stale.routes {
            let mut ask = RouteMessage::default();
            ask.header.address_family = AddressFamily::Inet6;
            let routes = self.list(Message::GetRoute(ask), "list routes", |message| match message {
                Message::NewRoute(route) => parse::route(route),
                _ => None,
            });
            fresh.routes = Some(sorted(routes.await?));
        }
        if stale.rules {
            let mut ask = RuleMessage::default();
            ask.header.family = AddressFamily::Inet6;
            let rules = self.list(Message::GetRule(ask), "list rules", |message| match message {
                Message::NewRule(rule) => parse::rule(rule, HOST_PROTOCOL),
                _ => None,
            });
            fresh.rules = Some(sorted(rules.await?));
        }
        Ok(fresh)
    }

    /// All neighbours.
    ///
    /// # Errors
    /// When the kernel refuses the dump.
    pub async fn neighbours(&self) -> Result<BTreeMap<(u32, Ipv6Addr), Neighbour>, NetlinkError> {
        let mut ask = NeighbourMessage::default();
        ask.header.family = AddressFamily::Inet6;
        let neighbours = self.list(Message::GetNeighbour(ask), "list neighbours", |message| match message {
            Message::NewNeighbour(neighbour) => parse::neighbour(neighbour),
            _ => None,
        });
        Ok(neighbours.await?.into_iter().collect())
    }

    /// IPv4 default routes of the main table, in the kernel's order.
    ///
    /// # Errors
    /// When the kernel refuses the dump.
    pub async fn ipv4_default_routes(&self) -> Result<Vec<RouteMessage>, NetlinkError> {
        let mut ask = RouteMessage::default();
        ask.header.address_family = AddressFamily::Inet;
        self.list(Message::GetRoute(ask), "list IPv4 routes", |message| match message {
            Message::NewRoute(route) => {
                let header = &route.header;
                let is_default = header.destination_prefix_length == 0 && header.kind == RouteType::Unicast;
                (is_default && header.table == RouteHeader::RT_TABLE_MAIN && header.tos == 0).then(|| route.clone())
            }
            _ => None,
        })
        .await
    }

    /// As [`Netlink::order`], for an IPv4 route that is to stand before those of the same metric. One that is
    /// there already is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn prepend(&self, message: Message, what: &'static str) -> Result<(), NetlinkError> {
        match self.order_with(message, NLM_F_CREATE, what).await {
            Err(NetlinkError::Refused { source, .. }) if source.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            outcome => outcome,
        }
    }

    /// Sends an order and waits for the kernel's word.
    ///
    /// # Errors
    /// When the kernel refuses; `what` says in words what was ordered.
    pub async fn order(&self, message: Message, what: &'static str) -> Result<(), NetlinkError> {
        let flags = creation(&message);
        self.order_with(message, flags, what).await
    }

    async fn order_with(&self, message: Message, flags: u16, what: &'static str) -> Result<(), NetlinkError> {
        let mut answers = self.request(message, NLM_F_REQUEST | NLM_F_ACK | flags, what)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(NetlinkError::Refused { what, source: error.to_io() });
            }
        }
        Ok(())
    }

    /// Sends an order without waiting for the answer.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn order_unheard(&self, message: Message, what: &'static str) -> Result<(), NetlinkError> {
        // The connection sends one message each time that it is woken, so it needs an answer to
        // be woken by, else orders pile up.
        let flags = NLM_F_REQUEST | NLM_F_ACK | creation(&message);
        self.request(message, flags, what).map(drop)
    }

    async fn list<T>(
        &self,
        ask: Message,
        what: &'static str,
        parse: impl Fn(&Message) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let mut answers = self.request(ask, NLM_F_REQUEST | NLM_F_DUMP, what)?;
        let mut found = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => found.extend(parse(&message)),
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(NetlinkError::Refused { what, source: error.to_io() });
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn request(
        &self,
        message: Message,
        flags: u16,
        what: &'static str,
    ) -> Result<impl Stream<Item = NetlinkMessage<Message>> + use<>, NetlinkError> {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = flags;
        self.handle.clone().request(message).map_err(|_| NetlinkError::Closed(what))
    }
}

/// Flags of an order that adds something. A second rule like the first would be added beside
/// it, so rules are refused if they exist, as are links and addresses; the rest is replaced.
const fn creation(message: &Message) -> u16 {
    match message {
        Message::NewRule(_) | Message::NewLink(_) | Message::NewAddress(_) => NLM_F_CREATE | NLM_F_EXCL,
        Message::NewRoute(_) | Message::NewNeighbour(_) => NLM_F_CREATE | NLM_F_REPLACE,
        _ => 0,
    }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list
}
