//! Flows that live through a mishap, and by which ISP each of them goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::time::Duration;

use crate::lab::clients::{Live, LiveFlow};
use crate::lab::watch::{Outside, Watch};
use crate::lab::{H10, Lab, SERVER_PREFIX};

/// Until the slowest of them has sent again, however long it had waited last.
pub const LIMIT: Duration = Duration::from_secs(40);
pub const TCP: u32 = 40;
const UDP: u32 = 60;
const FEWEST: usize = 5;
/// [`H10`] by each ISP: 0x10 + 0x7c49 and 0x10 + 0x7c48 (RFC 6296 §3.4).
const IMAGES: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2001, 0xdb8, 1, 0x7c59, 0, 0, 0, 0x10), Ipv6Addr::new(0x2001, 0xdb8, 2, 0x7c58, 0, 0, 0, 0x10)];

/// TCP connections and UDP flows from one host to many servers, a message ten times a second in each,
/// while a mishap happens. Those by the ISPs `unmoved` go on, and by the same ISP all the time; of the
/// others connections may break, because the world knows them by another address. Whatever left
/// meanwhile had a source of its ISP and a right checksum.
#[track_caller]
pub fn survive(lab: &Lab, unmoved: &[&str], mishap: impl FnOnce()) {
    let mut live = Live::start(lab, "h10", H10, SERVER_PREFIX, TCP, UDP);
    let watch = Watch::start(lab, "tcp or udp");
    live.go_on(LIMIT);
    let mut before = by_isp(watch);
    // Connections that an earlier mishap broke still say so.
    let mine: BTreeSet<_> = live.look().iter().map(LiveFlow::name).collect();
    before.retain(|flow, _| mine.contains(flow));
    assert_eq!(before.len(), (TCP + UDP) as usize, "{before:?}");
    before.retain(|_, isps| unmoved.iter().any(|isp| isps[..] == [*isp]));
    assert!(before.len() >= FEWEST, "too few flows to tell: {before:?}");
    let watch = Watch::start(lab, "tcp or udp");
    mishap();
    live.these_go_on(LIMIT, |flow| before.contains_key(flow));
    let after = by_isp(watch);
    let moved: Vec<_> = before.iter().filter(|(flow, isps)| after.get(*flow) != Some(*isps)).collect();
    assert!(moved.is_empty(), "moved: {moved:?}");
}

/// By which ISPs each of the host's flows went.
pub fn by_isp(watch: Watch) -> BTreeMap<Outside, Vec<&'static str>> {
    let mut by = BTreeMap::<Outside, Vec<&'static str>>::new();
    for (seen, image) in watch.finish().into_iter().zip(IMAGES) {
        let isp = seen.isp;
        for flow in seen.only(image).flows() {
            by.entry(flow).or_default().push(isp);
        }
    }
    by
}
