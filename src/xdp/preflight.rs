//! The checks before start: which gate is shut, and the command that opens it.
//!
//! [`check`] asks the kernel and judges; the judgement itself is pure. What the kernel would
//! refuse with a bare number, or accept and then lose packets by, is said in words here.

mod stacked;
mod vlan;

use std::fmt;
use std::io;

use super::device::Device;
use super::facts::{self, HostFacts, InterfaceFacts, NEEDED, Peer};
use super::open::{PortSpec, SocketOptions, buffer_octets};
use super::plan::plan_queues;
use super::umem::XDP_HEADROOM;
use crate::units::PortId;
pub use vlan::VlanIntent;

/// Oldest kernel with all that is used: neighbour entries kept by the kernel on request.
const KERNEL_FLOOR: (u32, u32) = (5, 16);

/// Octets of a frame besides its IPv6 packet: Ethernet header and one VLAN tag.
const LINK_OCTETS: u32 = 18;

/// Whether the gateway can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It can, but packets of some kind will not come through.
    Warning,
    /// It cannot.
    Fatal,
}

/// One thing that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it stops the start.
    pub severity: Severity,
    /// Where; `None`: on the host.
    pub interface: Option<String>,
    /// What, in one word.
    pub what: &'static str,
    /// How it is.
    pub value: String,
    /// The command that mends it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Fatal => "error",
        };
        write!(f, "{severity}: ")?;
        if let Some(interface) = &self.interface {
            write!(f, "{interface}: ")?;
        }
        write!(f, "{}: {}; {}", self.what, self.value, self.remedy)
    }
}

/// What is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The ports' interfaces.
    pub ports: Vec<PortIntent>,
    /// Sizes of rings and frames.
    pub socket: SocketOptions,
    /// Whether XDP is to run in generic mode, where drivers set no limits.
    pub generic: bool,
    /// Whether nothing but native XDP will do.
    pub native: bool,
    /// Workers asked for, if any.
    pub workers: Option<usize>,
}

/// One port that is to be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortIntent {
    /// Its interface.
    pub interface: String,
    /// Whether an ISP is there, be it in a VLAN.
    pub isp: bool,
    /// Whether a LAN is there, be it in a VLAN.
    pub lan: bool,
    /// Whether a next hop of its untagged frames is the kernel's default route
    /// (`next_hop = "auto"`).
    pub auto_next_hop: bool,
    /// VLANs on it.
    pub vlans: Vec<VlanIntent>,
}

/// Checks host and interfaces. Nothing found: an empty list; any [`Severity::Fatal`]: do not
/// start.
///
/// # Errors
///
/// The kernel cannot be asked at all (no /proc, no descriptors).
pub fn check(intent: &Intent) -> io::Result<Vec<Finding>> {
    let device = Device::open()?;
    let mut findings = Vec::new();
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for port in &intent.ports {
        match facts::interface(&device, &port.interface) {
            Ok(facts) => present.push((port, facts)),
            Err(error) => absent.push((port, error)),
        }
    }
    let can_serve = present.iter().any(|(port, _)| port.isp) && present.iter().any(|(port, _)| port.lan);
    findings.extend(absent.iter().map(|(port, error)| missing(&port.interface, error, can_serve)));
    for (port, facts) in &present {
        findings.extend(judge_interface(intent, port, facts));
        for wanted in &port.vlans {
            findings.extend(vlan::judge(&port.interface, *wanted, facts::vlan(&facts.link, wanted.id)?.as_ref()));
        }
    }
    let queues: Vec<_> = present.iter().map(|(port, facts)| (port.interface.as_str(), facts.queues)).collect();
    findings.extend(judge_queues(intent, &queues));
    findings.extend(judge_host(&facts::host()?, needed_octets(intent, &queues)));
    Ok(findings)
}

/// A modem that is gone, or a card that is late, is no reason for a site to do without its other ISPs.
fn missing(interface: &str, error: &io::Error, others_can_serve: bool) -> Finding {
    let remedy = "see `ip link`, and correct `interface` in the configuration";
    let (severity, remedy) = if others_can_serve {
        (Severity::Warning, format!("it is used as soon as it is there; if it never will be, {remedy}"))
    } else {
        (Severity::Fatal, remedy.to_owned())
    };
    Finding {
        severity,
        interface: Some(interface.to_owned()),
        what: "interface",
        value: match error.raw_os_error() {
            Some(libc::ENODEV) => "there is none of this name here".to_owned(),
            _ => format!("it cannot be asked: {error}"),
        },
        remedy,
    }
}

