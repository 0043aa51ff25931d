//! docs/{drops,events,metrics,limits}.md say what the code says.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes the code's part of the tables; columns that only
//! people can fill (what to do, what to alarm on) are kept, and must not be empty.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::PathBuf;

use sixways::control::events::Event;
use sixways::limits;
use sixways::observe::families;
use sixways::verdict::DropReason;

/// The first table of a page: rows of cells, the first cell being the key.
struct Doc {
    path: PathBuf,
    text: String,
}

impl Doc {
    fn open(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// The lines of the page's table, heading and rule included.
    fn table(&self) -> Vec<&str> {
        self.text.lines().skip_while(|line| !line.starts_with("| ")).take_while(|line| line.starts_with('|')).collect()
    }

    /// Holds the table against `rows`, which have all columns but the `kept` last ones.
    fn holds(&self, heading: &[&str], rows: &[Vec<String>], kept: usize) {
        let by_hand: BTreeMap<String, Vec<String>> = self
            .table()
            .iter()
            .skip(2)
            .map(|line| cells(line))
            .map(|cells| (cells[0].clone(), cells[heading.len() - kept..].to_vec()))
            .collect();
        let mut expected = vec![line(heading), format!("|{}", "---|".repeat(heading.len()))];
        let mut unfilled = Vec::new();
        for row in rows {
            let own = by_hand.get(&row[0]).cloned().unwrap_or_else(|| vec![String::new(); kept]);
            if own.iter().any(String::is_empty) {
                unfilled.push(row[0].clone());
            }
            expected.push(line(&[row.clone(), own].concat()));
        }
        let found = self.table();
        if std::env::var_os("UPDATE_DOCS").is_some_and(|update| update == "1") {
            fs::write(&self.path, self.text.replacen(&found.join("\n"), &expected.join("\n"), 1)).unwrap();
        } else {
            let advice = "regenerate the code's columns with `UPDATE_DOCS=1 cargo test --test docs`";
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!(found, expected, "{}: {advice}", self.path.display());
            }
            assert_eq!(found.len(), expected.len(), "{}: rows; {advice}", self.path.display());
        }
        assert!(unfilled.is_empty(), "{}: the last column waits to be filled for {unfilled:?}", self.path.display());
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn line(cells: &[impl AsRef<str>]) -> String {
    cells.iter().fold("|".to_owned(), |line, cell| format!("{line} {} |", cell.as_ref())).replace("|  |", "| |")
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

#[test]
fn drops() {
    let doc = Doc::open("drops.md");
    let rows: Vec<_> = DropReason::ALL
        .iter()
        .map(|reason| vec![code(reason.label()), reason.place().label().to_owned(), reason.meaning().trim().to_owned()])
        .collect();
    doc.holds(&["reason", "place", "meaning", "what to do"], &rows, 1);
}

#[test]
fn the_picture_of_the_path_has_every_reason_once() {
    let doc = Doc::open("drops.md");
    let picture: String = doc.text.split("```").skip(1).step_by(2).collect();
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let words: Vec<&str> = picture.split(word).collect();
    for reason in DropReason::ALL {
        let count = words.iter().filter(|word| **word == reason.label()).count();
        assert_eq!(count, 1, "{} in the picture of drops.md", reason.label());
    }
}

#[test]
fn metrics() {
    let doc = Doc::open("metrics.md");
    let rows: Vec<_> = families::ALL
        .iter()
        .map(|family| {
            let labels: Vec<_> = family.labels.iter().map(|label| code(label)).collect();
            vec![code(family.name), family.kind.label().to_owned(), labels.join(", "), family.help.to_owned()]
        })
        .collect();
    doc.holds(&["metric", "type", "labels", "meaning", "watch for"], &rows, 1);
}

#[test]
fn metrics_names_no_family_that_is_not_exported() {
    let known: HashSet<&str> = families::ALL.iter().map(|family| family.name).collect();
    for name in ["metrics.md", "drops.md", "limits.md", "events.md"] {
        let doc = Doc::open(name);
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        for word in doc.text.split(word).filter(|word| word.starts_with("sixways_")) {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|suffix| word.strip_suffix(suffix)).unwrap_or(word);
            assert!(known.contains(family), "{name} names {word}");
        }
    }
}

#[test]
fn events() {
    let doc = Doc::open("events.md");
    let rows: Vec<_> = Event::KINDS
        .iter()
        .zip(Event::FIELDS)
        .map(|((kind, meaning), (_, fields))| {
            let fields: Vec<_> = fields.iter().map(|(name, meaning)| format!("{}: {meaning}", code(name))).collect();
            vec![code(kind), (*meaning).to_owned(), fields.join(" ")]
        })
        .collect();
    doc.holds(&["kind", "meaning", "holds"], &rows, 0);
}

#[test]
fn limits() {
    let doc = Doc::open("limits.md");
    let rows: Vec<_> = limits::ALL
        .iter()
        .map(|(name, value, unit, meaning)| vec![code(name), amount(value.0, unit), meaning.trim().to_owned()])
        .collect();
    doc.holds(&["limit", "value", "meaning"], &rows, 0);
}

/// A value in the largest unit that shows it whole.
fn amount(value: u64, unit: &str) -> String {
    match (unit, value) {
        ("nanoseconds", value) if value % 1_000_000_000 == 0 => format!("{} s", value / 1_000_000_000),
        ("nanoseconds", value) if value % 1_000_000 == 0 => format!("{} ms", value / 1_000_000),
        ("nanoseconds", value) if value % 1_000 == 0 => format!("{} µs", value / 1_000),
        ("milliseconds", value) => format!("{value} ms"),
        ("number", value) => value.to_string(),
        (unit, value) => format!("{value} {unit}"),
    }
}
