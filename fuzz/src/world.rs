//! A site with a packet path, used over and over: what one input has left behind is cleared for the
//! next.

use std::net::Ipv6Addr;

use sixways::flow::{FragmentTable, HeapFlows};
use sixways::snapshot::{Filter, Inbound, Match, Role, Scope};
use sixways::units::{EdgeId, Nanos, UplinkId};

use crate::judge::{self, ETHERNET};
use crate::rig::site::{LAN0, LAN1, Site, WAN0, WAN1, WAN2, address};
use crate::rig::text::Words;
use crate::rig::{Rig, Sent};

/// Every edge of the site.
pub const EDGES: [EdgeId; 5] = [LAN0, LAN1, WAN0, WAN1, WAN2];

/// Frames that one input can have waiting, and some.
const FRAMES: u32 = 96;
/// So few that they are at war with each other.
const FLOWS: u64 = 16;
/// What the site's rules say of some of [`World::address`]'s strangers.
const RULES: [&str; 3] = ["2001:db8:f::54/128 drop", "64:ff9b::/96 cable or-default", "2001:db8:f::60/128 cable"];
/// Longer than anything is kept that costs the next input something.
const REST: Nanos = Nanos::from_millis(20_000);
/// Neighbours that the site has MACs for; then it is made anew.
const MOST_LEARNT: u32 = 200;
/// Time starts anew here, long before its end.
const END_OF_TIME: Nanos = Nanos(u64::MAX / 4);

/// See the module.
pub struct World {
    rig: Rig,
    /// What came in.
    inputs: Vec<(EdgeId, Vec<u8>)>,
    /// Whether a packet from inside came in.
    asked: bool,
    /// Whose state of a neighbour changed.
    told: Vec<(EdgeId, Ipv6Addr)>,
    /// Neighbours that have been given a MAC.
    learnt: u32,
    /// Fragmented datagrams so far.
    datagrams: u64,
    make: fn() -> Site,
}

impl World {
    /// A world over the site that `make` makes.
    pub fn new(make: fn() -> Site) -> Self {
        let mut rig = Rig::with_frames(make(), FRAMES);
        for rule in RULES {
            rig.site.add_rule(&mut Words::new(rule));
        }
        rig.flows = HeapFlows::new(FLOWS);
        Self { rig, inputs: Vec::new(), asked: false, told: Vec::new(), learnt: 0, datagrams: 0, make }
    }

    /// The site.
    pub fn site(&mut self) -> &mut Site {
        &mut self.rig.site
    }

    /// Sets what the bits say: filter, scope, ISPs in use, memory, bogons, clamp, an allow rule, and
    /// whether any ISP may bring what.
    pub fn set_up(&mut self, setup: u16) {
        let snapshot = &mut self.rig.site.snapshot;
        let inbound = if setup & 1 == 0 { Inbound::Established } else { Inbound::Open };
        let scope = if setup & 2 == 0 { Scope::Flow } else { Scope::Endpoint };
        let mut allow = Vec::new();
        if setup & 0x200 != 0 {
            let destinations = [snapshot.internal[0]].into();
            allow.push(Match { destinations, protocol: Some(17), ..Match::anything() });
        }
        snapshot.filter = Filter { inbound, scope, bogons: setup & 0x80 == 0, allow: allow.into() };
        for uplink in &mut snapshot.uplinks {
            uplink.largest_segment = (setup & 0x100 != 0).then_some(1220);
        }
        snapshot.accept_any_uplink = setup & 4 != 0;
        snapshot.usable = !(setup >> 3) & 0b111;
        if setup & 0x40 != 0 {
            self.rig.flows = HeapFlows::new(0);
        }
    }

