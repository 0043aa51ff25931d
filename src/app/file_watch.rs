//! Tells when files may have changed.
//!
//! The calls of inotify themselves, by rustix: `notify` would bring threads and other systems' ways along.
//! Directories are watched, as a file is replaced by rename or is not there yet. What no event tells (a
//! directory that was made anew, another host's write on a network file system) is found by those who look
//! every second.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, WatchFlags as Flags};
use rustix::io::Errno;

/// What somebody does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// Writes it, and has not closed it yet.
    Written,
    /// Has closed, renamed or removed it, or cannot be told.
    Left,
}

/// Directories that are watched.
#[derive(Debug)]
pub(super) struct FileWatch {
    inotify: OwnedFd,
    flags: Flags,
    watched: BTreeMap<PathBuf, i32>,
    /// Names of the files in them.
    names: BTreeSet<Vec<u8>>,
}

impl FileWatch {
    /// Watches nothing yet. Only with `writing` it tells of [`Touch::Written`].
    ///
    /// # Errors
    /// Without a descriptor.
    pub(super) fn start(writing: bool) -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let mut flags = Flags::CLOSE_WRITE | Flags::MOVED_TO | Flags::MOVED_FROM | Flags::DELETE | Flags::ONLYDIR;
        flags.set(Flags::MODIFY, writing);
        Ok(Self { inotify, flags, watched: BTreeMap::new(), names: BTreeSet::new() })
    }

    /// Watches the directories of `files`, those that have come since the last call too.
    pub(super) fn follow<'a>(&mut self, files: impl Iterator<Item = &'a Path> + Clone) {
        let wanted: BTreeSet<&Path> = files.clone().filter_map(Path::parent).collect();
        self.names = files.filter_map(|path| Some(path.file_name()?.as_bytes().to_owned())).collect();
        self.watched.retain(|path, watch| {
            let stays = wanted.contains(path.as_path());
            if !stays {
                // Of a directory that is gone the kernel has removed it.
                let _ = inotify::remove_watch(&self.inotify, *watch);
            }
            stays
        });
        for path in wanted {
            // Asked every second: the path may lead to another directory now. Nothing changes where it does not.
            match inotify::add_watch(&self.inotify, path, self.flags) {
                Ok(watch) => drop(self.watched.insert(path.to_owned(), watch)),
                Err(_) => drop(self.watched.remove(path)),
            }
        }
    }

    /// What has been done with one of the files since the last call, the latest of it. Does not wait.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn touched(&self) -> io::Result<Option<Touch>> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut latest = None;
        loop {
            match events.next() {
                Ok(event) if event.file_name().is_none_or(|name| self.names.contains(name.to_bytes())) => {
                    let written = event.events().contains(inotify::ReadFlags::MODIFY);
                    latest = Some(if written { Touch::Written } else { Touch::Left });
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(latest),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}
