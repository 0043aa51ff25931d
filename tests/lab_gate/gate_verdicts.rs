//! Every row of the gate's table of verdicts, by frames run through the program that is attached.

use std::fs;

use aya::programs::ProgramInfo;
use sixways::observe::report::GateCounts;
use sixways::os::now;
use sixways::snapshot::{GateAction, GateEdge, GatePort, GateRole, GateRoute, MARK};
use sixways::units::{EdgeId, MacAddr, PortId};
use sixways::xdp::stamp::{STAMP_LEN, STAMP_MAGIC};
use sixways::xdp::{Gate, GateOptions, PortSpec, SocketOptions, open_worker};

use crate::lab::Lab;
use crate::model;
use crate::stand::{
    LAN, OPTIONS, address, device, frame, gate_in_force, in_gateway, mac, pins, prefix, program, quiet_device, run_once,
};

const DEVICE: &str = "quiet0";
/// The second edge: an ISP in VLAN 100.
const ISP: EdgeId = EdgeId(3);
const VLAN: u16 = 100;
const LAN_MAC: MacAddr = MacAddr([2, 0x5e, 0, 0, 0x77, 1]);
const ISP_MAC: MacAddr = MacAddr([2, 0x5e, 0, 0, 0x77, 2]);
const VRRP_MAC: MacAddr = MacAddr([0, 0, 0x5e, 0, 2, 9]);

const HOST: &str = "fd12:3456:789a:10::10";
const INTERNET: &str = "2001:db8:f::53";
const EXTERNAL: &str = "2001:db8:1:10::10";
const PROXIED: &str = "2001:db8:1:77ab::10";

pub fn tables() -> GatePort {
    use GateAction::{Pass, Proxy, Steer};
    let routes = [
        (LAN, "fd12:3456:789a:20::/60", Pass),
        (LAN, "fd12:3456:789a:2f::/64", Steer),
        (LAN, "2001:db8:1:d::/64", Pass),
        (ISP, "2001:db8:1::/48", Steer),
        (ISP, "2001:db8:1:d::/64", Pass),
        (ISP, "2001:db8:1:77ab::/64", Proxy),
    ];
    GatePort {
        port: PortId(0),
        interface: DEVICE.to_owned(),
        ifindex: device(DEVICE).index,
        generic: false,
        edges: vec![
            GateEdge { edge: LAN, vlan: None, role: GateRole::Lan, macs: vec![LAN_MAC] },
            GateEdge { edge: ISP, vlan: Some(VLAN), role: GateRole::Isp, macs: vec![ISP_MAC, VRRP_MAC] },
        ],
        routes: routes.map(|(edge, text, action)| GateRoute { edge, prefix: prefix(text), action }).to_vec(),
    }
}

pub fn own() -> Vec<(std::net::Ipv6Addr, u16)> {
    [("fd12:3456:789a:10::1", 1 << LAN.0), ("2001:db8:a::2", 1 << ISP.0), ("2001:db8:1:1::1", 1 << LAN.0 | 1 << ISP.0)]
        .map(|(text, edges)| (address(text), edges))
        .to_vec()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Redirect,
    Transit,
    OwnElsewhere,
    NoSocket,
    Oversize,
}
use Verdict::{NoSocket, Oversize, OwnElsewhere, Pass, Redirect, Transit};

impl Verdict {
    /// `XDP_DROP`, `XDP_PASS` or `XDP_REDIRECT`.
    const fn code(self) -> u32 {
        match self {
            Pass => 2,
            Redirect => 4,
            Transit | OwnElsewhere | NoSocket | Oversize => 1,
        }
    }

    fn counted(self) -> GateCounts {
        let of = |verdict| u64::from(self == verdict);
        GateCounts {
            passed: of(Pass),
            redirected: of(Redirect),
            transit: of(Transit),
            own_elsewhere: of(OwnElsewhere),
            no_socket: of(NoSocket),
            oversize: of(Oversize),
        }
    }
}

