//! Each check fires on what it is for, names the remedy, and is silent otherwise.

use caps::Capability;

use super::*;
use crate::limits::SPARE_PORTS;
use crate::xdp::facts::{MemberFacts, VlanFacts};
use crate::xdp::netdev::Link;

fn intent() -> Intent {
    Intent {
        ports: Vec::new(),
        socket: SocketOptions {
            zero_copy: false,
            rx_ring: 1024,
            tx_ring: 1024,
            fill_ring: 1024,
            completion_ring: 1024,
            frames: None,
            frame_size: 2048,
            patience: std::time::Duration::from_secs(5),
        },
        generic: false,
        native: false,
        workers: None,
    }
}

fn port(auto_next_hop: bool) -> PortIntent {
    PortIntent { interface: "wan0".into(), isp: true, lan: false, auto_next_hop, vlans: Vec::new() }
}

/// A network card that is fit.
fn card() -> InterfaceFacts {
    InterfaceFacts {
        link: Link {
            index: 2,
            name: "wan0".into(),
            ethernet: true,
            up: true,
            mtu: 1500,
            kind: None,
            lower: None,
            lower_elsewhere: false,
            vlan: None,
            controller: None,
        },
        driver: "ixgbe".into(),
        queues: 4,
        features: ["rx-checksum", "tx-checksum-ip-generic"].map(str::to_owned).into(),
        peer: Peer::None,
        accept_ra: Some(2),
        members: Vec::new(),
    }
}

fn host() -> HostFacts {
    HostFacts { kernel: (6, 1), missing: Vec::new(), memory_lock: None, forwarding: Some(true) }
}

/// The only finding, as (severity, what, remedy), which must concern `wan0`.
fn only(findings: Vec<Finding>) -> (Severity, &'static str, String) {
    let [finding] = <[Finding; 1]>::try_from(findings).expect("one finding");
    assert!(finding.to_string().contains(&finding.remedy));
    (finding.severity, finding.what, finding.remedy)
}

fn judge(facts: &InterfaceFacts) -> (Severity, &'static str, String) {
    only(judge_interface(&intent(), &port(true), facts))
}

#[test]
fn a_fit_host_and_card_have_no_findings() {
    assert_eq!(judge_host(&host(), u64::MAX), []);
    assert_eq!(judge_interface(&intent(), &port(true), &card()), []);
}

#[test]
fn missing_capabilities_are_named() {
    let poor = HostFacts { missing: vec![Capability::CAP_BPF], ..host() };
    let (severity, what, remedy) = only(judge_host(&poor, 0));
    assert_eq!((severity, what), (Severity::Fatal, "capability"));
    assert!(remedy.contains("CAP_BPF"), "{remedy}");
}

#[test]
fn lockable_memory_is_held_against_all_workers_buffers() {
    let mut intent = intent();
    let one = needed_octets(&intent, &[("lan0", 2), ("wan0", 1)]);
    // Fill rings of three queues, transmit rings of two ports; then those of interfaces that may come.
    let spare = SPARE_PORTS as u64 * (1024 + 1024);
    assert_eq!(one, (3 * 1024 + 2 * 1024 + 64 + 512 + spare) * 2048);
    intent.socket.frames = Some(10_000);
    assert_eq!(needed_octets(&intent, &[("lan0", 2), ("wan0", 2)]), 2 * 10_000 * 2048);
    let limited = HostFacts { memory_lock: Some(8 << 20), ..host() };
    assert_eq!(judge_host(&limited, 8 << 20), []);
    let (severity, what, remedy) = only(judge_host(&limited, (8 << 20) + 1));
    assert_eq!((severity, what), (Severity::Fatal, "memory"));
    assert!(remedy.contains("LimitMEMLOCK"), "{remedy}");
}

#[test]
fn old_kernels_and_kernels_without_ipv6_are_refused() {
    let old = HostFacts { kernel: (5, 15), ..host() };
    assert_eq!(only(judge_host(&old, 0)).1, "kernel");
    let none = HostFacts { forwarding: None, ..host() };
    assert_eq!(only(judge_host(&none, 0)).0, Severity::Fatal);
    let off = HostFacts { forwarding: Some(false), ..host() };
    let (severity, what, remedy) = only(judge_host(&off, 0));
    assert_eq!((severity, what), (Severity::Warning, "forwarding"));
    assert_eq!(remedy, "sysctl -w net/ipv6/conf/all/forwarding=1");
}

