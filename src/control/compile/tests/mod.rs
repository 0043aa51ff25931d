//! The compiler on kernel states written by hand, in the words of `ip route`.

mod edges;
mod gate;
mod guard;
mod hops;
mod prefixes;
mod room;
mod steering;
mod vlans;

use std::net::Ipv6Addr;

use crate::control::compile::{CompileError, Ingredients, compile, steering_of};
use crate::control::config::{
    self, Config, Dataplane, Health, Host, Idle, Isp, Lan, Metrics, Mode, MssClamp, NdProxy, NextHop, OnStop, Site,
};
use crate::control::ids::Ids;
use crate::control::kernel::{
    Address, Hop, KernelState, Link, Neighbour, Preference, Reachability, Route, RouteKind, TABLE_LOCAL, TABLE_MAIN,
};
use crate::hash::HashKey;
use crate::npt::{Mapping, Prefix};
use crate::snapshot::{GateAction, GateRole, Generation, GuardAction, Judgement, Steering};
use crate::units::MacAddr;

pub fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

pub fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub fn ingredients<'a>(
    config: &'a Config,
    kernel: &'a KernelState,
    ids: &'a Ids,
    steering: &'a Steering,
) -> Ingredients<'a> {
    let judgement = Judgement::default();
    Ingredients { config, kernel, ids, steering, judgement, generation: 7, hash_key: HashKey([1; 11]), probe_token: 1 }
}

/// The site of most tests: LANs lan0 and lan1, ISPs a on wan0 and b on wan1, and beside them
/// wg0 and dmz0.
pub struct World {
    pub config: Config,
    pub kernel: KernelState,
}

pub const DEVICES: [&str; 7] = ["lo", "lan0", "lan1", "wan0", "wan1", "wg0", "dmz0"];

impl World {
    /// Internal fd12:3456:789a::/48; a: 2001:db8:a::/48, b: 2001:db8:b::/48.
    pub fn new() -> Self {
        Self::with("fd12:3456:789a::/48", "2001:db8:a::/48", "2001:db8:b::/48")
    }

    /// Internal = a's prefix.
    pub fn identity() -> Self {
        Self::with("2001:db8:a::/48", "2001:db8:a::/48", "2001:db8:b::/48")
    }

    pub fn with(internal: &str, a: &str, b: &str) -> Self {
        let isp = |name: &str, interface: &str, external: &str| Isp {
            name: name.to_owned(),
            interface: interface.to_owned(),
            vlan: None,
            mappings: vec![Mapping::new(prefix(internal), prefix(external)).unwrap()],
            former: Vec::new(),
            source: None,
            next_hop: NextHop::Auto,
            weight: 1,
            tier: 1,
            mtu: None,
            mss_clamp: MssClamp::Auto,
            nd_proxy: NdProxy::Off,
            metered: None,
            health: Health::default(),
            probes: Vec::new(),
        };
        let lan = |interface: &str| Lan { interface: interface.to_owned(), vlan: None };
        let config = Config {
            site: Site { internal: vec![prefix(internal)], ..Site::default() },
            lans: vec![lan("lan0"), lan("lan1")],
            isps: vec![isp("a", "wan0", a), isp("b", "wan1", b)],
            dataplane: Dataplane {
                mode: Mode::Auto,
                queues: None,
                cores: None,
                batch: 64,
                rx_ring: 2048,
                tx_ring: 2048,
                fill_ring: 4096,
                completion_ring: 2048,
                frames: None,
                frame_size: 2048,
                idle: Idle::Adaptive,
                stamp_every: 0,
            },
            host: Host { rules: true, steer: false, on_stop: OnStop::Block, reload_on_save: false },
            metrics: Metrics { listen: None },
            notify: None,
            // Everything else as it is by default.
            ..config::parse(include_str!("../../../../configs/minimal.toml")).unwrap()
        };
        let mut world = Self { config, kernel: KernelState::default() };
        for (ifindex, name) in (1..).zip(DEVICES) {
            let link = Link {
                name: name.to_owned(),
                ifindex,
                mac: (name != "wg0").then_some(MacAddr([2, 0, 0, 0, 0, ifindex as u8])),
                mtu: 1500,
                admin_up: true,
                carrier: true,
                loopback: name == "lo",
                ..Link::default()
            };
            world.kernel.links.insert(ifindex, link);
        }
        world
    }

    pub fn index(&self, device: &str) -> u32 {
        self.kernel.link(device).unwrap_or_else(|| panic!("no device {device}")).ifindex
    }

    pub fn link(&mut self, device: &str) -> &mut Link {
        let index = self.index(device);
        self.kernel.links.get_mut(&index).unwrap()
    }

    /// An address with its on-link route and its subnet-router anycast address.
    pub fn address(&mut self, device: &str, text: &str) -> &mut Self {
        let (address, len) = text.split_once('/').unwrap();
        let (address, prefix_len) = (ip(address), len.parse().unwrap());
        let ifindex = self.index(device);
        let (tentative, dad_failed, deprecated) = (false, false, false);
        self.kernel.addresses.push(Address { ifindex, address, prefix_len, tentative, dad_failed, deprecated });
        if prefix_len < 127 {
            let net = Prefix::containing(address, prefix_len);
            self.route(&format!("{net} dev {device} metric 256 proto 2"));
            self.route(&format!("anycast {} dev {device} table 255", Prefix::containing(net.address(), 128)));
        }
        self
    }

