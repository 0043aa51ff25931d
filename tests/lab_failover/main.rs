//! ISPs that come and go under load: how long it takes until nothing is sent to a dead one, and that nobody
//! else notices. The suite runs each case once, with bounds that only a hanging gateway misses; the zeros
//! are zeros. `scripts/reliability` runs them many times and writes down how long they take.

mod cases;
#[path = "../lab/mod.rs"]
mod lab;
mod life;
mod measure;
mod notice;
mod record;
#[path = "../lab_host/stand.rs"]
#[allow(dead_code, reason = "lab_host uses all of it")]
mod services;
mod settings;
mod site;
mod stand;
mod streams;
mod tcp;

use std::time::Duration;

use cases::Outcome;
use lab::Lab;
use lab::gateway::{Gateway, with_short_hold_down};
use lab::steps::Steps;
use stand::Fault;

/// With the default probes, which other labs turn off.
fn config() -> String {
    let asks = |line: &&str| !line.starts_with("probes = []");
    include_str!("../../configs/lab.toml").lines().filter(asks).map(|line| format!("{line}\n")).collect()
}

/// The gateway's own traffic, a container's and IPv4 go along.
const SITE: &str = "\n[host]\nsteer = true\n\n[ipv4]\nfollow = true\n";
/// Packets a second that any machine carries.
const LOAD: u32 = 2000;

#[test]
fn nobody_but_its_own_flows_notices_the_loss_of_an_isp() {
    let Some(lab) = Lab::start(2) else { return };
    stand::set_up(&lab);
    let _services = services::Stand::set_up(&lab);
    let text = settings::with_prefix_file(&lab, &(with_short_hold_down(&config()) + SITE));
    let mut gateway = Gateway::start_with(&lab, &text);
    let mut steps = Steps::new(&lab);
    for (name, fault, with_site, bound) in [
        ("the cable is pulled", Fault::Carrier, false, 1),
        ("the router dies silently, and the site goes along", Fault::NextHop, true, 10),
        ("everything beyond the router dies", Fault::Beyond, false, 30),
    ] {
        steps.step(name, &mut gateway, |gateway| {
            let outcome = cases::outage(&lab, gateway, fault, with_site, LOAD);
            judge(&outcome);
            let outage = Duration::from_secs_f64(outcome.seconds.expect("it is measured"));
            assert!(outage < Duration::from_secs(bound), "{outcome:?}");
        });
    }
    steps.step("one packet of twenty is lost", &mut gateway, |gateway| {
        let outcome = cases::loss(&lab, gateway, Duration::from_secs(8), LOAD);
        judge(&outcome);
        assert!(outcome.lost > 0 && outcome.beside["failovers"] == 0.0, "{outcome:?}");
    });
    steps.step("reloaded under load", &mut gateway, |gateway| {
        judge(&settings::reloads(&lab, gateway, &text, 20, LOAD));
    });
    steps.step("killed under load and started again", &mut gateway, |gateway| {
        let outcome = life::kill(&lab, gateway, LOAD);
        judge(&outcome);
        let outage = Duration::from_secs_f64(outcome.seconds.expect("it is measured"));
        assert!(outcome.lost > 0 && outage < Duration::from_secs(20), "{outcome:?}");
    });
    steps.step("a cable that flaps", &mut gateway, |gateway| {
        let outcome = life::flapping(&lab, gateway, Duration::from_secs(3), LOAD);
        judge(&outcome);
        // A rebuild for each change that control sees, and one for what it makes of it.
        let few = 4.0 * outcome.beside["flaps"] + 10.0;
        assert!(outcome.beside["generations"] < few && outcome.beside["more descriptors"] < 5.0, "{outcome:?}");
    });
    // Last: ISP A's flows have another prefix after it.
    steps.step("another prefix under load", &mut gateway, |_| judge(&settings::prefix_change(&lab, LOAD)));
    steps.finish();
}

/// What must be zero, whatever the machine does meanwhile.
#[track_caller]
fn judge(outcome: &Outcome) {
    println!("        {outcome:?}");
    let Outcome { udp, tcp, .. } = outcome;
    let zeros = [udp.moved, udp.lost, tcp.lost, outcome.twice, outcome.moved, outcome.foreign];
    assert!(udp.flows + tcp.flows > 0 && zeros == [0; 6], "{outcome:?}");
}
