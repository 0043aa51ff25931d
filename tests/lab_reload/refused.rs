//! Configurations that are refused, and some that are taken back.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::gateway::Gateway;
use crate::lab::process::eventually;
use crate::{lab_config, metric};

pub const SOON: Duration = Duration::from_secs(20);

pub fn successful(gateway: &Gateway<'_>) -> bool {
    metric(gateway, "sixways_config_last_reload_successful") == "1"
}

pub fn sha256(gateway: &Gateway<'_>) -> String {
    let page = gateway.metrics();
    let row = page.lines().find_map(|line| line.strip_prefix("sixways_config_info{sha256=\""));
    row.and_then(|rest| rest.split('"').next()).expect("the hash of the file").to_owned()
}

/// The file of a reload that is refused, and what is said about it.
#[track_caller]
fn refused(gateway: &Gateway<'_>, text: &str) -> String {
    let before = sha256(gateway);
    gateway.configure(text);
    let said = gateway.try_ask(&["reload"]).expect_err("it is refused");
    assert_eq!((sha256(gateway), successful(gateway)), (before, false));
    let status = gateway.ask(&["status"]);
    assert!(status.contains("LAST RELOAD FAILED"), "{status}");
    gateway.configure(&lab_config());
    let said_after = gateway.ask(&["reload"]);
    assert!(said_after.contains("nothing differs"), "{said_after}");
    assert!(successful(gateway));
    said
}

pub fn bad_file(gateway: &Gateway<'_>) {
    let text = lab_config().replace("2001:db8:2::/48", "2001:db8:2:::/48");
    let line = text.lines().position(|line| line.contains(":::")).expect("the wrong line") + 1;
    let said = refused(gateway, &text);
    assert!(said.contains(&format!("sixways.toml:{line}:10")), "{said}");
    assert!(said.contains("[[isp]] \"cable\" prefix"), "{said}");
    let events = gateway.log();
    assert!(events.contains("configuration refused, the former one stays"), "{events}");
}

pub fn fixed_keys(gateway: &Gateway<'_>) {
    let said = refused(gateway, &(lab_config() + "batch = 128\n"));
    assert!(said.contains("needs a restart: dataplane.batch 64 -> 128"), "{said}");
}

/// Control has given up the capability to read what its mode forbids; its owner may.
pub fn hang_up(lab: &Lab, gateway: &Gateway<'_>) {
    let before = sha256(gateway);
    gateway.configure(&(lab_config() + "# another hash\n"));
    let file = lab.dir.join("sixways.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    gateway.hang_up();
    eventually("SIGHUP reloads", SOON, || sha256(gateway) != before && successful(gateway));
    gateway.configure(&lab_config());
    gateway.hang_up();
    eventually("and back", SOON, || sha256(gateway) == before);
}

pub fn exporter_moves(lab: &Lab, gateway: &Gateway<'_>) {
    gateway.configure(&lab_config().replace("[::1]:9636", "[::1]:9637"));
    let said = gateway.ask(&["reload", "--json"]);
    assert!(said.contains("[metrics] listen"), "{said}");
    lab.sh("gw", "curl -sSfg -o /dev/null http://[::1]:9637/readyz");
    assert!(lab.try_sh("gw", "curl -sSfg -o /dev/null http://[::1]:9636/readyz").is_none());
    gateway.configure(&lab_config());
    gateway.ask(&["reload"]);
    lab.sh("gw", "curl -sSfg -o /dev/null http://[::1]:9636/readyz");
}

pub fn rolled_back(gateway: &Gateway<'_>) {
    let before = sha256(gateway);
    assert!(gateway.try_ask(&["confirm"]).expect_err("nothing to confirm").contains("no configuration waits"));
    gateway.configure(&lab_config().replace("weight = 3", "weight = 2"));
    let said = gateway.ask(&["reload", "--confirm", "3s"]);
    assert!(said.contains("[[isp]] \"fiber\" weight: 3 -> 2") && said.contains("returns in 3 s"), "{said}");
    assert_ne!(sha256(gateway), before);
    assert!(gateway.ask(&["status"]).contains("WAITS for `sixways confirm`"));
    let said = gateway.try_ask(&["reload"]).expect_err("a trial is on");
    assert!(said.contains("waits for its confirmation"), "{said}");
    eventually("taken back", SOON, || sha256(gateway) == before);
    assert!(!successful(gateway));
    assert!(gateway.ask(&["status"]).contains("nobody confirmed it in time"));
    gateway.configure(&lab_config());
    gateway.ask(&["reload"]);
    assert!(successful(gateway));
}

pub fn confirmed(gateway: &Gateway<'_>) {
    gateway.configure(&lab_config().replace("weight = 3", "weight = 2"));
    gateway.ask(&["reload", "--confirm", "3s"]);
    let tried = sha256(gateway);
    gateway.ask(&["confirm"]);
    // Longer than the trial would have lasted, and than it takes the gateway to see that.
    std::thread::sleep(Duration::from_millis(4500));
    assert_eq!(sha256(gateway), tried);
    assert!(!gateway.ask(&["status"]).contains("WAITS for `sixways confirm`"));
    gateway.configure(&lab_config());
    gateway.ask(&["reload"]);
}
