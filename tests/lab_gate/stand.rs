//! What the tests stand on: a thread inside the gateway's namespace, the programs that are in
//! force there, tables written by hand, and frames.

use std::fs::File;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{ProgramInfo, loaded_programs};
use sixways::npt::Prefix;
use sixways::snapshot::{GateAction, GateEdge, GatePort, GateRole, GateRoute, GuardAction, GuardTable};
use sixways::units::{EdgeId, MacAddr, PortId};
use sixways::xdp::netdev::{Key, Link, link};
use sixways::xdp::{Attach, GateOptions, Pins};

use crate::lab::Lab;
use crate::test_run::test_run;

/// The LAN's, ISP A's and ISP B's edge.
pub const LAN: EdgeId = EdgeId(0);
pub const A: EdgeId = EdgeId(1);
pub const B: EdgeId = EdgeId(2);

pub const OPTIONS: GateOptions = GateOptions { attach: Attach::Auto, max_frame: 1792, stamp_every: 64 };

/// Runs `work` on a thread of its own inside the gateway's namespace.
#[track_caller]
pub fn in_gateway<R: Send>(lab: &Lab, work: impl FnOnce() -> R + Send) -> R {
    let entered = || {
        let namespace = File::open(lab.path("gw")).expect("the namespace");
        // SAFETY: the descriptor is open; only this thread changes its namespace.
        let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "setns: {}", io::Error::last_os_error());
        work()
    };
    let outcome = std::thread::scope(|scope| scope.spawn(entered).join());
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The lab's pins; only inside the gateway's namespace.
#[track_caller]
pub fn pins(lab: &Lab) -> Pins {
    Pins::open(Some(&lab.dir.join("bpf"))).expect("pins")
}

/// The pin of this kind, if there is one.
pub fn pin(lab: &Lab, kind: &str, interface: &str) -> Option<PathBuf> {
    let namespaces = lab.dir.join("bpf/sixways").read_dir().ok()?;
    let pins = namespaces.map(|namespace| namespace.expect("a directory").path().join(format!("{kind}-{interface}")));
    pins.into_iter().find(|pin| pin.symlink_metadata().is_ok())
}

/// A pinned link, and the program that it runs now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    pub link: u32,
    pub program: u32,
}

#[track_caller]
pub fn in_force(lab: &Lab, kind: &str, interface: &str) -> InForce {
    let path = pin(lab, kind, interface).unwrap_or_else(|| panic!("no pin {kind} of {interface}"));
    let link = FdLink::from(PinnedLink::from_pin(path).expect("a pinned link"));
    let info = link.info().expect("the link's info");
    InForce { link: info.id(), program: info.program_id() }
}

/// The gate of `interface`, in whatever mode.
#[track_caller]
pub fn gate_in_force(lab: &Lab, interface: &str) -> InForce {
    let kind = if pin(lab, "gate_native", interface).is_some() { "gate_native" } else { "gate_generic" };
    in_force(lab, kind, interface)
}

pub fn program(id: u32) -> ProgramInfo {
    let mut programs = loaded_programs().filter_map(Result::ok);
    programs.find(|program| program.id() == id).expect("the program is loaded")
}

