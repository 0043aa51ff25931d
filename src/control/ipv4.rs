//! `[ipv4] follow`: the kernel's IPv4 default route passes over ISPs that are not usable.
//!
//! Default routes stay with whoever made them, and their metrics say which ISP is preferred. While
//! the first of them leads to an ISP that is not usable, a copy of the best one that leads elsewhere
//! stands before all of them, with our protocol tag; it goes when it is not needed. When no ISP is
//! usable nothing is changed. Desired state: put back when somebody deletes it, taken away by
//! [`Ipv4::release`] and by [`remove`].

use std::collections::BTreeMap;
use std::time::Duration;

use netlink_packet_route::route::{
    RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteProtocol,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::control::netlink::{Netlink, NetlinkError, Watch};
use crate::limits::{HOST_PROTOCOL, NETLINK_QUIET_NANOS, NETLINK_REST};

/// By a device's index: whether the ISP there is usable. Others are taken as they are.
pub type Verdicts = BTreeMap<u32, bool>;

enum Command {
    Follow(Verdicts),
    Release(oneshot::Sender<Result<(), NetlinkError>>),
}

/// Control's end of the task that does it. When this is dropped the task takes its route away and ends.
#[derive(Debug)]
pub struct Ipv4 {
    commands: mpsc::UnboundedSender<Command>,
}

impl Ipv4 {
    /// Subscribes, and goes on in a task of the current tokio runtime. Changes nothing yet.
    ///
    /// # Errors
    /// When the kernel refuses a socket.
    pub fn start() -> Result<Self, NetlinkError> {
        let (watch, netlink) = (Watch::open_ipv4()?, Netlink::open()?);
        let (commands, queue) = mpsc::unbounded_channel();
        tokio::spawn(run(netlink, watch, queue));
        Ok(Self { commands })
    }

    /// Follows `verdicts` from now on.
    pub fn follow(&self, verdicts: Verdicts) {
        // A task that is gone has said why in the log.
        let _ = self.commands.send(Command::Follow(verdicts));
    }

    /// Takes the route away and ends.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn release(self) -> Result<(), NetlinkError> {
        const WHAT: &str = "remove the IPv4 default route";
        let (done, answer) = oneshot::channel();
        self.commands.send(Command::Release(done)).map_err(|_| NetlinkError::Closed(WHAT))?;
        answer.await.map_err(|_| NetlinkError::Closed(WHAT))?
    }
}

async fn run(netlink: Netlink, mut watch: Watch, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mut verdicts: Option<Verdicts> = None;
    let mut due: Option<Instant> = None;
    let quiet = Duration::from_nanos(NETLINK_QUIET_NANOS);
    let mut rest = Instant::now();
    loop {
        tokio::select! {
            event = watch.next() => match event {
                Ok(_) => due = due.or(Some(rest.max(Instant::now() + quiet))),
                Err(error) => {
                    tracing::error!(%error, "IPv4 no longer follows the ISPs");
                    return;
                }
            },
            command = commands.recv() => match command {
                Some(Command::Follow(new)) if verdicts.as_ref() == Some(&new) => {}
                Some(Command::Follow(new)) => {
                    verdicts = Some(new);
                    due = Some(Instant::now());
                }
                Some(Command::Release(done)) => {
                    let _ = done.send(remove(&netlink).await);
                    return;
                }
                None => {
                    // Switched off while the gateway goes on.
                    if let Err(error) = remove(&netlink).await {
                        tracing::warn!(%error, "an IPv4 default route of the gateway's is left");
                    }
                    return;
                }
            },
            () = sleep_until(due.unwrap_or(rest)), if due.is_some() => {
                due = None;
                let began = Instant::now();
                if let Some(verdicts) = &verdicts
                    && let Err(error) = apply(&netlink, verdicts).await
                {
                    tracing::warn!(%error, "IPv4 may go by an ISP that is not usable");
                }
                // A full BGP table that never stands still must not keep a core busy.
                rest = Instant::now() + NETLINK_REST * began.elapsed();
            }
        }
    }
}

