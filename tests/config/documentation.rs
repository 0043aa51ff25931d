//! `docs/configuration.md` is rendered from the schema.

use std::fmt::Write;
use std::path::Path;

use sixways::control::config::schema::{Default, Key, SECTIONS, Section};

use super::assert_holds;

const INTRODUCTION: &str = "\
# Configuration

One TOML file says everything. It is read as a whole or not at all: `sixways check FILE` shows every
mistake of a file with its line and what to write instead, and a gateway never runs on a part of a
file. Unknown keys are mistakes. A key or section that is planned but not built yet is refused by name.

`configs/minimal.toml` is the smallest useful file, `configs/rules.toml` has tiers, policies, rules and
allowed services, `configs/vlans.toml` is a router on a stick, `configs/dual-isp.toml` shows every key.

<!-- Rendered from src/control/config/schema.rs: BLESS=1 cargo test --test config -->
";

#[test]
fn the_documentation_is_that_of_the_schema() {
    let mut text = INTRODUCTION.to_owned();
    for section in SECTIONS {
        render(&mut text, section).unwrap();
    }
    assert_holds(Path::new("docs/configuration.md"), &text);
}

fn render(text: &mut String, section: &Section) -> std::fmt::Result {
    match section.header {
        "" => writeln!(text, "\n## The top of the file\n")?,
        header => writeln!(text, "\n## `{header}`\n")?,
    }
    writeln!(text, "{}\n", section.meaning)?;
    writeln!(text, "| key | takes | unit | default | meaning |\n|---|---|---|---|---|")?;
    for Key { name, kind, unit, default, meaning } in section.keys {
        let default = match default {
            Default::Required(_) => "required".to_owned(),
            Default::Value(value) => format!("`{value}`"),
            Default::Words(words) => (*words).to_owned(),
        };
        writeln!(text, "| `{name}` | {} | {unit} | {default} | {meaning} |", kind.limits())?;
    }
    if !section.planned.is_empty() {
        let names: Vec<String> = section.planned.iter().map(|name| format!("`{name}`")).collect();
        writeln!(text, "\nNot built yet: {}.", names.join(", "))?;
    }
    Ok(())
}
