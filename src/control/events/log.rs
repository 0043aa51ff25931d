//! The event log: JSON lines in the state directory, the latest file and some older ones.
//!
//! Lines are only ever added, whole or not at all. When the latest file is full it becomes the
//! first of the older ones, and the oldest is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use time::OffsetDateTime;

use super::{Entry, VERSION};
use crate::limits::{EVENT_LOG_FILES, EVENT_LOG_OCTETS};

/// The file number `age`: 0 is the latest.
pub fn path(directory: &Path, age: usize) -> PathBuf {
    match age {
        0 => directory.join("events.jsonl"),
        age => directory.join(format!("events-{age}.jsonl")),
    }
}

/// The end of the log that is written to.
#[derive(Debug)]
pub struct EventLog {
    directory: PathBuf,
    /// Opened at the first line, and again when somebody has removed it.
    file: Option<File>,
    /// The file may end amid a line.
    torn: bool,
}

impl EventLog {
    /// That in `directory`. Nothing is opened yet.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), file: None, torn: true }
    }

    /// When a gateway last wrote or [touched](EventLog::touch) the log, if one ever did.
    pub fn last_alive(&self) -> Option<OffsetDateTime> {
        last_alive(&self.directory)
    }

    /// Says that the gateway is alive, when it has nothing else to say. Without a log there is
    /// nothing to touch.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn touch(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.set_modified(SystemTime::now()))
    }

    /// Adds `entries`, all or none, and waits until the disk has them.
    ///
    /// # Errors
    /// When the file system refuses; the next call tries again from the start.
    pub fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let mut text = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        let added = self.add(&text);
        if added.is_err() {
            self.file = None;
        }
        added
    }

    fn add(&mut self, text: &[u8]) -> io::Result<()> {
        let mut file = self.current(text.len() as u64)?;
        let whole = file.metadata()?.len();
        if std::mem::take(&mut self.torn) && !ends_with_newline(&mut file)? {
            file.write_all(b"\n")?;
        }
        if let Err(error) = file.write_all(text) {
            // A full disk still lets a file be shortened; else a newline parts the halves later.
            self.torn = file.set_len(whole).is_err();
            return Err(error);
        }
        file.sync_data()?;
        self.file = Some(file);
        Ok(())
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The latest file, with room for `octets` more.
    fn current(&mut self, octets: u64) -> io::Result<File> {
        let file = match self.file.take() {
            Some(file) if file.metadata()?.nlink() > 0 => file,
            _ => {
                self.torn = true;
                open(&self.directory)?
            }
        };
        let length = file.metadata()?.len();
        if length == 0 || length + octets <= EVENT_LOG_OCTETS {
            return Ok(file);
        }
        for age in (0..EVENT_LOG_FILES - 1).rev() {
            match fs::rename(path(&self.directory, age), path(&self.directory, age + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        open(&self.directory)
    }
}

fn open(directory: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path(directory, 0))
}

/// An empty file ends well, too.
fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn last_alive(directory: &Path) -> Option<OffsetDateTime> {
    Some(fs::metadata(path(directory, 0)).ok()?.modified().ok()?.into())
}

/// Everything that the log in a directory holds.
#[derive(Debug, Default)]
pub struct Recorded {
    /// In the order in which it was told.
    pub entries: Vec<Entry>,
    /// Lines that are no entry of this version.
    pub unreadable: usize,
    /// When a gateway last wrote or touched it.
    pub last_alive: Option<OffsetDateTime>,
}

impl Recorded {
    /// With what the log does not have yet, at its place in time.
    #[must_use]
    pub fn with(mut self, unrecorded: Option<Entry>) -> Self {
        if let Some(entry) = unrecorded {
            let is_later = |other: &Entry| other.at > entry.at && other.monotonic > entry.monotonic;
            let place = self.entries.iter().rposition(|other| !is_later(other)).map_or(0, |last| last + 1);
            self.entries.insert(place, entry);
        }
        self
    }
}

/// Reads the log in `directory`, also while a gateway writes it. Where there is none, nothing is recorded.
///
/// # Errors
/// When a file is there but cannot be read; with its name.
pub fn read(directory: &Path) -> Result<Recorded, (PathBuf, io::Error)> {
    // The latest first, so that one that becomes older meanwhile is met twice and not never.
    let mut files: Vec<(u64, String)> = Vec::new();
    for path in (0..EVENT_LOG_FILES).map(|age| path(directory, age)) {
        match text_of(&path) {
            Ok((inode, text)) if files.iter().all(|(known, _)| *known != inode) => files.push((inode, text)),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err((path, error)),
        }
    }
    let mut recorded = Recorded { last_alive: last_alive(directory), ..Recorded::default() };
    for (_, text) in files.iter().rev() {
        // What follows the last newline is being written just now, or was when the power failed.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str::<Entry>(line) {
                Ok(entry) if entry.version == VERSION => recorded.entries.push(entry),
                _ => recorded.unreadable += 1,
            }
        }
    }
    Ok(recorded)
}