async fn apply(netlink: &Netlink, verdicts: &Verdicts) -> Result<(), NetlinkError> {
    let routes = netlink.ipv4_default_routes().await?;
    let wanted = wanted(&routes, verdicts);
    let ours: Vec<RouteMessage> = routes.iter().filter(|route| is_ours(route)).map(plain).collect();
    if let Some(new) = wanted.as_ref().filter(|new| !ours.contains(new)) {
        netlink.prepend(Message::NewRoute(new.clone()), "add an IPv4 default route").await?;
        tracing::info!(metric = metric(new), "IPv4 goes by another ISP");
    }
    for old in ours.into_iter().filter(|old| Some(old) != wanted.as_ref()) {
        netlink.order(Message::DelRoute(old), "remove an IPv4 default route").await?;
        if wanted.is_none() {
            tracing::info!("IPv4 goes by its own default route again");
        }
    }
    Ok(())
}

/// Takes away what a gateway put there, also one that was killed.
///
/// # Errors
/// When the kernel refuses.
pub async fn remove(netlink: &Netlink) -> Result<(), NetlinkError> {
    for route in netlink.ipv4_default_routes().await?.iter().filter(|route| is_ours(route)) {
        netlink.order(Message::DelRoute(plain(route)), "remove an IPv4 default route").await?;
    }
    Ok(())
}

/// The route that has to stand before `routes`, the main table's default ones; `None` where the
/// first of them will do, or none.
fn wanted(routes: &[RouteMessage], verdicts: &Verdicts) -> Option<RouteMessage> {
    let mut theirs: Vec<RouteMessage> = routes.iter().filter(|route| !is_ours(route)).map(plain).collect();
    theirs.sort_by_key(metric);
    let usable = |route: &RouteMessage| usable_part(route, verdicts);
    let first = theirs.first()?;
    if usable(first).as_ref() == Some(first) {
        return None;
    }
    let mut copy = theirs.iter().find_map(usable)?;
    copy.header.protocol = RouteProtocol::Other(HOST_PROTOCOL);
    // Where there is no lower one, it stands before those of the same metric.
    let before = metric(first).saturating_sub(1);
    copy.attributes.retain(|attribute| !matches!(attribute, RouteAttribute::Priority(_)));
    if before > 0 {
        copy.attributes.push(RouteAttribute::Priority(before));
    }
    Some(copy)
}

