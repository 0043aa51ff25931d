//! Configuration files: the samples, the documentation and the messages, held against the
//! schema and the parser. `BLESS=1` writes anew what is rendered or golden.

#[path = "common/config_judge.rs"]
mod config_judge;
#[path = "config/documentation.rs"]
mod documentation;
#[path = "config/messages.rs"]
mod messages;
#[path = "config/properties.rs"]
mod properties;
#[path = "config/samples.rs"]
mod samples;

use std::path::PathBuf;
use std::process::Output;

/// `sixways check` from the root of the repository.
fn check(arguments: &[&str]) -> Output {
    assert_cmd::Command::cargo_bin("sixways")
        .unwrap()
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("check")
        .args(arguments)
        .output()
        .unwrap()
}

/// The files of a folder of the repository with this extension, sorted.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.strip_prefix(&root).unwrap().to_owned())
        .collect();
    files.sort();
    files
}

/// Compares a file of the repository with what it must hold.
fn assert_holds(file: &std::path::Path, meant: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, meant).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(held, meant, "{} is stale; write it anew with BLESS=1 and read it", file.display());
}
