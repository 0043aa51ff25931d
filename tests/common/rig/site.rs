//! The site of the tests, by hand.
//!
//! ```text
//! lan0  fd12:3456:789a:10::/64 on link; …:40::/58 behind the inner router fe80::20
//! lan1  fd12:3456:789a:30::/64 on link
//! wan0  fiber   2001:db8:1::/48      weight 3  MTU 1500  next hop fe80::1
//! wan1  cable   2001:db8:2::/48      weight 1  MTU 1400  next hop fe80::1
//! wan2  copper  2001:db8:3:100::/56  weight 1  MTU 1492  next hop fe80::1  (not usable at first)
//! ```

use std::net::Ipv6Addr;
use std::sync::OnceLock;

use sixways::flow::Timeouts;
use sixways::hash::{HashKey, KEY_WORDS};
use sixways::limits::NEIGHBOUR_SLOTS;
use sixways::npt::{Mapping, Prefix};
use sixways::snapshot::{
    Action, Buckets, Claim, Edge, ErrorRates, Filter, HashFields, Inbound, Ingress, LanRoute, LanRoutes, MappingTable,
    Match, Moves, NeighbourState, NeighbourTable, Policy, PolicyId, Role, Rule, Snapshot, Steering, Uplink,
    UplinkMapping,
};
use sixways::units::{EdgeId, MacAddr, MappingId, PortId, UplinkId};

use super::slow;
use super::text::Words;

pub const LAN0: EdgeId = EdgeId(0);
pub const LAN1: EdgeId = EdgeId(1);
pub const WAN0: EdgeId = EdgeId(2);
pub const WAN1: EdgeId = EdgeId(3);
pub const WAN2: EdgeId = EdgeId(4);

pub const FIBER: UplinkId = UplinkId(0);
pub const CABLE: UplinkId = UplinkId(1);
pub const COPPER: UplinkId = UplinkId(2);

const EDGES: [&str; 5] = ["lan0", "lan1", "wan0", "wan1", "wan2"];
const UPLINKS: [&str; 3] = ["fiber", "cable", "copper"];

/// The site: what control would have compiled, and who has which MAC.
pub struct Site {
    pub snapshot: Snapshot,
    pub neighbours: NeighbourTable,
    /// Every neighbour that has a MAC, known to the gateway or not.
    names: Vec<(EdgeId, Ipv6Addr, MacAddr)>,
}

pub fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address"))
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap_or_else(|_| panic!("{text} is no prefix"))
}

impl Site {
    pub fn standard() -> Self {
        Self::with_inside("fd12:3456:789a::/48")
    }

    /// The inside uses fiber's prefix: an identity pair there, a translation elsewhere.
    pub fn identity() -> Self {
        Self::with_inside("2001:db8:1::/48")
    }

