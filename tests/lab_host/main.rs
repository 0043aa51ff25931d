//! The whole site goes along: the gateway's own traffic and a container's go by the workers and
//! change ISP with everybody else, IPv4 follows, and nothing of it is left behind.

#[path = "../lab/mod.rs"]
mod lab;
mod stand;

use lab::Lab;
use lab::gateway::Gateway;
use lab::process::eventually;
use lab::steps::Steps;
use lab::traffic::{Server, connect, ping};
use stand::{CONTAINER, LIMIT, OWN, Stand};

const CONFIG: &str = "\n[host]\nsteer = true\n\n[ipv4]\nfollow = true\n";

#[test]
fn own_container_and_ipv4_traffic_change_isp_with_the_site() {
    let Some(lab) = Lab::start(2) else { return };
    let stand = Stand::set_up(&lab);
    let mut gateway = Gateway::start(&lab, "");
    let mut steps = Steps::new(&lab);
    steps.step("switched on while it runs", &mut gateway, |gateway| switch(gateway, CONFIG));
    steps.step("all of it reaches the Internet, translated", &mut gateway, |gateway| {
        stand.all_reach("with both ISPs");
        for device in ["sixways0", "sixways1"] {
            assert!(lab.sh("gw", &format!("ip link show {device}")).contains("NOARP"), "{device} resolves nothing");
        }
        let source = lab.sh("gw", "ip -6 route get 2001:db8:f::53");
        assert!(source.contains("sixways0") && source.contains(OWN), "{source}");
        let bound = lab.sh("gw", "ip -6 route get 2001:db8:f::53 from 2001:db8:a::2");
        assert!(bound.contains("wan0"), "an ISP's own address goes by that ISP: {bound}");
        let inside = lab.sh("gw", "ip -6 route get fd12:3456:789a:20::20");
        assert!(inside.contains("lan0"), "routes other than default ones count: {inside}");
        let status = gateway.ask(&["status"]);
        let is_host = |line: &str| line.starts_with("sixways1") && line.contains(" host ");
        assert!(status.lines().any(is_host), "{status}");
    });
    steps.step("the gateway is one host to its LAN and outside", &mut gateway, |_| {
        assert_eq!(ping(&lab, "h10", OWN, 3, 10), 3, "the LAN reaches the gateway's own address");
        for target in ["2001:db8:a::2", &lab.own["wan1"]] {
            assert_eq!(ping(&lab, "srv", target, 3, 10), 3, "{target} answers by the ISP that was asked");
        }
    });
    steps.step("large packets and large answers", &mut gateway, |_| {
        for (role, source) in [("gw", OWN), ("vpn", CONTAINER)] {
            let source = format!("{source}/128");
            let connections = connect(&lab, role, &source, "2001:db8:f::/64", 40, 100_000);
            assert_eq!(connections.connected, 40, "{role}: {:?}", connections.failures);
            assert_eq!(connections.seen.len(), 2, "{role} by both ISPs: {:?}", connections.seen);
        }
    });
    for (device, survivor) in [("wan0", 1), ("wan1", 0)] {
        steps.step(&format!("{device} loses its carrier, and gets it back"), &mut gateway, |_| {
            let before = lab.isp_counts()[survivor].own;
            lab.unplug(device);
            stand.all_reach(&format!("without {device}"));
            assert!(lab.isp_counts()[survivor].own > before, "by the other ISP");
            // What the route by wan0 asks for comes first as long as wan0 will do.
            let copy = stand.ipv4_copy();
            assert_eq!(copy.contains("dev wan1") && copy.contains("metric 99"), device == "wan0", "{copy}");
            if device == "wan0" {
                lab.sh("gw", "ip -4 route del default proto 96");
                eventually("the IPv4 route comes back", LIMIT, || !stand.ipv4_copy().is_empty());
            }
            lab.plug(device);
            stand.mend_ipv4();
            stand.all_reach(&format!("with {device} again"));
            eventually("IPv4 needs no copy", LIMIT, || stand.ipv4_copy().is_empty());
        });
    }
    steps.step("from outside only by the filter's leave", &mut gateway, |_| {
        let _own = Server::start(&lab, "gw", true);
        let _contained = Server::start(&lab, "vpn", true);
        for (role, inside) in [("gw", OWN), ("vpn", CONTAINER)] {
            let image = stand.image(role);
            assert_ne!(image, inside);
            let target = format!("{image}/128");
            let allowed = connect(&lab, "srv", "2001:db8:f::99/128", &target, 1, 100_000);
            assert_eq!(allowed.connected, 1, "{role} as {image}: {:?}", allowed.failures);
            assert!(lab.try_sh(role, &format!("curl -sfg -m 2 -o /dev/null http://[{inside}]:8080/whoami")).is_some());
            let unasked = format!("curl -sfg -m 1 -o /dev/null http://[{image}]:8080/whoami");
            assert!(lab.try_sh("srv", &unasked).is_none(), "{role} as {image} on a port that no rule allows");
            assert_eq!(ping(&lab, "srv", &image, 2, 10), 2, "{image} answers pings like any host inside");
        }
    });
    steps.step("what is deleted by hand comes back", &mut gateway, |_| {
        for line in [
            "ip -6 rule del priority 30730",
            "ip -6 rule del priority 30731",
            "ip -6 rule del priority 30732",
            "ip -6 route flush table 30630",
            "ip -6 addr flush dev sixways0",
            "ip link set sixways0 down",
            "ip link del sixways0",
        ] {
            lab.sh("gw", line);
            eventually(line, LIMIT, || stand.is_complete());
            stand.all_reach(line);
        }
    });
    steps.step("switched off and on again while it runs", &mut gateway, |gateway| {
        switch(gateway, "");
        eventually("the host is left to its kernel", LIMIT, || {
            stand.steering_rules().is_empty() && !lab.sh("gw", "ip -br link").contains("sixways")
        });
        lab.unplug("wan0");
        eventually("wan0 is down", LIMIT, || gateway.metrics().contains("sixways_isp_up{isp=\"fiber\"} 0\n"));
        assert_eq!(stand.ipv4_copy(), "", "IPv4 follows no longer");
        lab.plug("wan0");
        stand.mend_ipv4();
        switch(gateway, CONFIG);
        eventually("it is complete again", LIMIT, || stand.is_complete());
        stand.all_reach("switched on again");
    });
    steps.step("a kill leaves it, the next start adopts it", &mut gateway, |gateway| {
        let index = || lab.sh("gw", "cat /sys/class/net/sixways0/ifindex");
        let before = index();
        gateway.kill();
        assert!(stand.is_complete());
        gateway.restart();
        assert_eq!(index(), before, "the link is the same");
        stand.all_reach("after a kill");
    });
    steps.step_alone("a stop leaves the host to its kernel, release leaves nothing", || {
        gateway.stop();
        assert_eq!(stand.steering_rules(), "", "rules to workers that are not there");
        assert_eq!(ping(&lab, "gw", "2001:db8:f::53", 2, 10), 2, "by the kernel's own default route");
        let links = lab.sh("gw", "ip -br link");
        assert!(links.contains("sixways0") && links.contains("sixways1"), "{links}");
        gateway.release();
        for (what, listing) in stand.remains() {
            assert_eq!(listing, "", "{what}");
        }
    });
    steps.finish();
}

/// Puts `configs/lab.toml` with `more` in force.
fn switch(gateway: &Gateway<'_>, more: &str) {
    gateway.configure(&(include_str!("../../configs/lab.toml").to_owned() + more));
    gateway.ask(&["reload"]);
}
