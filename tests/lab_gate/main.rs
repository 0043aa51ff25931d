//! Gate and guard on a real kernel: every verdict by frames run through the loaded programs, and
//! what stays in force when the process that attached them is gone.

#[path = "../lab/mod.rs"]
mod lab;

mod gate_verdicts;
mod guard_verdicts;
mod life;
mod model;
mod no_daemon;
mod pins;
#[path = "../common/random.rs"]
mod random;
mod stand;
#[path = "../common/test_run.rs"]
mod test_run;

use lab::Lab;
use lab::steps::Steps;
use sixways::xdp::{Pins, release};

type Scenario = fn(&Lab);

/// What can happen, each from nothing on; the later ones leave the lab another one.
const SCENARIOS: [(&str, Scenario); 16] = [
    ("a frame's verdict", gate_verdicts::every_frame_has_its_verdict_and_counts_once),
    ("a packet's verdict", guard_verdicts::every_packet_has_its_verdict_and_counts_once),
    ("modes", life::the_mode_is_what_was_asked_for_and_is_kept),
    ("no bpffs", pins::a_directory_that_is_no_bpffs_is_refused_with_the_command),
    ("a private bpffs", pins::a_bpffs_in_a_private_mount_namespace_is_refused_with_the_command),
    ("whose pins", pins::pins_are_root_s_and_one_process_s),
    ("a prepared gate", life::a_prepared_gate_changes_nothing_until_it_is_opened),
    ("full tables", life::full_tables_give_way_to_others),
    ("another's gate", life::somebody_elses_program_is_left_alone_and_named),
    ("another's guard", life::a_guard_comes_before_the_programs_of_others),
    ("leaks", guard_verdicts::only_what_is_this_isps_own_leaves),
    ("clsact", guard_verdicts::the_clsact_filter_is_replaced_and_released),
    ("no daemon", no_daemon::without_a_daemon_nothing_leaks_and_the_kernels_own_goes_on),
    ("a device anew", life::a_device_that_is_made_anew_gets_a_new_link),
    ("kill and adoption", life::after_a_kill_the_next_start_adopts_the_links),
    ("release", life::release_takes_everything_away_also_of_devices_that_are_gone),
];

#[test]
fn gates_and_guards_on_a_real_kernel() {
    let Some(lab) = Lab::start(2) else { return };
    let mut steps = Steps::new(&lab);
    for (name, scenario) in SCENARIOS {
        steps.step_unjudged(name, || {
            from_nothing(&lab);
            scenario(&lab);
        });
    }
    steps.finish();
}

/// Takes away what a former scenario has left, whether it came to its end or not.
fn from_nothing(lab: &Lab) {
    stand::in_gateway(lab, || {
        let pins = Pins::open(Some(&lab.dir.join("bpf"))).expect("nobody has the pins");
        release(pins).expect("release");
    });
    for line in ["ip link del quiet0", "tc qdisc del dev wan0 clsact"] {
        // Most scenarios have left neither.
        let _ = lab.try_sh("gw", line);
    }
}
