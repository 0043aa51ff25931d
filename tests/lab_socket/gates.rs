//! What is wrong with the host is said in words, with the way out.

use std::process::Command;

use caps::{CapSet, Capability};
use sixways::xdp::preflight::{Finding, Intent, PortIntent, Severity, check};
use sixways::xdp::{SocketOptions, open_worker};

use crate::lab::{in_lab, options, run, spec};

#[test]
fn shut_gates_are_named() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let open = |options: &SocketOptions, interface, queue| {
            open_worker(options, &[spec(0, interface, &[queue])]).expect_err("must fail").to_string()
        };
        let missing = open(&options(64), "nonesuch0", 0);
        assert!(missing.contains("nonesuch0") && missing.contains("ip link"), "{missing}");
        let queue = open(&options(64), "gw0", 7);
        assert!(queue.contains("queue 7") && queue.contains("ethtool -l"), "{queue}");
        let zero_copy = open(&SocketOptions { zero_copy: true, ..options(64) }, "gw0", 0);
        assert!(zero_copy.contains("mode = \"copy\""), "{zero_copy}");
        let size = open(&SocketOptions { rx_ring: 100, ..options(64) }, "gw0", 0);
        assert!(size.contains("rx_ring = 100"), "{size}");
        let (_umem, _ports) = open_worker(&options(64), &[spec(0, "gw0", &[0])]).unwrap();
        let taken = open(&options(64), "gw0", 0);
        assert!(taken.contains("another process owns this queue"), "{taken}");

        caps::drop(None, CapSet::Effective, Capability::CAP_IPC_LOCK).unwrap();
        let large = SocketOptions { frames: Some(1 << 16), ..options(64) };
        let locked = open(&large, "gw0", 0);
        for word in ["RLIMIT_MEMLOCK", "CAP_IPC_LOCK", "LimitMEMLOCK", "134217728"] {
            assert!(locked.contains(word), "{locked}");
        }
        caps::drop(None, CapSet::Effective, Capability::CAP_NET_RAW).unwrap();
        let raw = open(&options(64), "gw0", 0);
        assert!(raw.contains("CAP_NET_RAW"), "{raw}");
    });
}

fn findings(interfaces: &[&str], change: impl FnOnce(&mut Intent)) -> Vec<Finding> {
    let port = |interface: &&str| PortIntent {
        interface: (*interface).to_owned(),
        lan: false,
        isp: true,
        auto_next_hop: true,
        vlans: Vec::new(),
    };
    let mut intent = Intent {
        ports: interfaces.iter().map(port).collect(),
        socket: options(64),
        generic: false,
        native: false,
        workers: None,
    };
    change(&mut intent);
    check(&intent).expect("the kernel answers")
}

/// The remedy of the finding of this kind, if there is one.
fn remedy(findings: &[Finding], what: &str) -> Option<String> {
    findings.iter().find(|finding| finding.what == what).map(|finding| finding.remedy.clone())
}

#[test]
fn preflight_sees_what_is_wrong_and_that_its_remedy_helps() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 2);
        let same = |_: &mut Intent| {};
        let shell = |command: &str| assert!(Command::new("sh").args(["-c", command]).status().unwrap().success());

        let before = findings(&["gw0"], same);
        assert!(before.iter().all(|finding| finding.severity == Severity::Warning), "{before:?}");
        let checksum = remedy(&before, "checksum").expect("a veth's peer leaves checksums by default");
        assert_eq!(checksum, "ethtool -K far0 tx off");
        shell(&format!("{checksum} > /dev/null"));
        assert_eq!(remedy(&findings(&["gw0"], same), "checksum"), None);

        let queues = findings(&["gw0"], |intent| intent.workers = Some(3));
        assert!(remedy(&queues, "queues").is_some_and(|remedy| remedy.contains("ethtool -L gw0")), "{queues:?}");
        assert_eq!(remedy(&findings(&["gw0"], |intent| intent.workers = Some(2)), "queues"), None);

        lab.ip(&["link", "set", "gw0", "mtu", "1775"]);
        let mtu = remedy(&findings(&["gw0"], same), "mtu").expect("over a frame of 2048");
        shell(mtu.split(',').next().unwrap());
        assert_eq!(remedy(&findings(&["gw0"], same), "mtu"), None);
        lab.ip(&["link", "set", "gw0", "mtu", "3507"]);
        let large = |intent: &mut Intent| intent.socket.frame_size = 4096;
        assert!(remedy(&findings(&["gw0"], large), "mtu").is_some_and(|remedy| remedy.contains("mtu 3506")));
        lab.ip(&["link", "set", "gw0", "mtu", "1500"]);

        lab.ip(&["link", "set", "gw0", "down"]);
        assert_eq!(remedy(&findings(&["gw0"], same), "link").as_deref(), Some("ip link set gw0 up"));
        lab.ip(&["link", "set", "gw0", "up"]);

        lab.ip(&["link", "add", "br0", "type", "bridge"]);
        let bridge = findings(&["br0", "lo", "nonesuch0"], same);
        assert!(
            bridge.iter().any(|finding| finding.value == "a bridge leads to an ISP, which is not built yet"),
            "{bridge:?}"
        );
        for interface in ["br0", "lo", "nonesuch0"] {
            let fatal = |finding: &&Finding| finding.severity == Severity::Fatal;
            assert!(bridge.iter().filter(fatal).any(|finding| finding.interface.as_deref() == Some(interface)));
        }
    });
}

#[test]
fn preflight_follows_settings_and_capabilities_of_this_namespace() {
    in_lab(|lab| {
        lab.pair("gw0", "far0", 1);
        let same = |_: &mut Intent| {};
        let forwarding = remedy(&findings(&["gw0"], same), "forwarding").expect("off in a new namespace");
        let accept_ra = remedy(&findings(&["gw0"], same), "accept_ra").expect("1 by default");
        for command in [accept_ra.split(" (").next().unwrap(), &forwarding] {
            run("sh", &["-c", &format!("{command} > /dev/null")]);
        }
        let after = findings(&["gw0"], same);
        assert_eq!((remedy(&after, "forwarding"), remedy(&after, "accept_ra")), (None, None), "{after:?}");

        lab.far_away("far0");
        let away = remedy(&findings(&["gw0"], same), "checksum").expect("nobody can ask the peer");
        assert!(away.contains("ethtool -K PEER tx off"), "{away}");

        for capability in [Capability::CAP_IPC_LOCK, Capability::CAP_BPF, Capability::CAP_NET_RAW] {
            caps::drop(None, CapSet::Effective, capability).unwrap();
        }
        let poor = findings(&["gw0"], |intent| intent.socket.frames = Some(1 << 16));
        assert!(remedy(&poor, "memory").is_some_and(|remedy| remedy.contains("LimitMEMLOCK")), "{poor:?}");
        let missing: Vec<_> = poor.iter().filter(|finding| finding.what == "capability").collect();
        assert_eq!(missing.len(), 2, "{missing:?}");
    });
}
