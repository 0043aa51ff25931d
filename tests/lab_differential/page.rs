//! `docs/differential.md`: its tables are what the run finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::Tally;
use crate::kinds::{ODD, ORDINARY};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/differential.md");
/// What stands before each table and after it.
const ORDINARY_BEGIN: &str = "<!-- ordinary -->\n";
const ODD_BEGIN: &str = "<!-- odd -->\n";
const END: &str = "<!-- end -->\n";
/// Ordinary packets that the page must tell of.
const ENOUGH: usize = 100_000;

type Tallies = BTreeMap<&'static str, Tally>;

/// Holds the page against what was found; all but the counts, which are the long form's.
///
/// # Panics
/// If the page tells of something else, or of too short a run.
pub fn check(tallies: &Tallies) {
    let mut page = std::fs::read_to_string(PAGE).expect("docs/differential.md");
    let tables = [(ORDINARY_BEGIN, ordinary(tallies)), (ODD_BEGIN, odd(tallies))];
    if std::env::var_os("UPDATE_DOCS").is_some() {
        for (begin, found) in tables {
            let at = place(&page, begin);
            page.replace_range(at, &found);
        }
        return std::fs::write(PAGE, page).expect("docs/differential.md");
    }
    for (begin, found) in tables {
        let told = &page[place(&page, begin)];
        assert_eq!(without_counts(told), without_counts(&found), "docs/differential.md tells of something else");
    }
    let told: usize = page[place(&page, ORDINARY_BEGIN)].lines().filter_map(count).sum();
    assert!(told >= ENOUGH, "docs/differential.md tells of {told} ordinary packets");
}

fn place(page: &str, begin: &str) -> std::ops::Range<usize> {
    let start = page.find(begin).unwrap_or_else(|| panic!("no {begin} in docs/differential.md")) + begin.len();
    let end = page[start..].find(END).expect("each table has an end");
    start..start + end
}

fn ordinary(tallies: &Tallies) -> String {
    let mut text = String::from("| kind | packets | different | both |\n|---|---|---|---|\n");
    for kind in &ORDINARY {
        let tally = &tallies[kind.name];
        let both = said(tally, |pair| &pair.1);
        writeln!(text, "| {} | {} | {} | {both} |", kind.name, tally.packets, tally.different).expect("a string");
    }
    text
}

fn odd(tallies: &Tallies) -> String {
    let mut text =
        String::from("| kind | packets | different | Linux | Sixways | right | by |\n|---|---|---|---|---|---|---|\n");
    for odd in &ODD {
        let tally = &tallies[odd.kind.name];
        let (theirs, ours) = (said(tally, |pair| &pair.0), said(tally, |pair| &pair.1));
        let (name, packets, different) = (odd.kind.name, tally.packets, tally.different);
        writeln!(text, "| {name} | {packets} | {different} | {theirs} | {ours} | {} | {} |", odd.right, odd.by)
            .expect("a string");
    }
    text
}

fn said(tally: &Tally, side: impl Fn(&(String, String)) -> &String) -> String {
    let words: BTreeSet<_> = tally.words.iter().map(|pair| side(pair).as_str()).collect();
    words.into_iter().collect::<Vec<_>>().join("; ")
}

/// The second cell of a row, if it is a number.
fn count(line: &str) -> Option<usize> {
    line.split('|').nth(2)?.trim().parse().ok()
}

/// Numbers of packets differ between long and short form; whether any differ does not.
fn without_counts(table: &str) -> String {
    let row = |line: &str| {
        let cell = |(place, cell): (usize, &str)| match (place, cell.trim().parse::<usize>()) {
            (2, Ok(_)) | (3, Ok(1..)) => "some".to_owned(),
            (3, Ok(0)) => "none".to_owned(),
            _ => cell.trim().to_owned(),
        };
        line.split('|').enumerate().map(cell).collect::<Vec<_>>().join("|")
    };
    table.lines().map(row).collect::<Vec<_>>().join("\n")
}
