//! `sixways drill`: an outage that is rehearsed, and its report.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde_json::Map;
use tokio::signal::unix::{SignalKind, signal};

use super::amount::{count, time};
use super::asked::Asked;
use super::{arguments, print, print_json};
use crate::app::{DrillReport, DrillRequest};
use crate::control::ask::{AskError, ask_for};
use crate::units::Nanos;

/// Time between two looks at how it goes.
const LOOK: Duration = Duration::from_millis(200);

const EXPLANATIONS: &str = "\
For that time the gateway takes the ISP for dead: nothing is sent there but its own probes, its flows
move when they send, and flows opened from outside to its addresses are cut off, as they would be.
Then it returns as after an outage, whatever becomes of this command: its flows come back or stay as
`[site] failback` says, but nothing waits for `sixways undrain`. Ctrl-C ends it early, with the report.

moved      flows opened from inside that other ISPs took over. Flows that sent nothing meanwhile are
           not among them.
took over  from the beginning until the first packet that would have been the ISP's, of a flow that it had
           or of a new one, had left by another ISP, if that was within 10 s.
dropped    packets at all interfaces for all reasons meanwhile, those that have nothing to do with
           the drill included.

Where no other ISP is well the drill is refused; --force rehearses that, too: the site is cut off.

Exit status: 0; 1 when it is refused, there is no such ISP, or no gateway answers.";

/// Rehearse the outage of an ISP, and say what came of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    /// Name of the ISP
    isp: String,
    /// How long it is to last
    #[arg(long = "for", value_name = "TIME", value_parser = super::drain::time)]
    lasts: Nanos,
    /// Even when no other ISP is well
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    gateway: Asked,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let for_seconds = args.lasts.0 as f64 / 1e9;
    let request = DrillRequest { isp: args.isp.clone(), for_seconds, force: args.force };
    ask_for(&args.gateway.socket, "drill", arguments(&request)?)?;
    if !args.gateway.json {
        print(&format!("{} is taken for dead for {for_seconds} s; Ctrl-C ends it\n", args.isp))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let report = runtime.block_on(attend(&args.gateway.socket))?;
    if args.gateway.json {
        print_json(&report)?
    } else {
        print(&page(&report))?
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits for the end, or makes it.
async fn attend(socket: &Path) -> anyhow::Result<DrillReport> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    loop {
        let report = tokio::select! {
            _ = interrupt.recv() => end(socket)?,
            _ = terminate.recv() => end(socket)?,
            () = tokio::time::sleep(LOOK) => ask(socket, "drill-report")?,
        };
        if report.is_over {
            return Ok(report);
        }
    }
}

fn end(socket: &Path) -> anyhow::Result<DrillReport> {
    match ask(socket, "drill-end") {
        // It has ended by itself meanwhile.
        Err(error) if matches!(error.downcast_ref(), Some(AskError::Refused(_))) => ask(socket, "drill-report"),
        report => report,
    }
}

fn ask(socket: &Path, verb: &str) -> anyhow::Result<DrillReport> {
    let answer = ask_for(socket, verb, Map::new())?;
    serde_json::from_value(answer).context("this gateway is of another version; use its own `sixways drill`")
}

fn page(report: &DrillReport) -> String {
    let mut text = format!("{} is back after {:.1} s\n", report.isp, report.lasted_seconds);
    let took_over = report
        .took_over_after_seconds
        .map_or_else(|| "nothing was sent in the first 10 s".to_owned(), |seconds| time((seconds * 1e9) as u64));
    let of = report.flows_from_inside.map_or_else(String::new, |inside| format!(" of {}", count(inside)));
    let outside = report.flows_from_outside.map_or_else(
        || "not counted in time".to_owned(),
        |outside| format!("{} flows were cut off, and would be", count(outside)),
    );
    let dropped: u64 = report.dropped.values().sum();
    let rows = [
        ("moved", format!("{}{of} flows from inside", count(report.moved_flows))),
        ("took over", took_over),
        ("from outside", outside),
        ("dropped", format!("{} packets", count(dropped))),
    ];
    // Writing to a string does not fail.
    rows.iter().for_each(|(what, found)| _ = writeln!(text, "  {what:<12}  {found}"));
    for (reason, packets) in &report.dropped {
        let _ = writeln!(text, "  {:<12}  {} {reason}", "", count(*packets));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_says_what_came_of_it() {
        let report = DrillReport {
            isp: "fiber".to_owned(),
            for_seconds: 30.0,
            lasted_seconds: 30.02,
            is_over: true,
            flows_from_inside: Some(1200),
            flows_from_outside: Some(3),
            moved_flows: 1100,
            took_over_after_seconds: Some(0.04),
            dropped: [("no-uplink".to_owned(), 21)].into(),
        };
        assert_eq!(
            page(&report),
            "fiber is back after 30.0 s\n  moved         1,100 of 1,200 flows from inside\n  took over     40.0 ms\n  \
             from outside  3 flows were cut off, and would be\n  dropped       21 packets\n                21 no-uplink\n"
        );
        let idle = DrillReport {
            flows_from_inside: None,
            flows_from_outside: None,
            moved_flows: 0,
            took_over_after_seconds: None,
            dropped: [].into(),
            ..report
        };
        assert_eq!(
            page(&idle),
            "fiber is back after 30.0 s\n  moved         0 flows from inside\n  took over     nothing was sent in the first 10 s\n  \
             from outside  not counted in time\n  dropped       0 packets\n"
        );
    }
}
