//! A gateway's namespace between a LAN and two ISPs, for control alone: no packet path.
//!
//! ```text
//! lan ── lan0 [gw] wan0 ── ispa (fe80::a, 2001:db8:fa::1; server 2001:db8:f::a)
//!                  wan1 ── ispb (fe80::b, 2001:db8:fb::1; server 2001:db8:f::b)
//! ```

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use sixways::control::config::{
    self, Config, Dataplane, Health, Host, Idle, Isp, Lan, Metrics, Mode, MssClamp, NdProxy, NextHop, OnStop, Site,
};
use sixways::npt::Mapping;

static MADE: AtomicU32 = AtomicU32::new(0);
const ROLES: [&str; 4] = ["gw", "lan", "ispa", "ispb"];

pub struct Lab {
    name: String,
    _turn: File,
}

/// Runs `test` with a lab, on a thread inside the gateway's namespace with a tokio runtime.
pub fn in_lab<F: Future<Output = ()>>(test: impl FnOnce(Arc<Lab>) -> F + Send + 'static) {
    if std::env::var_os("SIXWAYS_SKIP_LAB").is_some_and(|value| value == "1") {
        eprintln!("skipped: SIXWAYS_SKIP_LAB=1");
        return;
    }
    let _ = tracing_subscriber::fmt().with_test_writer().try_init();
    let run = thread::spawn(move || {
        let lab = Arc::new(Lab::make());
        lab.enter("gw");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(test(lab));
    });
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

impl Lab {
    fn make() -> Self {
        // SAFETY: a plain system call.
        assert_eq!(unsafe { libc::geteuid() }, 0, "lab tests need root; SIXWAYS_SKIP_LAB=1 skips them");
        let turn = File::create(std::env::temp_dir().join("sixways-lab.lock")).expect("the lab's lock file");
        turn.lock().expect("the lab's lock");
        let name = format!("swc{}x{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let lab = Self { name, _turn: turn };
        for role in ROLES {
            run(Command::new("ip").args(["netns", "add", &lab.namespace(role)]));
            // accept_ra before forwarding, else the kernel deletes what routers announced.
            lab.sh(role, "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=2");
            lab.ip(role, "link set lo up");
        }
        lab.sh("gw", "sysctl -qw net.ipv6.conf.all.forwarding=1");
        for (device, role) in [("lan0", "lan"), ("wan0", "ispa"), ("wan1", "ispb")] {
            lab.cable(device, role);
        }
        lab.ip("gw", "addr add fd12:3456:789a:10::1/64 dev lan0");
        lab.ip("gw", "addr add 2001:db8:fa::2/64 dev wan0");
        lab.ip("gw", "addr add 2001:db8:fb::2/64 dev wan1");
        lab.ip("lan", "addr add fd12:3456:789a:10::9/64 dev eth0");
        for (isp, letter) in [("ispa", "a"), ("ispb", "b")] {
            lab.ip(isp, &format!("addr add fe80::{letter}/64 dev eth0"));
            lab.ip(isp, &format!("addr add 2001:db8:f{letter}::1/64 dev eth0"));
            lab.ip(isp, &format!("addr add 2001:db8:f::{letter}/128 dev lo"));
            lab.ip(isp, &format!("route add 2001:db8:{letter}::/48 via 2001:db8:f{letter}::2"));
        }
        lab
    }

    /// Puts a cable between a device of the gateway and `eth0` of a neighbour. Both ends have
    /// indexes of their own, so that carrier news is not put off.
    pub fn cable(&self, device: &str, role: &str) {
        let index = 1000 + 10 * MADE.fetch_add(1, Ordering::Relaxed);
        let (ours, theirs) = (index.to_string(), (index + 1).to_string());
        let peer = self.namespace(role);
        let make = ["link", "add", device, "index", &ours, "type", "veth", "peer", "name", "eth0", "index", &theirs];
        run(Command::new("ip").args(["-n", &self.namespace("gw")]).args(make).args(["netns", &peer]));
        self.ip("gw", &format!("link set {device} up"));
        self.ip(role, "link set eth0 up");
    }

    fn namespace(&self, role: &str) -> String {
        format!("{}-{role}", self.name)
    }

    /// Moves the current thread into the namespace of `role`.
    pub fn enter(&self, role: &str) {
        let handle = File::open(format!("/run/netns/{}", self.namespace(role))).expect("the namespace's file");
        // SAFETY: the descriptor is open; only this thread changes its namespace.
        let entered = unsafe { libc::setns(handle.as_raw_fd(), libc::CLONE_NEWNET) };
        assert_eq!(entered, 0, "setns: {}", io::Error::last_os_error());
    }

    /// `ip -6 …` in the namespace of `role`; returns what it prints.
    #[track_caller]
    pub fn ip(&self, role: &str, line: &str) -> String {
        run(Command::new("ip").args(["-6", "-n", &self.namespace(role)]).args(line.split_whitespace()))
    }

    /// A command line, split at blanks.
    #[track_caller]
    pub fn sh(&self, role: &str, line: &str) -> String {
        let output = self.try_sh(role, line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn try_sh(&self, role: &str, line: &str) -> Output {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(role)]).args(line.split_whitespace());
        command.output().expect("ip runs")
    }

    /// Whether `role` gets an answer from `target`, asked from `source`.
    pub fn pings(&self, role: &str, source: &str, target: &str) -> bool {
        self.try_sh(role, &format!("ping -6 -n -c 2 -i 0.2 -W 1 -I {source} {target}")).status.success()
    }

    /// Commands for `ip -batch`.
    pub fn batch(&self, role: &str, lines: &str) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        io::Write::write_all(&mut file, lines.as_bytes()).expect("written");
        run(Command::new("ip").args(["-6", "-n", &self.namespace(role), "-batch"]).arg(file.path()));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for role in ROLES {
            let _ = Command::new("ip").args(["netns", "del", &self.namespace(role)]).output();
        }
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until `condition` holds.
///
/// # Panics
/// If it does not within ten seconds.
#[track_caller]
pub fn eventually(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..1000 {
            if condition() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{caller}: not in ten seconds: {what}");
    }
}

/// The site: fd12:3456:789a::/48 inside, ISP a with 2001:db8:a::/48, ISP b with 2001:db8:b::/48.
pub fn config() -> Config {
    let isp = |letter: &str, interface: &str| Isp {
        name: letter.to_owned(),
        interface: interface.to_owned(),
        vlan: None,
        mappings: vec![
            Mapping::new(
                "fd12:3456:789a::/48".parse().expect("a prefix"),
                format!("2001:db8:{letter}::/48").parse().expect("a prefix"),
            )
            .expect("a pair"),
        ],
        former: Vec::new(),
        source: None,
        next_hop: NextHop::Auto,
        weight: 1,
        tier: 1,
        mtu: None,
        mss_clamp: MssClamp::Auto,
        nd_proxy: NdProxy::Off,
        metered: None,
        health: Health::default(),
        probes: Vec::new(),
    };
    Config {
        site: Site { internal: vec!["fd12:3456:789a::/48".parse().expect("a prefix")], ..Site::default() },
        lans: vec![Lan { interface: "lan0".to_owned(), vlan: None }],
        isps: vec![isp("a", "wan0"), isp("b", "wan1")],
        dataplane: Dataplane {
            mode: Mode::Auto,
            queues: None,
            cores: None,
            batch: 64,
            rx_ring: 2048,
            tx_ring: 2048,
            fill_ring: 4096,
            completion_ring: 2048,
            frames: None,
            frame_size: 2048,
            idle: Idle::Adaptive,
            stamp_every: 0,
        },
        host: Host { rules: true, steer: false, on_stop: OnStop::Block, reload_on_save: false },
        metrics: Metrics { listen: None },
        // Everything else as it is by default.
        ..config::parse(include_str!("../../configs/minimal.toml")).expect("the sample")
    }
}
