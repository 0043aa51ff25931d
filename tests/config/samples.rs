//! `configs/`: good files, and the one that shows every key.

use sixways::control::config::schema::{Default, SECTIONS, Section};
use sixways::control::config::{Config, DEFAULT_TARGETS, Isp, parse};

use super::{assert_holds, check, files};

const MINIMAL: &str = include_str!("../../configs/minimal.toml");
const DUAL_ISP: &str = include_str!("../../configs/dual-isp.toml");

fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

#[test]
fn check_is_content_with_every_sample() {
    let files = files("configs", "toml");
    assert_eq!(files.len(), 6);
    for file in files {
        let output = check(&[file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}", file.display());
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.starts_with(&format!("{}: good\n", file.display())), "{said}");
        let json = check(&["--json", file.to_str().unwrap()]);
        let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(answer["good"], true, "{}", file.display());
    }
}

#[test]
fn the_first_hour_needs_no_more_than_it_did() {
    let lines = MINIMAL.lines().filter(|line| line.contains('=')).count();
    assert_eq!(lines, 12, "key lines of minimal.toml");
}

/// The parts of `text` that belong to `section`: between its header and the next one.
fn part_of<'a>(text: &'a str, section: &Section) -> Vec<&'a str> {
    // The comments on the keys of a table that stands in a line are within the list, or above the line.
    if let Some(list) = section.header.strip_suffix("{ … }]") {
        return text.split(list).skip(1).map(|rest| rest.split("\n]").next().unwrap()).collect();
    }
    if section.header.ends_with("{ … }") {
        let key = section.header.split("{ … }").next().unwrap();
        let above = text.split(&format!("\n{key}{{")).next().unwrap();
        return vec![above.rsplit("\n\n").next().unwrap()];
    }
    let mut parts = vec![("", 0)];
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with('[') {
            parts.push((if line.starts_with("[policy.") { "[policy.NAME]" } else { line.trim() }, at));
        }
        at += line.len();
    }
    let ends = parts.iter().skip(1).map(|(_, start)| *start).chain([text.len()]);
    let spans = parts.iter().zip(ends).map(|((header, start), end)| (*header, &text[*start..end]));
    spans.filter(|(header, _)| *header == section.header).map(|(_, part)| part).collect()
}

/// The comment above or after the first line of `parts` that sets `name`.
fn comment_on(parts: &[&str], name: &str) -> Option<String> {
    for part in parts {
        let lines: Vec<&str> = part.lines().collect();
        let sets = |line: &&str| line.split('=').next().is_some_and(|key| key.trim() == name);
        if let Some(at) = lines.iter().position(sets) {
            let above: Vec<&str> = lines[..at].iter().rev().take_while(|line| line.starts_with('#')).copied().collect();
            return Some(above.into_iter().rev().collect::<Vec<_>>().join(" "));
        }
    }
    None
}

#[test]
fn the_long_sample_shows_every_key_with_its_default() {
    for section in SECTIONS {
        let parts = part_of(DUAL_ISP, section);
        assert!(!parts.is_empty(), "{} is not in dual-isp.toml", section.header);
        for key in section.keys {
            let comment = match comment_on(&parts, key.name) {
                Some(comment) => comment,
                // Such keys stand in one line; their comments name them.
                None if section.header.contains(" = ") => {
                    let line = parts[0].lines().find(|line| line.trim().starts_with(&format!("# {}:", key.name)));
                    line.unwrap_or_else(|| panic!("no comment on {}", key.name)).to_owned()
                }
                None => panic!("{} {} is not in dual-isp.toml", section.header, key.name),
            };
            let stated = comment.trim_end();
            match key.default {
                Default::Required(_) => assert!(stated.ends_with(" required"), "{}: {stated}", key.name),
                Default::Words(words) => assert!(stated.ends_with(words), "{}: {stated}", key.name),
                Default::Value(value) => {
                    assert!(stated.ends_with(&format!(" default: {value}")), "{}: {stated}", key.name);
                }
            }
            let unit = key.unit.trim_end_matches('s');
            assert!(stated.to_lowercase().contains(unit), "{}: {stated}", key.name);
        }
    }
}

