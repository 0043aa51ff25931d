//! `nd_proxy` of an `[[isp]]`: a switch with a third position.

use super::super::reader::{At, Table, similar};
use super::super::{NdProxy, Problem};
use super::Known;

/// `true`, `false` or `"static"`; `false` without the key.
pub fn read(table: &Table<'_>, name: &str) -> Known<NdProxy> {
    let Some(At { value, place }) = table.element(name) else {
        return Some(At { value: NdProxy::Off, place: table.place_of(name) });
    };
    let value = match (value.as_bool(), value.as_str()) {
        (Some(true), _) => NdProxy::Confirmed,
        (Some(false), _) => NdProxy::Off,
        (None, Some("static")) => NdProxy::Static,
        (None, Some(text)) => {
            let similar = similar(text, &["static"]);
            return table
                .wrong(&place, Problem::Choice { found: text.to_owned(), similar, limits: table.limits(name) });
        }
        (None, None) => return table.wrong_type(&place, value, table.limits(name)),
    };
    Some(At { value, place })
}
