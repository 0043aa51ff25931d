//! Wakes the run loop when a file that an ISP's prefix is learnt from may have changed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::unix::AsyncFd;

use super::file_watch::{FileWatch, Touch};
use crate::control::config::{Config, PrefixOrigin};
use crate::os::readable;

/// Files that are watched.
#[derive(Debug)]
pub(super) struct PrefixWatch {
    files: FileWatch,
    /// The descriptor of `files`.
    ready: AsyncFd<OwnedFd>,
}

impl PrefixWatch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// Without a descriptor.
    pub(super) fn start() -> io::Result<Self> {
        let files = FileWatch::start(false)?;
        let ready = readable(files.as_fd().try_clone_to_owned()?)?;
        Ok(Self { files, ready })
    }

    /// Watches `config`'s files.
    pub(super) fn follow(&mut self, config: &Config) {
        self.files.follow(config.isps.iter().filter_map(|isp| match &isp.source.as_ref()?.origin {
            PrefixOrigin::File(path) => Some(path.as_path()),
            PrefixOrigin::Interface(_) => None,
        }));
    }

    /// Returns when something has happened in one of the directories. May be dropped.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) async fn changed(&self) -> io::Result<()> {
        loop {
            let mut ready = self.ready.readable().await?;
            let touched = self.files.touched()?;
            ready.clear_ready();
            if touched == Some(Touch::Left) {
                return Ok(());
            }
        }
    }
}
