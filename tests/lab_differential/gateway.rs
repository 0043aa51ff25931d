//! This translator: the packet path over frames in memory, with one pair and an open filter.

use std::net::Ipv6Addr;

use sixways::npt::{Mapping, Prefix};
use sixways::snapshot::{MappingTable, UplinkMapping};
use sixways::units::{Direction, MappingId, Nanos};

use crate::outcome::{Outcome, Outcomes, Side, label};
use crate::pairs::Pair;
use crate::rig::Rig;
use crate::rig::site::{FIBER, LAN0, Site, WAN0};
use crate::{ISP_MTU, LAN_MTU};

/// The path, and what it did.
pub struct Gateway(Rig);

impl Gateway {
    pub fn start(pair: &Pair) -> Self {
        let prefix = |(address, length): (Ipv6Addr, u32)| Prefix::new(address, length as u8).expect("no host bits");
        let (internal, external) = (prefix(pair.internal), prefix(pair.external));
        let mapping = Mapping::new(internal, external).expect("a pair that can be mapped");
        let mut site = Site::standard();
        let world = &mut site.snapshot;
        world.internal = [internal].into();
        world.mappings =
            MappingTable::new(&[UplinkMapping { id: MappingId(0), uplink: FIBER, mapping, former: false }], 3);
        world.edges[LAN0.index()].mtu = LAN_MTU;
        world.edges[WAN0.index()].mtu = ISP_MTU;
        for (edge, own) in [(LAN0, "2001:db8:ffff:1::1"), (WAN0, "2001:db8:ffff:2::1")] {
            world.edges[edge.index()].error_source = own.parse().ok();
        }
        world.own_addresses = world.edges[..3].iter().filter_map(|edge| edge.error_source).collect();
        world.own_addresses.sort();
        site.set_usable(&[FIBER]);
        site.route_everything();
        Self(Rig::new(site))
    }

    /// What becomes of `packets`, each with a label of its own.
    pub fn exchange(&mut self, direction: Direction, packets: &[Vec<u8>]) -> Vec<Outcome> {
        let side = Side::of(direction);
        let (edge, host) = match side {
            Side::Lan => (LAN0, "fe80::20"),
            Side::Isp => (WAN0, "fe80::1"),
        };
        let from = self.0.site.name(edge, host.parse().expect("an address"));
        let link = [self.0.site.mac(edge).0.as_slice(), &from.0, &[0x86, 0xdd]].concat();
        let one = |packet: &Vec<u8>| {
            // Every error may be made: the kernel's limit is off as well.
            self.0.wait(Nanos::from_millis(20));
            let mut outcomes = Outcomes::default();
            for sent in self.0.send_one(edge, &[link.as_slice(), packet].concat()) {
                outcomes.take(if sent.edge == LAN0 { Side::Lan } else { Side::Isp }, &sent.bytes);
            }
            outcomes.of(label(packet))
        };
        packets.iter().map(one).collect()
    }
}
