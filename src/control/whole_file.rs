//! Files that are there whole or not at all, whenever the power fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts `octets` in the place of `path`, unless it is these already, for its owner's eyes only, and waits until the
/// disk has them. Each file has one writer at a time.
pub(super) fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    // A start after a kill finds most as it is, and packets would wait for the disk.
    if fs::read(path).is_ok_and(|kept| kept == octets) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
