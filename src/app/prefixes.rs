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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::control::config::parse;

    #[tokio::test]
    async fn a_file_that_is_replaced_by_rename_is_heard() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("wan0.prefix");
        let source = format!("prefix = {{ file = \"{}\" }}", file.display());
        let text = include_str!("../../configs/minimal.toml").replacen("prefix = \"2001:db8:1::/48\"", &source, 1);
        let mut watch = PrefixWatch::start().unwrap();
        watch.follow(&parse(&text).unwrap());
        // All of it before anybody reads: the writing of the other name, its end, and the new one.
        let draft = directory.path().join("draft");
        fs::write(&draft, "2001:db8:3::/48\n").unwrap();
        fs::rename(&draft, &file).unwrap();
        let heard = tokio::time::timeout(Duration::from_secs(5), watch.changed()).await;
        heard.expect("the rename is heard").unwrap();
        fs::write(&draft, "").unwrap();
        let heard = tokio::time::timeout(Duration::from_millis(100), watch.changed()).await;
        assert!(heard.is_err(), "nobody asks for that file");
    }
}
