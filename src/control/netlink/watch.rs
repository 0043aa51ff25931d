//! Netlink's multicast events, sorted by what they make stale.

use std::fmt;
use std::net::Ipv6Addr;
use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::neighbour::NeighbourMessage;
use rtnetlink::MulticastGroup;
use rtnetlink::sys::AsyncSocket;

use super::{NetlinkError, parse};
use crate::control::kernel::Neighbour;

/// Which parts of a picture must be dumped again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stale {
    /// Devices.
    pub links: bool,
    /// Addresses.
    pub addresses: bool,
    /// Routes.
    pub routes: bool,
    /// Policy rules.
    pub rules: bool,
    /// A device was removed: one that was made anew since may look the same, and is another.
    pub removed: bool,
}

impl Stale {
    /// Every part.
    pub const ALL: Self = Self { links: true, addresses: true, routes: true, rules: true, removed: false };

    /// Whether any part is stale.
    pub fn any(self) -> bool {
        self != Self::default()
    }

    /// Adds the parts of `other`.
    pub fn add(&mut self, other: Self) {
        self.links |= other.links;
        self.addresses |= other.addresses;
        self.routes |= other.routes;
        self.rules |= other.rules;
        self.removed |= other.removed;
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Parts of the picture are stale.
    Stale(Stale),
    /// A neighbour entry is new or changed; `None`: it is gone.
    Neighbour((u32, Ipv6Addr), Option<Neighbour>),
    /// Events were lost: everything is stale, neighbours too.
    Lost,
}

/// A subscription to the kernel's events. Subscribe before the first dump.
pub struct Watch {
    messages: Pin<Box<dyn Stream<Item = NetlinkMessage<Message>> + Send>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watch")
    }
}

/// Receive buffer of the subscription, in octets; the kernel may grant less.
const BUFFER: usize = 1 << 20;

impl Watch {
    /// Subscribes, with a task of the current tokio runtime that reads the socket.
    ///
    /// # Errors
    /// Without a socket.
    pub fn open() -> Result<Self, NetlinkError> {
        Self::of(&[
            MulticastGroup::Link,
            MulticastGroup::Neigh,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv6Route,
            MulticastGroup::Ipv6Rule,
        ])
    }

    /// As [`Watch::open`], for links and IPv4 routes.
    ///
    /// # Errors
    /// Without a socket.
    pub fn open_ipv4() -> Result<Self, NetlinkError> {
        Self::of(&[MulticastGroup::Link, MulticastGroup::Ipv4Route])
    }

    fn of(groups: &[MulticastGroup]) -> Result<Self, NetlinkError> {
        let (mut connection, _handle, messages) =
            rtnetlink::new_multicast_connection(groups).map_err(NetlinkError::Open)?;
        // A smaller buffer only means more dumps.
        let _ = connection.socket_mut().socket_mut().set_rx_buf_sz(BUFFER);
        tokio::spawn(connection);
        Ok(Self { messages: Box::pin(messages.map(|(message, _)| message)) })
    }

    /// The next event. Losing the future loses no event.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn next(&mut self) -> Result<Event, NetlinkError> {
        loop {
            let message = self.messages.next().await.ok_or(NetlinkError::Closed("report changes"))?;
            if let Some(event) = event(&message.payload) {
                return Ok(event);
            }
        }
    }
}

fn event(payload: &NetlinkPayload<Message>) -> Option<Event> {
    let message = match payload {
        NetlinkPayload::InnerMessage(message) => message,
        NetlinkPayload::Overrun(_) => return Some(Event::Lost),
        _ => return None,
    };
    match message {
        // Addresses and routes can go with their device, or with its carrier, unsaid.
        Message::NewLink(_) => Some(Event::Stale(Stale { rules: false, ..Stale::ALL })),
        Message::DelLink(_) => Some(Event::Stale(Stale { rules: false, removed: true, ..Stale::ALL })),
        Message::NewAddress(_) | Message::DelAddress(_) => {
            Some(Event::Stale(Stale { addresses: true, ..Stale::default() }))
        }
        Message::NewRoute(_) | Message::DelRoute(_) => Some(Event::Stale(Stale { routes: true, ..Stale::default() })),
        Message::NewRule(_) | Message::DelRule(_) => Some(Event::Stale(Stale { rules: true, ..Stale::default() })),
        Message::NewNeighbour(message) => neighbour(message, false),
        Message::DelNeighbour(message) => neighbour(message, true),
        _ => None,
    }
}

fn neighbour(message: &NeighbourMessage, gone: bool) -> Option<Event> {
    let (key, neighbour) = parse::neighbour(message)?;
    Some(Event::Neighbour(key, (!gone).then_some(neighbour)))
}
