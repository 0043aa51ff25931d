//! Births, deaths and mishaps: of the gateway, its devices, its cables, its neighbours and its settings in
//! the kernel. Each is survived without a manual step.

mod carried;
mod flows;
#[path = "../lab/mod.rs"]
mod lab;
mod late;
mod mishaps;
mod resets;

use std::process::Command;
use std::time::{Duration, Instant};

use flows::survive;
use lab::gateway::{Gateway, lab_config, with_short_hold_down};
use lab::process::{Daemon, eventually, run};
use lab::steps::Steps;
use lab::traffic::{Bursts, SOME, Server, ping, unanswered};
use lab::{ISP_A, ISP_B, Lab, SERVER};

const KILLS: u32 = 4;

#[test]
fn nothing_leaks_when_the_gateway_dies_and_comes_back() {
    let Some(lab) = Lab::start(2) else { return };
    mishaps::ask_often(&lab);
    let mut server = Server::start(&lab, "srv", true);
    let config = with_short_hold_down(&lab_config()) + "\n[flows]\nreset_on_failover = true\n";
    let mut gateway = Gateway::start_with(&lab, &config);
    let mut steps = Steps::new(&lab);
    everybody_is_answered(&lab);
    steps.step("kill -9 under load, again and again", &mut gateway, |gateway| {
        // More than the test takes; it is ended with it.
        let load = Bursts { repeat: 1000, rate: 2_000, ..SOME };
        let mut load = Daemon::start(&mut load.command(&lab), &lab.dir.join("load.json"));
        survive(&lab, &[ISP_A, ISP_B], || {
            for kill in 1..=KILLS {
                std::thread::sleep(Duration::from_millis(300));
                let closer = gateway.closer();
                gateway.kill();
                let killed = Instant::now();
                eventually("its files are closed", Duration::from_secs(5), || {
                    // Whether somebody has heard of its end is not our matter.
                    std::fs::read_dir(closer.join("fd")).map_or(true, |open| open.count() == 0)
                });
                if kill == 1 {
                    unanswered(&lab, "h10", SERVER, 3);
                    assert_eq!(ping(&lab, "h10", &lab.own["lan0"], 3, 10), 3, "dead, and its kernel is deaf");
                }
                // What a supervisor waits.
                std::thread::sleep(Duration::from_millis(100));
                gateway.restart();
                eventually("traffic again", Duration::from_secs(5), || ping(&lab, "h10", SERVER, 1, 10) == 1);
                println!("        kill {kill}: an echo after {:?}", killed.elapsed());
            }
        });
        assert!(load.alive(), "the load ended early: {}", load.output());
        load.kill();
    });
    steps.step("every pair answers afterwards", &mut gateway, |_| all_answer(&lab));
    steps.step("the process that would close its files is killed", &mut gateway, |gateway| {
        let pid = gateway.closer().file_name().map(|pid| pid.to_owned()).expect("a number");
        run(Command::new("kill").arg("-KILL").arg(pid), Duration::from_secs(5));
        all_answer(&lab);
        gateway.kill();
        gateway.restart();
        all_answer(&lab);
    });
    steps.step("a port without carrier does not slow the other", &mut gateway, |_| carrier(&lab, &mut server));
    steps.step("connections by a lost ISP are reset", &mut gateway, |gateway| {
        gateway.every_isp_is_up();
        resets::are_reset(&lab, gateway);
        everybody_is_answered(&lab);
    });
    steps.step("cables that flap", &mut gateway, |gateway| mishaps::flaps(&lab, gateway));
    steps.step("rules and routes taken away", &mut gateway, |_| mishaps::rules_taken_away(&lab));
    steps.step("an ISP comes late and in vain", &mut gateway, |gateway| late::in_vain(&lab, gateway, &config));
    steps.step("a LAN comes late, with one queue", &mut gateway, |gateway| {
        late::with_one_queue(&lab, gateway, &config);
    });
    steps.step("a LAN comes late, and down", &mut gateway, |gateway| late::down_at_first(&lab, gateway, &config));
    steps.step("more routes than a gate takes", &mut gateway, |gateway| mishaps::too_many_routes(&lab, gateway));
    steps.step("another number of queues", &mut gateway, |_| mishaps::other_queues(&lab));
    steps.step("neighbours with other MACs", &mut gateway, |gateway| mishaps::other_macs(&lab, gateway, &mut server));
    steps.step("devices deleted and made anew", &mut gateway, |gateway| mishaps::device_made_anew(&lab, gateway));
    steps.step("started while a device is away", &mut gateway, |gateway| mishaps::start_without(&lab, gateway));
    steps.step("killed, with what was carried kept", &mut gateway, |gateway| carried::outlasts_a_kill(&lab, gateway));
    steps.step_alone("stopped: transit is blocked, own traffic is not", || {
        assert!(gateway.stop().success(), "{}", gateway.log());
        unanswered(&lab, "h10", SERVER, 5);
        for (interface, role) in [("lan0", "h10"), ("wan0", "srv"), ("wan1", "srv")] {
            assert_eq!(ping(&lab, role, &lab.own[interface], 5, 10), 5, "{role} to {interface}");
        }
    });
    steps.step_alone("started again", || {
        gateway.restart();
        all_answer(&lab);
        gateway.assert_accounts_balance();
        assert!(gateway.stop().success(), "{}", gateway.log());
    });
    steps.finish();

    // Last, because from here on the kernel leaks, and the ISPs say so.
    gateway.release();
    eventually("the kernel routes as it likes", Duration::from_secs(10), || {
        ping(&lab, "h10", SERVER, 3, 10);
        let [a, b] = lab.isp_counts();
        a.internal + b.internal > 0
    });
    let rules = lab.sh("gw", "ip -6 rule");
    assert_eq!(rules.lines().count(), 2, "only the kernel's own rules are left: {rules}");
    let pins = lab.dir.join("bpf");
    assert_eq!(
        run(Command::new("find").arg(pins).args(["-type", "f", "!", "-name", "*.debug"]), Duration::from_secs(5)),
        "",
        "pins are left"
    );
}

fn all_answer(lab: &Lab) {
    // Few packets are held for a LAN neighbour that is not known yet.
    eventually("an echo", Duration::from_secs(5), || ping(lab, "h20", SERVER, 1, 10) == 1);
    let burst = SOME.run(lab);
    assert_eq!((burst.answered, burst.wrong), (burst.pairs, 0), "{burst:?}");
}

fn carrier(lab: &Lab, server: &mut Server) {
    server.reset();
    all_answer(lab);
    let by_b = server.report()[ISP_B].pairs;
    lab.unplug("wan0");
    // ISP A's pairs may be lost or moved; ISP B's own must all be there.
    server.reset();
    let burst = SOME.run(lab);
    let now_by_b = server.report()[ISP_B].pairs;
    assert!(now_by_b >= by_b && burst.answered >= by_b, "{by_b} pairs by ISP B before, {now_by_b} now: {burst:?}");
    lab.plug("wan0");
    everybody_is_answered(lab);
}

/// Waits until every pair answers.
#[track_caller]
pub fn everybody_is_answered(lab: &Lab) {
    eventually("all pairs answer", Duration::from_secs(20), || {
        let burst = SOME.run(lab);
        burst.answered == burst.pairs
    });
}
