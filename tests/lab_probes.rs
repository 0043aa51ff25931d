//! Probes that real servers answer: the kernel's echo, a TCP listener, dnsmasq. What dies beyond an ISP's
//! router takes that ISP out and no other, and `status` and metrics say so.

mod lab;

use std::time::Duration;

use serde_json::Value;

use lab::clients::verb;
use lab::gateway::Gateway;
use lab::process::{Daemon, eventually, output};
use lab::steps::Steps;
use lab::traffic::{Server, ping_patiently};
use lab::{H10, H20_PREFIX, Lab, SERVER};

const LIMIT: Duration = Duration::from_secs(30);
const ECHO: &str = "2001:db8:f::1";
const DNS: &str = "2001:db8:f::54";
const TARGETS: [&str; 3] = ["icmp:2001:db8:f::1", "tcp:[2001:db8:f::53]:8080", "dns:2001:db8:f::54"];

/// `configs/lab.toml`, where each ISP asks all three. A slow machine has two seconds for each answer.
fn config() -> String {
    let probes = format!(
        "probes = [
    {{ type = \"icmp\", to = \"{ECHO}\", every = \"250ms\", timeout = \"2s\" }},
    {{ type = \"tcp\", to = \"[{SERVER}]:8080\", every = \"250ms\", timeout = \"2s\" }},
    {{ type = \"dns\", to = \"{DNS}\", name = \"host.example\", every = \"250ms\", timeout = \"2s\" }},
]
health = {{ need = 2, hold_down = \"4s\" }}\n"
    );
    let lines = include_str!("../configs/lab.toml").lines();
    lines.map(|line| if line.starts_with("probes = []") { probes.clone() } else { format!("{line}\n") }).collect()
}

/// What `status --json` says of the health of one ISP.
fn health(gateway: &Gateway<'_>, isp: &str) -> Value {
    let status: Value = serde_json::from_str(&gateway.ask(&["status", "--json"])).expect("JSON");
    let isps = status["isps"].as_array().expect("a list");
    isps.iter().find(|known| known["name"] == isp).expect("an ISP")["health"].clone()
}

fn is(gateway: &Gateway<'_>, isp: &str, state: &str) -> bool {
    health(gateway, isp)["state"] == state
}

/// The value of a metric with these labels.
fn metric(gateway: &Gateway<'_>, sample: &str) -> f64 {
    let page = gateway.metrics();
    let value = page.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {sample} in\n{page}"))
}

/// Lets the router of ISP A forward nothing to `what`.
fn cut(lab: &Lab, what: &str) {
    lab.sh(
        "ispa",
        &format!("nft add table inet cut; add chain inet cut f {{ type filter hook forward priority 0; }}; add rule inet cut f {what} drop"),
    );
}

fn mend(lab: &Lab) {
    lab.sh("ispa", "nft delete table inet cut");
}

/// Nobody asks a target again within the hour, unless something else looks wrong: here that hosts get no answer by
/// one ISP while others do by the other one.
fn suspected(lab: &Lab, gateway: &Gateway<'_>) {
    let probes = format!("probes = [{{ type = \"icmp\", to = \"{ECHO}\", every = \"1h\", timeout = \"2s\" }}]");
    gateway.configure(&include_str!("../configs/lab.toml").replace("probes = []", &probes));
    gateway.ask(&["reload"]);
    eventually("each ISP's target has answered", LIMIT, || {
        ["fiber", "cable"].iter().all(|isp| health(gateway, isp)["targets"][0]["state"] == "well")
    });
    cut(lab, "meta l4proto { tcp, udp, icmpv6 }");
    let mut port = 20_000;
    eventually("it is found", Duration::from_secs(60), || {
        let words = format!("--sources {H20_PREFIX} --source-count 48 --count 48 --first-port {port} --timeout 2");
        // Most of them fail, and so does it.
        let _ = output(&mut verb(lab, "h20", &format!("reach {words} {SERVER}")), LIMIT);
        port += 48;
        is(gateway, "fiber", "down")
    });
    assert_eq!(health(gateway, "fiber")["cause"], "probes");
    assert!(!is(gateway, "cable", "down"), "its connections are answered");
}

#[test]
fn what_dies_beyond_the_router_takes_its_isp_out_and_no_other() {
    let Some(lab) = Lab::start(1) else { return };
    let _server = Server::start(&lab, "srv", true);
    let mut dnsmasq = lab.command("srv", "dnsmasq");
    dnsmasq.args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]);
    let _dns = Daemon::start(dnsmasq.arg("--host-record=host.example,2001:db8:77::1"), &lab.dir.join("dnsmasq.log"));
    let mut gateway = Gateway::start_with(&lab, &config());
    let mut steps = Steps::new(&lab);
    steps.step("echo, handshake and query are answered by both ISPs", &mut gateway, |gateway| {
        for isp in ["fiber", "cable"] {
            eventually("every target answers", LIMIT, || {
                let health = health(gateway, isp);
                let targets = health["targets"].as_array().expect("a list");
                let names: Vec<_> =
                    targets.iter().map(|target| target["target"].as_str().unwrap_or_default()).collect();
                assert_eq!(names, TARGETS);
                let answers = |target: &Value| target["state"] == "well" && target["rtt_seconds"].as_f64() > Some(0.0);
                health["state"] == "up" && targets.iter().all(answers)
            });
            for target in TARGETS {
                let count =
                    metric(gateway, &format!("sixways_probe_rtt_seconds_count{{isp=\"{isp}\",target=\"{target}\"}}"));
                assert!(count >= 1.0, "{isp} {target}");
            }
        }
    });
    steps.step("handshakes are taken back", &mut gateway, |_| {
        // Some two a second may be on their way at any time; left alone, each would stay for a minute.
        std::thread::sleep(Duration::from_secs(2));
        let open = lab.sh("srv", "ss -Htn state syn-recv state established sport = :8080");
        assert!(open.lines().count() <= 4, "{open}");
    });
    steps.step("one target of three dies: degraded, and carries on", &mut gateway, |gateway| {
        cut(&lab, &format!("ip6 daddr {DNS}"));
        eventually("it is told", LIMIT, || is(gateway, "fiber", "degraded"));
        let fiber = health(gateway, "fiber");
        assert_eq!((&fiber["cause"], &fiber["targets"][2]["state"]), (&"probes".into(), &"lost".into()));
        assert_eq!(metric(gateway, "sixways_isp_up{isp=\"fiber\"}"), 1.0);
        mend(&lab);
        eventually("it is well again", LIMIT, || is(gateway, "fiber", "up"));
    });
    steps.step("everything beyond the router dies: down, and alone", &mut gateway, |gateway| {
        cut(&lab, "meta l4proto { tcp, udp, icmpv6 }");
        eventually("it is found", LIMIT, || is(gateway, "fiber", "down"));
        let fiber = health(gateway, "fiber");
        assert_eq!((&fiber["cause"], &fiber["waits_for"]), (&"probes".into(), &"probes".into()));
        assert_eq!(fiber["router"], "alive", "the router itself answers");
        assert!(!is(gateway, "cable", "down"));
        assert_eq!(ping_patiently(&lab, "h10", SERVER, 20, 10), 20, "{H10} goes by the other ISP");
        for (isp, down) in [("fiber", 1.0), ("cable", 0.0)] {
            assert_eq!(metric(gateway, &format!("sixways_isp_state{{isp=\"{isp}\",state=\"down\"}}")), down);
            assert_eq!(metric(gateway, &format!("sixways_isp_up{{isp=\"{isp}\"}}")), 1.0 - down);
        }
        let lost = |isp: &str| {
            metric(gateway, &format!("sixways_probe_lost_total{{isp=\"{isp}\",target=\"{}\"}}", TARGETS[0]))
        };
        assert!(lost("fiber") >= 5.0, "{}", lost("fiber"));
        let page = gateway.ask(&["status"]);
        let words = |line: &str| line.split_whitespace().take(2).eq(["fiber", "DOWN"]);
        assert!(page.lines().any(|line| words(line) && line.contains("probes")), "{page}");
    });
    steps.step("it comes back after its hold-down", &mut gateway, |gateway| {
        mend(&lab);
        eventually("the hold-down runs", LIMIT, || health(gateway, "fiber")["waits_for"] == "hold-down");
        let fiber = health(gateway, "fiber");
        let (left, whole) = (fiber["hold_down_left_seconds"].as_f64(), fiber["hold_down_seconds"].as_f64());
        assert!(whole == Some(4.0) && left <= whole, "{left:?} of {whole:?}");
        eventually("it is up", LIMIT, || is(gateway, "fiber", "up"));
        assert_eq!(metric(gateway, "sixways_isp_up{isp=\"fiber\"}"), 1.0);
    });
    steps.step("connections without an answer have the targets asked", &mut gateway, |gateway| {
        suspected(&lab, gateway);
    });
    steps.finish();
}
