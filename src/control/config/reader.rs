//! Reads the tables of a TOML document key by key, checks each value against the schema, and
//! collects every error instead of stopping at the first one.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::kind::{Kind, MSS_CLAMP, Word};
use super::problem::Problem;
use super::schema::{Default, HEALTH, ISP, Key, PROBE, SECTIONS, SOURCE, Section};
use super::span;
use crate::units::Nanos;

/// A place of the file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The key's path, like `[[isp]] "cable" prefix`.
    pub path: String,
    /// Octets of the file; empty for a default.
    pub span: Range<usize>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct At<T> {
    pub value: T,
    pub place: Place,
}

impl<T> At<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place }
    }
}

/// The errors found so far.
#[derive(Debug, Default)]
pub struct Errors(RefCell<Vec<(Place, Problem)>>);

impl Errors {
    pub fn add(&self, place: &Place, problem: Problem) {
        self.0.borrow_mut().push((place.clone(), problem));
    }

    /// In the order of the file.
    pub fn into_sorted(self) -> Vec<(Place, Problem)> {
        let mut errors = self.0.into_inner();
        errors.sort_by_key(|(place, _)| place.span.start);
        errors
    }
}

/// A table of the document, or the lack of one.
pub struct Table<'a> {
    section: &'static Section,
    /// What comes before a key's name in its path.
    prefix: String,
    header: Range<usize>,
    entries: Option<&'a DeTable<'a>>,
    errors: &'a Errors,
}

impl<'a> Table<'a> {
    /// The table of `section`; reports keys that do not belong there.
    pub fn new(
        section: &'static Section,
        prefix: String,
        header: Range<usize>,
        entries: Option<&'a DeTable<'a>>,
        errors: &'a Errors,
    ) -> Self {
        let table = Self { section, prefix, header, entries, errors };
        for (key, value) in entries.into_iter().flatten() {
            if let Some(problem) = table.foreign(key.get_ref(), value.get_ref()) {
                let place = Place { path: format!("{}{}", table.prefix, key.get_ref()), span: key.span() };
                errors.add(&place, problem);
            }
        }
        table
    }

    /// Where the table itself stands.
    pub fn place(&self) -> Place {
        Place { path: self.prefix.trim_end_matches([' ', '.']).to_owned(), span: self.header.clone() }
    }

    /// The place of a key that may not be there.
    pub fn place_of(&self, name: &str) -> Place {
        let span = self.entry(name).map_or(self.header.clone(), |(_, value)| value.span());
        Place { path: format!("{}{name}", self.prefix), span }
    }

