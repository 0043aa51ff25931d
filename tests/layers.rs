//! The layers of `docs/architecture.md`, held by reading the source: arrows point down only.
//!
//! A text check, not a compiler: it reads the paths that begin with `crate::`, and leaves test code out.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What each part of `src` may use of the others. `observe::counters` allows that file alone.
const MAY_USE: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("verdict", &[]),
    ("hash", &[]),
    ("limits", &["units"]),
    ("os", &["units", "limits"]),
    ("wire", &["units", "limits"]),
    ("npt", &["units", "verdict", "limits"]),
    ("port", &["units", "limits"]),
    ("snapshot", &["npt", "flow", "hash", "units", "limits"]),
    ("flow", &["hash", "units", "limits", "os"]),
    ("observe", &["npt", "port", "snapshot", "flow", "hash", "units", "verdict", "limits", "os"]),
    (
        "datapath",
        &[
            "wire",
            "npt",
            "snapshot",
            "flow",
            "hash",
            "port",
            "observe::counters",
            "observe::histogram",
            "observe::trace",
            "units",
            "verdict",
            "limits",
        ],
    ),
    ("xdp", &["port", "snapshot", "flow", "hash", "observe::report", "units", "verdict", "limits", "os"]),
    ("worker", &["datapath", "port", "snapshot", "flow", "observe", "units", "verdict", "limits", "os"]),
    ("control", &["wire", "npt", "snapshot", "flow", "hash", "observe", "units", "verdict", "limits", "os"]),
    (
        "replay",
        &[
            "control", "datapath", "flow", "hash", "limits", "npt", "observe", "port", "snapshot", "units", "verdict",
            "wire",
        ],
    ),
    (
        "explain",
        &[
            "control", "datapath", "flow", "hash", "limits", "npt", "observe", "replay", "snapshot", "units",
            "verdict", "wire",
        ],
    ),
    (
        "app",
        &[
            "control", "datapath", "explain", "flow", "hash", "limits", "npt", "observe", "os", "port", "snapshot",
            "units", "verdict", "wire", "worker", "xdp",
        ],
    ),
    (
        "cli",
        &[
            "app", "control", "datapath", "explain", "flow", "hash", "limits", "npt", "observe", "os", "port",
            "replay", "snapshot", "units", "verdict", "wire", "worker", "xdp",
        ],
    ),
];

/// The parts that run for every packet.
const HOT: &[&str] = &["datapath", "npt", "wire", "flow"];

/// What costs a lock, an allocation, a clock read or a panic has no place there.
const COSTLY: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "Mutex",
    "RwLock",
    "Vec::new",
    "vec![",
    "format!",
    "to_string",
    "println!",
    "dbg!",
    ".unwrap()",
    ".expect(",
    "panic!",
    "todo!",
    "unimplemented!",
];

const LONGEST_FILE: usize = 400;

struct Source {
    /// From `src`.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The part of `src` that the file belongs to: its folder, or its own name.
    fn part(&self) -> String {
        let first = self.path.components().next().unwrap().as_os_str().to_str().unwrap();
        first.trim_end_matches(".rs").to_owned()
    }

    fn is_test(&self) -> bool {
        let name = self.path.to_str().unwrap();
        name.ends_with("tests.rs") || name.contains("/tests/")
    }

    /// The lines that are neither comments nor tests, with their numbers. A module of tests stands at
    /// the end of its file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..tests].lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
    }

    /// Whether packets meet this code. The proof of a mapping is for `check`.
    fn is_hot(&self) -> bool {
        HOT.contains(&self.part().as_str()) && !self.is_test() && !self.path.to_string_lossy().starts_with("npt/proof")
    }

    fn at(&self, line: usize) -> String {
        format!("src/{}:{line}", self.path.display())
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push(Source { path: path.strip_prefix(&root).unwrap().to_owned(), text });
            }
        }
    }
    assert!(sources.len() > 50, "the sources are not where this test looks");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn rust() -> impl Iterator<Item = Source> {
    sources().into_iter().filter(|source| source.path.extension().is_some_and(|extension| extension == "rs"))
}

/// Fails with one line for each breach.
fn none(rule: &str, breaches: String) {
    assert!(breaches.is_empty(), "{rule}:\n{breaches}");
}

/// The paths behind each `crate::` of `code`: up to two names, with groups in braces unfolded.
fn uses(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| !c.is_alphanumeric() && c != '_') {
            unfold("", &code[at + "crate::".len()..], &mut found);
        }
    }
    found
}

/// Adds the paths at the start of `rest` to `found`, each with `prefix` in front.
fn unfold<'a>(prefix: &str, rest: &'a str, found: &mut Vec<String>) -> &'a str {
    if let Some(mut group) = rest.trim_start().strip_prefix('{') {
        loop {
            group = unfold(prefix, group, found).trim_start();
            group = match group.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => next,
                Some(next) => next.trim_start(),
                None => return group.strip_prefix('}').unwrap_or(group),
            };
            if let Some(end) = group.strip_prefix('}') {
                return end;
            }
        }
    }
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').unwrap_or(rest.len());
    let path = if prefix.is_empty() { rest[..end].to_owned() } else { format!("{prefix}::{}", &rest[..end]) };
    match rest[end..].strip_prefix("::") {
        Some(deeper) => unfold(&path, deeper, found),
        None => {
            found.push(path);
            &rest[end..]
        }
    }
}

