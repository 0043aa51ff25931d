//! `prefix` of an `[[isp]]`: a prefix, or where one is learnt.

use std::path::PathBuf;

use super::Known;
use super::values::{interface, prefix};
use crate::control::config::problem::{Problem, SourceProblem};
use crate::control::config::reader::{At, Errors, Table};
use crate::control::config::schema::SOURCE;
use crate::control::config::{Part, PrefixOrigin, PrefixSource};
use crate::npt::Prefix;

/// What the file says of an ISP's prefix.
#[derive(Clone, Debug)]
pub enum RawPrefix {
    Literal(Prefix),
    Learnt(PrefixSource),
}

pub fn read(table: &Table<'_>, name: &str, errors: &Errors) -> Known<RawPrefix> {
    if !table.is_table(name) {
        return Some(prefix(table, table.text(name)?)?.map(RawPrefix::Literal));
    }
    let place = table.place_of(name);
    let source = Table::new(&SOURCE, format!("{}.", place.path), place.span.clone(), table.subtable(name), errors);
    let origin = match (source.has("file"), source.has("interface")) {
        (true, false) => file(&source),
        (false, true) => interface(&source, "interface").map(|at| at.map(PrefixOrigin::Interface)),
        (true, true) => return source.wrong(&place, Problem::Source(SourceProblem::TwoOrigins)),
        (false, false) => return source.wrong(&place, Problem::Source(SourceProblem::NoOrigin)),
    };
    let (length, subnet_id) = (source.number("length"), source.number("subnet_id"));
    let grace = source.span("grace")?;
    if let (Some(At { place, .. }), false) = (&subnet_id, source.has("length")) {
        return source.wrong(place, Problem::Source(SourceProblem::SubnetWithoutLength));
    }
    let wrong = (source.has("length") && length.is_none()) || (source.has("subnet_id") && subnet_id.is_none());
    let origin = origin.filter(|_| !wrong)?;
    let part = Part {
        length: length.as_ref().and_then(|length| u8::try_from(length.value).ok()),
        subnet_id: subnet_id.as_ref().map_or(0, |id| id.value),
    };
    Some(At { value: RawPrefix::Learnt(PrefixSource { origin: origin.value, part, grace: grace.value }), place })
}

fn file(source: &Table<'_>) -> Known<PrefixOrigin> {
    let text = source.text("file")?;
    let path = PathBuf::from(&text.value);
    if !path.is_absolute() || path.file_name().is_none() {
        return source.wrong(&text.place, Problem::Source(SourceProblem::File(text.value)));
    }
    Some(text.map(|_| PrefixOrigin::File(path)))
}
