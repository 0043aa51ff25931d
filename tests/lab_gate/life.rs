//! What becomes of links and counters: the process is killed, the device goes, somebody else is
//! there, all is released.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aya::programs::loaded_links;
use sixways::limits::{MAX_GATE_ROUTES, MAX_GUARD_SOURCES, MAX_OWN_ADDRESSES};
use sixways::snapshot::{GateAction, GateRole, GuardAction, GuardTable};
use sixways::xdp::{Attach, Gate, GateOptions, Guard, GuardAttach, Pins, release};

use crate::lab::Lab;
use crate::lab::process::{Daemon, eventually, run};
use crate::lab::traffic::{ping, unanswered};
use crate::no_daemon::attach_all;
use crate::stand::{
    Bpffs, InForce, LAN, OPTIONS, assert_bare, device, gate_in_force, guard_a, guard_b, in_force, in_gateway, lab_own,
    lab_ports, pin, pins, port, prefix, quiet_device,
};

const BINARY: &str = env!("CARGO_BIN_EXE_sixways");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/lab.toml");
const PORTS: [&str; 3] = ["lan0", "wan0", "wan1"];
const ISPS: [&str; 2] = ["wan0", "wan1"];

/// The real gateway in the lab, up to the moment when it forwards.
fn start(lab: &Lab, life: u32) -> Daemon {
    start_with(lab, life, CONFIG.as_ref())
}

fn start_with(lab: &Lab, life: u32, config: &Path) -> Daemon {
    let mut command = lab.command("gw", BINARY);
    command.args(["run", "--config"]).arg(config);
    command.arg("--bpffs").arg(lab.dir.join("bpf")).arg("--state").arg(lab.dir.join("state"));
    command.arg("--socket").arg(lab.dir.join("control.sock"));
    let mut daemon = Daemon::start(&mut command, &lab.dir.join(format!("sixways-{life}.log")));
    eventually("the gateway forwards", Duration::from_secs(20), || {
        assert!(daemon.alive(), "it ended:\n{}", daemon.output());
        daemon.output().contains("forwarding")
    });
    daemon
}

fn all_in_force(lab: &Lab) -> Vec<InForce> {
    let gates = PORTS.iter().map(|interface| gate_in_force(lab, interface));
    gates.chain(ISPS.iter().map(|interface| in_force(lab, "guard_link", interface))).collect()
}

fn is_link(id: u32) -> bool {
    loaded_links().filter_map(Result::ok).any(|link| link.id() == id)
}

pub fn after_a_kill_the_next_start_adopts_the_links(lab: &Lab) {
    let mut daemon = start(lab, 1);
    let first = all_in_force(lab);
    for (interface, role) in [("lan0", "h10"), ("wan0", "ispa"), ("wan1", "ispb")] {
        assert_eq!(ping(lab, role, &lab.own[interface], 3, 10), 3, "{role} to {interface}");
    }

    let second_instance = lab.command("gw", BINARY).args(["release", "--bpffs"]).arg(lab.dir.join("bpf")).output();
    let second_instance = second_instance.expect("it starts");
    let says = String::from_utf8_lossy(&second_instance.stderr).into_owned();
    assert!(!second_instance.status.success() && says.contains("a gateway runs in this network namespace"), "{says}");

    daemon.kill();
    assert_eq!(all_in_force(lab), first, "links and programs stay");
    let before = in_gateway(lab, || {
        let pins = pins(lab);
        let guard = Guard::set(&pins, &guard_a(), GuardAttach::Auto).expect("a guard");
        let gates = lab_ports()
            .iter()
            .map(|port| Gate::prepare(&pins, port, &lab_own(lab), &OPTIONS).expect("a gate").counts().expect("counts"))
            .collect::<Vec<_>>();
        (guard.counts().expect("counts"), gates)
    });
    assert!(before.1.iter().flatten().all(|(_, counts)| counts.passed >= 3), "not all was counted: {before:?}");

    let mut again = start(lab, 2);
    let says = again.output();
    assert!(daemon.output().contains("flow memory: new") && says.contains("flow memory: adopted, "), "{says}");
    let second = all_in_force(lab);
    for (was, is) in first.iter().zip(&second) {
        assert_eq!(was.link, is.link, "the same link");
        assert_ne!(was.program, is.program, "runs the new program");
    }

    again.kill();
    let smaller = lab.dir.join("smaller.toml");
    let config = std::fs::read_to_string(CONFIG).expect("the lab's configuration");
    std::fs::write(&smaller, format!("{config}\n[flows]\ncapacity = 1000\n")).expect("a configuration");
    let says = start_with(lab, 3, &smaller).output();
    assert!(says.contains("flow memory: replaced: hot: entries: 256 wanted, 262144 found"), "{says}");
}