    /// `[unreachable|anycast] PREFIX [via GATEWAY] [dev DEVICE] [metric N] [proto N] [pref P] [table N] [dead]`;
    /// a second `via`/`dev` after `nexthop` is another way.
    pub fn route(&mut self, text: &str) -> &mut Self {
        let mut words = text.split_whitespace().peekable();
        let kind = match *words.peek().unwrap() {
            "unreachable" | "blackhole" | "prohibit" | "throw" => RouteKind::Refuse,
            "anycast" => RouteKind::Anycast,
            _ => RouteKind::Unicast,
        };
        if kind != RouteKind::Unicast {
            words.next();
        }
        let target = words.next().unwrap();
        let mut route = Route {
            table: if kind == RouteKind::Anycast { TABLE_LOCAL } else { TABLE_MAIN },
            prefix: if target == "default" { prefix("::/0") } else { prefix(target) },
            kind,
            metric: 1024,
            preference: Preference::Medium,
            protocol: 4,
            hops: Vec::new(),
        };
        let (mut gateway, mut dead) = (None, false);
        while let Some(word) = words.next() {
            match word {
                "nexthop" => gateway = None,
                "dead" => dead = true,
                "via" => gateway = Some(ip(words.next().unwrap())),
                "dev" => {
                    let ifindex = self.index(words.next().unwrap());
                    route.hops.push(Hop { ifindex, gateway, dead: false });
                }
                "metric" => route.metric = words.next().unwrap().parse().unwrap(),
                "proto" => route.protocol = words.next().unwrap().parse().unwrap(),
                "table" => route.table = words.next().unwrap().parse().unwrap(),
                "pref" => {
                    route.preference = match words.next().unwrap() {
                        "high" => Preference::High,
                        "low" => Preference::Low,
                        other => panic!("{other}"),
                    }
                }
                other => panic!("{other}"),
            }
        }
        for hop in &mut route.hops {
            hop.dead = dead;
        }
        self.kernel.routes.push(route);
        self
    }

    pub fn neighbour(&mut self, device: &str, address: &str, state: Reachability) -> &mut Self {
        let key = (self.index(device), ip(address));
        self.kernel.neighbours.insert(key, Neighbour { state, managed: false });
        self
    }

    pub fn ids(&self) -> Ids {
        let mut ids = Ids::default();
        ids.assign(&self.config).unwrap();
        ids
    }

    pub fn compile(&self) -> Compiled {
        Compiled { generation: self.try_compile(&self.ids()).unwrap() }
    }

    pub fn try_compile(&self, ids: &Ids) -> Result<Generation, CompileError> {
        let steering = steering_of(&self.config, ids)?;
        compile(&ingredients(&self.config, &self.kernel, ids, &steering))
    }
}

/// A generation, asked in words.
pub struct Compiled {
    pub generation: Generation,
}

impl Compiled {
    /// What the gate of `device` does with a packet to `destination`, own addresses included.
    pub fn gate(&self, device: &str, destination: &str) -> &'static str {
        let destination = ip(destination);
        let tables = &self.generation.gate;
        let port = tables.ports.iter().find(|port| port.interface == device).unwrap();
        let edge = port.edges[0].edge;
        if let Some((_, edges)) = tables.own.iter().find(|(own, _)| *own == destination) {
            return if edges & 1 << edge.0 != 0 { "own" } else { "own-elsewhere" };
        }
        let longest = port
            .routes
            .iter()
            .filter(|route| route.edge == edge && route.prefix.contains(destination))
            .max_by_key(|route| route.prefix.len());
        match (longest.map(|route| route.action), port.edges[0].role) {
            (Some(GateAction::Pass), _) => "pass",
            (Some(GateAction::Steer), _) | (None, GateRole::Lan) => "steer",
            (Some(GateAction::Proxy), _) => "proxy",
            (None, GateRole::Isp) => "drop",
        }
    }

    /// What the guard of `device` does with the source: `deny`, `own` (the host's packets leave,
    /// forwarded ones do not) or `forward`.
    pub fn guard(&self, device: &str, source: &str) -> &'static str {
        let table = self.generation.gate.guards.iter().find(|guard| guard.interface == device).unwrap();
        let longest = table.sources.iter().filter(|(prefix, _)| prefix.contains(ip(source)));
        match longest.max_by_key(|(prefix, _)| prefix.len()).map(|(_, action)| *action) {
            Some(GuardAction::Deny) => "deny",
            Some(GuardAction::OwnOnly) | None => "own",
            Some(GuardAction::Forward) => "forward",
        }
    }

    pub fn gates(&self, expected: &[(&str, &str, &str)]) {
        for (device, destination, verdict) in expected {
            assert_eq!(self.gate(device, destination), *verdict, "gate of {device}, packet to {destination}");
        }
    }

    pub fn guards(&self, expected: &[(&str, &str, &str)]) {
        for (device, source, verdict) in expected {
            assert_eq!(self.guard(device, source), *verdict, "guard of {device}, packet from {source}");
        }
    }
}
