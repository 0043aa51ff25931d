//! A bridge as LAN: two hosts behind two members, TCP downloads, and what preflight says of GRO.

mod lab;

use std::process::Command;
use std::time::Duration;

use lab::Lab;
use lab::SERVER;
use lab::gateway::{Gateway, lab_config};
use lab::process::{eventually, output};
use lab::steps::Steps;
use lab::traffic::{Server, ping};

/// The namespace of the host behind the second member.
const SECOND: &str = "vpn";

/// The lab with the gateway's LAN on a bridge: `lan0`, and `lan1` with a host of its own.
fn on_a_bridge(lab: &Lab) {
    let second = lab.path(SECOND).file_name().expect("a name").to_string_lossy().into_owned();
    for (role, line) in [
        ("gw", "link add br0 type bridge mcast_snooping 0".to_owned()),
        ("gw", format!("link add lan1 index 2000 type veth peer name eth1 index 2001 netns {second}")),
        ("gw", "link set lan0 master br0".into()),
        ("gw", "link set lan1 master br0".into()),
        ("gw", "link set lan1 up".into()),
        ("gw", "link set br0 up".into()),
        ("gw", "-6 addr flush dev lan0".into()),
        ("gw", "-6 addr add fe80::1/64 dev br0".into()),
        ("gw", "-6 addr add fd12:3456:789a:10::1/64 dev br0".into()),
        ("gw", "-6 route replace fd12:3456:789a:20::/60 via fd12:3456:789a:10::2 dev br0".into()),
        (SECOND, "link set eth1 up".into()),
        (SECOND, "-6 addr add fd12:3456:789a:10::30/64 dev eth1".into()),
        (SECOND, "-6 route add 2001:db8:f::/64 via fd12:3456:789a:10::1 dev eth1".into()),
    ] {
        lab.sh(role, &format!("ip {line}"));
    }
    for (role, device) in [("gw", "lan1"), ("gw", "br0"), (SECOND, "eth1")] {
        lab.sh(role, &format!("ethtool -K {device} tx off gso off gro off tso off"));
    }
}

/// `configs/lab.toml` with the bridge as LAN.
fn config() -> String {
    lab_config().replace("interface = \"lan0\"", "interface = \"br0\"")
}

#[test]
fn hosts_behind_a_bridge_download() {
    let Some(lab) = Lab::start(1) else { return };
    on_a_bridge(&lab);
    refused_while_a_member_merges(&lab);
    let _server = Server::start(&lab, "srv", true);
    let mut gateway = Gateway::start_with(&lab, &config());
    let mut steps = Steps::new(&lab);
    steps.step("TCP downloads behind both members", &mut gateway, |gateway| {
        for role in ["h10", SECOND] {
            eventually("the first echo", Duration::from_secs(5), || ping(&lab, role, SERVER, 1, 10) == 1);
            let url = format!("http://[{SERVER}]:8080/bytes/20000000");
            let size = lab.sh(role, &format!("curl -sSg -m 30 -o /dev/null -w %{{size_download}} {url}"));
            assert_eq!(size, "20000000", "{role}");
        }
        let accounts = gateway.settled();
        assert_eq!(accounts.dropped("br0", "gate-oversize"), 0);
        assert!(accounts.sent_by("br0") > 2 * 20_000_000 / 1440, "what was downloaded came by the gateway");
    });
    steps.step("only the bridge is in generic mode", &mut gateway, |gateway| {
        let page = gateway.metrics();
        let mode = |interface: &str| {
            let start = format!("sixways_interface_info{{interface=\"{interface}\"");
            let line = page.lines().find(|line| line.starts_with(&start)).expect("an interface");
            line.split("mode=\"").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned)
        };
        assert_eq!(["br0", "wan0", "wan1"].map(|name| mode(name).expect("a mode")), ["generic", "copy", "copy"]);
    });
    steps.finish();
}

fn refused_while_a_member_merges(lab: &Lab) {
    let file = lab.dir.join("bridge.toml");
    std::fs::write(&file, config()).expect("a configuration");
    lab.sh("gw", "ethtool -K lan1 gro on");
    let mut command: Command = lab.command("gw", env!("CARGO_BIN_EXE_sixways"));
    command.arg("run").arg("--config").arg(&file).arg("--bpffs").arg(lab.dir.join("bpf"));
    command.arg("--state").arg(lab.dir.join("state"));
    let refused = output(&mut command, Duration::from_secs(20));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("ethtool -K lan1 gro off"), "{said}");
    lab.sh("gw", "ethtool -K lan1 gro off");
}
