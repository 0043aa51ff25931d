//! A prefix on a line of a file, as DHCPv6-PD clients and their hooks write it.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::limits::MAX_PREFIX_FILE;
use crate::npt::{Prefix, PrefixError};

/// Why a file does not tell a prefix.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("it is missing")]
    Missing,
    /// Nobody has a prefix to tell.
    #[error("it says nothing")]
    Empty,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A directory, a pipe or a device.
    #[error("it is no regular file")]
    Irregular,
    /// Not a line.
    #[error("it is longer than {MAX_PREFIX_FILE} octets")]
    TooLong,
    /// Something else.
    #[error("line {line}: {error}")]
    NoPrefix {
        /// Where.
        line: usize,
        /// What is wrong there.
        error: PrefixError,
    },
    /// More than one prefix.
    #[error("line {line}: {second} is a second prefix; write one, in a file for each ISP")]
    Several {
        /// Where.
        line: usize,
        /// The second one.
        second: Prefix,
    },
}

impl FileError {
    /// Whether it says that there is no prefix, and not something else.
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::Missing | Self::Empty)
    }
}

/// The prefix in the file at `path`. A pipe or a device is not waited for.
///
/// # Errors
/// When it tells none.
pub fn read(path: &Path) -> Result<Prefix, FileError> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(FileError::Missing);
        }
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(FileError::Irregular);
    }
    let mut octets = Vec::new();
    file.take(MAX_PREFIX_FILE + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > MAX_PREFIX_FILE {
        return Err(FileError::TooLong);
    }
    parse(&String::from_utf8_lossy(&octets))
}

/// The prefix in `text`. Empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// When it tells none.
fn parse(text: &str) -> Result<Prefix, FileError> {
    let mut found: Option<Prefix> = None;
    for (line, text) in (1..).zip(text.lines()).map(|(line, text)| (line, text.trim())) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let prefix = text.parse().map_err(|error| FileError::NoPrefix { line, error })?;
        if found.replace(prefix).is_some_and(|first| first != prefix) {
            return Err(FileError::Several { line, second: prefix });
        }
    }
    found.ok_or(FileError::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_line_is_a_prefix() {
        let prefix = "2001:db8:a::/56".parse().unwrap();
        for text in ["2001:db8:a::/56", "2001:db8:a::/56\n", " 2001:DB8:a:0::/56\r\n", "# of wan0\n\n2001:db8:a::/56\n"]
        {
            assert_eq!(parse(text).unwrap(), prefix, "{text}");
        }
        assert_eq!(parse("2001:db8:a::/56\n2001:db8:a::/56\n").unwrap(), prefix, "the same twice");
        for nothing in ["", "\n\n", "# none\n"] {
            assert!(parse(nothing).unwrap_err().is_absence());
        }
    }

    #[test]
    fn whatever_else_is_refused_with_its_line() {
        let says = |text: &str| parse(text).unwrap_err().to_string();
        assert!(says("garbage").starts_with("line 1: `garbage` is not an IPv6 prefix"));
        assert!(says("\n2001:db8:a::1/56").contains("line 2") && says("2001:db8::1/56").contains("did you mean"));
        assert!(says("2001:db8:a::/56 3600").contains("not an IPv6 prefix"));
        assert!(says("2001:db8:a::/56\n2001:db8:b::/56").contains("line 2: 2001:db8:b::/56 is a second prefix"));
        assert!(says("\u{fffd}\u{0}").contains("not an IPv6 prefix"));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(&dir.path().join("none")), Err(FileError::Missing)));
        assert!(matches!(read(dir.path()), Err(FileError::Irregular)));
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(read(&pipe), Err(FileError::Irregular)));
        assert!(matches!(read(&pipe.join("below")), Err(FileError::Missing)));
        let long = dir.path().join("long");
        fs::write(&long, " ".repeat(MAX_PREFIX_FILE as usize + 1)).unwrap();
        assert!(matches!(read(&long), Err(FileError::TooLong)));
    }
}
