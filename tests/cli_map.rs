//! `sixways map` as users and scripts meet it.

#[path = "common/vectors.rs"]
mod vectors;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use vectors::{Vector, vectors};

fn sixways(arguments: &[&str]) -> Output {
    Command::cargo_bin("sixways").unwrap().args(arguments).output().unwrap()
}

fn pair<'a>(internal: &'a str, external: &'a str, direction: &'a str) -> Vec<&'a str> {
    vec!["map", "--internal", internal, "--external", external, "--direction", direction]
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn all_vectors_pass_one_line_per_address() {
    let mut batches: BTreeMap<(String, String, String), Vec<Vector>> = BTreeMap::new();
    for vector in vectors() {
        let key = (vector.internal.clone(), vector.external.clone(), vector.direction.clone());
        batches.entry(key).or_default().push(vector);
    }
    for ((internal, external, direction), batch) in &batches {
        let inputs: Vec<String> = batch.iter().map(|vector| vector.input.to_string()).collect();
        let mut arguments = pair(internal, external, direction);
        arguments.extend(inputs.iter().map(String::as_str));
        let output = sixways(&arguments);
        let expected: String = batch.iter().map(|vector| format!("{}\n", vector.expected)).collect();
        let ids: Vec<_> = batch.iter().map(|vector| &vector.id).collect();
        assert_eq!(stdout(&output), expected, "{internal} {external} {direction} {ids:?}");
        assert!(output.status.success(), "{internal} {external} {direction}: {}", stderr(&output));
    }
}

#[test]
fn text_that_is_no_address_fails_and_is_named() {
    let mut arguments = pair("fd01:203:405::/48", "2001:db8:1::/48", "outbound");
    arguments.extend(["banana", "fd01:203:405:1::1234", "192.0.2.1", "fe80::1%eth0"]);
    let output = sixways(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<_> = stdout(&output).lines().collect();
    let not = "error:not-an-address";
    assert_eq!(lines, [not, "2001:db8:1:d550::1234", not, not]);
    assert_eq!(stderr(&output), "sixways: not an IPv6 address: `banana`, `192.0.2.1`, `fe80::1%eth0`\n");
}

#[test]
fn a_refused_pair_is_an_answer_and_says_why() {
    for (internal, label, reason) in [
        ("fd00::/65", "prefix-longer-than-64", "longer than /64"),
        ("fd00::1/48", "prefix-has-host-bits", "did you mean fd00::/48?"),
    ] {
        let mut arguments = pair(internal, "2001:db8:1::/48", "outbound");
        arguments.extend(["fd00::1", "fd00::2"]);
        let output = sixways(&arguments);
        assert_eq!(stdout(&output), format!("config:{label}\n").repeat(2));
        assert_eq!(output.status.code(), Some(0));
        assert!(stderr(&output).starts_with("sixways: ") && stderr(&output).contains(reason), "{}", stderr(&output));
    }
}

#[test]
fn text_that_is_no_prefix_fails() {
    for external in ["apple", "2001:db8::", "2001:db8::/129", "10.0.0.0/8"] {
        let mut arguments = pair("fd00::/48", external, "inbound");
        arguments.push("fd00::1");
        let output = sixways(&arguments);
        assert_eq!(stdout(&output), "config:not-a-prefix\n", "{external}");
        assert_eq!(output.status.code(), Some(1), "{external}");
        assert!(stderr(&output).starts_with("sixways: --external: "), "{}", stderr(&output));
    }
}

#[test]
fn json_says_the_same() {
    let mut arguments = pair("fd01:203:405::/48", "2001:db8:1::/48", "outbound");
    arguments.extend(["--json", "fd01:203:405:1::1234", "fd01:203:405:ffff::1", "banana"]);
    let json: serde_json::Value = serde_json::from_slice(&sixways(&arguments).stdout).unwrap();
    let expected = serde_json::json!([
        { "address": "fd01:203:405:1::1234", "image": "2001:db8:1:d550::1234" },
        { "address": "fd01:203:405:ffff::1", "drop": "subnet-ffff" },
        { "address": "banana", "error": "not-an-address" },
    ]);
    assert_eq!(json, expected);
}

const TWO_ISPS: &str = r#"
version = 1
[site]
internal = ["fd12:3456:789a::/48", "2001:db8:3::/48"]
[[lan]]
interface = "lan0"
[[isp]]
name = "fiber"
interface = "wan0"
mappings = [
  { internal = "fd12:3456:789a::/48", external = "2001:db8:1::/48" },
  { internal = "2001:db8:3::/48", external = "2001:db8:3::/48" },
]
next_hop = "fe80::1"
[[isp]]
name = "cable"
interface = "wan1"
mappings = [{ internal = "fd12:3456:789a:10::/64", external = "2001:db8:c:77ab::/64" }]
next_hop = "auto"
"#;

fn by_config(config: &Path, addresses: &[&str]) -> Output {
    let mut arguments = vec!["map", "--config", config.to_str().unwrap()];
    arguments.extend(addresses);
    sixways(&arguments)
}

fn two_isps() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TWO_ISPS).unwrap();
    file
}

