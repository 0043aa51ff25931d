//! The state directory: what must outlast a restart and a reboot. Each file is versioned, for
//! its owner's eyes only, and written whole by rename.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::control::ids::Ids;
use crate::control::intents;
use crate::control::prefixes::{self, History};
use crate::control::quotas::Carried;
use crate::control::whole_file;
use crate::hash::{HashKey, KEY_WORDS};
use crate::os::lock_soon;

/// Where the state lies unless `--state` says otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/sixways";

const VERSION: u32 = 1;

/// The directory, locked for as long as the value or a clone of it lives.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: PathBuf,
    _lock: Arc<File>,
}

/// Why the state cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("cannot {what} {}: {source}; name a writable directory with --state", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// Another gateway uses the directory.
    #[error("{} is in use by another gateway; stop it, or give this one its own directory with --state", .0.display())]
    InUse(PathBuf),
    /// The content makes no sense.
    #[error("{} is damaged or of another version: {reason}; remove it to start anew (flows may change their ISP)", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// No randomness.
    #[error("the system gave no random numbers for hash key and probes: {0}")]
    Random(getrandom::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Versioned<T> {
    version: u32,
    content: T,
}

impl StateDir {
    /// Opens the directory, making it if it is missing, and locks out other gateways. One that was
    /// just killed may be on its way out for a moment: so the lock is tried for a while.
    ///
    /// # Errors
    /// When it cannot be made or locked.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let io = |what, source| StateError::Io { what, path: path.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| io("make", source))?;
        let lock = private(OpenOptions::new().create(true).truncate(false), &path.join("lock"))
            .map_err(|source| io("write into", source))?;
        match lock_soon(&lock) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: Arc::new(lock) }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => Err(io("lock", source)),
        }
    }

    /// Whether a gateway uses the directory at `path`.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn is_in_use(path: &Path) -> Result<bool, StateError> {
        let path = path.join("lock");
        let io = |what, source| StateError::Io { what, path: path.clone(), source };
        let lock = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened.map_err(|source| io("read", source))?,
        };
        match lock.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(io("lock", source)),
        }
    }

    /// The ids of the last run; none at first.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn ids(&self) -> Result<Ids, StateError> {
        let ids: Ids = load(&self.path, "ids.json")?.unwrap_or_default();
        if ids.is_sound() {
            Ok(ids)
        } else {
            Err(damaged(&self.path, "ids.json", "ids contradict each other".to_owned()))
        }
    }

    /// Keeps the ids.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_ids(&self, ids: &Ids) -> Result<(), StateError> {
        self.store("ids.json", ids)
    }

    /// The prefixes that the last run had learnt.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn prefixes(&self) -> Result<prefixes::Kept, StateError> {
        read_prefixes(&self.path)
    }

    /// Keeps what is learnt.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_prefixes(&self, prefixes: &prefixes::Kept) -> Result<(), StateError> {
        self.store(PREFIXES, prefixes)
    }

    /// Which prefix pairs were in force when.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn prefix_history(&self) -> Result<History, StateError> {
        read_prefix_history(&self.path)
    }

    /// Keeps the history.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_prefix_history(&self, history: &History) -> Result<(), StateError> {
        self.store(PREFIX_HISTORY, history)
    }

    /// The key of the steering hash, made at the first call and kept.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or cannot be written.
    pub fn hash_key(&self) -> Result<HashKey, StateError> {
        if let Some(words) = load::<[u64; KEY_WORDS]>(&self.path, "hash-key.json")? {
            return Ok(HashKey(words));
        }
        let mut words = [0; KEY_WORDS];
        for word in &mut words {
            *word = random_word()?;
        }
        self.store("hash-key.json", &words)?;
        Ok(HashKey(words))
    }

    /// What operators have asked of the ISPs in the last run.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn intents(&self) -> Result<intents::Kept, StateError> {
        Ok(load(&self.path, "intents.json")?.unwrap_or_default())
    }

    /// Keeps what operators have asked.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_intents(&self, kept: &intents::Kept) -> Result<(), StateError> {
        self.store("intents.json", kept)
    }

    /// What the ISPs have carried, month by month.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub fn carried(&self) -> Result<Carried, StateError> {
        Ok(load(&self.path, "carried.json")?.unwrap_or_default())
    }

    /// Keeps what the ISPs have carried. Waits for the disk.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_carried(&self, carried: &Carried) -> Result<(), StateError> {
        self.store("carried.json", carried)
    }

    fn store<T: Serialize>(&self, file: &str, content: &T) -> Result<(), StateError> {
        let path = self.path.join(file);
        let text = serde_json::to_vec(&Versioned { version: VERSION, content }).map_err(io::Error::from);
        // The lock makes us the only writer.
        let stored = text.and_then(|text| whole_file::replace(&path, &text));
        stored.map_err(|source| StateError::Io { what: "write", path, source })
    }
}

