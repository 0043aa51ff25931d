//! Where links and counters are pinned, so that the gate outlives the process.
//!
//! `<bpffs>/sixways/<inode of the network namespace>/<kind>-<interface>`, mode 0700.

#![allow(unsafe_code)]

use std::ffi::CString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::os::lock_soon;

/// Where bpffs is by convention.
pub const DEFAULT_BPFFS: &str = "/sys/fs/bpf";
/// Where one can be mounted for `ip netns exec`, which hides `/sys`.
const OWN_BPFFS: &str = "/run/sixways/bpf";

/// The pins of this network namespace, in the hands of one process at a time.
#[derive(Clone, Debug)]
pub struct Pins {
    directory: PathBuf,
    _lock: Arc<File>,
}

/// Why nothing can be pinned.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// No BPF file system there.
    #[error(
        "{0} is no BPF file system, and without one the gate would not outlive the gateway; \
         mount one: mount -t bpf bpf /sys/fs/bpf, or, to run under `ip netns exec`, before it: \
         mkdir -p {OWN_BPFFS} && mount -t bpf bpf {OWN_BPFFS}, and add --bpffs {OWN_BPFFS}"
    )]
    NoBpffs(PathBuf),
    /// The mount goes with the process.
    #[error(
        "the BPF file system at {0} is mounted in a private mount namespace and would vanish with this process, \
         and the gate with it; mount it outside (not within `ip netns exec`; no PrivateMounts= or Protect…= in \
         the systemd unit): mkdir -p {OWN_BPFFS} && mount -t bpf bpf {OWN_BPFFS}, and add --bpffs {OWN_BPFFS}"
    )]
    Private(PathBuf),
    /// The directory cannot be used.
    #[error("cannot use {path} for pins: {error}; run as root or with CAP_BPF and write access to it")]
    Directory {
        /// Which.
        path: PathBuf,
        /// The kernel's words.
        error: io::Error,
    },
    /// Another process has them.
    #[error(
        "a gateway runs in this network namespace, and {0} is in its hands; stop it first (it ends on SIGTERM, \
         or `systemctl stop sixways`)"
    )]
    Busy(PathBuf),
}

impl Pins {
    /// The pins of the calling thread's network namespace, below `bpffs` or
    /// [`DEFAULT_BPFFS`]. Makes the directory, and keeps other processes out of it while this
    /// value lives. Waits a moment for one that is on its way out.
    ///
    /// # Errors
    /// When there is no BPF file system, or one that would not outlive the process, or another
    /// process has the pins.
    pub fn open(bpffs: Option<&Path>) -> Result<Self, PinError> {
        let bpffs = bpffs.unwrap_or(Path::new(DEFAULT_BPFFS));
        if !is_bpffs(bpffs) {
            return Err(PinError::NoBpffs(bpffs.to_owned()));
        }
        if !outlives_us(bpffs) {
            return Err(PinError::Private(bpffs.to_owned()));
        }
        let failed = |path: &Path, error| PinError::Directory { path: path.to_owned(), error };
        let namespace = fs::metadata("/proc/thread-self/ns/net").map_err(|error| failed(bpffs, error))?;
        let directory = bpffs.join("sixways").join(namespace.ino().to_string());
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|error| failed(&directory, error))?;
        let lock = File::open(&directory).map_err(|error| failed(&directory, error))?;
        match lock_soon(&lock) {
            Ok(()) => Ok(Self { directory, _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(PinError::Busy(directory)),
            Err(TryLockError::Error(error)) => Err(failed(&directory, error)),
        }
    }

    /// The pin of `kind` for `interface`. A dot cannot be part of a name on a BPF file system.
    pub(super) fn path(&self, kind: &str, interface: &str) -> PathBuf {
        self.directory.join(format!("{kind}-{}", interface.replace('%', "%25").replace('.', "%2e")))
    }

    /// All pins, as (kind, interface, path), in the order of their names.
    pub(super) fn list(&self) -> io::Result<Vec<(String, String, PathBuf)>> {
        let mut pins: Vec<_> = fs::read_dir(&self.directory)?
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let (kind, interface) = name.split_once('-')?;
                Some((kind.to_owned(), interface.replace("%2e", ".").replace("%25", "%"), entry.path()))
            })
            .collect();
        pins.sort();
        Ok(pins)
    }

    /// Removes the directory, which is empty by now.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_dir(self.directory)
    }
}

/// Removes the pin at `path`, if there is one.
pub(super) fn unpin(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_bpffs(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut stat = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: the path ends with a zero, and there is room for the answer.
    let result = unsafe { libc::statfs(path.as_ptr(), stat.as_mut_ptr()) };
    // SAFETY: the kernel has filled it in.
    result == 0 && unsafe { stat.assume_init() }.f_type == libc::BPF_FS_MAGIC
}

/// Whether the eldest ancestor that we may ask sees the same file system at the same place: then
/// it does not go with our own mount namespace. Usually that is the first process; in a
/// container whose first process is out of reach, the eldest one within it.
fn outlives_us(bpffs: &Path) -> bool {
    let Ok(absolute) = fs::canonicalize(bpffs) else { return false };
    let Ok(below_root) = absolute.strip_prefix("/") else { return false };
    let seen_by = |process: u32| {
        let seen = Path::new("/proc").join(process.to_string()).join("root").join(below_root);
        match fs::metadata(seen) {
            Ok(metadata) => Some(Some(metadata.dev())),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            Err(_) => Some(None),
        }
    };
    let own = fs::metadata(&absolute).ok().map(|metadata| metadata.dev());
    let eldest = ancestors().filter_map(seen_by).last();
    own.is_some() && eldest == Some(own)
}

/// This process, its parent, and so on.
fn ancestors() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(std::process::id()), |process| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        (parent != 0).then_some(parent)
    })
}