#[test]
fn a_configuration_answers_for_every_isp() {
    let file = two_isps();
    let addresses = [
        "fd12:3456:789a:10::1",
        "fd12:3456:789a:ffff::1",
        "2001:db8:3:7::9",
        "2001:db8:1:7c59::1",
        "2001:db8:c:77ab::",
        "2001:db8:ffff::1",
    ];
    let output = by_config(file.path(), &addresses);
    let expected = "\
fd12:3456:789a:10::1 outbound fiber=2001:db8:1:7c59::1 cable=2001:db8:c:77ab:4a3::1
fd12:3456:789a:ffff::1 outbound fiber=drop:subnet-ffff cable=drop:not-in-prefix
2001:db8:3:7::9 outbound fiber=2001:db8:3:7::9 cable=drop:not-in-prefix inbound fiber=2001:db8:3:7::9
2001:db8:1:7c59::1 inbound fiber=fd12:3456:789a:10::1
2001:db8:c:77ab:: inbound cable=drop:iid-all-zero
2001:db8:ffff::1 drop:not-in-prefix
";
    assert_eq!(stdout(&output), expected);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn the_images_of_a_configuration_lead_back() {
    let file = two_isps();
    let inside = "fd12:3456:789a:10:dead:beef:0:1";
    let line = by_config(file.path(), &[inside]);
    let images: Vec<_> = stdout(&line).split_whitespace().filter_map(|word| word.split_once('=')).collect();
    assert_eq!(images.len(), 2);
    for (isp, image) in images {
        assert_eq!(stdout(&by_config(file.path(), &[image])), format!("{image} inbound {isp}={inside}\n"));
    }
}

/// An image inside the longer prefix of another ISP would be answered to another host.
#[test]
fn an_image_that_another_pair_would_answer_for_is_none() {
    let file = two_isps();
    std::fs::write(file.path(), TWO_ISPS.replace("2001:db8:c:77ab::/64", "2001:db8:1:7c59::/64")).unwrap();
    let output = by_config(file.path(), &["fd12:3456:789a:10::1", "fd12:3456:789a:11::1"]);
    let expected = "\
fd12:3456:789a:10::1 outbound fiber=drop:no-return cable=2001:db8:1:7c59::1
fd12:3456:789a:11::1 outbound fiber=2001:db8:1:7c5a::1 cable=drop:not-in-prefix
";
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
}

#[test]
fn a_prefix_that_is_learnt_is_told_or_found_on_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    let (file, state, delegation) = (at("sixways.toml"), at("state"), at("cable"));
    let learnt = format!("{{ file = \"{delegation}\" }}");
    let text = include_str!("../configs/minimal.toml").replace("\"2001:db8:2::/48\"", &learnt);
    std::fs::write(&file, text).unwrap();
    let host = "fd12:3456:789a:1::10";
    let map = |more: &[&str]| sixways(&[&["map", "--config", &file, "--state", &state, host], more].concat());

    let unknown = map(&[]);
    assert!(unknown.status.success(), "{}", stderr(&unknown));
    assert_eq!(stdout(&unknown), format!("{host} outbound fiber=2001:db8:1:7c4a::10 cable=unknown:no-prefix\n"));
    let expected = format!(
        "sixways: prefix of cable: not known: {delegation}: it is missing; {state} has none either; \
         `--prefix cable=PREFIX` tells it\n"
    );
    assert_eq!(stderr(&unknown), expected);

    let told = map(&["--prefix", "cable=2001:db8:b::/48"]);
    assert_eq!(stderr(&told), "sixways: prefix of cable: 2001:db8:b::/48, as told\n");
    assert!(stdout(&told).contains(" cable=2001:db8:b:"), "{}", stdout(&told));
    std::fs::write(&delegation, "2001:db8:b::/48\n").unwrap();
    let found = map(&[]);
    assert_eq!(stderr(&found), format!("sixways: prefix of cable: 2001:db8:b::/48 now, by {delegation}\n"));
    assert_eq!(stdout(&found), stdout(&told));

    // The other verbs know the same.
    let (_, image) = stdout(&told).trim().rsplit_once('=').unwrap();
    let packet = ["--from", "lan0", "--source", host, "--destination", "2001:4860::1", "--proto", "esp"];
    let ask = [&["explain", "--config", &file, "--state", &state, "--if-down", "fiber"], &packet[..]].concat();
    let explained = sixways(&ask);
    assert!(stdout(&explained).contains(image), "{}{}", stdout(&explained), stderr(&explained));
    let checked = sixways(&["check", &file, "--prefix", "cable=2001:db8:c::/48"]);
    assert!(stdout(&checked).contains("grace 10m: 2001:db8:c::/48, as told"), "{}", stdout(&checked));
    let differs = sixways(&["diff", &file, "configs/minimal.toml"]);
    assert!(stdout(&differs).contains("cable: fd12:3456:789a::/48 <-> 2001:db8:b::/48"), "{}", stdout(&differs));

    for (arguments, reason) in [
        (vec!["map", "--config", &file, "--prefix", "fiber=2001:db8:b::/48", host], "there are: cable"),
        (vec!["map", "--config", &file, "--prefix", "cable=2001:db8:1::/48", host], "overlaps 2001:db8:1::/48 of ISP"),
        (vec!["check", &file, "--prefix", "2001:db8:1::/48"], "write ISP=PREFIX"),
        ([&["explain", "--prefix", "cable=2001:db8:b::/48"], &packet[..]].concat(), "no use without --config"),
    ] {
        let output = sixways(&arguments);
        assert!(output.status.code() == Some(1) && stderr(&output).contains(reason), "{}", stderr(&output));
    }
}

