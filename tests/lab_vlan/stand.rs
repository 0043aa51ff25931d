//! The lab with one cable to the gateway: a trunk with the LAN in VLAN 10, ISP A in 20, ISP B in 30,
//! and a second LAN untagged.
//!
//! ```text
//! gw: trunk0 ── trunk :sw: p10 ── the LAN's bridge
//!                          p20 ── ispa        p30 ── ispb        p0 ── vpn:eth1, …:30::30
//! ```
//!
//! This kernel may have no 802.1Q, so `scripts/lib/vlan.py` stands in for it at both ends; in the
//! gateway a veth plays the kernel's device of each VLAN: `trunk0.10` and so on.

use std::cell::RefCell;
use std::process::Command;
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::capture::Capture;
use crate::lab::gateway::{Gateway, lab_config};
use crate::lab::process::eventually;
use crate::lab::traffic::{Helper, ping};
use crate::lab::{H10, PYTHON, SERVER};

const VLANS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/vlan.py");
const TRAFFIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/traffic.py");

/// The host on the untagged LAN, and its namespace.
pub const H30: (&str, &str) = ("vpn", "fd12:3456:789a:30::30");

/// The VLANs, the devices of the lab that they take the place of, and what of addresses and routes a
/// device loses when it is moved.
const MOVED: [(u16, &str, &[&str]); 3] = [
    (
        10,
        "lan0",
        &[
            "addr add fe80::1/64 dev trunk0.10",
            "addr add fd12:3456:789a:10::1/64 dev trunk0.10",
            "route add fd12:3456:789a:20::/60 via fd12:3456:789a:10::2 dev trunk0.10",
        ],
    ),
    (
        20,
        "wan0",
        &[
            "addr add fe80::2/64 dev trunk0.20",
            "addr add 2001:db8:a::2/64 dev trunk0.20",
            "route add default via fe80::1 dev trunk0.20 metric 512",
        ],
    ),
    (30, "wan1", &[]),
];

/// The lab on a trunk. Fields end in this order.
pub struct Stand {
    gateway_vlans: RefCell<Option<Helper>>,
    _switch_vlans: Helper,
    pub lab: Lab,
}

impl Stand {
    /// Makes it; `None` if the user skips lab tests.
    pub fn start() -> Option<Self> {
        let lab = Lab::start(1)?;
        let sw = lab.path("sw").file_name().expect("a name").to_string_lossy().into_owned();
        let vpn = lab.path("vpn").file_name().expect("a name").to_string_lossy().into_owned();
        let ip = |role: &str, line: String| lab.sh(role, &format!("ip -6 {line}"));
        ip("gw", format!("link add trunk0 index 2000 type veth peer name trunk index 2001 netns {sw}"));
        ip("sw", format!("link add p0 index 2002 type veth peer name eth1 index 2003 netns {vpn}"));
        for (vlan, device, _) in MOVED {
            let mac = lab.sh("gw", &format!("cat /sys/class/net/{device}/address"));
            ip("gw", format!("link set {device} down"));
            ip("gw", format!("link set {device} netns {sw} name p{vlan}"));
            ip("sw", format!("link set p{vlan} up"));
            make_device(&lab, vlan, mac.trim());
        }
        for (role, device) in [("gw", "trunk0"), ("sw", "trunk"), ("sw", "p0"), ("vpn", "eth1")] {
            quiet(&lab, role, device);
        }
        ip("gw", "addr add fd12:3456:789a:30::1/64 dev trunk0".into());
        ip("vpn", format!("addr add {}/64 dev eth1", H30.1));
        ip("vpn", "route add 2001:db8:f::/64 via fd12:3456:789a:30::1 dev eth1".into());
        let switch_vlans = vlans(&lab, "sw", &["trunk", "p0=0", "p10=10", "p20=20", "p30=30"]);
        let stand = Self { gateway_vlans: RefCell::default(), _switch_vlans: switch_vlans, lab };
        stand.plug();
        Some(stand)
    }