#[test]
fn a_stated_default_changes_nothing() {
    let minimal = good(MINIMAL);
    for section in SECTIONS {
        for key in section.keys {
            let Default::Value(value) = key.default else { continue };
            let line = format!("{} = {value}\n", key.name);
            // The last block of the minimal file is the second ISP's, which has defaults throughout.
            let text = match section.header {
                "[site]" => MINIMAL.replace("[site]\n", &format!("[site]\n{line}")),
                "[[lan]]" => MINIMAL.replace("[[lan]]\n", &format!("[[lan]]\n{line}")),
                "[[isp]]" if MINIMAL.contains(&line) => MINIMAL.to_owned(),
                "[[isp]]" => format!("{MINIMAL}{line}"),
                "[policy.NAME]" => format!("{MINIMAL}\n[policy.default]\n{line}"),
                "[[rule]]" => {
                    let rule = format!("{MINIMAL}\n[[rule]]\npolicy = \"default\"\n");
                    assert_eq!(good(&format!("{rule}{line}")), good(&rule), "{line}");
                    continue;
                }
                "prefix = { … }" => {
                    let learnt = |more: &str| {
                        let source = format!("{{ file = \"/run/x\"{more} }}");
                        good(&MINIMAL.replace("\"2001:db8:2::/48\"", &source))
                    };
                    assert_eq!(learnt(&format!(", {}", line.trim())), learnt(""), "{line}");
                    continue;
                }
                "health = { … }" => format!("{MINIMAL}health = {{ {} }}\n", line.trim_end()),
                "probes = [{ … }]" => {
                    let to = DEFAULT_TARGETS.map(|target| target.to_string());
                    format!("{MINIMAL}probes = [{{ type = \"icmp\", to = {to:?}, {} }}]\n", line.trim_end())
                }
                "[notify]" => {
                    let notify = format!("{MINIMAL}\n[notify]\nexec = [\"/bin/true\"]\n");
                    assert_eq!(good(&format!("{notify}{line}")), good(&notify), "{line}");
                    continue;
                }
                header => format!("{MINIMAL}\n{header}\n{line}"),
            };
            assert_eq!(good(&text), minimal, "{} {line}", section.header);
        }
    }
}

#[test]
fn the_long_sample_without_its_marked_values_is_all_defaults() {
    let marked = |line: &&str| !line.contains("# not the default");
    let text: String = DUAL_ISP.lines().filter(marked).map(|line| format!("{line}\n")).collect();
    let (long, minimal) = (good(&text), good(MINIMAL));
    let of = |config: &Config| (config.filter.inbound, config.filter.scope, config.filter.bogons, config.icmp.clone());
    assert_eq!(of(&long), of(&minimal));
    assert_eq!((long.dataplane, long.host, long.metrics), (minimal.dataplane, minimal.host, minimal.metrics));
    assert_eq!((long.flows, long.policies[0].hash), (minimal.flows, minimal.policies[0].hash));
    assert_eq!(long.site, minimal.site);
    for isp in &long.isps {
        let default = &minimal.isps[1];
        let of = |isp: &Isp| (isp.next_hop, isp.weight, isp.tier, isp.mtu, isp.mss_clamp);
        assert_eq!(of(isp), of(default));
    }
}

/// What `check` says about flows: from the policies to the packet buffers, which are the machine's.
#[test]
fn check_shows_policies_rules_filter_and_flow_memory() {
    let output = check(&["configs/rules.toml"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let start = said.find("\npolicy ").unwrap() + 1;
    let end = said.find("\nmemory ").unwrap();
    assert_holds(std::path::Path::new("tests/data/check-rules.txt"), &said[start..end]);
}

#[test]
fn check_shows_whom_probes_ask_and_how_soon_an_outage_is_found() {
    let said = |file: &str| {
        let said = String::from_utf8(check(&[file]).stdout).unwrap();
        let start = said.find("\nprobes ").unwrap() + 1;
        said[start..said.find("\npolicy ").unwrap()].to_owned()
    };
    let meant = format!("{}\n{}", said("configs/minimal.toml"), said("configs/dual-isp.toml"));
    assert_holds(std::path::Path::new("tests/data/check-probes.txt"), &meant);
    let json = check(&["--json", "configs/dual-isp.toml"]);
    let answer: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let watch = &answer["isps"][0]["watch"];
    assert_eq!((&watch["default_targets"], &watch["need"]), (&false.into(), &2.into()));
    assert_eq!(watch["targets"][3]["target"], "dns:2620:fe::9");
    assert_eq!(watch["targets"][2]["max_rtt_seconds"], 0.08);
}

#[test]
fn json_has_the_same_in_numbers() {
    let output = check(&["--json", "configs/rules.toml"]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["flows"]["capacity"], 1_000_000);
    assert_eq!(answer["flows"]["memory_octets"], sixways::flow::octets(1_000_000));
    assert_eq!(answer["flows"]["tcp_established_seconds"], 7440);
    assert_eq!(answer["filter"]["inbound"], "established");
    assert_eq!(answer["filter"]["allow"][0]["to"], "fd12:3456:789a:10::25");
    assert_eq!(answer["rules"][1]["action"], "isps cable fiber, else drop");
    let tiers = &answer["policies"][0]["tiers"];
    assert_eq!((&tiers[0]["tier"], &tiers[1]["tier"]), (&1.into(), &2.into()));
    assert_eq!(tiers[0]["isps"][0]["buckets"], 49_152);
    assert_eq!(tiers[1]["isps"][0]["share_percent"], 100.0);
}
