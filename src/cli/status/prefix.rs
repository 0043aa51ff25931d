//! Prefixes that are learnt.

use crate::cli::amount::{age, span};
use crate::cli::table::{Side::Left, Table};
use crate::observe::status::{PrefixStatus, Status};

/// Nothing where all prefixes are written in the configuration.
pub fn prefixes(status: &Status) -> String {
    let learnt = || status.isps.iter().filter_map(|isp| Some((&isp.name, isp.prefix.as_ref()?)));
    if learnt().next().is_none() {
        return String::new();
    }
    let mut table = Table::new(&["PREFIX", "IN FORCE", "FOR", "LEARNT FROM"].map(|title| (title, Left)));
    for (isp, prefix) in learnt() {
        table.row([
            isp.clone(),
            prefix.prefix.clone().unwrap_or_else(|| "none".to_owned()),
            prefix.seconds.map_or_else(|| "-".to_owned(), age),
            learnt_from(prefix),
        ]);
    }
    let notes = learnt().flat_map(|(isp, prefix)| notes(prefix).map(move |note| format!("{isp}: {note}\n")));
    format!("{table}{}", notes.collect::<String>())
}

fn learnt_from(prefix: &PrefixStatus) -> String {
    match (&prefix.prefix, &prefix.delegated) {
        (Some(part), Some(whole)) if part != whole => format!("{}: part of {whole}", prefix.learnt_from),
        _ => prefix.learnt_from.clone(),
    }
}

fn notes(status: &PrefixStatus) -> impl Iterator<Item = String> {
    let trouble = status.trouble.as_ref();
    let now = match (&status.prefix, status.gone_in_seconds) {
        (None, _) => {
            let why = trouble.map_or_else(|| "its source was not looked at yet".to_owned(), Clone::clone);
            Some(format!("without a prefix it carries nothing new; {why}"))
        }
        (Some(prefix), Some(left)) => {
            let why = trouble.map_or_else(|| "not seen since the start".to_owned(), Clone::clone);
            Some(format!("{why}; {prefix} counts as gone in {}", span(left)))
        }
        (Some(prefix), None) => trouble.map(|why| format!("not taken: {why}; {prefix} stays")),
    };
    let former = status.former.iter().map(|former| {
        format!("former prefix {}, its flows keep it for {} more", former.prefix, span(former.grace_left_seconds))
    });
    now.into_iter().chain(former)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::FormerStatus;

    fn said(status: &PrefixStatus) -> Vec<String> {
        notes(status).collect()
    }

    #[test]
    fn every_state_of_a_prefix_has_its_note() {
        let mut status = PrefixStatus {
            learnt_from: "/run/wan1.prefix".to_owned(),
            prefix: Some("2001:db8:b:200::/56".to_owned()),
            delegated: Some("2001:db8:b::/48".to_owned()),
            seconds: Some(3.0),
            trouble: None,
            gone_in_seconds: None,
            former: vec![FormerStatus { prefix: "2001:db8:a::/56".to_owned(), grace_left_seconds: 432.0 }],
            changes: 2,
        };
        assert_eq!(learnt_from(&status), "/run/wan1.prefix: part of 2001:db8:b::/48");
        assert_eq!(said(&status), ["former prefix 2001:db8:a::/56, its flows keep it for 7 min 12 s more"]);
        status.former.clear();
        assert!(said(&status).is_empty(), "nothing out of the ordinary");
        status.trouble = Some("/run/wan1.prefix: line 1: `x` is no prefix".to_owned());
        assert_eq!(said(&status), ["not taken: /run/wan1.prefix: line 1: `x` is no prefix; 2001:db8:b:200::/56 stays"]);
        status.gone_in_seconds = Some(1.5);
        status.trouble = Some("/run/wan1.prefix: it is missing".to_owned());
        assert_eq!(said(&status), ["/run/wan1.prefix: it is missing; 2001:db8:b:200::/56 counts as gone in 1.50 s"]);
        (status.prefix, status.gone_in_seconds) = (None, None);
        assert_eq!(said(&status), ["without a prefix it carries nothing new; /run/wan1.prefix: it is missing"]);
    }
}
