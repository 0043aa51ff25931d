//! What differs between two configuration files, key by key, as it is written in them.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// One key, or one whole block, that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where it stands, as in `[[isp]] "cable" weight`.
    pub path: String,
    /// The former value in TOML; `None`: it was not there.
    pub old: Option<String>,
    /// The new value; `None`: it is not there any more.
    pub new: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, old, new } = self;
        match (old, new) {
            (Some(old), Some(new)) => write!(f, "{path}: {old} -> {new}"),
            (None, Some(new)) => write!(f, "{path}: added, {new}"),
            (Some(old), None) => write!(f, "{path}: removed, was {old}"),
            (None, None) => write!(f, "{path}"),
        }
    }
}

/// What differs between two good files, in the order of their sections. Blocks are told apart by what
/// names them, so that their order does not matter; that of rules does.
pub fn changes(old: &str, new: &str) -> Vec<Change> {
    let read = |text: &str| text.parse::<Table>().unwrap_or_default();
    let mut changes = Vec::new();
    sections(&read(old), &read(new), &mut changes);
    changes
}

fn sections(old: &Table, new: &Table, changes: &mut Vec<Change>) {
    for name in names(old, new) {
        match (old.get(&name), new.get(&name)) {
            (Some(Value::Array(old)), None) if blocks_of(old) => blocks(&name, old, &[], changes),
            (None, Some(Value::Array(new))) if blocks_of(new) => blocks(&name, &[], new, changes),
            (Some(Value::Array(old)), Some(Value::Array(new))) if blocks_of(old) && blocks_of(new) => {
                blocks(&name, old, new, changes);
            }
            (old, new) if [old, new].into_iter().flatten().all(Value::is_table) => {
                let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_default();
                let (old, new) = (table(old), table(new));
                if name == "policy" {
                    // A table of blocks, each with its name.
                    for policy in names(&old, &new) {
                        block(&format!("[policy.{policy}]"), old.get(&policy), new.get(&policy), changes);
                    }
                } else {
                    keys(&format!("[{name}]"), &old, &new, changes);
                }
            }
            (old, new) => value(name, old, new, changes),
        }
    }
}

fn blocks_of(array: &[Value]) -> bool {
    array.iter().all(Value::is_table)
}

/// Blocks of the section `[[header]]`.
fn blocks(header: &str, old: &[Value], new: &[Value], changes: &mut Vec<Change>) {
    let named = |blocks: &[Value]| -> Vec<(String, Value)> {
        blocks.iter().enumerate().map(|(at, block)| (name_of(header, block, at), block.clone())).collect()
    };
    let (old, new) = (named(old), named(new));
    let find = |blocks: &[(String, Value)], name: &str| {
        blocks.iter().find(|(known, _)| known == name).map(|(_, block)| block.clone())
    };
    for (name, former) in &old {
        block(&format!("[[{header}]] {name}"), Some(former), find(&new, name).as_ref(), changes);
    }
    for (name, added) in new.iter().filter(|(name, _)| find(&old, name).is_none()) {
        block(&format!("[[{header}]] {name}"), None, Some(added), changes);
    }
    let order = |blocks: &[(String, Value)], others: &[(String, Value)]| -> Vec<String> {
        blocks.iter().map(|(name, _)| name.clone()).filter(|name| find(others, name).is_some()).collect()
    };
    let (before, after) = (order(&old, &new), order(&new, &old));
    if header == "rule" && before != after {
        let path = "[[rule]] order".to_owned();
        changes.push(Change { path, old: Some(before.join(", ")), new: Some(after.join(", ")) });
    }
}

/// What tells a block from others of its section: its name, its interface and VLAN, or its position.
fn name_of(header: &str, block: &Value, at: usize) -> String {
    let text = |key: &str| block.get(key).and_then(Value::as_str);
    match (text("name"), text("interface"), block.get("vlan")) {
        (Some(name), _, _) => format!("\"{name}\""),
        (None, Some(interface), Some(vlan)) => format!("\"{interface}\" vlan {vlan}"),
        (None, Some(interface), None) => format!("\"{interface}\""),
        (None, None, _) => format!("{header} {}", at + 1),
    }
}

/// One block: its keys where both files have it, else the whole.
fn block(path: &str, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    match (old, new) {
        (Some(Value::Table(old)), Some(Value::Table(new))) => keys(path, old, new, changes),
        (old, new) => value(path.to_owned(), old, new, changes),
    }
}

fn keys(path: &str, old: &Table, new: &Table, changes: &mut Vec<Change>) {
    for name in names(old, new) {
        value(format!("{path} {name}"), old.get(&name), new.get(&name), changes);
    }
}

fn value(path: String, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    if old != new {
        changes.push(Change { path, old: old.map(ToString::to_string), new: new.map(ToString::to_string) });
    }
}

/// The keys of both, in alphabetical order.
fn names(old: &Table, new: &Table) -> BTreeSet<String> {
    old.keys().chain(new.keys()).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = include_str!("../../../configs/rules.toml");
    const MINIMAL: &str = include_str!("../../../configs/minimal.toml");

    fn told(old: &str, new: &str) -> Vec<String> {
        changes(old, new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_and_blocks_are_named_as_in_the_file() {
        let new = MINIMAL.replace("weight = 3", "weight = 1").replace("\"cable\"", "\"lte\"")
            + "\n[metrics]\nlisten = \"off\"\n[policy.default]\nhash = \"source\"\n";
        assert_eq!(
            told(MINIMAL, &new),
            [
                "[[isp]] \"fiber\" weight: 3 -> 1",
                "[[isp]] \"cable\": removed, was { interface = \"wan1\", name = \"cable\", next_hop = \"auto\", \
                 prefix = \"2001:db8:2::/48\" }",
                "[[isp]] \"lte\": added, { interface = \"wan1\", name = \"lte\", next_hop = \"auto\", \
                 prefix = \"2001:db8:2::/48\" }",
                "[metrics] listen: added, \"off\"",
                "[policy.default]: added, { hash = \"source\" }",
            ]
        );
    }

    #[test]
    fn the_order_of_rules_matters_and_that_of_isps_does_not() {
        let mut table: Table = RULES.parse().unwrap();
        for section in ["isp", "rule"] {
            table[section].as_array_mut().unwrap().reverse();
        }
        let told = told(RULES, &table.to_string());
        assert!(!told.is_empty() && told.iter().all(|change| change.starts_with("[[rule]]")), "{told:?}");
        assert_eq!(told.iter().filter(|change| change.starts_with("[[rule]] order: ")).count(), 1, "{told:?}");
    }

    #[test]
    fn comments_and_spaces_are_no_change() {
        assert_eq!(told(MINIMAL, &MINIMAL.replace("weight = 3", "weight=3 # three")), [""; 0]);
    }
}
