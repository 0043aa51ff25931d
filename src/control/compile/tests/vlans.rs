//! Several edges on one port: VLANs, and its untagged frames.

use super::{World, ip};
use crate::control::kernel::Link;
use crate::limits::MIN_MTU;
use crate::snapshot::{GateAction, GatePort, GateRole, Ingress};
use crate::units::{EdgeId, MacAddr};

/// lan0 carries lan0's untagged hosts and ISP a in VLAN 20; ISP b is in VLAN 30 of wan1.
fn world() -> World {
    let mut world = World::new();
    world.config.lans.truncate(1);
    (world.config.isps[0].interface, world.config.isps[0].vlan) = ("lan0".to_owned(), Some(20));
    world.config.isps[1].vlan = Some(30);
    world
}

/// The kernel's device for a VLAN.
fn vlan(world: &mut World, ifindex: u32, name: &str, lower: &str, id: u16) {
    let link = Link {
        name: name.to_owned(),
        ifindex,
        mac: Some(MacAddr([2, 0, 0, 0, 1, ifindex as u8])),
        mtu: 1500,
        admin_up: true,
        carrier: true,
        kind: "vlan".to_owned(),
        lower: Some(world.index(lower)),
        vlan: Some(id),
        ..Link::default()
    };
    world.kernel.links.insert(ifindex, link);
}

fn edge(world: &World, name: &str) -> EdgeId {
    world.ids().edge(name).unwrap()
}

#[test]
fn one_gate_has_all_edges_of_its_device() {
    let mut world = world();
    vlan(&mut world, 20, "isp-a", "lan0", 20);
    vlan(&mut world, 30, "wan1.30", "wan1", 30);
    world.address("isp-a", "2001:db8:fa::2/64").address("lan0", "fd12:3456:789a:10::1/64");
    world.route("default via fe80::a dev isp-a");
    let generation = world.compile().generation;
    let [lan0, wan1] = &generation.gate.ports[..] else { panic!("two devices") };
    let facts = |port: &GatePort| (port.interface.clone(), port.ifindex);
    assert_eq!(facts(lan0), ("lan0".to_owned(), world.index("lan0")));
    assert_eq!(facts(wan1), ("wan1".to_owned(), world.index("wan1")));

    let edges: Vec<_> = lan0.edges.iter().map(|edge| (edge.vlan, edge.role, edge.macs.clone())).collect();
    let lan_mac = world.link("lan0").mac.unwrap();
    let isp_mac = MacAddr([2, 0, 0, 0, 1, 20]);
    assert_eq!(edges, [(None, GateRole::Lan, vec![lan_mac]), (Some(20), GateRole::Isp, vec![isp_mac])]);
    let a = edge(&world, "lan0.20");
    let routes = |action| lan0.routes.iter().filter(move |route| route.action == action);
    assert!(routes(GateAction::Steer).all(|route| route.edge == a), "{:?}", lan0.routes);
    assert_eq!(routes(GateAction::Pass).count(), 1, "the hosts on lan0 itself: {:?}", lan0.routes);

    let snapshot = &generation.snapshot;
    assert_eq!(snapshot.ingress[lan0.port.index()], Ingress::Marked);
    assert_eq!(snapshot.ingress[wan1.port.index()], Ingress::Edge(edge(&world, "wan1.30")));
    let of_a = &snapshot.edges[a.index()];
    assert_eq!((&*of_a.name, of_a.vlan, of_a.mac, of_a.mtu), ("lan0.20", Some(20), isp_mac, 1500));
    assert_eq!(of_a.error_source, Some(ip("2001:db8:fa::2")), "addresses are on the VLAN's own device");
    let uplink = snapshot.uplinks.iter().find(|uplink| &*uplink.name == "a").unwrap();
    assert_eq!((uplink.edge, uplink.next_hop), (a, Some(ip("fe80::a"))));

    let guards: Vec<_> =
        generation.gate.guards.iter().map(|guard| (guard.interface.as_str(), guard.ifindex, guard.vlan)).collect();
    assert_eq!(guards, [("isp-a", 20, Some(20)), ("wan1.30", 30, Some(30))]);
}

#[test]
fn a_vlan_without_a_device_of_its_own_is_down_and_left_to_the_kernel() {
    let mut world = world();
    // A VLAN of that number on another device is none of it, whatever it is called.
    vlan(&mut world, 20, "lan0.20", "wan0", 20);
    vlan(&mut world, 30, "wan1.30", "wan1", 30);
    world.route("default via fe80::a dev lan0.20").route("default via fe80::b dev wan1.30");
    let generation = world.compile().generation;
    let (a, b) = (world.ids().uplink("a").unwrap(), world.ids().uplink("b").unwrap());
    assert_eq!(generation.snapshot.usable, 1 << b.0);
    assert_eq!(generation.snapshot.uplinks[a.index()].next_hop, None);
    let lan0 = &generation.gate.ports[0];
    assert_eq!((lan0.edges.len(), lan0.edges[1].macs.len()), (2, 0));
    assert_eq!(generation.snapshot.edges[edge(&world, "lan0.20").index()].mtu, MIN_MTU);
    assert_eq!(generation.gate.guards.len(), 1);
}

#[test]
fn a_device_that_is_only_called_like_the_vlan_will_do() {
    let mut world = world();
    vlan(&mut world, 20, "lan0.20", "lan0", 20);
    let link = world.link("lan0.20");
    (link.kind, link.lower, link.vlan) = ("veth".to_owned(), None, None);
    let generation = world.compile().generation;
    assert_eq!(generation.gate.ports[0].edges[1].macs, [MacAddr([2, 0, 0, 0, 1, 20])]);
}

#[test]
fn a_tag_finds_room_in_the_frame_whatever_the_device_says() {
    let mut world = world();
    vlan(&mut world, 20, "lan0.20", "lan0", 20);
    world.link("lan0.20").mtu = 9000;
    world.link("lan0").mtu = 9000;
    let snapshot = world.compile().generation.snapshot;
    assert_eq!(snapshot.edges[edge(&world, "lan0.20").index()].mtu, 1758);
    assert_eq!(snapshot.edges[edge(&world, "lan0").index()].mtu, 9000);
    world.config.dataplane.frame_size = 4096;
    let snapshot = world.compile().generation.snapshot;
    assert_eq!(snapshot.edges[edge(&world, "lan0.20").index()].mtu, 3806);
}

#[test]
fn the_gate_of_a_bridge_or_bond_is_run_by_the_kernels_stack() {
    let mut world = World::new();
    world.link("lan0").kind = "bridge".to_owned();
    world.link("lan1").kind = "bond".to_owned();
    let ports = world.compile().generation.gate.ports;
    let generic: Vec<_> = ports.iter().map(|port| (port.interface.as_str(), port.generic)).collect();
    assert_eq!(generic, [("lan0", true), ("lan1", true), ("wan0", false), ("wan1", false)]);
}
