//! A small reader of Prometheus' text format, apart from the writer's code.

use std::collections::BTreeMap;

/// A page read back.
pub struct Parsed {
    /// Type by family.
    pub families: BTreeMap<String, String>,
    /// Value by name with labels, as written.
    pub samples: BTreeMap<String, f64>,
}

impl Parsed {
    pub fn new(text: &str) -> Self {
        let (mut families, mut samples) = (BTreeMap::new(), BTreeMap::new());
        let mut helped = None;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                helped = Some(rest.split_once(' ').expect("HELP has a text").0.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("TYPE has a kind");
                assert_eq!(helped.as_deref(), Some(name), "HELP comes before TYPE");
                assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} appears twice");
            } else {
                let (name, value) = line.rsplit_once(' ').expect("a sample is a name and a value");
                let family = helped.as_deref().expect("a sample belongs to a family");
                assert!(name.starts_with(family), "{name} stands among the samples of {family}");
                let value = value.parse().expect("a value is a number");
                assert!(samples.insert(name.to_owned(), value).is_none(), "{name} appears twice");
            }
        }
        Self { families, samples }
    }

    /// The value of one sample.
    pub fn get(&self, name: &str) -> f64 {
        *self.samples.get(name).unwrap_or_else(|| panic!("{name} is not exported"))
    }

    /// The sum of the samples of `family` whose labels contain all of `labels`.
    pub fn sum(&self, family: &str, labels: &[&str]) -> f64 {
        let of_family = self.samples.iter().filter(|(name, _)| name.split('{').next() == Some(family));
        of_family.filter(|(name, _)| labels.iter().all(|label| name.contains(label))).map(|(_, value)| value).sum()
    }
}