    fn with_inside(internal: &str) -> Self {
        let internal = prefix(internal);
        let inside = |rest: &str| {
            let rest = address(&format!("::{rest}"));
            Ipv6Addr::from_bits(internal.address().to_bits() | rest.to_bits())
        };
        let within = |rest: &str, len: u8| Prefix::new(inside(rest), len).unwrap();
        let externals = ["2001:db8:1::/48", "2001:db8:2::/48", "2001:db8:3:100::/56"].map(prefix);
        let edge = |n: u8, role, mtu, source| Edge {
            name: EDGES[usize::from(n)].into(),
            port: PortId(n),
            vlan: None,
            role,
            mac: MacAddr([2, 0, 0, 0, 0xed, n]),
            mtu,
            error_source: Some(source),
        };
        let edges = [
            edge(0, Role::Lan, 1500, inside("10:0:0:0:1")),
            edge(1, Role::Lan, 1500, inside("30:0:0:0:1")),
            edge(2, Role::Isp(FIBER), 1500, address("2001:db8:1::2")),
            edge(3, Role::Isp(CABLE), 1400, address("2001:db8:2::2")),
            edge(4, Role::Isp(COPPER), 1492, address("2001:db8:3:100::2")),
        ];
        let mut own: Vec<_> = edges.iter().filter_map(|edge| edge.error_source).collect();
        own.sort();
        let routes = [
            LanRoute { prefix: within("10:0:0:0:0", 64), edge: LAN0, via: None },
            LanRoute { prefix: within("30:0:0:0:0", 64), edge: LAN1, via: None },
            LanRoute { prefix: within("40:0:0:0:0", 58), edge: LAN0, via: Some(address("fe80::20")) },
        ];
        let mappings: Vec<_> = (0..)
            .zip(externals)
            .map(|(n, external)| UplinkMapping {
                id: MappingId(n),
                uplink: UplinkId(n),
                mapping: Mapping::new(internal, external).unwrap(),
                former: false,
            })
            .collect();
        let snapshot = Snapshot {
            generation: 1,
            internal: [internal].into(),
            ingress: (0..5).map(|n| Ingress::Edge(EdgeId(n))).collect(),
            edges: edges.into(),
            uplinks: (0..3u8)
                .map(|n| Uplink {
                    name: UPLINKS[usize::from(n)].into(),
                    edge: EdgeId(2 + n),
                    next_hop: Some(address("fe80::1")),
                    largest_segment: None,
                    prefix_on_link: false,
                    probe: None,
                })
                .collect(),
            mappings: MappingTable::new(&mappings, 3),
            routes: LanRoutes::new(&routes),
            steering: Steering::by_default(buckets(), 0b111),
            filter: Filter { inbound: Inbound::Open, bogons: true, ..Filter::default() },
            errors: ErrorRates::default(),
            timeouts: Timeouts::rfc6092(),
            reset_on_failover: false,
            usable: 0b011,
            accepting: 0b011,
            kept: 0,
            moves: Moves::default(),
            probe_token: 0x5157,
            hash_key: HashKey(std::array::from_fn::<_, KEY_WORDS, _>(|n| {
                (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            })),
            own_addresses: own.into(),
            accept_any_uplink: false,
        };
        let mut site = Self { snapshot, neighbours: NeighbourTable::new(NEIGHBOUR_SLOTS), names: Vec::new() };
        site.learn(LAN0, address("fe80::20"));
        for host in ["10:0:0:0:5", "10:0:0:0:6", "10:0:0:0:7"] {
            site.learn(LAN0, inside(host));
        }
        site.learn(LAN1, inside("30:0:0:0:5"));
        for edge in [WAN0, WAN1, WAN2] {
            site.learn(edge, address("fe80::1"));
        }
        site
    }

    /// All edges are VLANs of one port, each with its number plus 10, but for lan1, which has the
    /// port's untagged frames.
    pub fn on_a_trunk(mut self) -> Self {
        for (n, edge) in (10..).zip(&mut self.snapshot.edges) {
            edge.port = PortId(0);
            edge.vlan = (n != 11).then_some(n);
        }
        self.snapshot.ingress = [Ingress::Marked].into();
        self
    }

    /// `host` on `edge` answers: its MAC becomes known.
    pub fn learn(&mut self, edge: EdgeId, host: Ipv6Addr) {
        let mac = self.name(edge, host);
        self.neighbours.set(edge, host, NeighbourState::Resolved(mac)).unwrap();
    }

    pub fn forget(&mut self, edge: EdgeId, host: Ipv6Addr) {
        self.neighbours.set(edge, host, NeighbourState::Unknown).unwrap();
    }

    pub fn fail(&mut self, edge: EdgeId, host: Ipv6Addr) {
        self.neighbours.set(edge, host, NeighbourState::Failed).unwrap();
    }

    /// The MAC that `host` on `edge` has, whether the gateway knows it or not.
    pub fn name(&mut self, edge: EdgeId, host: Ipv6Addr) -> MacAddr {
        if let Some((_, _, mac)) = self.names.iter().find(|(at, who, _)| (*at, *who) == (edge, host)) {
            return *mac;
        }
        let mac = MacAddr([2, 0, 0, 0, edge.0, self.names.len() as u8]);
        self.names.push((edge, host, mac));
        mac
    }

    /// Who has `mac` on `edge`.
    pub fn whose(&self, edge: EdgeId, mac: MacAddr) -> Option<Ipv6Addr> {
        self.names.iter().find(|(at, _, its)| (*at, *its) == (edge, mac)).map(|(_, host, _)| *host)
    }

    /// The MAC that a packet from `source` comes from on `edge`: the host's own if it is a
    /// neighbour, else the router's.
    pub fn last_hop(&self, edge: EdgeId, source: Ipv6Addr) -> MacAddr {
        let of = |who| self.names.iter().find(|(at, host, _)| (*at, *host) == (edge, who)).map(|(_, _, mac)| *mac);
        let router = if edge == LAN0 { "fe80::20" } else { "fe80::1" };
        of(source).or_else(|| of(address(router))).unwrap_or(MacAddr([2, 0, 0, 0, edge.0, 0xff]))
    }

    pub fn mac(&self, edge: EdgeId) -> MacAddr {
        self.snapshot.edges[edge.index()].mac
    }

    pub fn edge_ids(&self) -> impl Iterator<Item = EdgeId> + use<> {
        (0..self.snapshot.edges.len() as u8).map(EdgeId)
    }

    pub fn edge_name(&self, edge: EdgeId) -> &str {
        &self.snapshot.edges[edge.index()].name
    }

    pub fn edge(&self, name: &str) -> EdgeId {
        self.edge_ids().find(|edge| self.edge_name(*edge) == name).unwrap_or_else(|| panic!("no edge {name}"))
    }

    pub fn uplink(&self, name: &str) -> UplinkId {
        let at = self.snapshot.uplinks.iter().position(|uplink| *uplink.name == *name);
        UplinkId(at.unwrap_or_else(|| panic!("no uplink {name}")) as u8)
    }

    /// The edge that leads to `uplink`.
    pub fn wan(&self, uplink: UplinkId) -> EdgeId {
        self.snapshot.uplinks[uplink.index()].edge
    }

    /// Every subnet of the site is behind the inner router.
    pub fn route_everything(&mut self) {
        let prefix = self.snapshot.internal[0];
        self.snapshot.routes = LanRoutes::new(&[LanRoute { prefix, edge: LAN0, via: Some(address("fe80::20")) }]);
    }

    pub fn is_own(&self, host: Ipv6Addr) -> bool {
        self.snapshot.own_addresses.contains(&host)
    }

    pub fn set_usable(&mut self, uplinks: &[UplinkId]) {
        self.snapshot.usable = uplinks.iter().fold(0, |bits, uplink| bits | 1 << uplink.0);
    }

    pub fn internal(&self) -> slow::Pair {
        pair(self.snapshot.internal[0])
    }

    pub fn external(&self, uplink: UplinkId) -> slow::Pair {
        pair(self.snapshot.mappings.get(MappingId(uplink.0)).unwrap().mapping.external())
    }

    /// Lets flows `[from SOURCE] DESTINATION PROTOCOL [PORT]` in.
    pub fn allow(&mut self, words: &mut Words<'_>) {
        let sources = if words.take("from") { [prefix(words.word())].into() } else { Box::default() };
        let mut allow = Match { sources, destinations: [prefix(words.word())].into(), ..Match::anything() };
        allow.protocol = Some(words.number() as u8);
        if !words.peek().is_empty() {
            let port = words.number() as u16;
            allow.destination_ports = [port..=port].into();
        }
        let allowed = self.snapshot.filter.allow.iter().cloned().chain([allow]);
        self.snapshot.filter.allow = allowed.collect();
    }

    /// One more rule: `DESTINATION [port N] drop|ISP… [or-default]`.
    pub fn add_rule(&mut self, words: &mut Words<'_>) {
        let mut matches = Match { destinations: [prefix(words.word())].into(), ..Match::anything() };
        if words.take("port") {
            let port = words.number() as u16;
            matches.destination_ports = [port..=port].into();
        }
        let steering = &mut self.snapshot.steering;
        let action = if words.take("drop") {
            Action::Drop
        } else {
            let mut members = 0;
            while !words.peek().is_empty() && words.peek() != "or-default" {
                let name = words.word();
                members |= 1 << UPLINKS.iter().position(|uplink| *uplink == name).expect("an ISP");
            }
            let policy = Policy { name: "rule".into(), hash: HashFields::default(), buckets: buckets(), members };
            let id = PolicyId(steering.policies.len() as u8);
            steering.policies = steering.policies.iter().cloned().chain([policy]).collect();
            Action::Policy { policy: id, or_default: words.take("or-default") }
        };
        let rule = Rule { name: "rule".into(), matches, action };
        steering.rules = steering.rules.iter().cloned().chain([rule]).collect();
    }

    /// What the outside sees of `host` by `uplink`, by slow arithmetic.
    pub fn outside(&self, uplink: UplinkId, host: Ipv6Addr) -> Option<Ipv6Addr> {
        slow::translate(host, self.internal(), self.external(uplink))
    }
}

fn pair(prefix: Prefix) -> slow::Pair {
    (prefix.address(), prefix.len())
}

/// The bucket table takes long to build, and is the same in every test.
fn buckets() -> Buckets {
    static TABLE: OnceLock<Buckets> = OnceLock::new();
    let claim = |uplink: UplinkId, weight| Claim { uplink, name: UPLINKS[uplink.index()], weight, tier: 1 };
    let claims = [claim(FIBER, 3), claim(CABLE, 1), claim(COPPER, 1)];
    TABLE.get_or_init(|| Buckets::build(&claims).unwrap()).clone()
}
