//! `sixways history`: what the event log tells.

mod page;
mod since;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use time::OffsetDateTime;

use self::since::Since;
use super::{print, print_json};
use crate::control::events::{self, Recorded};
use crate::control::history::{History, Selection};
use crate::control::state::{DEFAULT_STATE_DIR, StateDir};

const EXPLANATIONS: &str = "\
Dates are in UTC. WHEN is a month (2026-11), a day (2026-11-24), a moment (2026-11-24T19:40:00Z), or
a time before now (30d, 12h, 45m).

OUTAGES       each time that an ISP was down, what told first (carrier: its link; next-hop: its router
              did not answer; probes: targets beyond did not; drill: rehearsed), and how it ended.
AVAILABILITY  the part of the time in which the ISP could carry packets, of the time in which its
              state was known, by month. Rehearsed outages do not count. KNOWN is that time; what it
              lacks of the month is the gateway's own absence, or that nothing was known yet.
              RECEIVED and SENT are kept twice a minute: they lag, and kill -9 loses, half a minute.
GATEWAY AWAY  when no gateway forwarded. Nobody knows how the ISPs were then: that is no outage of
              theirs. ~ marks an end that nobody announced, known to within 10 s.

Exit status: 0, also when nothing is recorded; 1 when the event log cannot be read.";

/// Tell outages, availability and bytes of each ISP from the event log: no gateway needed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    /// Only what was not over before
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Only this ISP
    #[arg(long, value_name = "NAME")]
    isp: Option<String>,
    /// The state directory of the gateway
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR)]
    state: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let recorded = match events::read(&args.state) {
        Ok(recorded) => recorded,
        Err((path, error)) => bail!("cannot read {}: {error}", path.display()),
    };
    let unrecorded = events::unrecorded(&args.state, &recorded);
    let recorded = recorded.with(unrecorded.context("what the ISPs have carried of late cannot be read")?);
    let now = OffsetDateTime::now_utc();
    let running = StateDir::is_in_use(&args.state)?;
    let selection = Selection { since: args.since.map(|since| since.before(now)), isp: args.isp.clone() };
    if let Some(isp) = &args.isp {
        known(isp, &recorded, running, now)?;
    }
    let history = History::of(&recorded, running, now, &selection);
    if args.json {
        print_json(&history)?;
    } else {
        print(&page::render(&history, &selection, &args.state))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A name that was never recorded is a slip, unless nothing was.
fn known(isp: &str, recorded: &Recorded, running: bool, now: OffsetDateTime) -> anyhow::Result<()> {
    let all = History::of(recorded, running, now, &Selection::default());
    let names = all.isps();
    if !names.is_empty() && !names.contains(&isp) {
        bail!("--isp {isp}: nothing is recorded of such an ISP; recorded are {}", names.join(", "));
    }
    Ok(())
}