/// The prefixes that a gateway had learnt, in the state directory at `path`, whoever runs there.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn read_prefixes(path: &Path) -> Result<prefixes::Kept, StateError> {
    Ok(load(path, PREFIXES)?.unwrap_or_default())
}

/// The prefix history in the state directory at `path`, whoever runs there: files appear whole.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub fn read_prefix_history(path: &Path) -> Result<History, StateError> {
    Ok(load(path, PREFIX_HISTORY)?.unwrap_or_default())
}

const PREFIXES: &str = "prefixes.json";
const PREFIX_HISTORY: &str = "prefix-history.json";

fn damaged(state: &Path, file: &str, reason: String) -> StateError {
    StateError::Damaged { path: state.join(file), reason }
}

fn load<T: DeserializeOwned>(state: &Path, file: &str) -> Result<Option<T>, StateError> {
    let path = state.join(file);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateError::Io { what: "read", path, source }),
    };
    let found: Versioned<T> = serde_json::from_str(&text).map_err(|error| damaged(state, file, error.to_string()))?;
    if found.version != VERSION {
        return Err(damaged(state, file, format!("version {} instead of {VERSION}", found.version)));
    }
    Ok(Some(found.content))
}

/// A random number that nobody else knows.
pub(super) fn random_word() -> Result<u64, StateError> {
    getrandom::u64().map_err(StateError::Random)
}

fn private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.write(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn the_hash_key_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/state");
        let key = StateDir::open(&path).unwrap().hash_key().unwrap();
        assert!(key.0.iter().all(|word| *word != 0), "eleven random words");
        assert_eq!(StateDir::open(&path).unwrap().hash_key().unwrap(), key);
        let mode = fs::metadata(path.join("hash-key.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!path.join("hash-key.new").exists());
        let other = tempfile::tempdir().unwrap();
        assert_ne!(StateDir::open(other.path()).unwrap().hash_key().unwrap(), key);
    }

    #[test]
    fn two_gateways_do_not_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::open(dir.path()).unwrap();
        let error = StateDir::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("in use by another gateway"), "{error}");
        assert!(StateDir::is_in_use(dir.path()).unwrap());
        drop(first);
        assert!(!StateDir::is_in_use(dir.path()).unwrap());
        StateDir::open(dir.path()).unwrap();
    }

    #[test]
    fn damage_is_reported_with_the_file_and_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let twice = r#"{"version":1,"content":{"ports":{"ids":{"a":1,"b":1},"gone":[]},
            "edges":{"ids":{},"gone":[]},"uplinks":{"ids":{},"gone":[]},"mappings":{"ids":{},"gone":[]}}}"#;
        for text in ["", "{", r#"{"version":2,"content":{}}"#, twice] {
            fs::write(dir.path().join("ids.json"), text).unwrap();
            let error = state.ids().unwrap_err().to_string();
            assert!(error.contains("ids.json") && error.contains("remove it"), "{error}");
        }
    }

    #[test]
    fn ids_come_back_as_they_were_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.ids().unwrap(), Ids::default());
        let ids: Ids = serde_json::from_str(
            r#"{"ports":{"ids":{"a":3},"gone":["a"]},"edges":{"ids":{},"gone":[]},
                "uplinks":{"ids":{"x":14},"gone":[]},"mappings":{"ids":{},"gone":[]}}"#,
        )
        .unwrap();
        state.keep_ids(&ids).unwrap();
        assert_eq!(state.ids().unwrap(), ids);
    }

    #[test]
    fn what_is_kept_already_is_not_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let write = |number: u32| {
            state.store("number.json", &number).unwrap();
            assert_eq!(load(dir.path(), "number.json").unwrap(), Some(number));
            fs::metadata(dir.path().join("number.json")).unwrap().ino()
        };
        let first = write(1);
        assert_eq!(write(1), first);
        // Written anew while the former file is there, so that another inode takes its place.
        assert_ne!(write(2), first);
    }
}