/// Octets of all workers' packet buffers: the limit holds for the user as a whole.
fn needed_octets(intent: &Intent, queues: &[(&str, u32)]) -> u64 {
    let counts: Vec<_> = queues.iter().map(|(_, count)| *count).collect();
    let plan = plan_queues(&counts, intent.workers);
    let worker = |ports: &Vec<Vec<u32>>| {
        let specs: Vec<_> = ports
            .iter()
            .map(|queues| PortSpec { port: PortId(0), interface: String::new(), queues: queues.clone() })
            .collect();
        buffer_octets(&intent.socket, &specs)
    };
    plan.workers.iter().map(worker).sum()
}

fn judge_host(host: &HostFacts, octets: u64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |severity, what, value: String, remedy: String| {
        findings.push(Finding { severity, interface: None, what, value, remedy });
    };
    for (capability, purpose) in NEEDED {
        if host.missing.contains(&capability) {
            find(
                Severity::Fatal,
                "capability",
                format!("{capability} is missing, for {purpose}"),
                format!("run as root, or add {capability} to AmbientCapabilities= in the systemd unit"),
            );
        }
    }
    if let Some(limit) = host.memory_lock.filter(|limit| *limit < octets) {
        find(
            Severity::Fatal,
            "memory",
            format!("the packet buffers need {octets} octets locked in memory, RLIMIT_MEMLOCK is {limit}"),
            "run with CAP_IPC_LOCK, or set LimitMEMLOCK=infinity in the systemd unit (`ulimit -l unlimited`)".into(),
        );
    }
    if host.kernel < KERNEL_FLOOR {
        let ((major, minor), (floor_major, floor_minor)) = (host.kernel, KERNEL_FLOOR);
        find(
            Severity::Fatal,
            "kernel",
            format!("Linux {major}.{minor} is older than {floor_major}.{floor_minor}"),
            "boot a newer kernel (Debian 12 has 6.1)".into(),
        );
    }
    match host.forwarding {
        Some(true) => {}
        Some(false) => find(
            Severity::Warning,
            "forwarding",
            "off: the kernel routes nothing between LANs, VPNs and DMZs".into(),
            "sysctl -w net/ipv6/conf/all/forwarding=1".into(),
        ),
        None => {
            find(Severity::Fatal, "ipv6", "the kernel has no IPv6 here".into(), "boot without ipv6.disable=1".into())
        }
    }
    findings
}

fn judge_queues(intent: &Intent, queues: &[(&str, u32)]) -> Option<Finding> {
    let wanted = intent.workers?;
    let (interface, count) = queues.iter().min_by_key(|(_, count)| *count)?;
    (wanted > *count as usize).then(|| Finding {
        severity: Severity::Warning,
        interface: Some((*interface).to_owned()),
        what: "queues",
        value: format!("{count} of them cap the workers at {count}, {wanted} are asked for"),
        remedy: format!("ethtool -L {interface} combined {wanted} (veth: rx {wanted} tx {wanted})"),
    })
}

