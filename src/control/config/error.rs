//! What is wrong with a configuration: where, what, the value, and what would be right.

use std::fmt;
use std::ops::Range;

use crate::npt::{MappingError, Prefix, PrefixError};

/// Everything that is wrong with a file. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Key path, like `isp[1].prefix`; empty: the file as a whole.
    pub path: String,
    /// Where in the text, if it is somewhere.
    pub position: Option<Position>,
    /// What is wrong.
    pub problem: Problem,
}

/// A place in the text, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// Characters that are meant, within the line.
    pub length: usize,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// Not TOML.
    #[error("{0}")]
    Syntax(String),
    /// A key that does not exist.
    #[error("there is no such key; {}", advice(.suggestion.as_deref(), .known))]
    UnknownKey {
        /// The key that may have been meant.
        suggestion: Option<String>,
        /// The keys that exist there.
        known: Vec<&'static str>,
    },
    /// Part of the design, not of this version.
    #[error("`{0}` is not built yet; remove it")]
    NotBuilt(String),
    /// A key that must be there.
    #[error("is missing; it takes {0}")]
    Missing(&'static str),
    /// Another type or value than the key takes.
    #[error("{value} does not fit; it takes {takes}")]
    Value {
        /// The value as written.
        value: String,
        /// What would fit.
        takes: String,
    },
    /// Not a prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// Two prefixes that make no pair.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// A prefix of addresses that no site has.
    #[error("{0} holds no global or unique-local unicast addresses; a site cannot use it")]
    NotUnicast(Prefix),
    /// The same thing twice.
    #[error("{value} is in {other} already; {remedy}")]
    Twice {
        /// What.
        value: String,
        /// Where it was first.
        other: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Two prefixes share addresses.
    #[error("{prefix} overlaps {other} of {place}; {remedy}")]
    Overlap {
        /// This one.
        prefix: Prefix,
        /// That one.
        other: Prefix,
        /// Where that one is.
        place: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Keys or values that contradict each other.
    #[error("{0}")]
    Contradiction(String),
}

fn advice(suggestion: Option<&str>, known: &[&str]) -> String {
    match suggestion {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

impl Position {
    /// The place of `span` in `text`.
    pub(super) fn of(text: &str, span: &Range<usize>) -> Self {
        let start = span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        let end = span.end.clamp(start, line_end);
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            text: text[line_start..line_end].trim_end().to_owned(),
            length: text[start..end].trim_end().chars().count().max(1),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{}:{}: ", position.line, position.column)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        self.problem.fmt(f)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
