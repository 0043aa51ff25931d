//! Wakes the run loop when a file that an ISP's prefix is learnt from may have changed.
//!
//! The calls of inotify themselves, by rustix: `notify` would bring threads and other systems' ways along.
//! Directories are watched, as a file is replaced by rename or is not there yet. What no event tells (a
//! directory that was made anew, another host's write on a network file system) the look of every second
//! finds.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify;
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

use crate::control::config::{Config, PrefixOrigin};
use crate::os::readable;

/// Directories that are watched.
#[derive(Debug)]
pub(super) struct PrefixWatch {
    inotify: AsyncFd<OwnedFd>,
    watched: BTreeMap<PathBuf, i32>,
    /// Names of the files in them.
    names: BTreeSet<Vec<u8>>,
}

impl PrefixWatch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// Without a descriptor.
    pub(super) fn start() -> io::Result<Self> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        Ok(Self { inotify: readable(inotify)?, watched: BTreeMap::new(), names: BTreeSet::new() })
    }

    /// Watches the directories of `config`'s files, those that have come since the last call too.
    pub(super) fn follow(&mut self, config: &Config) {
        let files = config.isps.iter().filter_map(|isp| match &isp.source.as_ref()?.origin {
            PrefixOrigin::File(path) => Some(path.as_path()),
            PrefixOrigin::Interface(_) => None,
        });
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
        use inotify::WatchFlags as Flags;
        let written = Flags::CLOSE_WRITE | Flags::MOVED_TO | Flags::MOVED_FROM | Flags::DELETE;
        for path in wanted {
            // Asked every second: the path may lead to another directory now. Nothing changes where it does not.
            match inotify::add_watch(&self.inotify, path, written | Flags::ONLYDIR) {
                Ok(watch) => drop(self.watched.insert(path.to_owned(), watch)),
                Err(_) => drop(self.watched.remove(path)),
            }
        }
    }

    /// Returns when something has happened in one of the directories. May be dropped.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut any = false;
            loop {
                match inotify::Reader::new(&self.inotify, &mut buffer).next() {
                    Ok(event) => {
                        any |= event.file_name().is_none_or(|name| self.names.contains(name.to_bytes()));
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
            if any {
                return Ok(());
            }
        }
    }
}