pub fn a_prepared_gate_changes_nothing_until_it_is_opened(lab: &Lab) {
    attach_all(lab);
    in_gateway(lab, || {
        let pins = pins(lab);
        let port = &lab_ports()[0];
        let former = gate_in_force(lab, "lan0");
        let mut gate = Gate::prepare(&pins, port, &lab_own(lab), &OPTIONS).expect("a gate");
        assert_eq!(gate_in_force(lab, "lan0"), former);
        gate.open().expect("open");
        let opened = gate_in_force(lab, "lan0");
        assert_eq!(opened.link, former.link);
        assert_ne!(opened.program, former.program);
        drop(gate);
        assert_eq!(gate_in_force(lab, "lan0"), opened, "the pin keeps it");
    });
}

pub fn a_device_that_is_made_anew_gets_a_new_link(lab: &Lab) {
    attach_all(lab);
    let old_gate = gate_in_force(lab, "wan0");
    let old_guard = in_force(lab, "guard_link", "wan0");
    let other = gate_in_force(lab, "lan0");
    lab.recreate("wan0");
    assert_bare(lab, "wan0");
    attach_all(lab);
    let (gate, guard) = (gate_in_force(lab, "wan0"), in_force(lab, "guard_link", "wan0"));
    assert_ne!(gate.link, old_gate.link);
    assert_ne!(guard.link, old_guard.link);
    assert_eq!(gate_in_force(lab, "lan0").link, other.link, "the other devices keep theirs");
    let link = lab.sh("gw", "ip -d link show dev wan0");
    assert!(link.contains(&format!("id {}", gate.program)), "not attached to the new device: {link}");
    assert!(!is_link(old_gate.link) && !is_link(old_guard.link), "the dead links are gone");
}

pub fn the_mode_is_what_was_asked_for_and_is_kept(lab: &Lab) {
    quiet_device(lab, "quiet0");
    in_gateway(lab, || {
        let pins = pins(lab);
        let port = crate::stand::port("quiet0", crate::stand::LAN, sixways::snapshot::GateRole::Lan, &[]);
        let set = |attach| {
            let mut gate = Gate::prepare(&pins, &port, &[], &GateOptions { attach, ..OPTIONS }).expect("a gate");
            gate.open().expect("open");
            (gate.is_native(), gate_in_force(lab, "quiet0").link)
        };
        let (native, first) = set(Attach::Auto);
        assert!(native, "veth has native XDP");
        assert_eq!(set(Attach::Native), (true, first));
        let (native, generic) = set(Attach::Generic);
        assert!(!native);
        assert!(lab.sh("gw", "ip link show dev quiet0").contains("xdpgeneric"));
        assert!(pin(lab, "gate_native", "quiet0").is_none());
        assert_eq!(set(Attach::Auto), (false, generic), "auto keeps what is there");
        let (native, again) = set(Attach::Native);
        assert!(native && again != generic);
        assert!(!is_link(generic));
    });
}

pub fn full_tables_give_way_to_others(lab: &Lab) {
    quiet_device(lab, "quiet0");
    let routes: Vec<Vec<String>> = ["2001:db8:1", "2001:db8:2"]
        .map(|net| (0..MAX_GATE_ROUTES).map(|number| format!("{net}:{number:x}::/64")).collect())
        .into();
    let own =
        [1, 2].map(|net: u128| (0..MAX_OWN_ADDRESSES as u128).map(|host| ((net << 64 | host).into(), 1)).collect());
    let [first_own, other_own]: [Vec<_>; 2] = own;
    let table = |routes: &[String]| {
        let steered: Vec<_> = routes.iter().map(|route| (route.as_str(), GateAction::Pass)).collect();
        port("quiet0", LAN, GateRole::Lan, &steered)
    };
    in_gateway(lab, || {
        let mut gate = Gate::prepare(&pins(lab), &table(&routes[0]), &first_own, &OPTIONS).expect("a gate");
        gate.widen(&table(&routes[1]), &other_own).expect("room for the new besides the old");
        gate.apply(&table(&routes[1]), &other_own).expect("and for the new alone");
        let sources = |routes: &[String]| GuardTable {
            sources: routes[..MAX_GUARD_SOURCES].iter().map(|route| (prefix(route), GuardAction::Deny)).collect(),
            interface: "quiet0".to_owned(),
            ifindex: device("quiet0").index,
            ..guard_a()
        };
        let mut guard = Guard::set(&pins(lab), &sources(&routes[0]), GuardAttach::Auto).expect("a guard");
        guard.apply(&sources(&routes[1])).expect("room for other sources");
        gate.remove().expect("the gate goes");
        guard.remove().expect("the guard goes");
    });
}

