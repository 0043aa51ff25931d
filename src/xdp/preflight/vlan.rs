//! The device that the kernel must have for a VLAN: its addresses, routes and MAC are the edge's.

use super::{Finding, Severity};
use crate::xdp::facts::VlanFacts;

/// A VLAN that is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanIntent {
    /// Its number.
    pub id: u16,
    /// Whether a next hop there is the kernel's default route (`next_hop = "auto"`).
    pub auto_next_hop: bool,
}

/// Longest name of a device.
const LONGEST_NAME: usize = 15;

pub(super) fn judge(port: &str, vlan: VlanIntent, facts: Option<&VlanFacts>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |severity, interface: &str, what, value: String, remedy: String| {
        findings.push(Finding { severity, interface: Some(interface.to_owned()), what, value, remedy });
    };
    let id = vlan.id;
    let Some(facts) = facts else {
        let name = Some(format!("{port}.{id}")).filter(|name| name.len() <= LONGEST_NAME);
        let name = name.unwrap_or_else(|| format!("vlan{id}"));
        find(
            Severity::Fatal,
            port,
            "vlan",
            format!("the kernel has no device for VLAN {id}"),
            format!("ip link add link {port} name {name} type vlan id {id}"),
        );
        return findings;
    };
    let name = facts.name.as_str();
    if !facts.up {
        find(Severity::Warning, name, "link", "set down".into(), format!("ip link set {name} up"));
    }
    if vlan.auto_next_hop
        && let Some(accept_ra) = facts.accept_ra.filter(|value| *value < 2)
    {
        find(
            Severity::Warning,
            name,
            "accept_ra",
            format!("{accept_ra}: next_hop = \"auto\" gets no router advertisements once forwarding is on"),
            format!("sysctl -w net/ipv6/conf/{name}/accept_ra=2 (before forwarding=1)"),
        );
    }
    findings
}
