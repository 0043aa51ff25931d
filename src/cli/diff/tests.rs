use super::shares::{Move, ShareDiff};
use super::*;
use crate::control::config::parse;

const MINIMAL: &str = include_str!("../../../configs/minimal.toml");

fn file(text: &str) -> ConfigFile {
    ConfigFile { path: PathBuf::from("a.toml"), text: text.to_owned(), config: parse(text).unwrap() }
}

fn diff(new: &str) -> Diff {
    Diff::of(&file(MINIMAL), &file(new), None).unwrap()
}

#[test]
fn other_weights_move_exactly_the_difference() {
    let diff = diff(&MINIMAL.replace("weight = 3", "weight = 1"));
    let [default] = &diff.policies[..] else { panic!("{diff:?}") };
    let share = |isp: &str, before, after| ShareDiff { isp: isp.to_owned(), before, after };
    assert_eq!(default.isps, [share("cable", 25.0, 50.0), share("fiber", 75.0, 50.0)]);
    assert_eq!(default.moved_percent, 25.0);
    assert_eq!(default.moves, [Move { from: "fiber".to_owned(), to: "cable".to_owned(), percent: 25.0 }]);
    assert!(!diff.same && diff.needs_restart.is_none() && diff.mappings.kept == 2);
    let page = diff.to_string();
    for line in ["~ [[isp]] \"fiber\" weight: 3 -> 1", "NEW FLOWS of policy default: 25.00 % by another ISP"] {
        assert!(page.contains(line), "{page}");
    }
}

#[test]
fn an_isp_that_goes_takes_its_own_flows_along_and_no_others() {
    let (fiber, _) = MINIMAL.rsplit_once("[[isp]]").unwrap();
    let diff = diff(fiber);
    assert_eq!(
        diff.policies[0].moves,
        [Move { from: "cable".to_owned(), to: "fiber".to_owned(), percent: 25.0 }],
        "{diff:?}"
    );
    assert_eq!(diff.mappings.removed, ["cable: fd12:3456:789a::/48 <-> 2001:db8:2::/48"]);
    assert_eq!((diff.mappings.kept, diff.mappings.added.len()), (1, 0));
}

#[test]
fn another_hash_shares_out_anew_and_a_restart_is_named() {
    let diff = diff(&format!("{MINIMAL}\n[policy.default]\nhash = \"source\"\n[dataplane]\nbatch = 32\n"));
    // 1 - (0.75² + 0.25²)
    assert!((diff.policies[0].moved_percent - 37.5).abs() < 0.01, "{diff:?}");
    assert_eq!(diff.needs_restart.as_deref(), Some("needs a restart: dataplane.batch 64 -> 32"));
}

#[test]
fn what_is_only_written_otherwise_means_the_same() {
    let diff = diff(&format!("# a comment\n{MINIMAL}\n[metrics]\nlisten = \"[::1]:9636\"\n"));
    assert!(diff.same && diff.to_string().ends_with("both mean the same\n"), "{diff}");
}