fn judge_interface(intent: &Intent, port: &PortIntent, facts: &InterfaceFacts) -> Vec<Finding> {
    let name = facts.link.name.as_str();
    let mut findings = Vec::new();
    let mut find = |severity, what, value: String, remedy: String| {
        findings.push(Finding { severity, interface: Some(name.to_owned()), what, value, remedy });
    };
    if let Some((value, remedy)) = unfit(facts).or_else(|| stacked::unfit(intent, port, facts)) {
        find(Severity::Fatal, "kind", value, remedy);
        return findings;
    }
    for (what, value, remedy) in stacked::merging(facts) {
        find(Severity::Fatal, what, value, remedy);
    }
    let mtu = facts.link.mtu;
    let chunk = intent.socket.frame_size.saturating_sub(XDP_HEADROOM as u32 + LINK_OCTETS);
    if mtu > chunk {
        let larger = if intent.socket.frame_size < 4096 { ", or frame_size = 4096 in [dataplane]" } else { "" };
        find(
            Severity::Fatal,
            "mtu",
            format!("{mtu} octets exceed the {chunk} that a frame of {} takes", intent.socket.frame_size),
            format!("ip link set {name} mtu {}{larger}", chunk.min(1500)),
        );
    }
    if let Some(limit) = driver_limit(&facts.driver).filter(|limit| !intent.generic && mtu > *limit) {
        find(
            Severity::Fatal,
            "mtu",
            format!("{mtu} octets exceed the {limit} of native XDP in driver {}", facts.driver),
            format!("ip link set {name} mtu {limit}, or mode = \"generic\" in [dataplane]"),
        );
    }
    if facts.features.contains("rx-lro") {
        find(
            Severity::Fatal,
            "lro",
            "on: the device merges packets into frames that are too long".into(),
            format!("ethtool -K {name} lro off"),
        );
    }
    // virtio_net switches it off by itself while a program is attached.
    if facts.features.contains("rx-gro-hw") && facts.driver != "virtio_net" {
        find(
            Severity::Fatal,
            "gro-hw",
            "on: the device merges packets into frames that are too long".into(),
            format!("ethtool -K {name} rx-gro-hw off"),
        );
    }
    // Frames of one edge would be taken for those of another.
    let hidden = if port.vlans.is_empty() { Severity::Warning } else { Severity::Fatal };
    if facts.features.contains("rx-vlan-hw-parse") && facts.peer == Peer::None && facts.members.is_empty() {
        find(
            hidden,
            "rxvlan",
            "on: the device cuts off VLAN tags, so that tagged frames look untagged".into(),
            format!("ethtool -K {name} rxvlan off"),
        );
    }
    if let (Peer::Here { name: peer, hides_tags: true, .. }, false) = (&facts.peer, port.vlans.is_empty()) {
        find(
            hidden,
            "txvlan",
            format!("its peer {peer} hands VLAN tags over beside the frame, so that tagged frames look untagged"),
            format!("ethtool -K {peer} txvlan off"),
        );
    }
    match &facts.peer {
        Peer::Here { name: peer, leaves_checksums: true, .. } => find(
            Severity::Warning,
            "checksum",
            format!("its peer {peer} sends TCP and UDP without their checksums"),
            format!("ethtool -K {peer} tx off"),
        ),
        Peer::Elsewhere => find(
            Severity::Warning,
            "checksum",
            format!("{}: the far end may send TCP and UDP without their checksums", facts.driver),
            "there: ethtool -K PEER tx off".into(),
        ),
        Peer::Here { .. } | Peer::None => {}
    }
    if port.auto_next_hop
        && let Some(accept_ra) = facts.accept_ra.filter(|value| *value < 2)
    {
        find(
            Severity::Warning,
            "accept_ra",
            format!("{accept_ra}: next_hop = \"auto\" gets no router advertisements once forwarding is on"),
            format!("sysctl -w net/ipv6/conf/{name}/accept_ra=2 (before forwarding=1)"),
        );
    }
    if !facts.link.up {
        find(Severity::Warning, "link", "set down".into(), format!("ip link set {name} up"));
    }
    findings
}

/// Why a device cannot be a port at all, and what can.
fn unfit(facts: &InterfaceFacts) -> Option<(String, String)> {
    let what = match facts.link.kind.as_deref() {
        Some("vlan") => {
            let value = "a VLAN's own device: its frames come by the device below it".to_owned();
            return Some((value, "write that device as `interface`, and the VLAN as `vlan`".to_owned()));
        }
        Some("macvlan" | "macvtap" | "ipvlan" | "ipvtap") => "a sub-interface",
        Some("vrf") => "a VRF",
        _ if !facts.link.ethernet => {
            let value = "its frames are not Ethernet frames".to_owned();
            return Some((value, "use an Ethernet interface".to_owned()));
        }
        _ => return None,
    };
    Some((format!("not built yet: {what} as a port"), "use a physical interface, or a veth, of its own".to_owned()))
}

/// Largest MTU with which a driver takes a native XDP program, with pages of 4096 octets.
fn driver_limit(driver: &str) -> Option<u32> {
    Some(match driver {
        "veth" | "virtio_net" | "hv_netvsc" | "mana" => 3506,
        "i40e" | "ice" | "igb" => 3046,
        "ixgbe" | "ixgbevf" => 3050,
        "mlx4_en" | "mlx5_core" | "ena" => 3498,
        "bnxt_en" => 3502,
        "mvpp2" => 3552,
        "vmxnet3" => 3494,
        "gve" => 2032,
        "tun" | "igc" | "netsec" | "st_gmac" => 1500,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "preflight_tests.rs"]
mod tests;
