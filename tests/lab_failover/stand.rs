//! The lab with an ISP A that can die in more ways than one, and hosts that the default probes ask.

use std::time::Duration;

use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::settings::OTHER_PREFIX;

/// What happens to ISP A.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The cable is pulled: no carrier.
    Carrier,
    /// The switch between gateway and router loses the router; the gateway's own cable stays.
    NextHop,
    /// The router is there, and nothing beyond it.
    Beyond,
    /// One packet of twenty is lost, each way.
    Loss,
}

impl Fault {
    /// What makes it happen, and what mends it, at ISP A.
    const fn commands(self) -> [&'static str; 2] {
        match self {
            Self::Carrier => ["ip link set port down", "ip link set port up"],
            Self::NextHop => ["ip link set port nomaster", "ip link set port master cust"],
            Self::Beyond => [
                "nft add table inet fault; add chain inet fault f { type filter hook forward priority 0; policy drop; }",
                "nft delete table inet fault",
            ],
            Self::Loss => [
                "nft add table netdev fault; \
                 add chain netdev fault i { type filter hook ingress device cust priority -5; }; \
                 add chain netdev fault o { type filter hook egress device cust priority -5; }; \
                 add rule netdev fault i numgen random mod 20 == 0 drop; \
                 add rule netdev fault o numgen random mod 20 == 0 drop",
                "nft delete table netdev fault",
            ],
        }
    }

    /// Makes it happen.
    pub fn strike(self, lab: &Lab) {
        lab.sh("ispa", self.commands()[0]);
    }

    /// Mends it.
    pub fn mend(self, lab: &Lab) {
        lab.sh("ispa", self.commands()[1]);
    }
}

/// ISP A's router gets a switch before its port, and the server the addresses of the default targets.
pub fn set_up(lab: &Lab) {
    let mac = lab.sh("ispa", "cat /sys/class/net/cust/address");
    for line in [
        "nft delete table netdev isp",
        "ip link set cust down",
        "ip link set cust name port",
        &format!("ip link add cust address {} type bridge mcast_snooping 0", mac.trim()),
        "ip link set port master cust",
        // Its address is the bridge's: without the bridge nobody may answer to it.
        "sysctl -qw net.ipv6.conf.port.disable_ipv6=1",
        "ip link set port up",
        "ethtool -K cust tx off gso off gro off tso off",
    ] {
        lab.sh("ispa", line);
    }
    // Addresses, routes and filter are the new device's from here on.
    lab.plug("wan0");
    lab.sh("ispa", &format!("ip -6 route add {OTHER_PREFIX} via fe80::2 dev cust"));
    lab.sh("srv", &format!("ip -6 route add {OTHER_PREFIX} via fe80::1 dev a0"));
    lab.sh("ispa", &format!("nft insert rule netdev isp customer ip6 saddr {OTHER_PREFIX} counter name own accept"));
    for target in sixways::control::config::DEFAULT_TARGETS {
        lab.sh("srv", &format!("ip addr add {target}/128 dev lo"));
        for isp in ["ispa", "ispb"] {
            lab.sh(isp, &format!("ip -6 route add {target}/128 via fe80::53 dev core"));
        }
    }
}

/// Waits until ISP A carries flows, or carries none.
#[track_caller]
pub fn await_isp_a(gateway: &Gateway<'_>, up: bool) {
    let row = format!("sixways_isp_up{{isp=\"fiber\"}} {}", u8::from(up));
    eventually(&row, Duration::from_secs(60), || gateway.metrics().lines().any(|line| line == row));
}
