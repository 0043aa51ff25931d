use super::shares::{Move, ShareDiff};
use super::*;
use crate::control::config::parse;
use crate::replay::capture::Writer;
use crate::units::Nanos;

const MINIMAL: &str = include_str!("../../../configs/minimal.toml");

fn file(text: &str) -> ConfigFile {
    ConfigFile { path: PathBuf::from("a.toml"), text: text.to_owned(), config: parse(text).unwrap() }
}

fn diff(new: &str) -> Diff {
    Diff::of(&file(MINIMAL), &file(new), &Learnt::default(), None).unwrap()
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

#[test]
fn what_rules_concern_only_a_capture_tells() {
    let rule = "\n[[rule]]\nmatch = { proto = \"tcp\", dst_port = 25 }\ndrop = true\n";
    let page = diff(&format!("{MINIMAL}{rule}")).to_string();
    assert!(page.ends_with("only your traffic can tell: --flows CAPTURE\n"), "{page}");
    let page = diff(&MINIMAL.replace("weight = 3", "weight = 1")).to_string();
    assert!(!page.contains("--flows"), "the table tells all of it: {page}");
}

/// Datagrams of 64 hosts to one server, as a capture of the LAN has them.
fn capture(path: &Path) {
    let mut writer = Writer::create(path, "lan0").unwrap();
    for host in 1..=64_u8 {
        let mut frame = vec![0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, host, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64];
        let source: std::net::Ipv6Addr = format!("fd12:3456:789a:10::{host:x}").parse().unwrap();
        let server: std::net::Ipv6Addr = "2001:db8:f::53".parse().unwrap();
        frame.extend(source.octets().into_iter().chain(server.octets()));
        frame.extend([0x9c, 0x40, 0, 53, 0, 8, 0x12, 0x34]);
        writer.write(Nanos::from_millis(u64::from(host)), &frame).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn the_flows_of_a_capture_take_the_way_of_either_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lan.pcapng");
    capture(&path);
    // A large flow memory takes longer to make than all of this.
    let minimal = format!("{MINIMAL}\n[flows]\ncapacity = 10_000\n");
    let input = flows(&path.display().to_string()).unwrap();
    let flows =
        |new: &str| Diff::of(&file(&minimal), &file(new), &Learnt::default(), Some(&input)).unwrap().flows.unwrap();
    assert_eq!((flows(&minimal).flows, flows(&minimal).moved), (64, 0));
    let moved = flows(&minimal.replace("weight = 3", "weight = 1"));
    assert!((4..=28).contains(&moved.moved), "a quarter of 64, give or take: {moved:?}");
    assert!(matches!(&moved.moves[..], [one] if one.from.as_deref() == Some("fiber")), "{moved:?}");
    let refused = flows(&format!("{minimal}\n[[rule]]\nmatch = {{ dst_port = 53, proto = \"udp\" }}\ndrop = true\n"));
    assert_eq!(refused.moved, 64, "{refused:?}");
    assert!(refused.moves.iter().all(|moved| moved.to.is_none()), "{refused:?}");
}
