//! Wrong files and the whole of what is said about each.

use super::{assert_holds, check, files};

#[test]
fn every_wrong_file_is_refused_with_its_message() {
    let files = files("tests/data/wrong-configs", "toml");
    assert!(files.len() >= 20, "{} wrong files", files.len());
    for file in files {
        let output = check(&[file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{}", file.display());
        assert!(output.stdout.is_empty(), "{}", file.display());
        assert_holds(&file.with_extension("stderr"), &String::from_utf8(output.stderr).unwrap());
    }
}

#[test]
fn no_message_is_left_behind_without_its_file() {
    for message in files("tests/data/wrong-configs", "stderr") {
        let file = message.with_extension("toml");
        assert!(files("tests/data/wrong-configs", "toml").contains(&file), "{}", message.display());
    }
}

#[test]
fn json_says_the_same_with_places_as_numbers() {
    let output = check(&["--json", "tests/data/wrong-configs/06-unknown-key.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let meant = serde_json::json!({
        "file": "tests/data/wrong-configs/06-unknown-key.toml",
        "good": false,
        "errors": [{
            "path": "[[isp]] \"fiber\" wieght",
            "line": 14,
            "column": 1,
            "value": "wieght",
            "problem": "there is no such key in [[isp]]",
            "remedy": "did you mean `weight`?",
        }],
    });
    assert_eq!(answer, meant);
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_name() {
    let output = check(&["nonesuch.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("nonesuch.toml") && said.contains("cannot be read"), "{said}");
}
