//! The file is saved, and nobody says `sixways reload`.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::refused::{SOON, sha256, successful};
use crate::{lab_config, metric};

/// Longer than it takes until a saved file is in force.
const LATER: Duration = Duration::from_millis(2500);

fn differs(gateway: &Gateway<'_>) -> bool {
    metric(gateway, "sixways_config_file_differs") == "1"
}

fn saving() -> String {
    lab_config().replace("reload_on_save = false", "reload_on_save = true")
}

/// What is saved is in force without a word; what is wrong is told and not taken, until it is mended.
pub fn in_force(lab: &Lab, gateway: &Gateway<'_>) {
    gateway.configure(&saving());
    gateway.ask(&["reload"]);
    let first = sha256(gateway);
    let new = lab.dir.join("new.toml");
    fs::write(&new, saving().replace("weight = 3", "weight = 2")).expect("a configuration");
    fs::rename(&new, lab.dir.join("sixways.toml")).expect("in its place");
    eventually("a renamed file is in force", SOON, || sha256(gateway) != first);
    assert!(successful(gateway) && !differs(gateway));
    let second = sha256(gateway);

    gateway.configure(&saving().replace("2001:db8:2::/48", "2001:db8:2:::/48"));
    eventually("a wrong file is told", SOON, || !successful(gateway));
    assert_eq!((sha256(gateway), differs(gateway)), (second.clone(), true));
    let status = gateway.ask(&["status"]);
    assert!(status.contains("LAST RELOAD FAILED") && status.contains("2001:db8:2:::/48"), "{status}");
    assert!(status.contains("THE FILE DIFFERS from what is in force"), "{status}");

    gateway.configure(saving().trim_end());
    eventually("so is one that may be cut off", SOON, || gateway.log().contains("does not end with a line feed"));
    assert_eq!(sha256(gateway), second);

    gateway.configure(&saving());
    eventually("a mended one is in force", SOON, || sha256(gateway) == first);
    assert!(successful(gateway) && !differs(gateway));
}

/// Nothing that is saved confirms a trial, and what was taken back does not come again.
pub fn and_tried(lab: &Lab, gateway: &Gateway<'_>) {
    let before = sha256(gateway);
    let said = gateway.try_ask(&["reload", "--confirm", "60s"]).expect_err("there is no way back");
    assert!(said.contains("nothing to try") && said.contains("reload_on_save"), "{said}");
    let try_for = |time: &str| {
        // What is not closed yet is for `sixways reload` alone.
        let mut file = File::create(lab.dir.join("sixways.toml")).expect("the configuration");
        file.write_all(saving().replace("weight = 3", "weight = 2").as_bytes()).expect("another one");
        gateway.ask(&["reload", "--confirm", time]);
    };
    try_for("2s");
    eventually("taken back", SOON, || sha256(gateway) == before);
    std::thread::sleep(LATER);
    assert_eq!((sha256(gateway), differs(gateway)), (before.clone(), true), "the file has it still");

    try_for("60s");
    let tried = sha256(gateway);
    let refusals = || gateway.log().matches("waits for its confirmation").count();
    let told = refusals();
    gateway.configure(&saving().replace("weight = 3", "weight = 5"));
    eventually("what is saved meanwhile is refused", SOON, || refusals() > told);
    gateway.ask(&["confirm"]);
    std::thread::sleep(LATER);
    assert_eq!((sha256(gateway), differs(gateway)), (tried, true), "neither does it come later");

    gateway.configure(&lab_config());
    eventually("what is saved after that is in force", SOON, || successful(gateway) && !differs(gateway));
    gateway.configure(&saving());
    eventually("and now it waits", SOON, || differs(gateway));
    assert!(successful(gateway) && gateway.log().contains("`sixways reload` reads it"), "{}", gateway.log());
    gateway.configure(&lab_config());
    eventually("for nothing", SOON, || !differs(gateway));
}
