//! Bridges and bonds: devices whose frames come by other devices.
//!
//! Only the kernel's stack can run XDP there, and it does so after the members' GRO and LRO: what
//! those have merged is longer than a frame of the packet buffer. Small packets come through and
//! TCP dies, so both must be off.

use super::{Intent, InterfaceFacts, PortIntent};

/// Offloads of a member that merge packets: kernel's name, ethtool's, ours.
const MERGING: [(&str, &str, &str); 3] =
    [("rx-gro", "gro", "gro"), ("rx-lro", "lro", "lro"), ("rx-gro-hw", "rx-gro-hw", "gro-hw")];

/// Why a bridge or bond cannot be this port, and what can.
pub(super) fn unfit(intent: &Intent, port: &PortIntent, facts: &InterfaceFacts) -> Option<(String, String)> {
    let what = match facts.link.kind.as_deref() {
        Some("bridge") => "a bridge",
        Some("bond" | "team") => "a bond",
        _ => return None,
    };
    let here = |value: &str, remedy: &str| Some((format!("{what} {value}"), remedy.to_owned()));
    if port.isp {
        return here("leads to an ISP, which is not built yet", "use a physical interface, or a veth, of its own");
    }
    if !port.vlans.is_empty() {
        return here("hides VLAN tags", "write the interface that carries the VLANs as `interface`, or use no `vlan`");
    }
    if intent.native {
        return here("has no native XDP", "write mode = \"auto\" in [dataplane]; other interfaces stay native");
    }
    None
}

/// Members that merge packets: in one word, how it is, and the command that mends it.
pub(super) fn merging(facts: &InterfaceFacts) -> impl Iterator<Item = (&'static str, String, String)> + '_ {
    facts.members.iter().flat_map(|member| {
        let name = &member.name;
        MERGING.iter().filter(|(feature, ..)| member.features.contains(*feature)).map(move |(_, option, what)| {
            (
                *what,
                format!("on at its member {name}, which merges packets into frames that are too long"),
                format!("ethtool -K {name} {option} off"),
            )
        })
    })
}
