//! A [`Listing`] on a terminal.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use crate::cli::amount::{age, count, share};
use crate::cli::table::{
    Side::{Left, Right},
    Table,
};
use crate::observe::flows::{Listed, Listing, Query, Stage};

/// Table, summary, and what the reader should know about it.
pub fn render(listing: &Listing, query: &Query) -> String {
    if listing.capacity == 0 {
        return "no flow is remembered: [flows] capacity is 0\n".to_owned();
    }
    let mut parts = vec![summary(listing, query)];
    if listing.read_ratio < 1.0 {
        parts.push(format!(
            "Only {} of the flow memory could be read in the time that there is; `isp=` and `state=` make it faster.\n",
            share(listing.read_ratio)
        ));
    }
    if listing.unreadable > 0 {
        let unreadable = count(listing.unreadable);
        parts.push(format!("{unreadable} more changed while they were read; ask again to see them.\n"));
    }
    if query.limit == 0 && listing.matched > 0 {
        parts.insert(0, counts(listing));
    } else if !listing.flows.is_empty() {
        parts.insert(0, table(&listing.flows));
    }
    parts.concat()
}

/// `3 of 1,204 flows; fiber 2, cable 1`.
fn summary(listing: &Listing, query: &Query) -> String {
    let companions = query.words.iter().any(|word| word.strip_prefix("state=") == Some(Stage::Companion.label()));
    let what = match (companions, listing.known) {
        (true, 1) => "companion",
        (true, _) => "companions",
        (false, 1) => "flow",
        (false, _) => "flows",
    };
    let known = count(listing.known);
    if listing.known == 0 {
        return format!("no {what} yet; `sixways status` shows whether packets arrive, and what is dropped\n");
    }
    if listing.matched == 0 {
        let words = query.words.join(" ");
        return format!("none of {known} {what} matches {words}; leave out a filter, or see `sixways flows --count`\n");
    }
    let mut by_isp: BTreeMap<&str, u64> = BTreeMap::new();
    for part in &listing.counts {
        *by_isp.entry(&part.isp).or_default() += part.flows;
    }
    let mut by_isp: Vec<_> = by_isp.into_iter().collect();
    by_isp.sort_by_key(|(_, flows)| std::cmp::Reverse(*flows));
    let isps: Vec<String> = by_isp.iter().map(|(isp, flows)| format!("{isp} {}", count(*flows))).collect();
    let hidden = listing.matched.saturating_sub(listing.flows.len() as u64);
    let more = if query.limit > 0 && hidden > 0 {
        format!("{} more match: add a filter, or --limit\n", count(hidden))
    } else {
        String::new()
    };
    format!("{} of {known} {what}; {}\n{more}", count(listing.matched), isps.join(", "))
}

fn counts(listing: &Listing) -> String {
    let mut table = Table::new(&[
        ("ISP", Left),
        ("STATE", Left),
        ("TCP", Right),
        ("UDP", Right),
        ("ICMPV6", Right),
        ("OTHER", Right),
        ("ALL", Right),
    ]);
    let mut rows: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for part in &listing.counts {
        rows.entry((&part.isp, &part.state)).or_default().insert(&part.class, part.flows);
    }
    for ((isp, state), classes) in rows {
        let of = |class| count(classes.get(class).copied().unwrap_or_default());
        let all = count(classes.values().sum());
        table.row([isp.to_owned(), state.to_owned(), of("tcp"), of("udp"), of("icmpv6"), of("other"), all]);
    }
    table.to_string()
}

fn table(flows: &[Listed]) -> String {
    let moved = flows.iter().any(|flow| flow.former_isp.is_some());
    let mut columns = vec![
        ("INTERNAL", Left),
        ("REMOTE", Left),
        ("OUTSIDE", Left),
        ("PROTOCOL", Left),
        ("ISP", Left),
        ("STATE", Left),
        ("AGE", Right),
        ("IDLE", Right),
        ("OPENED", Left),
    ];
    if moved {
        columns.push(("FORMER ISP", Left));
    }
    let mut table = Table::new(&columns);
    for flow in flows {
        let echo = flow.protocol == "icmpv6";
        let end = |address, port: Option<u16>| end(address, port.filter(|_| !echo));
        let identifier = flow.internal_port.filter(|_| echo);
        let mut cells = vec![
            end(flow.internal, flow.internal_port),
            end(flow.remote, flow.remote_port),
            flow.outside.map_or_else(|| "-".to_owned(), |outside| end(outside, flow.internal_port)),
            identifier.map_or_else(|| flow.protocol.clone(), |identifier| format!("icmpv6 id {identifier}")),
            flow.isp.clone(),
            flow.state.clone(),
            age(flow.age_seconds as f64),
            age(flow.idle_seconds as f64),
            flow.opened.clone(),
        ];
        if moved {
            cells.push(flow.former_isp.clone().unwrap_or_default());
        }
        table.row(cells);
    }
    table.to_string()
}

/// An address, with its port if it has one.
fn end(address: Ipv6Addr, port: Option<u16>) -> String {
    port.map_or_else(|| address.to_string(), |port| format!("[{address}]:{port}"))
}