/// `route` without the ways by unusable ISPs; `None` if no way is left.
fn usable_part(route: &RouteMessage, verdicts: &Verdicts) -> Option<RouteMessage> {
    let is_usable = |ifindex: u32| verdicts.get(&ifindex).is_none_or(|usable| *usable);
    let mut route = route.clone();
    for attribute in &mut route.attributes {
        match attribute {
            RouteAttribute::Oif(ifindex) if !is_usable(*ifindex) => return None,
            RouteAttribute::MultiPath(ways) => {
                ways.retain(|way| is_usable(way.interface_index));
                if ways.is_empty() {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(route)
}

fn is_ours(route: &RouteMessage) -> bool {
    u8::from(route.header.protocol) == HOST_PROTOCOL
}

fn metric(route: &RouteMessage) -> u32 {
    let metric = |attribute: &RouteAttribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    };
    route.attributes.iter().find_map(metric).unwrap_or_default()
}

/// What makes a route, without what the kernel tells of its state; its metric comes last.
fn plain(route: &RouteMessage) -> RouteMessage {
    let mut plain = RouteMessage::default();
    plain.header = RouteHeader {
        address_family: AddressFamily::Inet,
        flags: route.header.flags & RouteFlags::Onlink,
        ..route.header.clone()
    };
    let makes_it = |attribute: &&RouteAttribute| {
        use RouteAttribute::{Gateway, Metrics, MultiPath, Oif, PrefSource, Priority, Table, Via};
        matches!(
            attribute,
            Table(_) | Oif(_) | Gateway(_) | Via(_) | MultiPath(_) | PrefSource(_) | Metrics(_) | Priority(_)
        )
    };
    plain.attributes = route.attributes.iter().filter(makes_it).cloned().collect();
    for attribute in &mut plain.attributes {
        if let RouteAttribute::MultiPath(ways) = attribute {
            for way in ways {
                way.flags &= RouteNextHopFlags::Onlink;
            }
        }
    }
    plain.attributes.sort_by_key(|attribute| match attribute {
        RouteAttribute::Table(_) => 0,
        RouteAttribute::MultiPath(_) => 1,
        RouteAttribute::Oif(_) => 2,
        RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => 3,
        RouteAttribute::PrefSource(_) => 4,
        RouteAttribute::Metrics(_) => 5,
        _ => 6,
    });
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_route::route::{RouteAddress, RouteNextHop, RouteType};

    fn route(ifindex: u32, metric: u32, protocol: u8) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.kind = RouteType::Unicast;
        message.header.protocol = RouteProtocol::from(protocol);
        message.attributes = vec![
            RouteAttribute::Gateway(RouteAddress::Inet([192, 0, 2, ifindex as u8].into())),
            RouteAttribute::Oif(ifindex),
            RouteAttribute::Priority(metric),
        ];
        message
    }

    /// Devices and metric of the route that is wanted.
    fn found(routes: &[RouteMessage], verdicts: &[(u32, bool)]) -> Option<(Vec<u32>, u32)> {
        let wanted = wanted(routes, &verdicts.iter().copied().collect())?;
        assert!(is_ours(&wanted));
        let devices = wanted.attributes.iter().flat_map(|attribute| match attribute {
            RouteAttribute::Oif(ifindex) => vec![*ifindex],
            RouteAttribute::MultiPath(ways) => ways.iter().map(|way| way.interface_index).collect(),
            _ => vec![],
        });
        Some((devices.collect(), metric(&wanted)))
    }

    #[test]
    fn an_unusable_isps_route_is_passed_over_and_no_other() {
        let routes = [route(2, 200, 16), route(1, 100, 3)];
        assert_eq!(found(&routes, &[(1, true), (2, true)]), None);
        assert_eq!(found(&routes, &[(1, true), (2, false)]), None, "the first is usable");
        assert_eq!(found(&routes, &[(1, false), (2, true)]), Some((vec![2], 99)));
        assert_eq!(found(&routes, &[(1, false), (2, false)]), None, "nobody is usable");
        assert_eq!(found(&routes, &[(1, false)]), Some((vec![2], 99)), "not an ISP of ours");
        assert_eq!(found(&[], &[(1, false)]), None);
    }

    #[test]
    fn our_own_route_is_no_reason_to_keep_it() {
        let routes = [route(2, 99, HOST_PROTOCOL), route(1, 100, 3), route(2, 200, 16)];
        assert_eq!(found(&routes, &[(1, true), (2, true)]), None);
        assert_eq!(found(&routes, &[(1, false), (2, true)]), Some((vec![2], 99)));
        let told = wanted(&routes, &[(1, false)].into_iter().collect());
        assert_eq!(told, Some(plain(&routes[0])), "as it is installed, so that it is not installed again");
        assert_eq!(found(&[route(1, 0, 3), route(2, 200, 3)], &[(1, false)]), Some((vec![2], 0)));
    }

    #[test]
    fn a_multipath_route_keeps_its_usable_ways() {
        let way = |ifindex| {
            let mut way = RouteNextHop::default();
            way.interface_index = ifindex;
            way
        };
        let mut route = route(1, 100, 3);
        route.attributes = vec![RouteAttribute::MultiPath(vec![way(1), way(2)]), RouteAttribute::Priority(100)];
        let routes = [route];
        assert_eq!(found(&routes, &[(1, true), (2, true)]), None);
        assert_eq!(found(&routes, &[(1, false), (2, true)]), Some((vec![2], 99)));
    }
}
