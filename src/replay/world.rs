//! What the running gateway reads from the kernel, made up from the configuration.
//!
//! The very compiler of the running gateway makes snapshot and gate tables of it. What is made
//! up (`docs/replay.md` says the same):
//!
//! - every interface exists, is up and has an MTU of 1500 octets, or what `mtu` asks for if that is
//!   more; its MAC is that to which the capture's first packet for the gateway is sent, else
//!   [`own_mac`];
//! - the first LAN has the gateway's only address, `::1` of the first subnet of the first internal
//!   prefix, and the route to all internal prefixes; where there are several LANs, a /64 is behind
//!   the one whose capture shows a packet from it;
//! - `next_hop = "auto"` has found `fe80::1`;
//! - every next hop and host answers, and has the MAC of [`neighbour_mac`];
//! - the key of the steering hash is [`HASH_KEY`], not the installation's own: shares are the same,
//!   but single flows may prefer other ISPs.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::control::compile::{CompileError, Ingredients, compile, steering_of};
use crate::control::config::{Config, NextHop, edge_name};
use crate::control::ids::{Ids, TooMany};
use crate::control::kernel::{Address, Hop, KernelState, Link, Preference, Route, RouteKind, TABLE_MAIN};
use crate::hash::{HashKey, KEY_WORDS, mix};
use crate::npt::Prefix;
use crate::snapshot::{Generation, Judgement, Role, Snapshot, Steering};
use crate::units::{EdgeId, MacAddr};
use crate::wire::ethernet;
use crate::wire::ipv6::{Ipv6, is_forwardable};

/// No world can be made of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// More things than ids.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// It contradicts itself.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

/// The key of the steering hash where the installation's own is out of reach.
pub const HASH_KEY: HashKey = HashKey(hash_key());

const fn hash_key() -> [u64; KEY_WORDS] {
    let mut key = [0; KEY_WORDS];
    let mut word = 0;
    while word < KEY_WORDS {
        key[word] = mix(word as u64 + 1);
        word += 1;
    }
    key
}

/// Routers that `next_hop = "auto"` finds.
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const MTU: u16 = 1500;
/// First made-up index of devices that only carry VLANs.
const LOWER: u32 = 1000;
const RTPROT_STATIC: u8 = 4;
const RTPROT_RA: u8 = 9;

/// The gateway's MAC on `edge` where no capture shows it.
pub const fn own_mac(edge: EdgeId) -> MacAddr {
    MacAddr([0x02, 0x00, 0x00, 0x00, 0x00, edge.0])
}

/// The MAC of the neighbour `address` on `edge`: locally administered, the rest is a hash of both.
pub const fn neighbour_mac(edge: EdgeId, address: Ipv6Addr) -> MacAddr {
    let bits = address.to_bits();
    let [.., a, b, c, d, e] = mix(mix((bits >> 64) as u64 ^ edge.0 as u64) ^ bits as u64).to_be_bytes();
    MacAddr([0x06, a, b, c, d, e])
}

/// What captures tell of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// The gateway's MAC, by edge.
    pub macs: BTreeMap<EdgeId, MacAddr>,
    /// LANs of subnets, where there are several LANs.
    pub subnets: BTreeMap<Prefix, EdgeId>,
}

/// A configuration that worlds are made of.
#[derive(Debug)]
pub struct Planner<'a> {
    config: &'a Config,
    ids: Ids,
    steering: Steering,
}