#[test]
fn the_mtu_must_fit_the_frame_and_the_driver() {
    let mut facts = card();
    facts.link.mtu = 1774;
    assert_eq!(judge_interface(&intent(), &port(false), &facts), []);
    facts.link.mtu = 1775;
    let (severity, what, remedy) = judge(&facts);
    assert_eq!((severity, what), (Severity::Fatal, "mtu"));
    assert!(remedy.contains("ip link set wan0 mtu 1500") && remedy.contains("frame_size = 4096"), "{remedy}");
    let mut large = intent();
    large.socket.frame_size = 4096;
    facts.link.mtu = 3050;
    assert_eq!(judge_interface(&large, &port(false), &facts), []);
    facts.link.mtu = 3051;
    assert!(only(judge_interface(&large, &port(false), &facts)).2.contains("mtu 3050"));
    large.generic = true;
    assert_eq!(judge_interface(&large, &port(false), &facts), []);
}

#[test]
fn merging_offloads_are_refused_with_their_switch() {
    for (feature, command) in [("rx-lro", "ethtool -K wan0 lro off"), ("rx-gro-hw", "ethtool -K wan0 rx-gro-hw off")] {
        let mut facts = card();
        facts.features.insert(feature.into());
        let (severity, _, remedy) = judge(&facts);
        assert_eq!((severity, remedy.as_str()), (Severity::Fatal, command));
    }
}

#[test]
fn cut_off_tags_are_warned_of_where_there_is_a_wire() {
    let mut facts = card();
    facts.features.insert("rx-vlan-hw-parse".into());
    assert_eq!(judge(&facts), (Severity::Warning, "rxvlan", "ethtool -K wan0 rxvlan off".into()));
    facts.peer = Peer::Here { name: "far".into(), leaves_checksums: false, hides_tags: true };
    assert_eq!(judge_interface(&intent(), &port(true), &facts), []);
}

#[test]
fn hidden_tags_end_the_start_where_they_say_which_edge_a_frame_is_of() {
    let trunk = PortIntent { vlans: vec![VlanIntent { id: 10, auto_next_hop: false }], ..port(false) };
    let mut facts = card();
    assert_eq!(judge_interface(&intent(), &trunk, &facts), []);
    facts.features.insert("rx-vlan-hw-parse".into());
    let finding = only(judge_interface(&intent(), &trunk, &facts));
    assert_eq!(finding, (Severity::Fatal, "rxvlan", "ethtool -K wan0 rxvlan off".into()));
    facts.peer = Peer::Here { name: "far".into(), leaves_checksums: false, hides_tags: true };
    let finding = only(judge_interface(&intent(), &trunk, &facts));
    assert_eq!(finding, (Severity::Fatal, "txvlan", "ethtool -K far txvlan off".into()));
}

#[test]
fn a_vlan_needs_a_device_of_its_own() {
    let wanted = VlanIntent { id: 4094, auto_next_hop: true };
    let missing = |port| only(vlan::judge(port, wanted, None));
    let finding = missing("wan0");
    let command = "ip link add link wan0 name wan0.4094 type vlan id 4094";
    assert_eq!(finding, (Severity::Fatal, "vlan", command.into()));
    assert!(
        vlan::judge("enp1s0f0np0", wanted, None)[0].remedy.contains("name vlan4094 "),
        "15 octets are a name's end"
    );
    let facts = VlanFacts { name: "wan0.4094".into(), up: true, accept_ra: Some(2) };
    assert_eq!(vlan::judge("wan0", wanted, Some(&facts)), []);
    let deaf = VlanFacts { accept_ra: Some(1), up: false, ..facts };
    let found: Vec<_> =
        vlan::judge("wan0", wanted, Some(&deaf)).into_iter().map(|one| (one.severity, one.what)).collect();
    assert_eq!(found, [(Severity::Warning, "link"), (Severity::Warning, "accept_ra")]);
}

/// A bridge with the members `eth1` and `eth2`.
fn bridge(merging: &[&str]) -> InterfaceFacts {
    let mut facts = card();
    facts.link.kind = Some("bridge".into());
    let member = |name: &str, features: &[&str]| MemberFacts {
        name: name.into(),
        features: features.iter().map(|feature| (*feature).to_owned()).collect(),
    };
    facts.members = vec![member("eth1", &[]), member("eth2", merging)];
    facts
}

