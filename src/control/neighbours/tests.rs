use super::*;
use crate::control::compile::tests::{World, ip};
use crate::units::MacAddr;

const LAN: EdgeId = EdgeId(0);
const WAN: EdgeId = EdgeId(3);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
const UP: Neighbour = Neighbour { state: Reachability::Resolved(MAC), managed: false };
const MANAGED: Neighbour = Neighbour { managed: true, ..UP };
const FAILED: Neighbour = Neighbour { state: Reachability::Failed, managed: false };

struct Site {
    world: World,
    keeper: Neighbours,
}

impl Site {
    fn new() -> Self {
        let mut site = Self { world: World::new(), keeper: Neighbours::default() };
        site.follow(&[], 0);
        site
    }

    fn follow(&mut self, pinned: &[&str], seconds: u64) -> Vec<(String, bool)> {
        let edges = [(LAN, "lan0".to_owned()), (WAN, "wan0".to_owned())];
        let pinned: Vec<Key> = pinned.iter().map(|address| (WAN, ip(address))).collect();
        words(self.keeper.follow(&edges, &pinned, &self.world.kernel, at(seconds)))
    }

    fn event(
        &mut self,
        device: &str,
        address: &str,
        neighbour: Option<Neighbour>,
        seconds: u64,
    ) -> Vec<(String, bool)> {
        let ifindex = self.world.index(device);
        match neighbour {
            Some(neighbour) => self.world.kernel.neighbours.insert((ifindex, ip(address)), neighbour),
            None => self.world.kernel.neighbours.remove(&(ifindex, ip(address))),
        };
        words(self.keeper.on_event(ifindex, ip(address), neighbour, at(seconds)))
    }

    fn want(&mut self, edge: EdgeId, address: &str, seconds: u64) -> Vec<(String, bool)> {
        words(self.keeper.want(edge, ip(address), at(seconds)))
    }

    fn sweep(&mut self, seconds: u64) -> Vec<(String, bool)> {
        words(self.keeper.sweep(at(seconds)))
    }

    fn shows(&self, edge: EdgeId, address: &str) -> NeighbourState {
        self.keeper.table().lookup(edge, ip(address))
    }
}

fn at(seconds: u64) -> Nanos {
    Nanos::from_millis(1000 * (seconds + 1))
}

/// Address and whether it is to be kept fresh.
fn words(orders: impl IntoIterator<Item = Order>) -> Vec<(String, bool)> {
    orders.into_iter().map(|order| (order.address.to_string(), order.keep)).collect()
}

fn once(address: &str) -> Vec<(String, bool)> {
    vec![(address.to_owned(), false)]
}

fn kept(address: &str) -> Vec<(String, bool)> {
    vec![(address.to_owned(), true)]
}

#[test]
fn the_kernels_news_reach_the_table() {
    let mut site = Site::new();
    site.event("lan0", "fd00::9", Some(UP), 0);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Resolved(MAC));
    assert_eq!(site.shows(WAN, "fd00::9"), NeighbourState::Unknown);
    site.event("lan0", "fd00::9", Some(FAILED), 0);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Failed);
    site.event("lan0", "fd00::9", None, 0);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Unknown);
    site.event("dmz0", "fd00::9", Some(UP), 0);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Unknown, "no edge of ours");
}

#[test]
fn a_want_is_asked_for_once_a_second_and_a_dead_neighbour_again() {
    let mut site = Site::new();
    assert_eq!(site.want(LAN, "fd00::9", 0), once("fd00::9"));
    assert_eq!(site.want(LAN, "fd00::9", 0), []);
    assert_eq!(site.want(LAN, "fd00::9", 1), once("fd00::9"));
    site.event("lan0", "fd00::9", Some(FAILED), 3);
    assert_eq!(site.want(LAN, "fd00::9", 3), once("fd00::9"), "asked again at once, it may be back");
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Unknown, "frames are held for it again");
    site.event("lan0", "fd00::9", Some(UP), 4);
    assert_eq!(site.want(LAN, "fd00::9", 9), [], "the worker had not looked yet");
    for nobody in ["ff02::1", "::", "::1"] {
        assert_eq!(site.want(LAN, nobody, 0), []);
    }
    assert_eq!(site.want(EdgeId(9), "fd00::9", 0), [], "no such edge");
}

#[test]
fn a_scan_is_bounded_and_over_when_it_is_over() {
    let mut site = Site::new();
    let scan = |site: &mut Site, seconds| {
        (0..5000u32).filter(|n| !site.want(LAN, &format!("fd00::{n:x}:1"), seconds).is_empty()).count()
    };
    assert_eq!(scan(&mut site, 0), ASKED_NEIGHBOURS);
    assert_eq!(site.keeper.refused().load(Ordering::Relaxed), 5000 - ASKED_NEIGHBOURS as u64);
    assert_eq!(site.want(LAN, "fd00::9", 2), [], "the waiting list is full");
    assert_eq!(site.want(LAN, "fd00::9", 4), once("fd00::9"));
}

