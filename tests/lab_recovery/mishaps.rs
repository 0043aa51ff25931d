//! What happens to devices, cables, neighbours and settings while the gateway runs.

use std::time::Duration;

use crate::everybody_is_answered;
use crate::flows::survive;
use crate::lab::gateway::Gateway;
use crate::lab::process::{eventually, run};
use crate::lab::traffic::{SOME, Server, ping};
use crate::lab::{ISP_A, ISP_B, Lab};

/// The kernel asks after a neighbour that it has heard of when 15 to 45 seconds have passed; from now on
/// after one or two.
pub fn ask_often(lab: &Lab) {
    for device in ["lan0", "wan0"] {
        for setting in ["base_reachable_time_ms=1000", "delay_first_probe_time=1"] {
            lab.sh("gw", &format!("sysctl -qw net.ipv6.neigh.{device}.{setting}"));
        }
    }
}

/// A device goes, and comes back as another one of the same name.
pub fn device_made_anew(lab: &Lab, gateway: &Gateway<'_>) {
    for (device, unmoved) in [("wan0", &[ISP_B][..]), ("wan1", &[ISP_A]), ("lan0", &[ISP_A, ISP_B])] {
        gateway.every_isp_is_up();
        survive(lab, unmoved, || {
            lab.recreate(device);
            everybody_is_answered(lab);
        });
    }
}

/// An ISP's modem is gone when the gateway starts, and comes later.
pub fn start_without(lab: &Lab, gateway: &mut Gateway<'_>) {
    gateway.kill();
    lab.sh("gw", "ip link set wan1 down");
    lab.sh("gw", "ip link set wan1 name drawer");
    gateway.restart();
    everybody_is_answered(lab);
    assert!(gateway.log().contains("wan1: interface: there is none of this name here"), "{}", gateway.log());
    lab.sh("gw", "ip link set drawer name wan1");
    lab.recreate("wan1");
    gateway.every_isp_is_up();
    everybody_is_answered(lab);
}

/// Cables that are pulled ten times in two seconds.
pub fn flaps(lab: &Lab, gateway: &Gateway<'_>) {
    for (device, (role, far), unmoved) in
        [("lan0", ("sw", "gw"), &[ISP_A, ISP_B][..]), ("wan0", ("ispa", "cust"), &[ISP_B])]
    {
        gateway.every_isp_is_up();
        survive(lab, unmoved, || {
            let flap = format!("ip link set {far} down; sleep 0.1; ip link set {far} up; sleep 0.1");
            let script = format!("for i in 1 2 3 4 5 6 7 8 9 10; do {flap}; done");
            run(lab.command(role, "sh").args(["-ec", &script]), Duration::from_secs(20));
            // The far end's own addresses and routes.
            lab.plug(device);
            everybody_is_answered(lab);
        });
    }
}

/// A host inside and an ISP's router have another network card from one moment to the next, and
/// tell nobody.
pub fn other_macs(lab: &Lab, gateway: &Gateway<'_>, server: &mut Server) {
    gateway.every_isp_is_up();
    survive(lab, &[ISP_B], || {
        for (role, device, mac) in [("h10", "eth0", "02:5e:00:00:77:01"), ("ispa", "cust", "02:5e:00:00:77:02")] {
            lab.sh(role, &format!("ip link set {device} address {mac}"));
        }
        eventually("ISP A's router and all hosts are found again", Duration::from_secs(30), || {
            server.reset();
            let burst = SOME.run(lab);
            burst.answered == burst.pairs && server.report().get(ISP_A).is_some_and(|seen| seen.pairs > 0)
        });
    });
}

/// Another program takes away what makes the host's answers leave by the ISP that was asked.
pub fn rules_taken_away(lab: &Lab) {
    let rules = || lab.sh("gw", "ip -6 rule show");
    let wanted = rules();
    let mut tables: Vec<&str> =
        wanted.lines().filter_map(|rule| rule.split("lookup ").nth(1)?.split(' ').next()).collect();
    tables.retain(|table| table.parse::<u32>().is_ok());
    tables.dedup();
    assert!(tables.len() >= 2, "a table for each ISP: {wanted}");
    let routes =
        || tables.iter().map(|table| lab.try_sh("gw", &format!("ip -6 route show table {table}"))).collect::<Vec<_>>();
    let wanted_routes = routes();
    for table in &tables {
        while lab.try_sh("gw", &format!("ip -6 rule del table {table}")).is_some() {}
        lab.sh("gw", &format!("ip -6 route flush table {table}"));
    }
    eventually("put back", Duration::from_secs(10), || rules() == wanted && routes() == wanted_routes);
    assert_eq!(ping(lab, "srv", &lab.own["wan1"], 3, 10), 3);
}

/// Fewer queues while sockets are bound to all of them: the kernel refuses, or the gateway goes on
/// with what there is.
pub fn other_queues(lab: &Lab) {
    survive(lab, &[ISP_A, ISP_B], || {
        for count in [1, 2] {
            let changed = lab.try_sh("gw", &format!("ethtool -L wan1 rx {count} tx {count}")).is_some();
            println!("        {count} queues: {}", if changed { "set" } else { "refused" });
            everybody_is_answered(lab);
        }
    });
}

/// Somebody leaks a whole table of routes into the kernel, more than a gate takes: packets go on as before, a start is
/// refused, and when the routes are gone all is as it was.
pub fn too_many_routes(lab: &Lab, gateway: &mut Gateway<'_>) {
    gateway.every_isp_is_up();
    let routes = lab.dir.join("routes");
    let leak: String =
        (0..=u16::MAX).map(|net| format!("route add 2a00:0:0:{net:x}::/64 dev wg0 proto 200\n")).collect();
    std::fs::write(&routes, leak).expect("a batch");
    survive(lab, &[ISP_A, ISP_B], || {
        lab.sh("gw", &format!("ip -6 -batch {}", routes.display()));
        eventually("it is told", Duration::from_secs(20), || gateway.log().contains("routes are more than the 65536"));
        assert!(gateway.alive(), "{}", gateway.log());
        everybody_is_answered(lab);
    });
    gateway.kill();
    let before = gateway.log().len();
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gateway.restart()));
    assert!(refused.is_err() && gateway.log()[before..].contains("filter what a routing daemon learns"));
    lab.sh("gw", "ip -6 route flush proto 200");
    gateway.restart();
    everybody_is_answered(lab);
}
