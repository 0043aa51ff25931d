//! `docs/rfc6296.md` names tests and golden cases that exist.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The names of all tests below `folder`.
fn tests(folder: &Path, into: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some(name) = name.and_then(|rest| rest.split('(').next())
                    && std::mem::take(&mut is_test)
                {
                    into.insert(name.to_owned());
                }
            }
        }
    }
}

/// What stands in backquotes in `text`.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_named_here_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut known = HashSet::new();
    tests(&root.join("src"), &mut known);
    tests(&root.join("tests"), &mut known);
    let page = fs::read_to_string(root.join("docs/rfc6296.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| §"))
        .map(|line| line.trim_matches('|').split(" | ").collect())
        .collect();
    assert!(rows.len() > 20, "the tables of docs/rfc6296.md are not where they were");
    for row in &rows {
        let [_, clause, how, shown_by] = row[..] else { panic!("four columns: {row:?}") };
        let exists = |name: &&str| known.contains(*name) || root.join("tests/golden").join(name).is_file();
        let missing: Vec<_> = quoted(shown_by).filter(|name| !exists(name)).collect();
        assert!(missing.is_empty(), "no such test: {missing:?}");
        let is_shown = quoted(shown_by).next().is_some();
        assert_eq!(is_shown, !how.contains("not yet"), "a test, or the word that it is not yet: {clause}");
    }
}