#[test]
fn a_bad_configuration_fails_with_its_mistakes() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TWO_ISPS.replace("next_hop = \"auto\"", "next_hop = \"soon\"")).unwrap();
    let output = by_config(file.path(), &["::1"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("next_hop"), "{}", stderr(&output));
}

#[test]
fn a_configuration_and_a_pair_exclude_each_other() {
    let output = sixways(&["map", "--config", "x.toml", "--internal", "fd00::/48", "::1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("sixways: "), "{}", stderr(&output));
    assert_eq!(sixways(&["map", "--internal", "fd00::/48", "::1"]).status.code(), Some(1));
    assert_eq!(sixways(&["map", "--config", "x.toml"]).status.code(), Some(1));
}

#[test]
fn the_example_in_the_help_is_true() {
    let help = sixways(&["map", "--help"]);
    assert_eq!(help.status.code(), Some(0));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), include_str!("../configs/lab.toml")).unwrap();
    for address in ["fd12:3456:789a:1::10", "2001:db8:1:ffff::10"] {
        let line = by_config(file.path(), &[address]);
        assert!(stdout(&help).contains(&format!("\n  {}", stdout(&line))), "{}", stdout(&line));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let program = Command::cargo_bin("sixways").unwrap().get_program().to_owned();
    let mut child = std::process::Command::new(program)
        .args(["map", "--help"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}