    /// The address that number `which` stands for on `edge`: hosts, images, strangers, and what must
    /// never be forwarded.
    pub fn address(&self, which: u8) -> Ipv6Addr {
        let inside = |rest: &str| {
            let prefix = self.rig.site.snapshot.internal[0].address().to_bits();
            Ipv6Addr::from_bits(prefix | address(&format!("::{rest}")).to_bits())
        };
        let host = inside(["10:0:0:0:5", "10:0:0:0:6", "30:0:0:0:5", "41:0:0:0:9"][usize::from(which >> 2 & 3)]);
        let site = &self.rig.site;
        match which & 0xf3 {
            kind @ 0..=2 => site.outside(UplinkId(kind), host).unwrap_or(host),
            3 => host,
            0x10 => address("2001:db8:f::53"),
            0x11 => address("2001:db8:f::54"),
            0x12 => address("2001:db8:e::fe"),
            0x13 => address("64:ff9b::c000:201"),
            0x20 => inside("10:0:0:0:77"),
            0x21 => address("2001:db8:1:7c59::77"),
            0x22 => inside("10:0:0:0:1"),
            0x23 => address("2001:db8:1::2"),
            0x30 => address("fe80::1"),
            0x31 => address("ff02::1"),
            0x32 => Ipv6Addr::UNSPECIFIED,
            0x33 => address("::1"),
            0x40 => inside("ffff:0:0:0:5"),
            0x41 => inside("1ff:0:0:0:5"),
            0x42 => inside("10:0:0:0:0"),
            0x43 => address("2001:db8:3:110::"),
            _ => address("2001:db8:f::60"),
        }
    }

    /// One frame in; what comes of it is judged.
    pub fn receive(&mut self, edge: EdgeId, frame: &[u8]) {
        self.inputs.push((edge, frame.to_vec()));
        let is_lan = self.rig.site.snapshot.edges[edge.index()].role == Role::Lan;
        self.asked |= is_lan;
        let made = self.rig.counters.edge(edge).originated.get();
        let sent = self.rig.send_one(edge, frame);
        let made = self.rig.counters.edge(edge).originated.get() - made;
        assert!(sent.len() <= 1, "{} packets out of one", sent.len());
        for sent in &sent {
            let (what, verdict) = match made {
                0 => ("forwarded", judge::forwarded(&self.rig.site, edge, frame, sent)),
                _ => ("an error", judge::error_about(&self.rig.site, edge, frame, sent)),
            };
            verdict.unwrap_or_else(|flaw| panic!("{what}: {flaw}\n{edge:?} {frame:02x?}\n{sent:02x?}"));
            self.nothing_unasked(sent);
        }
    }

    /// Lets time pass, and what waited go its way.
    pub fn wait(&mut self, span: Nanos) {
        self.rig.wait(span);
        for sent in self.rig.release() {
            let site = &self.rig.site;
            let explains = |(edge, frame): &(EdgeId, Vec<u8>)| {
                judge::forwarded(site, *edge, frame, &sent).is_ok()
                    || judge::error_about(site, *edge, frame, &sent).is_ok()
            };
            assert!(self.inputs.iter().any(explains), "released, and like nothing that came in: {sent:02x?}");
            self.nothing_unasked(&sent);
        }
    }

    /// The neighbours that were asked for answer, the first of them, or nobody does.
    pub fn neighbours(&mut self, answer: bool) {
        let wanted: Vec<_> = self.rig.state.wanted.drain().collect();
        for (at, (edge, host)) in wanted.into_iter().enumerate() {
            if answer && at == 0 {
                self.rig.site.learn(edge, host);
                self.learnt += 1;
            } else {
                self.rig.site.fail(edge, host);
            }
            self.told.push((edge, host));
        }
    }

    /// As it was before the input. Whatever waited has had its answer.
    pub fn clear(&mut self) {
        self.wait(REST);
        assert_eq!(self.rig.held(), 0, "nothing waits for ever");
        if self.rig.now > END_OF_TIME || self.learnt > MOST_LEARNT {
            *self = Self::new(self.make);
            return;
        }
        self.rig.state.wanted.drain().for_each(drop);
        for (edge, host) in self.told.drain(..) {
            self.rig.site.forget(edge, host);
        }
        self.inputs.clear();
        self.asked = false;
        self.rig.flows = HeapFlows::new(FLOWS);
        let datagrams = self.rig.counters.flows.fragments_inserted.get();
        if datagrams != self.datagrams {
            self.datagrams = datagrams;
            self.rig.fragments = FragmentTable::new();
        }
    }

    /// RFC 6092: as long as nobody inside has sent anything, no TCP and no UDP comes in.
    fn nothing_unasked(&self, sent: &Sent) {
        let snapshot = &self.rig.site.snapshot;
        let is_lan = |edge: EdgeId| snapshot.edges[edge.index()].role == Role::Lan;
        let came_in = is_lan(sent.edge) && !is_lan(sent.origin);
        if came_in && !self.asked && snapshot.filter.inbound == Inbound::Established {
            let protocol = sent.bytes[ETHERNET + 6];
            assert!(
                protocol != 6 && (protocol != 17 || !snapshot.filter.allow.is_empty()),
                "came in unasked: {sent:02x?}"
            );
        }
    }
}
