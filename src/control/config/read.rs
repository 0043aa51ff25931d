//! Typed access to the tables of a file. Every mistake is noted with its place; reading goes on,
//! so that all mistakes of a file are told at once.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Position, Problem};
use super::schema::{self, Key};

/// Likeness (0 to 1, Jaro-Winkler) from which a key is taken for a misspelling of another.
const LIKE: f64 = 0.8;

/// The mistakes of one file.
#[derive(Debug)]
pub(super) struct Mistakes<'a> {
    text: &'a str,
    errors: RefCell<Vec<ConfigError>>,
}

impl<'a> Mistakes<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, errors: RefCell::new(Vec::new()) }
    }

    /// Notes a mistake at a place of the text.
    pub(super) fn note(&self, path: &str, span: &Range<usize>, problem: Problem) {
        let position = Some(Position::of(self.text, span));
        self.errors.borrow_mut().push(ConfigError { path: path.to_owned(), position, problem });
    }

    /// All mistakes, in the order of the text.
    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|error| error.position.as_ref().map(|position| (position.line, position.column)));
        errors
    }

    fn source(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        match text.split_once('\n') {
            Some((first, _)) => format!("`{} …`", first.trim_end()),
            None => format!("`{text}`"),
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) path: String,
    pub(super) span: Range<usize>,
}

/// One table of the file.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) mistakes: &'a Mistakes<'a>,
    /// Its name in the schema.
    section: &'static str,
    /// Its key path.
    pub(super) path: String,
    table: &'a DeTable<'a>,
    pub(super) span: Range<usize>,
}

impl<'a> Section<'a> {
    /// Opens a table and notes the keys in it that do not exist.
    pub(super) fn open(
        mistakes: &'a Mistakes<'a>,
        section: &'static str,
        path: String,
        table: &'a DeTable<'a>,
        span: Range<usize>,
    ) -> Self {
        let opened = Self { mistakes, section, path, table, span };
        opened.note_unknown_keys();
        opened
    }

    fn note_unknown_keys(&self) {
        let subsections: &[&'static str] = match self.section {
            "" => &["site", "lan", "isp", "dataplane", "host", "metrics"],
            _ => &[],
        };
        let known: Vec<&'static str> =
            schema::keys_of(self.section).map(|key| key.name).chain(subsections.iter().copied()).collect();
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let problem = if schema::is_not_built(self.section, name) {
                Problem::NotBuilt(name.to_owned())
            } else {
                Problem::UnknownKey { suggestion: suggestion(name, &known), known: known.clone() }
            };
            self.mistakes.note(&self.path_of(name), &key.span(), problem);
        }
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(name)
    }

    fn key(&self, name: &str) -> &'static Key {
        schema::keys_of(self.section).find(|key| key.name == name).expect("only keys of the schema are read")
    }

    /// Reads the key `name`; `read` says whether the value fits. Absent keys and misfits are
    /// `None`, the latter noted.
    pub(super) fn get<T>(&self, name: &'static str, read: impl Fn(&DeValue<'a>) -> Option<T>) -> Option<Located<T>> {
        let key = self.key(name);
        let value = self.value(name)?;
        let path = self.path_of(name);
        match read(value.get_ref()) {
            Some(read) => Some(Located { value: read, path, span: value.span() }),
            None => {
                let problem =
                    Problem::Value { value: self.mistakes.source(&value.span()), takes: key.takes.to_owned() };
                self.mistakes.note(&path, &value.span(), problem);
                None
            }
        }
    }

    /// Like [`Section::get`], with the default for an absent key.
    pub(super) fn get_or<T>(&self, name: &'static str, default: T, read: impl Fn(&DeValue<'a>) -> Option<T>) -> T {
        self.get(name, read).map_or(default, |located| located.value)
    }

    /// Like [`Section::get`], and notes an absent key.
    pub(super) fn require<T>(
        &self,
        name: &'static str,
        read: impl Fn(&DeValue<'a>) -> Option<T>,
    ) -> Option<Located<T>> {
        if self.value(name).is_none() {
            self.mistakes.note(&self.path_of(name), &self.span, Problem::Missing(self.key(name).takes));
        }
        self.get(name, read)
    }

    /// The values of the list `name`, each with its place.
    pub(super) fn list(&self, name: &'static str) -> Option<Vec<Located<&'a DeValue<'a>>>> {
        let value = self.value(name)?;
        let path = self.path_of(name);
        let Some(array) = value.get_ref().as_array() else {
            let problem =
                Problem::Value { value: self.mistakes.source(&value.span()), takes: self.key(name).takes.to_owned() };
            self.mistakes.note(&path, &value.span(), problem);
            return None;
        };
        let items = array.iter().enumerate();
        Some(
            items
                .map(|(n, item)| Located { value: item.get_ref(), path: format!("{path}[{n}]"), span: item.span() })
                .collect(),
        )
    }

    /// The table `name` of the top of the file; an empty one if it is absent.
    pub(super) fn table(&self, name: &'static str, empty: &'a DeTable<'a>) -> Section<'a> {
        let (table, span) = match self.value(name).map(|value| (value.get_ref().as_table(), value.span())) {
            Some((Some(table), span)) => (table, span),
            Some((None, span)) => {
                self.misfit(name, &span, format!("a table: write [{name}]"));
                (empty, span)
            }
            None => (empty, 0..0),
        };
        Self::open(self.mistakes, name, name.to_owned(), table, span)
    }

    /// The tables of the array `[[name]]` of the top of the file.
    pub(super) fn tables(&self, name: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let tables = value.get_ref().as_array().map(|array| {
            array
                .iter()
                .map(|item| item.get_ref().as_table().map(|table| (table, item.span())))
                .collect::<Option<Vec<_>>>()
        });
        let Some(Some(tables)) = tables else {
            self.misfit(name, &value.span(), format!("an array of tables: write [[{name}]]"));
            return Vec::new();
        };
        let open = |(n, (table, span))| Self::open(self.mistakes, name, format!("{name}[{n}]"), table, span);
        tables.into_iter().enumerate().map(open).collect()
    }

    fn misfit(&self, name: &str, span: &Range<usize>, takes: String) {
        self.mistakes.note(&self.path_of(name), span, Problem::Value { value: self.mistakes.source(span), takes });
    }
}

fn suggestion(name: &str, known: &[&str]) -> Option<String> {
    let like = |known: &&&str| strsim::jaro_winkler(name, known);
    known
        .iter()
        .filter(|known| like(known) >= LIKE)
        .max_by(|a, b| like(a).total_cmp(&like(b)))
        .map(|known| (*known).to_owned())
}
