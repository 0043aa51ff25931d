//! The next line of what the ISPs carry, while it grows: in a file of its own, replaced again and again, until
//! the log has it. So a kill or a power cut costs no hour of it, and the log does not swell.
//!
//! The line knows from when on it counts, which no other one does: so what the log has already is told from what
//! it has not, whenever the gateway died.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Entry, Event, Recorded, VERSION};
use crate::control::whole_file;

/// The file in the state directory.
pub fn path(directory: &Path) -> PathBuf {
    directory.join("traffic.json")
}

/// Keeps `entry`, and waits until the disk has it.
///
/// # Errors
/// When the file system refuses.
pub fn keep(directory: &Path, entry: &Entry) -> io::Result<()> {
    whole_file::replace(&path(directory), &serde_json::to_vec(entry)?)
}

/// Removes what is kept: the log has it.
///
/// # Errors
/// When the file system refuses.
pub fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_file(path(directory)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What is kept, and not in the log that is `recorded`.
///
/// # Errors
/// When the file is there but cannot be read, or holds no such line.
pub fn unrecorded(directory: &Path, recorded: &Recorded) -> io::Result<Option<Entry>> {
    let octets = match fs::read(path(directory)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        octets => octets?,
    };
    let entry: Entry = serde_json::from_slice(&octets)?;
    let (VERSION, Some(counted)) = (entry.version, counted_from(&entry)) else {
        return Err(io::Error::new(ErrorKind::InvalidData, "no traffic of this version"));
    };
    let is_recorded = recorded.entries.iter().any(|entry| counted_from(entry) == Some(counted));
    Ok((!is_recorded).then_some(entry))
}

fn counted_from(entry: &Entry) -> Option<u64> {
    match entry.event {
        Event::Traffic { counted_from, .. } => counted_from,
        _ => None,
    }
}
