//! configs/sixways.service and the program say the same.

#[path = "common/unit.rs"]
mod unit;

use std::process::{Command, Output};

use unit::setting;

fn sixways(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sixways")).args(words).output().expect("it runs")
}

#[test]
fn what_the_unit_runs_is_there() {
    for key in ["ExecStart", "ExecReload"] {
        let (program, words) = setting(key).split_once(' ').expect("a program and a verb");
        assert!(program.ends_with("/sixways"), "{program}");
        let words: Vec<&str> = words.split(' ').chain(["--help"]).collect();
        assert!(sixways(&words).status.success(), "{key}: {words:?}");
    }
}

#[test]
fn the_unit_makes_the_default_directories() {
    let help = String::from_utf8(sixways(&["run", "--help"]).stdout).expect("text");
    for directory in
        [format!("/var/lib/{}", setting("StateDirectory")), format!("/run/{}/", setting("RuntimeDirectory"))]
    {
        assert!(help.contains(&directory), "{directory} is no default of\n{help}");
    }
}

#[test]
fn a_wrong_configuration_is_not_started_again() {
    let run = sixways(&["run", "--config", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert_eq!(run.status.code(), setting("RestartPreventExitStatus").parse().ok(), "{run:?}");
    assert!(String::from_utf8_lossy(&run.stderr).contains("Cargo.toml"), "{run:?}");
}
