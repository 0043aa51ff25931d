//! The ISPs' health, told by the machine that judges it, in metrics and on the status page.

use sixways::control::config::{Health as Settings, Probe};
use sixways::control::health::{Act, Facts, Health, probe};
use sixways::observe::isp_health::IspHealth;
use sixways::observe::status::Status;
use sixways::units::{Nanos, UplinkId};

use crate::gateway::Gateway;
use crate::page;
use crate::parsed::Parsed;

const TARGETS: [&str; 2] = ["2001:db8:f::1", "2001:db8:f::2"];

fn gateway() -> Gateway {
    let mut gateway = Gateway::new(2, 1);
    gateway.report.health = half_well(gateway.now);
    gateway.tick();
    gateway
}

/// Until `end`, the first ISP is well, but for one target, and the second one has lost its link.
pub fn half_well(end: Nanos) -> Vec<IspHealth> {
    let mut health = Health::default();
    let start = Nanos(end.0 - 30_000_000_000);
    let isp = |name: &str, uplink: u8| Facts {
        name: name.to_owned(),
        uplink: UplinkId(uplink),
        link: true,
        next_hop: Some(format!("fe80::{}", uplink + 1).parse().unwrap()),
        has_prefix: true,
        health: Settings::default(),
        probes: TARGETS.map(|target| Probe::ping(target.parse().unwrap())).into(),
    };
    health.follow(vec![isp("fiber", 0), isp("cable", 1)], start);
    for ms in (0..=30_000).step_by(20) {
        let now = start.plus(Nanos::from_millis(ms));
        health.link(UplinkId(1), ms < 18_000);
        for act in health.advance(now) {
            match act {
                Act::Ask(uplink, _) => {
                    health.advertised(uplink, format!("fe80::{}", uplink.0 + 1).parse().unwrap(), now)
                }
                // The second target dies after ten seconds.
                Act::Probe(uplink, n, sequence) if n == 0 || ms < 10_000 => {
                    let heard = probe::Heard {
                        target: TARGETS[n].parse().unwrap(),
                        asked: probe::Asked::Echo,
                        sequence,
                        outcome: probe::Outcome::Answered,
                    };
                    health.heard(uplink, &heard, now.plus(Nanos::from_millis(12)));
                }
                Act::Probe(..) => {}
            }
        }
        health.judge(now);
    }
    health.report()
}

#[test]
fn states_and_probes_are_exported_by_isp_and_target() {
    let parsed = Parsed::new(&page(&gateway()));
    let state = |isp: &str, state: &str| parsed.get(&format!("sixways_isp_state{{isp=\"{isp}\",state=\"{state}\"}}"));
    for (isp, is) in [("fiber", "degraded"), ("cable", "down")] {
        for of in ["unknown", "up", "degraded", "down", "drain"] {
            assert_eq!(state(isp, of), f64::from(u8::from(of == is)), "{isp} {of}");
        }
    }
    assert_eq!(parsed.get("sixways_isp_transitions_total{isp=\"fiber\"}"), 2.0, "up, degraded");
    assert_eq!(parsed.get("sixways_isp_transitions_total{isp=\"cable\"}"), 3.0, "up, degraded, down");
    let [good, bad] = TARGETS.map(|target| format!("{{isp=\"fiber\",target=\"icmp:{target}\"}}"));
    let sent = parsed.get(&format!("sixways_probe_sent_total{good}"));
    assert!((30.0..=40.0).contains(&sent), "one a second, and some in doubt: {sent}");
    assert_eq!(parsed.get(&format!("sixways_probe_lost_total{good}")), 0.0);
    assert!(parsed.get(&format!("sixways_probe_lost_total{bad}")) >= 19.0);
    let bucket = |le: &str| {
        let labels = format!("isp=\"fiber\",target=\"icmp:{}\",le=\"{le}\"", TARGETS[0]);
        parsed.get(&format!("sixways_probe_rtt_seconds_bucket{{{labels}}}"))
    };
    assert_eq!((bucket("0.008"), bucket("0.016"), bucket("+Inf")), (0.0, sent, sent));
    let sum = parsed.get(&format!("sixways_probe_rtt_seconds_sum{good}"));
    assert!((sum - sent * 0.012).abs() < 1e-9, "{sum}");
}

#[test]
fn status_tells_what_an_isp_that_is_down_waits_for() {
    let gateway = gateway();
    let status = Status::of(&gateway.observed, gateway.now);
    let health = |isp: usize| status.isps[isp].health.as_ref().unwrap();
    assert_eq!((health(0).cause.as_str(), health(0).waits_for.as_deref()), ("probes", None));
    assert_eq!((health(1).cause.as_str(), health(1).waits_for.as_deref()), ("carrier", Some("carrier")));
    // A second has passed since the report.
    assert!((12.9..13.1).contains(&health(1).seconds), "{}", health(1).seconds);
    assert_eq!((health(0).router.as_str(), health(0).heard_seconds.is_some()), ("alive", true));
    let [good, bad] = &health(0).targets[..] else { panic!("two targets") };
    assert_eq!((good.state.as_str(), good.rtt_seconds, good.loss_ratio), ("well", Some(0.012), 0.0));
    assert_eq!((bad.state.as_str(), bad.loss_ratio), ("lost", 1.0));
}

#[test]
fn the_page_shows_it_in_two_tables() {
    let gateway = gateway();
    let socket = crate::control::Control::of(&gateway);
    let output = crate::status::status(&socket.path, &[]);
    let page = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = page.lines().map(words).collect();
    for expected in [
        "HEALTH STATE FOR CAUSE WAITS FOR NEXT HOP LAST PACKET IN",
        "cable DOWN, kept 13 s carrier carrier alive",
        "icmp:2001:db8:f::1 fiber well 12.0 ms 0.00 %",
        "icmp:2001:db8:f::2 fiber lost 12.0 ms 100.00 %",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "`{expected}` is missing in\n{page}");
    }
}