fn lan(destination: &str) -> Vec<u8> {
    frame(LAN_MAC, None, HOST, destination, 40)
}

fn isp(destination: &str) -> Vec<u8> {
    frame(ISP_MAC, Some(VLAN), INTERNET, destination, 40)
}

/// `frame` with another EtherType.
fn typed(mut frame: Vec<u8>, ether_type: [u8; 2]) -> Vec<u8> {
    frame[12..14].copy_from_slice(&ether_type);
    frame
}

/// `frame` with another octet.
fn with(mut frame: Vec<u8>, at: usize, octet: u8) -> Vec<u8> {
    frame[at] = octet;
    frame
}

fn cut(mut frame: Vec<u8>, length: usize) -> Vec<u8> {
    frame.truncate(length);
    frame
}

/// A frame of the ISP with this message behind the header, as ICMPv6 of this hop limit.
fn icmpv6(destination: &str, hop_limit: u8, kind: u8) -> Vec<u8> {
    let mut frame = isp(destination);
    (frame[24], frame[25], frame[58]) = (58, hop_limit, kind);
    frame
}

/// A LAN frame of this length altogether.
fn long(length: usize, tag: Option<u16>) -> Vec<u8> {
    let headers = 14 + 40 + if tag.is_some() { 4 } else { 0 };
    frame(LAN_MAC, tag, HOST, INTERNET, length - headers)
}