pub fn release_takes_everything_away_also_of_devices_that_are_gone(lab: &Lab) {
    attach_all(lab);
    let links: Vec<_> = all_in_force(lab).iter().map(|in_force| in_force.link).collect();
    lab.sh("gw", "ip link del wan1");
    let mut command = lab.command("gw", BINARY);
    command.args(["release", "--bpffs"]).arg(lab.dir.join("bpf"));
    let says = run(&mut command, Duration::from_secs(10));
    assert!(PORTS.iter().all(|interface| says.contains(interface)), "{says}");
    assert!(!links.iter().any(|link| is_link(*link)), "links are left");
    for interface in ["lan0", "wan0"] {
        assert_bare(lab, interface);
    }
    let left =
        run(Command::new("find").arg(lab.dir.join("bpf/sixways")).args(["-mindepth", "1"]), Duration::from_secs(5));
    assert_eq!(left, "", "pins are left");
    // With nothing to release it says so.
    assert!(run(&mut command, Duration::from_secs(10)).contains("nothing was held"));
}

pub fn somebody_elses_program_is_left_alone_and_named(lab: &Lab) {
    let others = Bpffs::mount(&lab.dir.join("others-bpf"));
    in_gateway(lab, || {
        let ports = lab_ports();
        let theirs = Pins::open(Some(&others.0)).expect("pins");
        Gate::prepare(&theirs, &ports[0], &[], &OPTIONS).expect("a gate");
        let program = lab.sh("gw", "ip -d link show dev lan0");
        for attach in [Attach::Auto, Attach::Native, Attach::Generic] {
            let refused = Gate::prepare(&pins(lab), &ports[0], &[], &GateOptions { attach, ..OPTIONS });
            let says = refused.expect_err("somebody else is there").to_string();
            assert!(says.contains("another XDP program is there"), "{attach:?}: {says}");
            assert!(says.contains("ip link set dev lan0 xdp off"), "{attach:?}: {says}");
        }
        assert_eq!(lab.sh("gw", "ip -d link show dev lan0"), program, "it was touched");
        release(theirs).expect("release");
        Gate::prepare(&pins(lab), &ports[0], &[], &OPTIONS).expect("free now");
    });
}

pub fn a_guard_comes_before_the_programs_of_others(lab: &Lab) {
    in_gateway(lab, || {
        let others = Bpffs::mount(&lab.dir.join("others-bpf"));
        let theirs = Pins::open(Some(&others.0)).expect("pins");
        let mut open_table = guard_b();
        open_table.sources = vec![(crate::stand::prefix("::/0"), sixways::snapshot::GuardAction::Forward)];
        let first = Guard::set(&theirs, &open_table, GuardAttach::Auto).expect("somebody's program");
        let guard = Guard::set(&pins(lab), &guard_b(), GuardAttach::Auto).expect("a guard");
        let (before, theirs_before) = (guard.counts().expect("counts"), first.counts().expect("counts"));
        let source = format!("-I {} {}", lab.own["lan0"], "2001:db8:b::1");
        unanswered(lab, "gw", &source, 3);
        assert!(guard.counts().expect("counts").foreign_source - before.foreign_source >= 3);
        let theirs_saw = first.counts().expect("counts").passed - theirs_before.passed;
        let passed = guard.counts().expect("counts").passed - before.passed;
        assert!(theirs_saw <= passed, "the guard was not first: {theirs_saw} seen, {passed} passed");
        drop((first, guard));
        release(theirs).expect("release");
    });
}
