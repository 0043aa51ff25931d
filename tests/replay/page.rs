//! The page that is printed without `--json`; `BLESS=1` writes it down.

use assert_cmd::Command;

use crate::captures::pcap;
use crate::mixed::mixed;
use crate::{Bench, SITE};

#[test]
fn the_page_is_as_written_down() {
    let mixed = mixed(1000);
    let bench = Bench::new(&[("lan", pcap(&mixed.lan, true)), ("fiber", pcap(&mixed.fiber, true))]);
    let mut command = Command::cargo_bin("sixways").unwrap();
    command.current_dir(bench.path("")).args(["replay", "--config", SITE, "--in", "lan=0.cap", "--in", "fiber=1.cap"]);
    let output = command.output().unwrap();
    assert!(output.status.success());
    let page = String::from_utf8(output.stdout).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/replay/page.txt");
    if std::env::var_os("BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(page, std::fs::read_to_string(path).unwrap());
}