pub type Case = (&'static str, Vec<u8>, Verdict, EdgeId);

pub fn cases() -> Vec<Case> {
    vec![
        ("IPv4", typed(lan(INTERNET), [0x08, 0x00]), Pass, LAN),
        ("ARP", typed(lan(INTERNET), [0x08, 0x06]), Pass, LAN),
        ("a tag of no edge", frame(LAN_MAC, Some(5), HOST, INTERNET, 40), Pass, LAN),
        ("the ISP's tag, IPv4", typed_inside(isp(EXTERNAL), [0x08, 0x00]), Pass, ISP),
        ("a service tag", typed(isp(EXTERNAL), [0x88, 0xa8]), Pass, LAN),
        ("a second tag", typed_inside(isp(EXTERNAL), [0x81, 0x00]), Pass, ISP),
        ("an Ethernet header and nothing more", cut(lan(INTERNET), 14), Pass, LAN),
        ("half a tag", cut(isp(EXTERNAL), 16), Pass, LAN),
        ("an IPv6 header short of one octet", cut(lan(INTERNET), 14 + 39), Pass, LAN),
        ("an IPv6 header and nothing more", cut(lan(INTERNET), 14 + 40), Redirect, LAN),
        ("a tagged IPv6 header short of one octet", cut(isp(EXTERNAL), 18 + 39), Pass, ISP),
        ("somebody else's MAC", frame(mac(1), None, HOST, INTERNET, 40), Pass, LAN),
        ("broadcast MAC", frame(MacAddr([0xff; 6]), None, HOST, INTERNET, 40), Pass, LAN),
        ("a VRRP MAC at its edge", frame(VRRP_MAC, Some(VLAN), INTERNET, EXTERNAL, 40), Redirect, ISP),
        ("a VRRP MAC at another edge", frame(VRRP_MAC, None, HOST, INTERNET, 40), Pass, LAN),
        ("multicast of the link", lan("ff02::1"), Pass, LAN),
        ("multicast of the world", lan("ff0e::1"), Pass, LAN),
        ("link-local, first", lan("fe80::1"), Pass, LAN),
        ("link-local, last", lan("febf:ffff::1"), Pass, LAN),
        ("just below link-local", lan("fe7f:ffff::1"), Redirect, LAN),
        ("just above link-local", lan("fec0::1"), Redirect, LAN),
        ("link-local at the ISP", isp("fe80::2"), Pass, ISP),
        ("multicast at the ISP", isp("ff02::1:ff00:2"), Pass, ISP),
        ("own address by its edge", lan("fd12:3456:789a:10::1"), Pass, LAN),
        ("own address by its edge, ISP", isp("2001:db8:a::2"), Pass, ISP),
        ("own address of the LAN by the ISP", isp("fd12:3456:789a:10::1"), OwnElsewhere, ISP),
        ("own address of the ISP by the LAN", lan("2001:db8:a::2"), OwnElsewhere, LAN),
        ("own address that is welcome by both, LAN", lan("2001:db8:1:1::1"), Pass, LAN),
        ("own address that is welcome by both, ISP", isp("2001:db8:1:1::1"), Pass, ISP),
        ("the neighbour of an own address", isp("2001:db8:1:1::2"), Redirect, ISP),
        ("LAN: the kernel's own route", lan("fd12:3456:789a:20::20"), Pass, LAN),
        ("LAN: the kernel's route to a DMZ", lan("2001:db8:1:d::80"), Pass, LAN),
        ("LAN: the longest match decides", lan("fd12:3456:789a:2f::1"), Redirect, LAN),
        ("LAN: an unassigned internal subnet", lan("fd12:3456:789a:99::1"), Redirect, LAN),
        ("LAN: the Internet", lan(INTERNET), Redirect, LAN),
        ("LAN: hairpin", lan(EXTERNAL), Redirect, LAN),
        ("ISP: its external prefix", isp(EXTERNAL), Redirect, ISP),
        ("ISP: the routed DMZ", isp("2001:db8:1:d::80"), Pass, ISP),
        ("ISP: other transit", isp("2001:db8:9::1"), Transit, ISP),
        ("ISP: an inside address", isp(HOST), Transit, ISP),
        ("ISP: what only the LAN edge passes", isp("fd12:3456:789a:20::20"), Transit, ISP),
        ("ISP: a solicitation of a host that is answered for", icmpv6(PROXIED, 255, 135), Pass, ISP),
        ("ISP: one that came by a router", icmpv6(PROXIED, 254, 135), Redirect, ISP),
        ("ISP: an advertisement", icmpv6(PROXIED, 255, 136), Redirect, ISP),
        ("ISP: no message behind the header", cut(icmpv6(PROXIED, 255, 135), 58), Redirect, ISP),
        ("ISP: UDP of the same octets", with(icmpv6(PROXIED, 255, 135), 24, 17), Redirect, ISP),
        ("ISP: another packet for such a host", isp(PROXIED), Redirect, ISP),
        ("ISP: a solicitation of a host that is not", icmpv6(EXTERNAL, 255, 135), Redirect, ISP),
        ("VLAN 0 is untagged", frame(LAN_MAC, Some(0), HOST, INTERNET, 40), Redirect, LAN),
        ("VLAN 0 with a priority", frame(LAN_MAC, Some(5 << 13), HOST, "fd12:3456:789a:20::20", 40), Pass, LAN),
        ("a priority besides the VLAN", frame(ISP_MAC, Some(7 << 13 | VLAN), INTERNET, EXTERNAL, 40), Redirect, ISP),
        ("the longest frame", long(1792, None), Redirect, LAN),
        ("one octet more", long(1793, None), Oversize, LAN),
        ("the longest frame with a tag", long(1796, Some(0)), Redirect, LAN),
        ("one octet more with a tag", long(1797, Some(0)), Oversize, LAN),
    ]
}

/// `frame`, which is tagged, with another EtherType behind the tag.
fn typed_inside(mut frame: Vec<u8>, ether_type: [u8; 2]) -> Vec<u8> {
    frame[16..18].copy_from_slice(&ether_type);
    frame
}

/// The program in force, run on single frames.
pub struct Runner(ProgramInfo);

impl Runner {
    fn of(lab: &Lab) -> Self {
        Self(program(gate_in_force(lab, DEVICE).program))
    }

    /// The verdict, and the frame with its metadata afterwards.
    pub fn run(&self, frame: &[u8]) -> (u32, Vec<u8>) {
        run_once(&self.0, frame, &[])
    }

    /// Runs one case and compares what was counted, at every edge.
    fn check(&self, gate: &Gate, (name, frame, verdict, edge): &Case) -> Option<String> {
        let before = gate.counts().expect("counts");
        let (code, _) = self.run(frame);
        let after = gate.counts().expect("counts");
        let expected: Vec<_> = before
            .iter()
            .map(|(at, counts)| (*at, if at == edge { plus(*counts, verdict.counted()) } else { *counts }))
            .collect();
        (code != verdict.code() || after != expected)
            .then(|| format!("{name}: {code} for {verdict:?} at {edge:?}, counted {before:?} -> {after:?}"))
    }

    #[track_caller]
    fn check_all(&self, gate: &Gate, cases: &[Case]) {
        let wrong: Vec<_> = cases.iter().filter_map(|case| self.check(gate, case)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

pub fn plus(a: GateCounts, b: GateCounts) -> GateCounts {
    GateCounts {
        passed: a.passed + b.passed,
        redirected: a.redirected + b.redirected,
        transit: a.transit + b.transit,
        own_elsewhere: a.own_elsewhere + b.own_elsewhere,
        no_socket: a.no_socket + b.no_socket,
        oversize: a.oversize + b.oversize,
    }
}

fn sockets() -> SocketOptions {
    SocketOptions {
        zero_copy: false,
        rx_ring: 64,
        tx_ring: 64,
        fill_ring: 64,
        completion_ring: 64,
        frames: None,
        frame_size: 2048,
        patience: std::time::Duration::from_secs(5),
    }
}

pub fn every_frame_has_its_verdict_and_counts_once(lab: &Lab) {
    quiet_device(lab, DEVICE);
    in_gateway(lab, || {
        // The counter that picks the frames to be stamped is the core's own.
        core_affinity::set_for_current(core_affinity::get_core_ids().expect("cores")[0]);
        let pins = pins(lab);
        let mut gate = Gate::prepare(&pins, &tables(), &own(), &OPTIONS).expect("a gate");
        let runner = Runner::of(lab);

        without_a_socket(&runner, &gate);
        let spec = PortSpec { port: PortId(0), interface: DEVICE.to_owned(), queues: vec![0] };
        let (_memory, ports) = open_worker(&sockets(), &[spec]).expect("a socket");
        let enter = |gate: &mut Gate| {
            for (queue, socket) in ports[0].socket_fds() {
                gate.set_socket(queue, &socket).expect("a socket in the gate");
            }
        };
        enter(&mut gate);
        runner.check_all(&gate, &cases());
        model::agrees(&runner, &gate);
        frames_leave_untagged(&runner);
        tables_change_in_place(&runner, &mut gate);
        gate.close().expect("close");
        without_a_socket(&runner, &gate);

        let counted = gate.counts().expect("counts");
        drop(gate);
        for (every, stamped) in [(0, [false; 4]), (1, [true; 4]), (2, [true, false, true, false])] {
            let mut gate = Gate::prepare(&pins, &tables(), &own(), &GateOptions { stamp_every: every, ..OPTIONS })
                .expect("a gate in place of the former");
            enter(&mut gate);
            gate.open().expect("open");
            let before = gate.counts().expect("counts")[0].1;
            if every == 0 {
                assert_eq!(before, counted[0].1, "counts go on");
            }
            let runner = Runner::of(lab);
            if every == 2 && before.redirected.is_multiple_of(2) {
                runner.run(&lan(INTERNET));
            }
            assert_eq!([(); 4].map(|()| is_stamped(&runner)), stamped, "one in {every}");
        }
    });
}

fn without_a_socket(runner: &Runner, gate: &Gate) {
    let closed = cases().into_iter().map(|(name, frame, verdict, edge)| {
        let verdict = if verdict == Redirect { NoSocket } else { verdict };
        (name, frame, verdict, edge)
    });
    runner.check_all(gate, &closed.collect::<Vec<_>>());
}

/// What the worker gets of a frame: two edges are on the port, so it is told which.
fn marked(mut frame: Vec<u8>, edge: EdgeId) -> Vec<u8> {
    frame[MARK] = edge.0;
    frame
}

fn frames_leave_untagged(runner: &Runner) {
    for (tagged, untagged) in [
        (isp(EXTERNAL), marked(frame(ISP_MAC, None, INTERNET, EXTERNAL, 40), ISP)),
        (frame(LAN_MAC, Some(0), HOST, INTERNET, 40), marked(lan(INTERNET), LAN)),
    ] {
        let (code, out) = runner.run(&tagged);
        assert_eq!(code, Redirect.code());
        let packet = if out.len() > untagged.len() { &out[STAMP_LEN..] } else { &out };
        assert_eq!(packet, untagged);
    }
    let passed = frame(ISP_MAC, Some(VLAN), INTERNET, "fe80::2", 40);
    assert_eq!(runner.run(&passed), (Pass.code(), passed), "what the kernel gets is as it came");
    let solicitation = icmpv6(PROXIED, 255, 135);
    let to_group = with(solicitation.clone(), 0, ISP_MAC.0[0] | 1);
    assert_eq!(runner.run(&solicitation), (Pass.code(), to_group), "the kernel does not forward a group's frame");
}

fn tables_change_in_place(runner: &Runner, gate: &mut Gate) {
    let mut changed = tables();
    changed.routes.retain(|route| route.prefix != prefix("fd12:3456:789a:20::/60"));
    changed.routes[0].action = GateAction::Pass;
    changed.edges[1].macs = vec![VRRP_MAC];
    let mut others = own();
    others.remove(0);
    others[0].1 = 1 << LAN.0;
    gate.apply(&changed, &others).expect("new tables");
    runner.check_all(
        gate,
        &[
            ("a route that went", lan("fd12:3456:789a:20::20"), Redirect, LAN),
            ("a route that changed", lan("fd12:3456:789a:2f::1"), Pass, LAN),
            ("a MAC that went", isp("2001:db8:9::1"), Pass, ISP),
            ("a MAC that stayed", frame(VRRP_MAC, Some(VLAN), INTERNET, "2001:db8:9::1", 40), Transit, ISP),
            ("an own address that went", lan("fd12:3456:789a:10::1"), Redirect, LAN),
            ("an own address that moved", lan("2001:db8:a::2"), Pass, LAN),
        ],
    );
    gate.apply(&tables(), &own()).expect("the former tables");
    runner.check_all(gate, &cases());
}

/// Redirects one frame and looks for the stamp before it, which must be right if it is there.
fn is_stamped(runner: &Runner) -> bool {
    let frame = lan(INTERNET);
    let before = now();
    let (code, out) = runner.run(&frame);
    let after = now();
    assert_eq!(code, Redirect.code());
    let frame = marked(frame, LAN);
    if out == frame {
        return false;
    }
    let (stamp, packet) = out.split_at(STAMP_LEN);
    assert_eq!(packet, frame);
    let word = |at: usize| u64::from_ne_bytes(stamp[at..at + 8].try_into().expect("eight octets"));
    assert_eq!(word(0), STAMP_MAGIC);
    assert!((before.0..=after.0).contains(&word(8)), "{} is not between {before:?} and {after:?}", word(8));
    true
}

/// The program and the Rust side each have the magic word written out.
#[test]
fn the_programs_magic_word_is_the_readers() {
    let source =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/xdp/bpf/gate.bpf.c")).expect("the source");
    assert!(source.contains(&format!("{STAMP_MAGIC:#x}ULL")));
}
