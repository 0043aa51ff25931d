//! When what was saved in the configuration file is read: once for each saved state, when nobody writes any
//! more.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::limits::CONFIG_QUIET;
use crate::units::Nanos;

/// What tells one saved state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    octets: u64,
    /// Seconds and nanoseconds of the latest change of text, and of anything.
    times: [(i64, i64); 2],
}

impl Stamp {
    /// That of the file which `path` leads to; none where it leads to none.
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            octets: found.size(),
            times: [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())],
        })
    }
}

/// What is to be done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing until something happens.
    Nothing,
    /// To look again after this time.
    After(Nanos),
    /// To read it.
    Read,
}

/// The states of a file that is saved time and again. Told what is seen, and `now`.
#[derive(Debug, Default)]
pub struct Saves {
    /// The state that was read; none: not yet.
    taken: Option<Option<Stamp>>,
    /// Another state, and since when it is seen.
    settling: Option<(Option<Stamp>, Nanos)>,
    written: bool,
}

impl Saves {
    /// Somebody has written and not closed it; or nobody does any more.
    pub fn written(&mut self, written: bool) {
        self.written = written;
    }

    /// The file is in the state `seen`; none: it is not there.
    pub fn see(&mut self, seen: Option<Stamp>, now: Nanos) -> Due {
        if self.taken == Some(seen) {
            self.settling = None;
            return Due::Nothing;
        }
        let since = match self.settling {
            Some((settling, since)) if settling == seen => since,
            _ => now,
        };
        self.settling = Some((seen, since));
        let quiet = now.since(since);
        if quiet < CONFIG_QUIET {
            Due::After(Nanos(CONFIG_QUIET.0 - quiet.0))
        } else if self.written {
            Due::Nothing
        } else {
            Due::Read
        }
    }

    /// What it has in the state `stamp` was read.
    pub fn taken(&mut self, stamp: Option<Stamp>) {
        self.taken = Some(stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(octets: u64) -> Option<Stamp> {
        Some(Stamp { device: 1, inode: 2, octets, times: [(3, 4); 2] })
    }

    fn at(millis: u64) -> Nanos {
        Nanos::from_millis(1_000_000 + millis)
    }

    /// The first state was read.
    fn begun() -> Saves {
        let mut saves = Saves::default();
        assert_eq!(saves.see(state(1), at(0)), Due::After(CONFIG_QUIET));
        assert_eq!(saves.see(state(1), at(1000)), Due::Read);
        saves.taken(state(1));
        assert_eq!(saves.see(state(1), at(1000)), Due::Nothing);
        saves
    }

    #[test]
    fn a_state_is_read_when_it_has_been_quiet() {
        let mut saves = begun();
        assert_eq!(saves.see(state(2), at(2000)), Due::After(CONFIG_QUIET));
        assert_eq!(saves.see(state(3), at(2900)), Due::After(CONFIG_QUIET), "it is still being changed");
        assert_eq!(saves.see(state(3), at(3100)), Due::After(Nanos::from_millis(800)));
        assert_eq!(saves.see(state(3), at(3900)), Due::Read);
    }

    #[test]
    fn a_file_that_is_held_open_is_left_alone_until_it_is_closed() {
        let mut saves = begun();
        saves.written(true);
        assert_eq!(saves.see(state(2), at(2000)), Due::After(CONFIG_QUIET));
        assert_eq!(saves.see(state(2), at(60_000)), Due::Nothing);
        saves.written(false);
        assert_eq!(saves.see(state(2), at(60_000)), Due::Read);
    }

    #[test]
    fn a_file_that_is_away_for_a_moment_has_not_changed() {
        let mut saves = begun();
        assert_eq!(saves.see(None, at(2000)), Due::After(CONFIG_QUIET));
        assert_eq!(saves.see(state(1), at(2010)), Due::Nothing);
        assert_eq!(saves.see(None, at(3000)), Due::After(CONFIG_QUIET), "the time begins anew");
        assert_eq!(saves.see(None, at(4000)), Due::Read, "and one that stays away has");
    }
}