pub fn prefix(text: &str) -> Prefix {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn address(text: &str) -> Ipv6Addr {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
pub fn device(interface: &str) -> Link {
    link(Key::Name(interface)).unwrap_or_else(|error| panic!("{interface}: {error}"))
}

/// The MAC that the lab gives a device by its index.
pub fn mac(index: u32) -> MacAddr {
    let [.., high, low] = index.to_be_bytes();
    MacAddr([2, 0x5e, 0, 0, high, low])
}

/// Tables of one untagged edge on a device of the lab.
pub fn port(interface: &str, edge: EdgeId, role: GateRole, routes: &[(&str, GateAction)]) -> GatePort {
    let ifindex = device(interface).index;
    let route = |(text, action): &(&str, GateAction)| GateRoute { edge, prefix: prefix(text), action: *action };
    GatePort {
        port: PortId(edge.0),
        interface: interface.to_owned(),
        ifindex,
        generic: false,
        edges: vec![GateEdge { edge, vlan: None, role, macs: vec![mac(ifindex)] }],
        routes: routes.iter().map(route).collect(),
    }
}

/// The three gates of the lab's gateway, as `configs/lab.toml` asks for them.
pub fn lab_ports() -> Vec<GatePort> {
    use GateAction::{Pass, Steer};
    let lan = [
        ("fd12:3456:789a:10::/64", Pass),
        ("fd12:3456:789a:20::/60", Pass),
        ("fd99:1::/64", Pass),
        ("2001:db8:1:d::/64", Pass),
    ];
    let a = [("2001:db8:1::/48", Steer), ("2001:db8:1:d::/64", Pass), ("2001:db8:2::/48", Steer)];
    let b = [("2001:db8:1::/48", Steer), ("2001:db8:2::/48", Steer)];
    vec![port("lan0", LAN, GateRole::Lan, &lan), port("wan0", A, GateRole::Isp, &a), port("wan1", B, GateRole::Isp, &b)]
}

/// The gateway's own addresses in the lab, and the edges by which packets to them may arrive.
pub fn lab_own(lab: &Lab) -> Vec<(Ipv6Addr, u16)> {
    [("lan0", 0b001), ("wan0", 0b011), ("wan1", 0b101)]
        .map(|(interface, edges)| (address(&lab.own[interface]), edges))
        .to_vec()
}

/// The guard of ISP A.
pub fn guard_a() -> GuardTable {
    use GuardAction::{Deny, Forward, OwnOnly};
    let sources = [
        ("fc00::/7", Deny),
        ("fd12:3456:789a::/48", Deny),
        ("2001:db8:2::/48", Deny),
        ("2001:db8:b::/64", Deny),
        ("2001:db8:1::/48", OwnOnly),
        ("2001:db8:a::/64", OwnOnly),
        ("2001:db8:1:d::/64", Forward),
    ];
    guard("wan0", A, &sources)
}

/// The guard of ISP B.
pub fn guard_b() -> GuardTable {
    use GuardAction::{Deny, OwnOnly};
    let sources = [
        ("fc00::/7", Deny),
        ("2001:db8:1::/48", Deny),
        ("2001:db8:a::/64", Deny),
        ("2001:db8:2::/48", OwnOnly),
        ("2001:db8:b::/64", OwnOnly),
    ];
    guard("wan1", B, &sources)
}

fn guard(interface: &str, edge: EdgeId, sources: &[(&str, GuardAction)]) -> GuardTable {
    GuardTable {
        edge,
        interface: interface.to_owned(),
        ifindex: device(interface).index,
        vlan: None,
        sources: sources.iter().map(|(text, action)| (prefix(text), *action)).collect(),
    }
}

/// Whether nothing of ours is left on `interface`.
#[track_caller]
pub fn assert_bare(lab: &Lab, interface: &str) {
    let link = lab.sh("gw", &format!("ip -d link show dev {interface}"));
    assert!(!link.contains("xdp"), "an XDP program is left: {link}");
    let filters = lab.sh("gw", &format!("tc filter show dev {interface} egress"));
    assert_eq!(filters.trim(), "", "a filter is left on {interface}");
}

/// An Ethernet frame with these fields; `tag` is a VLAN with its priority bits.
pub fn frame(to: MacAddr, tag: Option<u16>, source: &str, destination: &str, payload: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(to.0);
    frame.extend([2, 0, 0, 0, 0, 0x99]);
    if let Some(tag) = tag {
        frame.extend([0x81, 0x00]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend([0x86, 0xdd]);
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((payload as u16).to_be_bytes());
    frame.extend([17, 64]);
    frame.extend(address(source).octets());
    frame.extend(address(destination).octets());
    frame.extend((0..payload).map(|octet| octet as u8));
    frame
}

/// Makes a veth pair in the gateway's namespace on which nobody sends anything by himself.
pub fn quiet_device(lab: &Lab, name: &str) {
    let far = format!("{name}far");
    lab.sh("gw", &format!("ip link add {name} type veth peer name {far}"));
    for end in [name, &far] {
        lab.sh("gw", &format!("sysctl -qw net.ipv6.conf.{end}.disable_ipv6=1"));
        lab.sh("gw", &format!("ip link set {end} up"));
    }
}

/// A BPF file system of its own; unmounted with this value.
pub struct Bpffs(pub PathBuf);

impl Bpffs {
    pub fn mount(at: &Path) -> Self {
        std::fs::create_dir(at).expect("a new directory");
        let status = std::process::Command::new("mount").args(["-t", "bpf", "bpffs"]).arg(at).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot mount bpffs");
        Self(at.to_owned())
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        // What remains mounted is told by the lab, which cannot remove its directory.
        let _ = std::process::Command::new("umount").arg(&self.0).status();
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Runs a loaded program once on `frame`; returns its verdict, and the frame with its metadata
/// afterwards.
#[track_caller]
pub fn run_once(program: &ProgramInfo, frame: &[u8], context: &[u8]) -> (u32, Vec<u8>) {
    test_run(program.fd().expect("the program's descriptor").as_fd(), frame, context, 1)
}
