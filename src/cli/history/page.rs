//! A [`History`] on a terminal.

use std::path::Path;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::amount::{age, count, scaled, span};
use crate::cli::table::{
    Side::{Left, Right},
    Table,
};
use crate::control::history::{Away, End, History, Month, Outage, Selection};

/// What is recorded since when, and a table for each kind of thing that was.
pub fn render(history: &History, selection: &Selection, state: &Path) -> String {
    let Some(recorded_since) = history.recorded_since else {
        let state = state.display();
        return format!(
            "nothing has been recorded in {state}; a gateway writes its event log there from its first start on\n"
        );
    };
    let running = if history.running { "a gateway runs" } else { "no gateway runs" };
    let mut parts = vec![format!("recorded since {}; {running}\n", date(recorded_since))];
    let since = selection.since.map(|since| format!(" since {}", date(since.max(recorded_since)))).unwrap_or_default();
    parts.push(match &history.outages[..] {
        [] => format!("no outage{since}\n"),
        outages => format!("OUTAGES\n{}", outage_table(outages)),
    });
    if !history.months.is_empty() {
        parts.push(format!("AVAILABILITY\n{}", month_table(&history.months)));
    }
    parts.push(match &history.away[..] {
        [] => format!("the gateway was never away{since}\n"),
        away => format!("GATEWAY AWAY\n{}", away_table(away)),
    });
    if history.lost_events > 0 {
        let lost = count(history.lost_events);
        parts.push(format!("{lost} events could not be recorded, so that some of this may be missing or too long.\n"));
    }
    if history.unreadable_lines > 0 {
        let lines = count(history.unreadable_lines as u64);
        parts.push(format!("{lines} lines of the event log are damaged or of another version, and left out.\n"));
    }
    parts.join("\n")
}

fn outage_table(outages: &[Outage]) -> String {
    let mut table = Table::new(&[
        ("ISP", Left),
        ("BEGAN", Left),
        ("LASTED", Right),
        ("FAILOVER", Right),
        ("CAUSE", Left),
        ("END", Left),
    ]);
    for outage in outages {
        let end = match outage.end {
            End::Recovered => "recovered",
            End::BecameReal => "became real",
            End::GoesOn => "goes on",
            End::GatewayStopped => "gateway stopped",
            End::Removed => "ISP removed",
        };
        table.row([
            outage.isp.clone(),
            date(outage.began),
            span(outage.seconds),
            outage.failover_seconds.map_or_else(|| "-".to_owned(), span),
            outage.cause.clone(),
            end.to_owned(),
        ]);
    }
    table.to_string()
}

fn month_table(months: &[Month]) -> String {
    let mut table = Table::new(&[
        ("MONTH", Left),
        ("ISP", Left),
        ("AVAILABLE", Right),
        ("OUTAGES", Right),
        ("DOWN", Right),
        ("KNOWN", Right),
        ("RECEIVED", Right),
        ("SENT", Right),
    ]);
    for month in months {
        table.row([
            month.month.clone(),
            month.isp.clone(),
            month.availability_ratio.map_or_else(|| "-".to_owned(), percent),
            count(month.outages),
            span(month.down_seconds),
            age(month.available_seconds + month.down_seconds),
            scaled(month.received_bytes as f64, "B"),
            scaled(month.sent_bytes as f64, "B"),
        ]);
    }
    table.to_string()
}

fn away_table(away: &[Away]) -> String {
    let mut table = Table::new(&[("SINCE", Left), ("FOR", Right), ("WHY", Left), ("END", Left)]);
    for away in away {
        let about = if away.approximate { "~" } else { "" };
        table.row([
            format!("{about}{}", date(away.began)),
            span(away.seconds),
            away.why.clone(),
            if away.ended.is_some() { "back" } else { "goes on" }.to_owned(),
        ]);
    }
    table.to_string()
}

/// Three decimals, of which none is lost by rounding up to what it is not.
fn percent(share: f64) -> String {
    format!("{:.3} %", (share * 1e5).floor() / 1e3)
}

/// To the second.
fn date(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC)
        .replace_nanosecond(0)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.to_string())
}
