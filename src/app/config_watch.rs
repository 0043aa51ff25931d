//! Reads the configuration file when somebody has saved it.
//!
//! A thread of its own: a file system that hangs holds up neither the run loop nor the end of the process.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::file_watch::{FileWatch, Touch};
use crate::control::reload::{Due, Saves, Stamp};
use crate::limits::MAX_CONFIG_LINKS;
use crate::os;
use crate::units::Nanos;

/// Time after which the file is looked at though nothing told of a change.
const LOOK: Nanos = Nanos::from_millis(1000);
/// Time between two looks where the directory's other files are never at rest.
const PAUSE: Duration = Duration::from_millis(20);

/// What the file has, or why that cannot be read.
pub(super) type Saved = io::Result<String>;

/// Watches the file at `path` from now on. What it has comes out once, and once for each saved state.
///
/// # Errors
/// Without a descriptor or a thread.
pub(super) fn watch(path: PathBuf) -> io::Result<Receiver<Saved>> {
    let files = FileWatch::start(true)?;
    let (sender, receiver) = mpsc::channel(1);
    thread::Builder::new().name("config".to_owned()).spawn(move || {
        if let Err(error) = serve(files, &path, &sender) {
            tracing::error!(%error, "the configuration file is watched no longer; `sixways reload` reads it");
        }
    })?;
    Ok(receiver)
}

fn serve(mut files: FileWatch, path: &Path, saved: &Sender<Saved>) -> io::Result<()> {
    let mut saves = Saves::default();
    loop {
        files.follow(ways(path).iter().map(PathBuf::as_path));
        match files.touched()? {
            Some(Touch::Written) => saves.written(true),
            Some(Touch::Left) => saves.written(false),
            None => {}
        }
        let stamp = Stamp::of(path);
        let patience = match saves.see(stamp, os::now()) {
            Due::Nothing => LOOK,
            Due::After(rest) => rest.min(LOOK),
            Due::Read => {
                let read = std::fs::read_to_string(path);
                // Otherwise it is being saved again: what was read may be half of it.
                if Stamp::of(path) == stamp {
                    saves.taken(stamp);
                    if saved.blocking_send(read).is_err() {
                        return Ok(());
                    }
                }
                continue;
            }
        };
        let patience = Timespec::try_from(Duration::from_nanos(patience.0)).ok();
        match poll(&mut [PollFd::new(&files, PollFlags::IN)], patience.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => thread::sleep(PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
}

/// `path`, and every link on the way to the file that it leads to, with what those lead to: whichever of
/// them is replaced, the file is another.
fn ways(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![path.to_owned()];
    while let Some(path) = ahead.pop() {
        if found.len() > MAX_CONFIG_LINKS || !found.insert(path.clone()) {
            continue;
        }
        for link in path.ancestors() {
            let (Ok(target), Some(parent), Ok(rest)) = (link.read_link(), link.parent(), path.strip_prefix(link))
            else {
                continue;
            };
            found.insert(link.to_owned());
            let leads_to = parent.join(target);
            // Joining nothing would leave a slash, and the path of a directory.
            ahead.push(if rest == Path::new("") { leads_to } else { leads_to.join(rest) });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_link_on_the_way_counts() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("v1")).unwrap();
        fs::write(at("v1/file"), "").unwrap();
        symlink("v1", at("..data")).unwrap();
        symlink("..data/file", at("mounted")).unwrap();
        symlink(at("mounted"), at("etc")).unwrap();
        let names = ["etc", "mounted", "..data", "..data/file", "v1/file"];
        assert_eq!(ways(&at("etc")), names.iter().map(|name| at(name)).collect());
        assert_eq!(ways(&at("v1/file")), [at("v1/file")].into());
        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        symlink("self/below", at("self")).unwrap();
        assert_eq!(ways(&at("a")), [at("a"), at("b")].into(), "a loop ends");
        assert!(ways(&at("self")).len() <= MAX_CONFIG_LINKS + 2, "and so does what grows");
    }

    /// What the thread tells next, in text.
    fn told(saved: &mut Receiver<Saved>) -> String {
        match saved.blocking_recv().unwrap() {
            Ok(text) => text,
            Err(error) => error.kind().to_string(),
        }
    }

    #[test]
    fn each_saved_state_is_told_once_and_whole() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let move_data = |to: &str| {
            symlink(to, at("..next")).unwrap();
            fs::rename(at("..next"), at("..data")).unwrap();
        };
        for version in ["v1", "v2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("file"), version).unwrap();
        }
        move_data("v1");
        symlink("..data/file", at("mounted")).unwrap();
        let mut saved = watch(at("mounted")).unwrap();
        assert_eq!(told(&mut saved), "v1", "what it has from the start");
        move_data("v2");
        assert_eq!(told(&mut saved), "v2", "as a ConfigMap changes");
        fs::write(at("other"), "renamed").unwrap();
        fs::rename(at("other"), at("mounted")).unwrap();
        assert_eq!(told(&mut saved), "renamed", "as an editor replaces it");
        let mut writer = fs::File::create(at("mounted")).unwrap();
        io::Write::write_all(&mut writer, b"in ").unwrap();
        // Longer than the quiet time: who holds it open may write on.
        thread::sleep(Duration::from_millis(2500));
        assert!(saved.try_recv().is_err(), "half of it was read");
        io::Write::write_all(&mut writer, b"place").unwrap();
        drop(writer);
        assert_eq!(told(&mut saved), "in place", "as another writes over it");
        fs::remove_file(at("mounted")).unwrap();
        assert_eq!(told(&mut saved), io::ErrorKind::NotFound.to_string());
        fs::write(at("mounted"), "again").unwrap();
        assert_eq!(told(&mut saved), "again");
        assert!(saved.try_recv().is_err(), "nothing is told twice");
    }
}