fn text_of(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut octets = Vec::new();
    file.read_to_end(&mut octets)?;
    Ok((file.metadata()?.ino(), String::from_utf8_lossy(&octets).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::control::events::Event;

    fn entry(generation: u64) -> Entry {
        Entry::now(Event::ConfigReloaded { generation })
    }

    fn generations(directory: &Path) -> Vec<u64> {
        let recorded = read(directory).unwrap();
        let generation = |entry: Entry| match entry.event {
            Event::ConfigReloaded { generation } => generation,
            other => panic!("{other:?}"),
        };
        recorded.entries.into_iter().map(generation).collect()
    }

    #[test]
    fn what_is_appended_is_read_and_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap().entries, []);
        assert_eq!(EventLog::new(directory.path()).last_alive(), None);
        EventLog::new(directory.path()).append(&[entry(1), entry(2)]).unwrap();
        EventLog::new(directory.path()).append(&[entry(3)]).unwrap();
        assert_eq!(generations(directory.path()), [1, 2, 3]);
        let mode = fs::metadata(path(directory.path(), 0)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_in_the_log_yet_has_its_place_in_time() {
        let (first, unrecorded, last) = (entry(1), entry(2), entry(3));
        let recorded = Recorded { entries: vec![first.clone(), last.clone()], ..Recorded::default() };
        assert_eq!(recorded.with(Some(unrecorded.clone())).entries, [first, unrecorded, last]);
    }

    #[test]
    fn a_torn_line_costs_that_line_alone() {
        let directory = tempfile::tempdir().unwrap();
        EventLog::new(directory.path()).append(&[entry(1)]).unwrap();
        let mut file = OpenOptions::new().append(true).open(path(directory.path(), 0)).unwrap();
        file.write_all(br#"{"version":1,"at":"2026-1"#).unwrap();
        assert_eq!((generations(directory.path()), read(directory.path()).unwrap().unreadable), (vec![1], 0));
        let mut log = EventLog::new(directory.path());
        log.append(&[entry(2)]).unwrap();
        log.append(&[entry(3)]).unwrap();
        assert_eq!((generations(directory.path()), read(directory.path()).unwrap().unreadable), (vec![1, 2, 3], 1));
    }

    #[test]
    fn old_lines_make_room_for_new_ones() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = EventLog::new(directory.path());
        // Long lines: writing and reading many short ones takes a test ten seconds.
        let line = |number: u64| Event::WorkerPanicked { worker: number.to_string(), text: "x".repeat(10_000) };
        let many: Vec<Entry> = (0..100).map(|number| Entry::now(line(number))).collect();
        let octets: usize = many.iter().map(|entry| serde_json::to_vec(entry).unwrap().len() + 1).sum();
        let rounds = EVENT_LOG_OCTETS as usize * (EVENT_LOG_FILES + 2) / octets;
        for _ in 0..rounds {
            log.append(&many).unwrap();
        }
        let sizes: Vec<u64> =
            fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), EVENT_LOG_FILES);
        assert!(sizes.iter().all(|size| *size <= EVENT_LOG_OCTETS), "{sizes:?}");
        let left: Vec<Event> = read(directory.path()).unwrap().entries.into_iter().map(|entry| entry.event).collect();
        assert!(left.len().is_multiple_of(many.len()) && left.len() < rounds * many.len(), "{}", left.len());
        assert!(left.chunks(many.len()).all(|chunk| chunk.iter().cloned().eq((0..100).map(line))));
    }

    #[test]
    fn a_log_that_somebody_removes_is_begun_anew() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = EventLog::new(directory.path());
        log.append(&[entry(1)]).unwrap();
        fs::remove_file(path(directory.path(), 0)).unwrap();
        log.append(&[entry(2)]).unwrap();
        assert_eq!(generations(directory.path()), [2]);
    }

    #[test]
    fn a_disk_that_refuses_gets_all_of_it_later() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("state");
        let mut log = EventLog::new(&place);
        assert_eq!(log.append(&[entry(1)]).unwrap_err().kind(), ErrorKind::NotFound);
        fs::create_dir(&place).unwrap();
        log.append(&[entry(1)]).unwrap();
        assert_eq!(generations(&place), [1]);
    }

    #[test]
    fn a_touch_is_a_sign_of_life() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = EventLog::new(directory.path());
        log.append(&[entry(1)]).unwrap();
        let old = SystemTime::UNIX_EPOCH;
        File::open(path(directory.path(), 0)).unwrap().set_modified(old).unwrap();
        assert_eq!(log.last_alive(), Some(old.into()));
        log.touch().unwrap();
        assert!(log.last_alive().unwrap() > OffsetDateTime::now_utc() - std::time::Duration::from_secs(60));
    }
}