    /// Whether the file has this key.
    pub fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Whether the key's value is a table.
    pub fn is_table(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|(_, value)| value.get_ref().is_table())
    }

    /// Whether the key's value is a list.
    pub fn is_list(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|(_, value)| value.get_ref().is_array())
    }

    /// Whether the key's value is a whole number.
    pub fn is_number(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|(_, value)| value.get_ref().is_integer())
    }

    fn entry(&self, name: &str) -> Option<(&'a Spanned<Cow<'a, str>>, &'a Spanned<DeValue<'a>>)> {
        self.entries?.iter().find(|(key, _)| key.get_ref() == name)
    }

    /// Why `name` may not stand in this table.
    fn foreign(&self, name: &str, value: &DeValue<'_>) -> Option<Problem> {
        let section = self.section;
        // At the top of the file the other sections are keys, too.
        let below = SECTIONS.iter().filter(|below| section.header.is_empty() && below.header.starts_with('['));
        let below: Vec<(&str, &str)> = below.map(|below| (below.bare(), below.header)).collect();
        let own = section.keys.iter().map(|key| (key.name, key.name));
        let (names, shown): (Vec<_>, Vec<_>) = own.chain(below).unzip();
        if names.contains(&name) {
            return None;
        }
        if section.planned.contains(&name) {
            return Some(Problem::Planned(name.to_owned()));
        }
        // Keys of a repeated block have names that many a section could have.
        let once = |home: &&&Section| home.header.starts_with('[') && !home.header.starts_with("[[");
        // `[[rules]]` is a section misspelt, whatever `[host] rules` is.
        let is_block =
            value.is_table() || value.as_array().is_some_and(|all| all.iter().all(|one| one.get_ref().is_table()));
        let key_of_another = |home: &&&Section| once(home) && !(section.header.is_empty() && is_block);
        // What is said of one ISP stands in several tables.
        let of_an_isp: [&Section; 4] = [&HEALTH, &PROBE, &ISP, &SOURCE];
        let is_of_an_isp = of_an_isp.iter().any(|part| part.header == section.header);
        let nearest = of_an_isp.iter().filter(|_| is_of_an_isp);
        if let Some(home) = nearest.chain(SECTIONS.iter().filter(key_of_another)).find(|home| home.key(name).is_some())
        {
            return Some(Problem::Elsewhere { section: section.header, home: home.header });
        }
        if SECTIONS.iter().any(|other| other.planned.contains(&name)) {
            return Some(Problem::Planned(name.to_owned()));
        }
        let similar = similar(name, &names);
        Some(Problem::UnknownKey { section: section.header, similar, valid: shown })
    }

    /// The value of a key of the schema: from the file, else its default.
    fn value(&self, name: &str) -> Option<(&'static Key, At<Cow<'a, DeValue<'a>>>)> {
        let key = self.section.key(name).expect("only keys of the schema are asked for");
        let place = self.place_of(name);
        if let Some((_, value)) = self.entry(name) {
            return Some((key, At { value: Cow::Borrowed(value.get_ref()), place }));
        }
        match key.default {
            Default::Value(text) => {
                let value = DeValue::parse(text).expect("defaults of the schema are TOML").into_inner();
                Some((key, At { value: Cow::Owned(value), place }))
            }
            Default::Required(example) => {
                // Said at the table as a whole: there is no better place.
                let problem = Problem::Missing { key: key.name, example: example.to_owned() };
                self.errors.add(&place, problem);
                None
            }
            Default::Words(_) => None,
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<At<String>> {
        let (key, At { value, place }) = self.value(name)?;
        match value.as_str() {
            Some(text) => Some(At { value: text.to_owned(), place }),
            None => self.wrong_type(&place, &value, key.kind.limits()),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, name: &str) -> Option<At<bool>> {
        let (key, At { value, place }) = self.value(name)?;
        match value.as_bool() {
            Some(value) => Some(At { value, place }),
            None => self.wrong_type(&place, &value, key.kind.limits()),
        }
    }

    /// A time within the key's limits.
    pub fn span(&self, name: &str) -> Option<At<Nanos>> {
        let (key, At { value, place }) = self.value(name)?;
        let text = match value.as_ref() {
            DeValue::String(text) => text,
            DeValue::Integer(number) => return self.wrong(&place, Problem::SpanUnit(number.to_string())),
            other => return self.wrong_type(&place, other, key.kind.limits()),
        };
        match span::parse(text) {
            Some(value) if key.kind.fits(value) => Some(At { value, place }),
            Some(_) => self.wrong(&place, Problem::Range { found: text.to_string(), limits: key.kind.limits() }),
            None if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) => {
                self.wrong(&place, Problem::SpanUnit(text.to_string()))
            }
            None => self.wrong(&place, Problem::SpanSyntax(text.to_string())),
        }
    }

    /// A number within the key's limits.
    pub fn number(&self, name: &str) -> Option<At<u64>> {
        let (key, at) = self.value(name)?;
        self.number_of(key, &at)
    }

    /// A number, or `None` for the key's word.
    pub fn word_or_number(&self, name: &str) -> Option<At<Option<u64>>> {
        let (key, at) = self.value(name)?;
        match (at.value.as_str(), key.kind) {
            (Some(text), Kind::WordOr(word, ..)) if text == word => Some(At { value: None, place: at.place }),
            _ => self.number_of(key, &at).map(|at| at.map(Some)),
        }
    }

    fn number_of(&self, key: &Key, at: &At<Cow<'_, DeValue<'_>>>) -> Option<At<u64>> {
        let limits = || key.kind.limits();
        let found = match at.value.as_ref() {
            DeValue::Integer(integer) => integer,
            // Where a word is allowed, a wrong word is no wrong type.
            DeValue::String(text) if matches!(key.kind, Kind::WordOr(..)) => {
                let problem = Problem::Choice { found: text.to_string(), similar: None, limits: limits() };
                return self.wrong(&at.place, problem);
            }
            other => return self.wrong_type(&at.place, other, limits()),
        };
        let out_of_limits = || Problem::Range { found: found.to_string(), limits: limits() };
        let Ok(value) = u64::from_str_radix(found.as_str(), found.radix()) else {
            return self.wrong(&at.place, out_of_limits());
        };
        let fits = match key.kind {
            Kind::MssClamp => (MSS_CLAMP.0..=MSS_CLAMP.1).contains(&value),
            Kind::Integer(low, high) | Kind::WordOr(_, low, high) | Kind::PowerOfTwo(low, high) => {
                (low..=high).contains(&value)
            }
            Kind::PowerOfTwoOrZero(high) => value <= high,
            Kind::OneOf(numbers) => numbers.contains(&value),
            _ => true,
        };
        if !fits {
            return self.wrong(&at.place, out_of_limits());
        }
        let wants_power = match key.kind {
            Kind::PowerOfTwo(..) => true,
            Kind::PowerOfTwoOrZero(_) => value != 0,
            _ => false,
        };
        if wants_power && !value.is_power_of_two() {
            let above = value.next_power_of_two();
            return self.wrong(&at.place, Problem::PowerOfTwo { found: value, below: above / 2, above });
        }
        Some(At { value, place: at.place.clone() })
    }

    /// One of the words of `W`.
    pub fn word<W: Word>(&self, name: &str) -> Option<At<W>> {
        let (key, At { value, place }) = self.value(name)?;
        let Some(text) = value.as_str() else {
            return self.wrong_type(&place, &value, key.kind.limits());
        };
        if let Some((_, value)) = W::WORDS.iter().find(|(word, _)| *word == text) {
            return Some(At { value: *value, place });
        }
        let words: Vec<&'static str> = W::WORDS.iter().map(|(word, _)| *word).collect();
        let similar = similar(text, &words);
        self.wrong(&place, Problem::Choice { found: text.to_owned(), similar, limits: key.kind.limits() })
    }

    /// The elements of a list that must not be empty, each with its place.
    pub fn list(&self, name: &str) -> Option<Vec<At<&'a DeValue<'a>>>> {
        let key = self.section.key(name).expect("only keys of the schema are asked for");
        let Some((_, value)) = self.entry(name) else {
            self.value(name);
            return None;
        };
        let place = self.place_of(name);
        let Some(array) = value.get_ref().as_array() else {
            return self.wrong_type(&place, value.get_ref(), key.kind.limits());
        };
        if array.is_empty() {
            let example = key.kind.limits();
            let example = example.rsplit(" like ").next().unwrap_or_default().to_owned();
            return self.wrong(&place, Problem::EmptyList { example });
        }
        let at = |(index, element): (usize, &'a Spanned<DeValue<'a>>)| At {
            value: element.get_ref(),
            place: Place { path: format!("{}[{index}]", place.path), span: element.span() },
        };
        Some(array.iter().enumerate().map(at).collect())
    }

    /// The elements of a list that must not be empty, or the one value that stands for itself; none
    /// without the key, which must be optional.
    pub fn elements(&self, name: &str) -> Vec<At<&'a DeValue<'a>>> {
        match self.is_list(name) {
            true => self.list(name).unwrap_or_default(),
            false => self.element(name).into_iter().collect(),
        }
    }

    /// The value of an optional key that no shape fits.
    pub fn element(&self, name: &str) -> Option<At<&'a DeValue<'a>>> {
        self.entry(name).map(|(_, value)| At { value: value.get_ref(), place: self.place_of(name) })
    }

    /// The table of an optional key.
    pub fn subtable(&self, name: &str) -> Option<&'a DeTable<'a>> {
        let At { value, place } = self.element(name)?;
        value.as_table().or_else(|| self.wrong_type(&place, value, self.limits(name)))
    }

    /// What a key takes, in words.
    pub fn limits(&self, name: &str) -> String {
        self.section.key(name).map(|key| key.kind.limits()).unwrap_or_default()
    }

    /// The text `element` of a list.
    pub fn element_text(&self, element: &At<&DeValue<'_>>, expected: &str) -> Option<At<String>> {
        match element.value.as_str() {
            Some(text) => Some(At { value: text.to_owned(), place: element.place.clone() }),
            None => self.wrong_type(&element.place, element.value, expected.to_owned()),
        }
    }

    pub fn wrong<T>(&self, place: &Place, problem: Problem) -> Option<T> {
        self.errors.add(place, problem);
        None
    }

    pub fn wrong_type<T>(&self, place: &Place, found: &DeValue<'_>, expected: String) -> Option<T> {
        self.wrong(place, Problem::Type { found: type_name(found), expected })
    }
}

/// A value's type in words.
pub fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a floating-point number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The word that `text` was probably meant to be.
pub fn similar<'w>(text: &str, words: &[&'w str]) -> Option<&'w str> {
    let lower = text.to_ascii_lowercase().replace('_', "-");
    let distance = |word: &str| strsim::osa_distance(&lower, &word.replace('_', "-"));
    let best = words.iter().copied().min_by_key(|word| distance(word))?;
    (distance(best) <= (best.len() / 3).max(1)).then_some(best)
}
