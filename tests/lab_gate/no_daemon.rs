//! Gate and guards alone: nothing is forwarded, nothing leaks, and what is the kernel's own works
//! as if nothing were there.

use sixways::observe::report::GateCounts;
use sixways::units::EdgeId;
use sixways::xdp::{Gate, Guard, GuardAttach, release};

use crate::lab::traffic::{ping, unanswered};
use crate::lab::{DMZ_HOST, H10, H20, Lab, SERVER, VPN_HOST};
use crate::stand::{A, B, LAN, OPTIONS, assert_bare, guard_a, guard_b, in_gateway, lab_own, lab_ports, pins};

/// In force from now on, without a process.
pub fn attach_all(lab: &Lab) {
    in_gateway(lab, || {
        let pins = pins(lab);
        for table in [guard_a(), guard_b()] {
            Guard::set(&pins, &table, GuardAttach::Auto).expect("a guard");
        }
        for port in lab_ports() {
            let mut gate = Gate::prepare(&pins, &port, &lab_own(lab), &OPTIONS).expect("a gate");
            gate.open().expect("open");
        }
    });
}

/// What each gate has counted, read as the next process would.
fn counted(lab: &Lab) -> Vec<(EdgeId, GateCounts)> {
    in_gateway(lab, || {
        let pins = pins(lab);
        let gates = lab_ports().into_iter().map(|port| {
            let gate = Gate::prepare(&pins, &port, &lab_own(lab), &OPTIONS).expect("a gate");
            gate.counts().expect("counts")[0]
        });
        gates.collect()
    })
}

pub fn without_a_daemon_nothing_leaks_and_the_kernels_own_goes_on(lab: &Lab) {
    attach_all(lab);
    let before = lab.isp_counts();

    // Transit, both ways, and what would leak by the kernel's default route.
    unanswered(lab, "h10", SERVER, 5);
    unanswered(lab, "h20", "fd12:3456:789a:99::1", 5);
    for external in ["2001:db8:1:10::10", "2001:db8:2:10::10"] {
        unanswered(lab, "srv", external, 5);
    }
    // A stranger at the ISP who knows the inside addresses.
    lab.sh("ispa", "ip -6 route add fd12:3456:789a::/48 via fe80::2 dev cust");
    unanswered(lab, "ispa", H10, 5);

    let gates: std::collections::BTreeMap<_, _> = counted(lab).into_iter().collect();
    assert_eq!(gates[&LAN].no_socket, 10, "{gates:?}");
    assert_eq!((gates[&A].no_socket, gates[&A].transit), (5, 5), "{gates:?}");
    assert_eq!((gates[&B].no_socket, gates[&B].transit), (5, 0), "{gates:?}");
    let redirected: u64 = gates.values().map(|counts| counts.redirected).sum();
    assert_eq!(redirected, 0);

    // Own addresses by every edge, with neighbours that have to be found first.
    for (interface, role) in [("lan0", "h10"), ("lan0", "h20"), ("wan0", "ispa"), ("wan1", "ispb"), ("wan0", "srv")] {
        for side in ["gw", role] {
            lab.sh(side, "ip -6 neigh flush all");
        }
        assert_eq!(ping(lab, role, &lab.own[interface], 3, 10), 3, "{role} to {interface}");
    }
    // An own address that answers only by another edge.
    unanswered(lab, "ispa", &lab.own["lan0"], 2);
    // Other LANs, the VPN and the routed DMZ are the kernel's.
    for (role, target) in [("h10", H20), ("h20", VPN_HOST), ("vpn", H10), ("h10", DMZ_HOST), ("dmz", SERVER)] {
        assert_eq!(ping(lab, role, target, 3, 10), 3, "{role} to {target}");
    }
    assert_eq!(ping(lab, "srv", DMZ_HOST, 3, 10), 3);

    for (before, counts) in before.iter().zip(lab.isp_counts()) {
        assert_eq!((counts.internal, counts.foreign), (before.internal, before.foreign), "{counts:?}");
    }

    let released = in_gateway(lab, || release(pins(lab)).expect("release"));
    assert_eq!(released.interfaces, ["lan0", "wan0", "wan1"]);
    for interface in ["lan0", "wan0", "wan1"] {
        assert_bare(lab, interface);
    }
    unanswered(lab, "h10", SERVER, 3);
    assert_eq!(lab.isp_counts()[0].internal, before[0].internal + 3, "released, the kernel routes as it likes");
}
