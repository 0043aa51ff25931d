//! A configuration and the file that it was read from.

use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::reader::Place;
use super::{Config, ConfigErrors, parse};

/// A good configuration file, as it was when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
    /// What that means.
    pub config: Config,
}

impl ConfigFile {
    /// The file at `path`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigErrors> {
        Self::of(path, std::fs::read_to_string(path))
    }

    /// The file at `path`, of which `read` is what was read.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn of(path: &Path, read: io::Result<String>) -> Result<Self, ConfigErrors> {
        let text = read.map_err(|error| {
            let place = Place { path: String::new(), span: 0..0 };
            ConfigErrors::new("", vec![(place, Problem::Unreadable(error.to_string()))]).of_file(path)
        })?;
        let config = parse(&text).map_err(|errors| errors.of_file(path))?;
        Ok(Self { path: path.to_owned(), text, config })
    }

    /// SHA-256 of its octets in hexadecimal digits: what `sha256sum` prints.
    pub fn sha256(&self) -> String {
        use std::fmt::Write;
        let digest = Sha256::digest(self.text.as_bytes());
        digest.iter().fold(String::new(), |mut text, octet| {
            // Writing to a string does not fail.
            let _ = write!(text, "{octet:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_hash_that_sha256sum_prints() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/minimal.toml");
        let file = ConfigFile::read(&path).unwrap();
        let printed = std::process::Command::new("sha256sum").arg(&path).output().unwrap().stdout;
        assert_eq!(String::from_utf8(printed).unwrap().split(' ').next(), Some(&*file.sha256()));
    }
}
