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
mod stand;
#[path = "../common/test_run.rs"]
mod test_run;