fn allowed(part: &str, path: &str) -> bool {
    let (_, may) = MAY_USE
        .iter()
        .find(|(name, _)| *name == part)
        .unwrap_or_else(|| panic!("src/{part} is in no layer: add it to MAY_USE here and to docs/architecture.md"));
    let within = |parent: &str| path == parent || path.strip_prefix(parent).is_some_and(|rest| rest.starts_with("::"));
    within(part) || may.iter().any(|parent| within(parent))
}

#[test]
fn arrows_point_down_only() {
    let mut breaches = String::new();
    for source in rust().filter(|source| !source.is_test() && !["lib", "main"].contains(&source.part().as_str())) {
        let code: String = source.code().map(|(_, line)| format!("{line}\n")).collect();
        for path in uses(&code).iter().filter(|path| !allowed(&source.part(), path)) {
            writeln!(breaches, "src/{} uses {path}", source.path.display()).unwrap();
        }
    }
    none("a layer may use only those below it", breaches);
}

/// Another way up would be `super::` until the root is reached.
#[test]
fn no_part_reaches_another_by_super() {
    let parts: Vec<_> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let mut breaches = String::new();
    for source in rust() {
        let beside = |name: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&source.path);
            let folder = folder.parent().unwrap();
            source.path.components().count() > 1
                && (folder.join(format!("{name}.rs")).exists() || folder.join(name).exists() || folder.ends_with(name))
        };
        for (at, line) in source.code() {
            let up = |name: &&&str| line.contains(&format!("super::{name}::")) && !beside(name);
            for name in parts.iter().filter(up) {
                writeln!(breaches, "{} reaches {name} by super", source.at(at)).unwrap();
            }
        }
    }
    none("other parts are reached by crate::", breaches);
}

#[test]
fn unsafe_code_is_in_xdp_and_os_only() {
    let mut breaches = String::new();
    for source in rust().filter(|source| !["xdp", "os"].contains(&source.part().as_str())) {
        for (at, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.into_iter().any(|word| word == "unsafe") || code.contains("allow(unsafe_code") {
                writeln!(breaches, "{}", source.at(at + 1)).unwrap();
            }
        }
    }
    none("unsafe belongs into src/xdp and src/os.rs", breaches);
    let root = rust().find(|source| source.part() == "lib").unwrap();
    assert!(root.text.contains("#![deny(unsafe_code)]"), "the root denies unsafe code");
}

#[test]
fn no_file_is_longer_than_it_can_be_read() {
    let mut breaches = String::new();
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > LONGEST_FILE {
            writeln!(breaches, "src/{} has {lines} lines", source.path.display()).unwrap();
        }
    }
    none("a file over 400 lines wants to be two", breaches);
}

#[test]
fn the_path_of_every_packet_is_free_of_costly_words() {
    let mut breaches = String::new();
    for source in rust().filter(Source::is_hot) {
        for (at, line) in source.code() {
            for word in COSTLY.iter().filter(|word| line.contains(**word)) {
                writeln!(breaches, "{}: {word}", source.at(at)).unwrap();
            }
        }
    }
    none("no allocation, lock, clock read or panic per packet", breaches);
}

/// Divisions that no packet meets: they are worked out when the program is compiled.
const CONSTANT: &[&str] = &["SECOND / per_second"];

/// A division by what is not a constant costs as much as the rest of a step.
#[test]
fn the_path_of_every_packet_divides_by_constants_only() {
    let mut breaches = String::new();
    for source in rust().filter(Source::is_hot) {
        for (at, line) in source.code() {
            let line = CONSTANT.iter().fold(line.to_owned(), |line, known| line.replace(known, ""));
            for operator in [" / ", " % ", " /= ", " %= "] {
                for (_, divisor) in line.match_indices(operator).map(|(at, _)| line.split_at(at + operator.len())) {
                    let word: String = divisor.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if !word.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()) {
                        writeln!(breaches, "{}: {}", source.at(at), line.trim()).unwrap();
                    }
                }
            }
        }
    }
    none("divide by constants", breaches);
}

#[test]
fn the_reader_of_paths_reads_them() {
    let code = "use crate::limits::{A, B};\nuse crate::{npt::Prefix, observe::{counters::X, trace}};\n\
                fn f() { crate::wire::x(); mycrate::no(); }";
    let expected = ["limits::A", "limits::B", "npt::Prefix", "observe::counters::X", "observe::trace", "wire::x"];
    assert_eq!(uses(code), expected);
    assert!(allowed("datapath", "observe::counters::X") && !allowed("datapath", "observe::exporter"));
    assert!(!allowed("npt", "snapshot::Snapshot") && allowed("npt", "npt::Prefix"));
}