#[test]
fn next_hops_are_kept_and_asked_for_until_they_answer() {
    let mut site = Site::new();
    assert_eq!(site.follow(&["fe80::a"], 0), kept("fe80::a"));
    assert_eq!(site.follow(&["fe80::a"], 0), [], "a moment ago");
    assert_eq!(site.sweep(5), kept("fe80::a"));
    site.event("wan0", "fe80::a", Some(MANAGED), 5);
    assert_eq!((site.sweep(10), site.follow(&["fe80::a"], 10)), (vec![], vec![]));
    assert_eq!(site.event("wan0", "fe80::a", None, 11), kept("fe80::a"), "flushed");
    site.event("wan0", "fe80::a", Some(FAILED), 14);
    assert_eq!(site.sweep(15), kept("fe80::a"));
    assert_eq!(site.want(WAN, "fe80::a", 17), kept("fe80::a"));
    // Before Linux 5.16 an entry is never managed, and every sweep confirms it.
    site.event("wan0", "fe80::a", Some(UP), 18);
    assert_eq!((site.sweep(20), site.sweep(25)), (kept("fe80::a"), kept("fe80::a")));
    // Another router from now on.
    site.event("wan0", "fe80::a", Some(MANAGED), 26);
    assert_eq!(site.follow(&["fe80::b"], 27), kept("fe80::b"));
    site.event("wan0", "fe80::b", Some(MANAGED), 27);
    assert_eq!(site.sweep(30), [], "it may still be in use");
    assert_eq!(site.sweep(331), once("fe80::a"));
}

#[test]
fn no_question_goes_to_a_link_that_is_down_and_one_goes_when_it_returns() {
    let mut site = Site::new();
    site.event("wan0", "fe80::a", Some(MANAGED), 0);
    site.follow(&["fe80::a"], 0);
    site.world.link("wan0").carrier = false;
    assert_eq!(site.event("wan0", "fe80::a", None, 1), kept("fe80::a"), "the link's news come later");
    assert_eq!(site.follow(&["fe80::a"], 1), []);
    assert_eq!((site.sweep(5), site.want(WAN, "fe80::a", 8)), (vec![], vec![]));
    site.world.link("wan0").carrier = true;
    assert_eq!(site.follow(&["fe80::a"], 8), kept("fe80::a"));
}

#[test]
fn a_device_that_was_made_anew_starts_from_nothing() {
    let mut site = Site::new();
    site.event("lan0", "fd00::9", Some(UP), 0);
    let old = site.world.index("lan0");
    let mut link = site.world.kernel.links.remove(&old).unwrap();
    assert_eq!(site.follow(&[], 1), []);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Unknown);
    assert_eq!(site.want(LAN, "fd00::9", 2), []);
    link.ifindex = 77;
    site.world.kernel.links.insert(77, link);
    site.follow(&[], 3);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Unknown, "the entry was the old device's");
    site.event("lan0", "fd00::9", Some(UP), 4);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Resolved(MAC));
}

#[test]
fn neighbours_in_use_are_kept_fresh_and_idle_ones_left_to_age() {
    let mut site = Site::new();
    site.event("lan0", "fd00::9", Some(UP), 0);
    site.event("lan0", "fd00::8", Some(UP), 0);
    assert_eq!(site.sweep(5), [], "mirrored, but nobody uses them");
    site.shows(LAN, "fd00::9");
    assert_eq!(site.sweep(10), kept("fd00::9"));
    site.event("lan0", "fd00::9", Some(MANAGED), 10);
    site.shows(LAN, "fd00::9");
    assert_eq!(site.sweep(15), []);
    assert_eq!(site.sweep(300), []);
    assert_eq!(site.sweep(320), once("fd00::9"), "five minutes after the last use");
    site.event("lan0", "fd00::9", Some(UP), 320);
    assert_eq!(site.sweep(325), []);
    site.shows(LAN, "fd00::9");
    assert_eq!(site.sweep(330), kept("fd00::9"), "used again");
    site.event("lan0", "fd00::9", Some(MANAGED), 330);
    assert_eq!(words(site.keeper.release()), once("fd00::9"));
}

#[test]
fn what_was_lost_with_the_events_is_made_up_for() {
    let mut site = Site::new();
    site.event("lan0", "fd00::9", Some(UP), 0);
    site.world.kernel.neighbours.clear();
    site.world.neighbour("lan0", "fd00::7", UP.state);
    site.follow(&[], 1);
    assert_eq!(site.shows(LAN, "fd00::9"), NeighbourState::Unknown);
    assert_eq!(site.shows(LAN, "fd00::7"), NeighbourState::Resolved(MAC));
}

#[test]
fn what_is_fixed_is_never_asked_for_and_goes_when_it_is_no_longer() {
    let mut site = Site::new();
    let far = (LAN, ip("fe80::1"));
    site.keeper.fix(&[(far, MAC)]);
    site.follow(&[], 1);
    let lookup = |site: &Site| site.keeper.table().lookup(far.0, far.1);
    assert_eq!(lookup(&site), NeighbourState::Resolved(MAC));
    assert!(site.want(LAN, "fe80::1", 2).is_empty() && site.sweep(10).is_empty());
    assert_eq!(lookup(&site), NeighbourState::Resolved(MAC));
    site.keeper.fix(&[]);
    assert_eq!(lookup(&site), NeighbourState::Unknown);
}
