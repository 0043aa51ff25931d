//! What the checks before start need to know about the host and its interfaces, gathered.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use caps::{CapSet, Capability};

use super::device::Device;
use super::ethtool;
use super::limit::memory_lock;
use super::netdev::{Key, Link, link, links};

/// The host and this process on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Kernel version, major and minor.
    pub kernel: (u32, u32),
    /// Capabilities without which the gateway cannot start, as far as they are missing.
    pub missing: Vec<Capability>,
    /// Octets that may be locked in memory; `None`: no limit (CAP_IPC_LOCK).
    pub memory_lock: Option<u64>,
    /// Whether the kernel forwards IPv6; `None`: it has no IPv6.
    pub forwarding: Option<bool>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// As rtnetlink tells.
    pub link: Link,
    /// The driver's name; empty if it tells none.
    pub driver: String,
    /// Receive queues in use.
    pub queues: u32,
    /// Offloads that are on, by the kernel's names.
    pub features: BTreeSet<String>,
    /// Who is at the other end, if that end is virtual.
    pub peer: Peer,
    /// `accept_ra` of the interface; `None`: it has no IPv6.
    pub accept_ra: Option<u8>,
    /// Of a bridge or bond: the devices by which its frames come, those below them included.
    pub members: Vec<MemberFacts>,
}

/// A device by which frames of a bridge or bond come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Its name.
    pub name: String,
    /// Offloads that are on, by the kernel's names.
    pub features: BTreeSet<String>,
}

/// The kernel's own device for a VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanFacts {
    /// Its name.
    pub name: String,
    /// Whether it is set up.
    pub up: bool,
    /// `accept_ra` there; `None`: it has no IPv6.
    pub accept_ra: Option<u8>,
}

/// The other end of a virtual link, where frames may come from whose checksums were left to
/// hardware that does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A wire.
    None,
    /// In another namespace, virtual machine or host: not to be asked.
    Elsewhere,
    /// A device in this namespace.
    Here {
        /// Its name.
        name: String,
        /// Whether it leaves checksums to the receiver.
        leaves_checksums: bool,
        /// Whether it hands VLAN tags over beside the frame.
        hides_tags: bool,
    },
}

/// Capabilities without which nothing starts, and what for.
pub(super) const NEEDED: [(Capability, &str); 3] = [
    (Capability::CAP_NET_RAW, "AF_XDP sockets"),
    (Capability::CAP_NET_ADMIN, "XDP programs on devices, routes and rules"),
    (Capability::CAP_BPF, "BPF programs and maps"),
];

/// Asks the kernel about the host.
///
/// # Errors
///
/// No /proc.
pub fn host() -> io::Result<HostFacts> {
    let has = |capability| caps::has_cap(None, CapSet::Effective, capability).unwrap_or(false);
    let lockable = memory_lock().filter(|limit| *limit != u64::MAX);
    Ok(HostFacts {
        kernel: version(&fs::read_to_string("/proc/sys/kernel/osrelease")?),
        missing: NEEDED.into_iter().map(|(capability, _)| capability).filter(|needed| !has(*needed)).collect(),
        memory_lock: if has(Capability::CAP_IPC_LOCK) { None } else { lockable },
        forwarding: sysctl("all/forwarding").map(|value| value != 0),
    })
}

/// Asks the kernel about an interface.
///
/// # Errors
///
/// ENODEV: there is none of that name.
pub fn interface(device: &Device, name: &str) -> io::Result<InterfaceFacts> {
    let link = link(Key::Name(name))?;
    let driver = ethtool::driver(device, name).unwrap_or_default();
    Ok(InterfaceFacts {
        queues: ethtool::receive_queues(device, name)?,
        features: ethtool::active_features(device, name)?,
        peer: peer(device, &link, &driver),
        accept_ra: sysctl(&format!("{name}/accept_ra")),
        members: members(device, &link)?,
        driver,
        link,
    })
}

/// The kernel's device for VLAN `id` of `port`; `None` where there is none. As
/// [`crate::control::kernel::KernelState::edge_link`] finds it.
///
/// # Errors
///
/// The kernel cannot be asked.
pub fn vlan(port: &Link, id: u16) -> io::Result<Option<VlanFacts>> {
    let all = links()?;
    let custom = format!("{}.{id}", port.name);
    let is_it = |link: &&Link| link.vlan == Some(id) && link.lower == Some(port.index);
    let by_name = || all.iter().find(|link| link.name == custom && link.kind.as_deref() != Some("vlan"));
    Ok(all.iter().find(is_it).or_else(by_name).map(|link| VlanFacts {
        name: link.name.clone(),
        up: link.up,
        accept_ra: sysctl(&format!("{}/accept_ra", link.name)),
    }))
}

/// The ports of a bridge or bond, and what is below those.
fn members(device: &Device, link: &Link) -> io::Result<Vec<MemberFacts>> {
    if !is_stacked(link) {
        return Ok(Vec::new());
    }
    let all = links()?;
    let mut found: Vec<&Link> = Vec::new();
    let mut above = vec![link];
    while let Some(upper) = above.pop() {
        let is_below = |lower: &&Link| {
            let of_vlan = upper.vlan.is_some() && upper.lower == Some(lower.index);
            lower.controller == Some(upper.index) || of_vlan
        };
        for lower in all.iter().filter(is_below) {
            if !found.contains(&lower) {
                found.push(lower);
                above.push(lower);
            }
        }
    }
    // A device may be gone by now; then no frame comes by it.
    let facts = |link: &Link| {
        let features = ethtool::active_features(device, &link.name).ok()?;
        Some(MemberFacts { name: link.name.clone(), features })
    };
    Ok(found.into_iter().filter_map(facts).collect())
}

fn is_stacked(link: &Link) -> bool {
    matches!(link.kind.as_deref(), Some("bridge" | "bond" | "team"))
}

fn peer(device: &Device, ours: &Link, driver: &str) -> Peer {
    match driver {
        "virtio_net" => Peer::Elsewhere,
        "veth" if ours.lower_elsewhere => Peer::Elsewhere,
        "veth" => {
            let Some(Ok(far)) = ours.lower.map(|index| link(Key::Index(index))) else { return Peer::Elsewhere };
            let features = ethtool::active_features(device, &far.name).unwrap_or_default();
            let leaves_checksums = features.iter().any(|feature| is_checksum_offload(feature));
            let hides_tags = features.contains("tx-vlan-hw-insert");
            Peer::Here { name: far.name, leaves_checksums, hides_tags }
        }
        _ => Peer::None,
    }
}

fn is_checksum_offload(feature: &str) -> bool {
    matches!(feature, "tx-checksum-ip-generic" | "tx-checksum-ipv6")
}

/// An IPv6 setting below `conf`, read in the namespace of the caller.
fn sysctl(path: &str) -> Option<u8> {
    fs::read_to_string(format!("/proc/sys/net/ipv6/conf/{path}")).ok()?.trim().parse().ok()
}

/// Major and minor of a kernel release such as `6.1.0-18-amd64`; zeros where there is none.
fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_distributions_write_them() {
        assert_eq!(version("6.1.0-18-amd64\n"), (6, 1));
        assert_eq!(version("5.15.167.4-microsoft-standard-WSL2"), (5, 15));
        assert_eq!(version("6.18-rc1"), (6, 18));
        assert_eq!(version("odd"), (0, 0));
    }

    #[test]
    fn this_host_answers() {
        let host = host().unwrap();
        assert!(host.kernel >= (5, 0), "{host:?}");
        assert_eq!(interface(&Device::open().unwrap(), "nonesuch0").unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }
}