#[test]
fn members_of_a_bridge_must_not_merge_packets() {
    let lan = PortIntent { isp: false, ..port(false) };
    assert_eq!(judge_interface(&intent(), &lan, &bridge(&["tx-checksum-ipv6"])), []);
    for (feature, command) in [
        ("rx-gro", "ethtool -K eth2 gro off"),
        ("rx-lro", "ethtool -K eth2 lro off"),
        ("rx-gro-hw", "ethtool -K eth2 rx-gro-hw off"),
    ] {
        let (severity, _, remedy) = only(judge_interface(&intent(), &lan, &bridge(&[feature])));
        assert_eq!((severity, remedy.as_str()), (Severity::Fatal, command));
    }
}

#[test]
fn a_bridge_is_a_lan_without_vlans_in_generic_mode() {
    let vlans = vec![VlanIntent { id: 10, auto_next_hop: false }];
    let lan = PortIntent { isp: false, ..port(false) };
    let native = Intent { native: true, ..intent() };
    for (intent, port, word) in [
        (intent(), port(false), "ISP"),
        (intent(), PortIntent { vlans, ..lan.clone() }, "VLAN tags"),
        (native, lan, "native"),
    ] {
        let findings = judge_interface(&intent, &port, &bridge(&[]));
        assert!(findings[0].value.contains(word), "{findings:?}");
        assert_eq!(only(findings).0, Severity::Fatal);
    }
}

#[test]
fn a_peer_that_leaves_checksums_is_named() {
    let mut facts = card();
    facts.driver = "veth".into();
    facts.peer = Peer::Here { name: "far7".into(), leaves_checksums: true, hides_tags: false };
    assert_eq!(judge(&facts), (Severity::Warning, "checksum", "ethtool -K far7 tx off".into()));
    facts.peer = Peer::Elsewhere;
    assert_eq!(judge(&facts).2, "there: ethtool -K PEER tx off");
}

#[test]
fn accept_ra_matters_where_the_next_hop_is_found_by_it() {
    let mut facts = card();
    facts.accept_ra = Some(1);
    let (severity, what, remedy) = judge(&facts);
    assert_eq!((severity, what), (Severity::Warning, "accept_ra"));
    assert!(remedy.contains("net/ipv6/conf/wan0/accept_ra=2"), "{remedy}");
    assert_eq!(judge_interface(&intent(), &port(false), &facts), []);
}

#[test]
fn devices_that_are_not_built_yet_are_refused_in_words() {
    for kind in ["macvlan", "ipvlan", "vrf"] {
        let mut facts = card();
        facts.link.kind = Some(kind.into());
        // Whatever else is wrong with it does not matter then.
        facts.link.mtu = 9000;
        let findings = judge_interface(&intent(), &port(true), &facts);
        assert!(findings[0].value.starts_with("not built yet: a"), "{findings:?}");
        assert_eq!(only(findings).0, Severity::Fatal);
    }
    let mut tunnel = card();
    tunnel.link.ethernet = false;
    assert_eq!(judge(&tunnel).1, "kind");
}

#[test]
fn the_port_that_caps_the_workers_is_named() {
    let mut intent = intent();
    let queues = [("lan0", 4), ("wan0", 2)];
    assert_eq!(judge_queues(&intent, &queues), None);
    intent.workers = Some(2);
    assert_eq!(judge_queues(&intent, &queues), None);
    intent.workers = Some(3);
    let (severity, what, remedy) = only(judge_queues(&intent, &queues).into_iter().collect());
    assert_eq!((severity, what), (Severity::Warning, "queues"));
    assert!(remedy.contains("ethtool -L wan0 combined 3"), "{remedy}");
}

#[test]
fn a_missing_interface_is_found_with_its_name() {
    let mut intent = intent();
    intent.ports = vec![PortIntent { interface: "nonesuch0".into(), ..PortIntent::default() }];
    let findings = check(&intent).unwrap();
    let finding = findings.iter().find(|finding| finding.what == "interface").expect("a finding");
    assert_eq!(finding.severity, Severity::Fatal);
    assert!(finding.to_string().starts_with("error: nonesuch0: interface: "), "{finding}");
}

#[test]
fn an_interface_that_is_missing_ends_the_start_only_if_none_could_serve() {
    let gone = std::io::Error::from_raw_os_error(libc::ENODEV);
    let finding = missing("wan1", &gone, true);
    assert_eq!(finding.severity, Severity::Warning);
    assert!(finding.to_string().contains("wan1: interface: there is none of this name here; it is used as soon as"));
    assert_eq!(missing("lan0", &gone, false).severity, Severity::Fatal);
}
