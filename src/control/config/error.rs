//! The errors of a file, all of them, with the lines that they are about.

use std::fmt;

use super::problem::Problem;
use super::reader::Place;

/// Longest line that is shown with an error, in octets.
const LONGEST_EXCERPT: usize = 240;

/// One error of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key's path, like `[[isp]] "cable" prefix`; empty where the error is about no key.
    pub path: String,
    /// Line and column, from 1; `None` where the error is about no line (a missing section).
    pub position: Option<(usize, usize)>,
    /// The value as written, when there is one.
    pub value: Option<String>,
    /// What is wrong.
    pub problem: Problem,
    /// The line itself and how many characters to mark in it.
    excerpt: Option<(String, usize)>,
}

/// Everything that is wrong with a file; never empty. Nothing of such a file is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    file: Option<String>,
    errors: Vec<ConfigError>,
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    pub(super) fn new(text: &str, errors: Vec<(Place, Problem)>) -> Self {
        let errors = errors.into_iter().map(|(place, problem)| ConfigError::new(text, place, problem)).collect();
        Self { file: None, errors }
    }

    pub(super) fn of_file(mut self, file: &std::path::Path) -> Self {
        self.file = Some(file.display().to_string());
        self
    }

    /// Each of them, in the order of the file.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// The file's name, if it was a file.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }
}

impl ConfigError {
    fn new(text: &str, place: Place, problem: Problem) -> Self {
        let Place { path, span } = place;
        if span.is_empty() && !matches!(problem, Problem::Syntax(_)) {
            return Self { path, position: None, value: None, problem, excerpt: None };
        }
        let start = text.floor_char_boundary(span.start);
        let end = text.ceil_char_boundary(span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[line_start..].lines().next().unwrap_or_default();
        let position = (line_number(text, start), text[line_start..start].chars().count() + 1);
        let marked = text[start..end].lines().next().unwrap_or_default().chars().count();
        let value = Some(printable(text[start..end].lines().next().unwrap_or_default())).filter(|v| !v.is_empty());
        let excerpt = (line.len() <= LONGEST_EXCERPT).then(|| (printable(line), marked.max(1)));
        Self { path, position: Some(position), value, problem, excerpt }
    }
}

/// The number of the line, from 1, that the octet at `offset` stands in.
pub(super) fn line_number(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Control characters could do harm to a terminal, and tabs would shift the marks.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// One line: where, what, remedy.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", printable(&self.problem.to_string()), printable(&self.problem.remedy()))
    }
}

/// How many there are, then several lines for each: what, where, the line with the place marked,
/// remedy.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.as_deref().unwrap_or("configuration");
        match self.errors.len() {
            1 => write!(f, "{file}: 1 error")?,
            count => write!(f, "{file}: {count} errors")?,
        }
        for error in &self.errors {
            let colon = if error.path.is_empty() { "" } else { ": " };
            let (path, what) = (printable(&error.path), printable(&error.problem.to_string()));
            write!(f, "\n\nerror: {path}{colon}{what}")?;
            let width = error.position.map_or(1, |(line, _)| line.to_string().len());
            match error.position {
                Some((line, column)) => write!(f, "\n{:width$}--> {file}:{line}:{column}", "")?,
                None => write!(f, "\n{:width$}--> {file}", "")?,
            }
            if let (Some((line, column)), Some((excerpt, marked))) = (error.position, &error.excerpt) {
                write!(f, "\n{:width$} |\n{line} | {excerpt}", "")?;
                write!(f, "\n{:width$} | {:indent$}{}", "", "", "^".repeat(*marked), indent = column - 1)?;
            }
            write!(f, "\n{:width$} = help: {}", "", printable(&error.problem.remedy()))?;
        }
        Ok(())
    }
}