    /// Starts the gateway's 802.1Q, and waits until its kernel has heard of ISP B's router.
    fn plug(&self) {
        let words = ["trunk0", "trunk0k10=10", "trunk0k20=20", "trunk0k30=30"];
        *self.gateway_vlans.borrow_mut() = Some(vlans(&self.lab, "gw", &words));
        eventually("a router advertisement in VLAN 30", Duration::from_secs(10), || {
            self.lab.sh("ispb", &format!("{PYTHON} {TRAFFIC} advertise cust 2001:db8:b::/64 1400"));
            self.lab.sh("gw", "ip -6 route show dev trunk0.30 proto ra").contains("default")
        });
    }

    /// Deletes the kernel's device of ISP B's VLAN and makes it anew.
    pub fn recreate_isp_b(&self) {
        let mac = self.lab.sh("gw", "cat /sys/class/net/trunk0.30/address");
        *self.gateway_vlans.borrow_mut() = None;
        self.lab.sh("gw", "ip link del trunk0.30");
        make_device(&self.lab, 30, mac.trim());
        self.plug();
    }

    /// The gateway, once it forwards for every host.
    #[track_caller]
    pub fn gateway(&self, more: &str) -> Gateway<'_> {
        let gateway = Gateway::start_with(&self.lab, &(config() + more));
        for role in ["h10", "h20", H30.0] {
            let answered = || ping(&self.lab, role, SERVER, 1, 10) == 1;
            eventually(&format!("the first echo of {role}"), Duration::from_secs(5), answered);
        }
        gateway
    }

    /// What comes out of the gateway, tags and all.
    pub fn capture(&self, filter: &str) -> Capture {
        Capture::start(&self.lab, "sw", "trunk", filter)
    }

    /// Whether `h10` and the gateway's own kernel reach each other.
    pub fn kernel_answers(&self) -> bool {
        ping(&self.lab, "gw", H10, 1, 10) == 1
    }
}

/// The veth that plays the kernel's device of a VLAN, with addresses and routes.
fn make_device(lab: &Lab, vlan: u16, mac: &str) {
    let (index, name) = (2100 + vlan, format!("trunk0.{vlan}"));
    let ends = format!("address {mac} index {index} type veth peer name trunk0k{vlan} index {}", index + 500);
    lab.sh("gw", &format!("ip link add {name} {ends}"));
    // The far end is no host.
    for (device, no_ipv6) in [(format!("trunk0k{vlan}"), 1), (name.clone(), 0)] {
        lab.sh("gw", &format!("sysctl -qw net/ipv6/conf/{device}/disable_ipv6={no_ipv6}"));
        quiet(lab, "gw", &device);
    }
    lab.sh("gw", &format!("sysctl -qw net/ipv6/conf/{name}/accept_ra=2"));
    let (.., lines) = MOVED.iter().find(|(moved, ..)| *moved == vlan).expect("a VLAN of the lab");
    for line in *lines {
        lab.sh("gw", &format!("ip -6 {line}"));
    }
}

/// Up, with checksums made and segments cut at once.
fn quiet(lab: &Lab, role: &str, device: &str) {
    lab.sh(role, &format!("ethtool -K {device} tx off gso off gro off tso off txvlan off rxvlan off"));
    lab.sh(role, &format!("ip link set {device} up"));
}

fn vlans(lab: &Lab, role: &str, words: &[&str]) -> Helper {
    let mut command: Command = lab.command(role, PYTHON);
    Helper::start(command.arg(VLANS).args(words))
}

/// `configs/lab.toml` on the trunk.
pub fn config() -> String {
    let mut text = lab_config();
    for (vlan, device, _) in MOVED {
        let tagged = format!("interface = \"trunk0\"\nvlan = {vlan}");
        text = text.replace(&format!("interface = \"{device}\""), &tagged);
    }
    text.replacen("[[lan]]\n", "[[lan]]\ninterface = \"trunk0\"\n\n[[lan]]\n", 1)
}