impl<'a> Planner<'a> {
    /// For `config`. Takes tens of milliseconds.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn new(config: &'a Config) -> Result<Self, WorldError> {
        let mut ids = Ids::default();
        ids.assign(config)?;
        let steering = steering_of(config, &ids)?;
        Ok(Self { config, ids, steering })
    }

    /// The world with what `hints` tell.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn generation(&self, hints: &Hints) -> Result<Generation, WorldError> {
        let kernel = self.kernel(hints);
        Ok(compile(&Ingredients {
            config: self.config,
            kernel: &kernel,
            ids: &self.ids,
            steering: &self.steering,
            judgement: Judgement::default(),
            generation: 1,
            hash_key: HASH_KEY,
            probe_token: 0,
        })?)
    }

    fn kernel(&self, hints: &Hints) -> KernelState {
        let mut kernel = KernelState::default();
        let lans = self.config.lans.iter().map(|lan| (&lan.interface, lan.vlan, None));
        let isps = self.config.isps.iter().map(|isp| (&isp.interface, isp.vlan, isp.mtu));
        for (interface, vlan, mtu) in lans.chain(isps) {
            let name = edge_name(interface, vlan);
            let Some(edge) = self.ids.edge(&name) else { continue };
            let link = Link {
                name,
                ifindex: ifindex(edge),
                mac: Some(hints.macs.get(&edge).copied().unwrap_or_else(|| own_mac(edge))),
                mtu: u32::from(mtu.unwrap_or(MTU).max(MTU)),
                admin_up: true,
                carrier: true,
                ..Link::default()
            };
            if let (Some(vlan), Some(port)) = (vlan, self.ids.port(interface)) {
                // The device below, unless it is an edge of its own, whose link follows or was made.
                let lower = self.ids.edge(interface).map_or(LOWER + u32::from(port.0), ifindex);
                let device = Link { name: interface.clone(), ifindex: lower, ..link.clone() };
                kernel.links.entry(lower).or_insert(device);
                let above = Link { kind: "vlan".to_owned(), lower: Some(lower), vlan: Some(vlan), ..link };
                kernel.links.insert(ifindex(edge), above);
            } else {
                kernel.links.insert(ifindex(edge), link);
            }
        }
        let auto = self.config.isps.iter().filter(|isp| isp.next_hop == NextHop::Auto);
        let auto = auto.filter_map(|isp| self.ids.edge(&edge_name(&isp.interface, isp.vlan)));
        let default = Prefix::containing(Ipv6Addr::UNSPECIFIED, 0);
        kernel.routes.extend(auto.map(|edge| route(default, RTPROT_RA, edge, Some(ROUTER))));
        if let Some(lan) = self.config.lans.first().and_then(|lan| self.ids.edge(&edge_name(&lan.interface, lan.vlan)))
        {
            let internal = self.config.site.internal.iter();
            kernel.routes.extend(internal.clone().map(|prefix| route(*prefix, RTPROT_STATIC, lan, None)));
            kernel.addresses.extend(
                internal.take(1).map(|prefix| {
                    Address::in_use(ifindex(lan), Ipv6Addr::from_bits(prefix.address().to_bits() | 1), 64)
                }),
            );
        }
        kernel.routes.extend(hints.subnets.iter().map(|(subnet, edge)| route(*subnet, RTPROT_STATIC, *edge, None)));
        kernel
    }
}

/// The made-up index of the device of `edge`; 1 is the loopback device.
const fn ifindex(edge: EdgeId) -> u32 {
    edge.0 as u32 + 2
}

fn route(prefix: Prefix, protocol: u8, edge: EdgeId, gateway: Option<Ipv6Addr>) -> Route {
    Route {
        table: TABLE_MAIN,
        prefix,
        kind: RouteKind::Unicast,
        metric: 1024,
        preference: Preference::Medium,
        protocol,
        hops: vec![Hop { ifindex: ifindex(edge), gateway, dead: false }],
    }
}

impl Hints {
    /// Learns from `frame`, which was captured at the port of `edge` in a world without hints.
    /// Only a packet that needs the gateway tells anything: one from a LAN to the Internet, or
    /// from an ISP to that ISP's prefix. Returns whether more frames could tell more.
    pub fn learn(&mut self, world: &Generation, edge: EdgeId, frame: &[u8]) -> bool {
        let snapshot = &world.snapshot;
        let port = snapshot.edges[edge.index()].port;
        let gate = world.gate.ports.iter().find(|gate| gate.port == port);
        let tag = (frame.get(12..14) == Some(&[0x81, 0x00])).then(|| frame.get(14..16)).flatten();
        let vlan = tag.map(|tag| u16::from_be_bytes([tag[0], tag[1]]) & 0xfff).filter(|vlan| *vlan != 0);
        let edge = gate.and_then(|gate| gate.edges.iter().find(|edge| edge.vlan == vlan)).map(|edge| edge.edge);
        let packet = frame.get(ethernet::HEADER + if tag.is_some() { 4 } else { 0 }..).and_then(Ipv6::new);
        let (Some(edge), Some(packet)) = (edge, packet) else { return true };
        let several = snapshot.edges.iter().filter(|edge| edge.is_lan()).count() > 1;
        let is_lan = snapshot.edges[edge.index()].is_lan();
        if needs_gateway(snapshot, edge, packet.source(), packet.destination()) {
            let mac = MacAddr(std::array::from_fn(|at| frame[at]));
            if !mac.is_group() {
                self.macs.entry(edge).or_insert(mac);
            }
            if several && is_lan {
                self.subnets.entry(Prefix::containing(packet.source(), 64)).or_insert(edge);
            }
        }
        let all = gate.is_some_and(|gate| gate.edges.iter().all(|edge| self.macs.contains_key(&edge.edge)));
        !all || several && is_lan
    }
}

fn needs_gateway(snapshot: &Snapshot, edge: EdgeId, source: Ipv6Addr, destination: Ipv6Addr) -> bool {
    let is_internal = |address| snapshot.internal.iter().any(|prefix| prefix.contains(address));
    match snapshot.edges[edge.index()].role {
        Role::Lan => is_internal(source) && !is_internal(destination) && is_forwardable(destination),
        Role::Isp(uplink) => snapshot.mappings.inbound(destination).is_some_and(|pair| pair.uplink == uplink),
    }
}
