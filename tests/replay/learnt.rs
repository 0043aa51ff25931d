//! Prefixes that are learnt: told by `--prefix`, as a replay has no network to learn them from.

use crate::captures::read;
use crate::mixed::mixed;
use crate::{Bench, SITE, named, octets, sixways};

/// The site, but cable's prefix is that of a file which does not exist.
fn site(bench: &Bench) -> String {
    let text = std::fs::read_to_string(SITE).unwrap();
    let source = format!("{{ file = \"{}\" }}", bench.path("cable.prefix").display());
    let learning = text.replace("\"2001:db8:2::/48\"", &source);
    assert_ne!(learning, text);
    let path = bench.path("site.toml");
    std::fs::write(&path, learning).unwrap();
    path.display().to_string()
}

#[test]
fn a_prefix_that_is_told_is_as_good_as_one_that_is_written() {
    let bench = Bench::of(&mixed(2000));
    let site = site(&bench);
    bench.replay(SITE, "written");
    bench.replay_with(&["--prefix", "cable=2001:db8:2::/48"], &site, "told");
    assert_eq!(octets(&bench.path("told")), octets(&bench.path("written")));

    // By another one no answer to cable comes home, and nobody outside sees the former.
    let report = bench.replay_with(&["--prefix", "cable=2001:db8:7::/48"], &site, "other");
    assert_ne!(octets(&bench.path("other")), octets(&bench.path("written")));
    for (_, frame) in read(&bench.path("other").join("cable.pcapng")) {
        assert_eq!(frame[22..28], [0x20, 0x01, 0x0d, 0xb8, 0, 7], "{frame:x?}");
    }
    assert!(named(&report["edges"], "cable")["left"].as_u64().unwrap() > 0, "{report}");
}

#[test]
fn a_prefix_that_nobody_tells_is_named() {
    let bench = Bench::of(&mixed(200));
    let site = site(&bench);
    let state = bench.path("state").display().to_string();
    let said = |more: &[&str]| {
        let lan = format!("lan={}", bench.path("0.cap").display());
        let mut arguments = vec!["replay", "--config", &site, "--state", &state, "--in", &lan];
        arguments.extend(more);
        let output = sixways(&arguments);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = said(&[]);
    assert!(code == Some(0) && stderr.contains("prefix of cable: not known: "), "{stderr}");
    assert!(stderr.contains("it is missing") && stderr.contains("`--prefix cable=PREFIX` tells it"), "{stderr}");
    let (code, stderr) = said(&["--prefix", "cable=2001:db8:7::/48"]);
    assert!(code == Some(0) && stderr.contains("prefix of cable: 2001:db8:7::/48, as told"), "{stderr}");
    let (code, stderr) = said(&["--prefix", "fiber=2001:db8:7::/48"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--prefix fiber=…: there is no ISP `fiber` whose prefix is learnt"), "{stderr}");
}
