//! What the site has besides hosts: the gateway itself, a container, IPv4.

use std::time::Duration;

use crate::lab::process::{Daemon, eventually};
use crate::lab::traffic::Server;
use crate::lab::{Lab, SERVER};

pub const LIMIT: Duration = Duration::from_secs(20);
/// The gateway's own address inside.
pub const OWN: &str = "fd12:3456:789a:10::1";
/// The container's: the kernel routes to it.
pub const CONTAINER: &str = "fd12:3456:789a:30::2";
/// The server's in IPv4.
const SERVER_V4: &str = "203.0.113.53";

/// The lab with all of it.
pub struct Stand<'lab> {
    lab: &'lab Lab,
    _server: Server,
    _dns: Daemon,
}

/// Lines of `ip -4` for each role. IPv4 has no translation here: each link's address is known to the
/// server by the ISP of that link.
const IPV4: [(&str, &[&str]); 4] = [
    (
        "gw",
        &[
            "addr replace 198.51.100.2/30 dev wan0",
            "addr replace 198.51.100.6/30 dev wan1",
            "route replace default via 198.51.100.1 dev wan0 metric 100",
            "route replace default via 198.51.100.5 dev wan1 metric 200",
        ],
    ),
    (
        "ispa",
        &[
            "addr replace 198.51.100.1/30 dev cust",
            "addr replace 192.0.2.1/30 dev core",
            "route replace 203.0.113.53/32 via 192.0.2.2 dev core",
        ],
    ),
    (
        "ispb",
        &[
            "addr replace 198.51.100.5/30 dev cust",
            "addr replace 192.0.2.5/30 dev core",
            "route replace 203.0.113.53/32 via 192.0.2.6 dev core",
        ],
    ),
    (
        "srv",
        &[
            "addr replace 192.0.2.2/30 dev a0",
            "addr replace 192.0.2.6/30 dev b0",
            "addr replace 203.0.113.53/32 dev lo",
            "route replace 198.51.100.0/30 via 192.0.2.1 dev a0",
            "route replace 198.51.100.4/30 via 192.0.2.5 dev b0",
        ],
    ),
];

impl<'lab> Stand<'lab> {
    pub fn set_up(lab: &'lab Lab) -> Self {
        lab.sh("gw", "ip addr add fd12:3456:789a:30::1/64 dev wg0");
        lab.sh("vpn", &format!("ip addr add {CONTAINER}/64 dev wg0"));
        lab.sh("vpn", &format!("ip -6 route replace default via fd12:3456:789a:30::1 dev wg0 src {CONTAINER}"));
        // As a container runtime's devices are: checksums are left to whoever sends it on.
        lab.sh("vpn", "ethtool -K wg0 tx on");
        for role in ["ispa", "ispb"] {
            lab.sh(role, "sysctl -qw net.ipv4.ip_forward=1");
        }
        let dns = Daemon::start(
            lab.command("srv", "dnsmasq")
                .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"])
                .arg("--host-record=host.example,2001:db8:77::1"),
            &lab.dir.join("dnsmasq.log"),
        );
        let stand = Self { lab, _server: Server::start(lab, "srv", true), _dns: dns };
        stand.mend_ipv4();
        stand
    }

    /// Addresses and routes go with a cable.
    pub fn mend_ipv4(&self) {
        for (role, lines) in IPV4 {
            for line in lines {
                self.lab.sh(role, &format!("ip {line}"));
            }
        }
    }

    /// The gateway and the container by TCP, ping and DNS, and IPv4: each gets through, sooner or later.
    #[track_caller]
    pub fn all_reach(&self, when: &str) {
        let lines = [
            ("gw", format!("ping -c 1 -W 1 {SERVER}")),
            ("gw", format!("curl -sSfg -m 2 -o /dev/null http://[{SERVER}]:8080/bytes/100000")),
            ("gw", format!("dig -6 @{SERVER} +tries=1 +timeout=1 AAAA host.example")),
            ("vpn", format!("ping -c 1 -W 1 {SERVER}")),
            ("vpn", format!("curl -sSfg -m 2 -o /dev/null http://[{SERVER}]:8080/bytes/100000")),
            ("vpn", format!("dig -6 @{SERVER} +tries=1 +timeout=1 AAAA host.example")),
            ("gw", format!("ping -c 1 -W 1 {SERVER_V4}")),
        ];
        for (role, line) in &lines {
            eventually(&format!("{when}: {role}: {line}"), LIMIT, || self.lab.try_sh(role, line).is_some());
        }
    }

    /// The address as which the server knows what is in the namespace of `role`.
    pub fn image(&self, role: &str) -> String {
        self.lab.sh(role, &format!("curl -sSfg -m 5 http://[{SERVER}]:8080/whoami")).trim().to_owned()
    }

    /// Rules, route and address of the host's link, as they are to be.
    pub fn is_complete(&self) -> bool {
        let rules = self.steering_rules();
        let route = self.lab.try_sh("gw", "ip -6 route show table 30630").unwrap_or_default();
        let address = self.lab.try_sh("gw", "ip -6 addr show dev sixways0").unwrap_or_default();
        rules.lines().count() == 3 && route.contains("default via fe80::2 dev sixways0") && address.contains(OWN)
    }

    /// The default route that the gateway has put before the others.
    pub fn ipv4_copy(&self) -> String {
        self.lab.sh("gw", "ip -4 route show default proto 96 table main")
    }

    /// The rules that lead to the workers.
    pub fn steering_rules(&self) -> String {
        let rules = self.lab.sh("gw", "ip -6 rule");
        rules.lines().filter(|line| line.starts_with("3073")).map(|line| format!("{line}\n")).collect()
    }

    /// Whatever is there of the gateway's in rules, routes and links.
    pub fn remains(&self) -> Vec<(&'static str, String)> {
        let listed = |line: &str| self.lab.sh("gw", line);
        let ours = |line: &str, word: &str| listed(line).lines().filter(|line| line.contains(word)).collect::<String>();
        vec![
            ("IPv6 rules", ours("ip -6 rule", "proto 96")),
            ("IPv6 routes", listed("ip -6 route show table all proto 96")),
            ("IPv4 routes", listed("ip -4 route show table all proto 96")),
            ("links", ours("ip -br link", "sixways")),
        ]
    }
}
