//! `sixways history`, on event logs written here.

use std::path::Path;

use serde_json::Value;

/// Lines as docs/events.md has them.
const LOG: &str = r#"{"version":1,"at":"2026-10-31T23:00:00.000Z","monotonic":1000000000,"kind":"gateway-started","program":"0.1.0","boot":"b","isps":["cable","fiber"]}
{"version":1,"at":"2026-10-31T23:00:01.000Z","monotonic":2000000000,"kind":"isp-state","isp":"fiber","from":"unknown","to":"up","cause":"recovered","after_seconds":1.0}
{"version":1,"at":"2026-10-31T23:00:01.000Z","monotonic":2000000000,"kind":"isp-state","isp":"cable","from":"unknown","to":"up","cause":"recovered","after_seconds":1.0}
{"version":1,"at":"2026-10-31T23:30:00.000Z","monotonic":1801000000000,"kind":"isp-state","isp":"fiber","from":"up","to":"down","cause":"carrier","after_seconds":1799.0}
{"version":1,"at":"2026-10-31T23:30:00.020Z","monotonic":1801020000000,"kind":"failover","isp":"fiber","cause":"carrier","seconds":0.0312}
{"version":1,"at":"2026-10-31T23:30:12.400Z","monotonic":1813400000000,"kind":"isp-state","isp":"fiber","from":"down","to":"up","cause":"recovered","after_seconds":12.4}
{"version":1,"at":"2026-11-01T00:00:00.000Z","monotonic":3601000000000,"kind":"traffic","isps":[{"isp":"cable","received_packets":10,"received_bytes":15000,"sent_packets":5,"sent_bytes":600},{"isp":"fiber","received_packets":1000,"received_bytes":1500000,"sent_packets":500,"sent_bytes":60000}]}
this line is damaged
{"version":1,"at":"2026-11-01T01:00:00.000Z","monotonic":7201000000000,"kind":"gateway-stopped","outcome":"blocking"}
{"version":1,"at":"2026-11-01T01:00:03.200Z","monotonic":7204200000000,"kind":"gateway-started","program":"0.1.0","boot":"b","isps":["cable","fiber"],"last_alive":"2026-11-01T01:00:00.000Z"}
{"version":1,"at":"2026-11-01T01:00:04.200Z","monotonic":7205200000000,"kind":"isp-state","isp":"cable","from":"unknown","to":"down","cause":"probes","after_seconds":1.0}
{"version":1,"at":"2026-11-01T02:00:00.000Z","monotonic":10801000000000,"kind":"gateway-stopped","outcome":"failed","reason":"worker 0 panicked: oh"}
"#;

fn history(state: &Path, words: &[&str]) -> std::process::Output {
    let mut command = assert_cmd::Command::cargo_bin("sixways").unwrap();
    command.arg("history").arg("--state").arg(state).args(words).output().unwrap()
}

#[track_caller]
fn said(state: &Path, words: &[&str]) -> String {
    let output = history(state, words);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn recorded() -> tempfile::TempDir {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join("events.jsonl"), LOG).unwrap();
    state
}

#[test]
fn the_page_tells_outages_availability_and_the_gateways_own_absence() {
    let state = recorded();
    let page = said(state.path(), &[]);
    // The last absence goes on until today, and the column is as wide as that is long.
    let (tables, away) = page.split_once("GATEWAY AWAY\n").unwrap();
    assert_eq!(
        tables,
        "\
recorded since 2026-10-31T23:00:00Z; no gateway runs

OUTAGES
ISP    BEGAN                      LASTED  FAILOVER  CAUSE    END
fiber  2026-10-31T23:30:00Z       12.4 s   31.2 ms  carrier  recovered
cable  2026-11-01T01:00:04Z  59 min 55 s         -  probes   gateway stopped

AVAILABILITY
MONTH    ISP    AVAILABLE  OUTAGES         DOWN        KNOWN  RECEIVED     SENT
2026-10  cable  100.000 %        0            0  59 min 59 s       0 B      0 B
2026-10  fiber   99.655 %        1       12.4 s  59 min 59 s       0 B      0 B
2026-11  cable   50.029 %        1  59 min 55 s   1 h 59 min   15.0 kB    600 B
2026-11  fiber  100.000 %        0            0    1 h 0 min   1.50 MB  60.0 kB

"
    );
    let words: Vec<Vec<&str>> = away.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["SINCE", "FOR", "WHY", "END"]);
    assert_eq!(words[1], ["2026-11-01T01:00:00Z", "3.20", "s", "stopped", "back"]);
    assert_eq!(words[2][0], "2026-11-01T02:00:00Z");
    assert!(away.contains("failed: worker 0 panicked: oh") && away.contains("goes on"), "{away}");
    assert!(away.ends_with("\n1 lines of the event log are damaged or of another version, and left out.\n"), "{away}");
}

#[test]
fn filters_leave_out_what_was_over_and_other_isps() {
    let state = recorded();
    let page = said(state.path(), &["--since", "2026-11-01", "--isp", "cable"]);
    assert!(
        page.contains("cable  2026-11-01T01:00:04Z") && !page.contains("fiber") && !page.contains("2026-10 "),
        "{page}"
    );
    let wrong = history(state.path(), &["--isp", "fibre"]);
    assert_eq!(wrong.status.code(), Some(1));
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(told.contains("recorded are cable, fiber"), "{told}");
    let wrong = history(state.path(), &["--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(1));
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(told.contains("30d, 12h, 45m"), "{told}");
}

#[test]
fn json_says_the_same() {
    let state = recorded();
    let json: Value = serde_json::from_str(&said(state.path(), &["--json"])).unwrap();
    let outage = serde_json::json!({
        "isp": "fiber", "began": "2026-10-31T23:30:00.000Z", "seconds": 12.4, "cause": "carrier", "failover_seconds": 0.0312, "end": "recovered",
    });
    assert_eq!(json["outages"][0], outage);
    assert_eq!(json["recorded_since"], "2026-10-31T23:00:00.000Z");
    assert_eq!((&json["running"], &json["unreadable_lines"]), (&Value::Bool(false), &1.into()));
    assert_eq!(json["months"].as_array().unwrap().len(), 4);
    assert_eq!(json["months"][3]["received_bytes"], 1_500_000);
    assert_eq!(json["away"][0]["ended"], "2026-11-01T01:00:03.200Z");
}

#[test]
fn nothing_recorded_is_said() {
    let state = tempfile::tempdir().unwrap();
    let page = said(state.path(), &[]);
    assert!(page.starts_with("nothing has been recorded in ") && page.contains("first start"), "{page}");
    let json: Value = serde_json::from_str(&said(state.path(), &["--json"])).unwrap();
    assert_eq!(json["recorded_since"], Value::Null);
}
