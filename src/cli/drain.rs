//! `sixways drain` and `sixways undrain`: maintenance of an ISP.

use std::process::ExitCode;

use anyhow::Context;

use super::amount::count;
use super::asked::Asked;
use super::{arguments, print, print_json};
use crate::app::{DrainRequest, Drained, UndrainRequest, Undrained};
use crate::control::ask::ask_for;
use crate::control::config::{MOVING, span};
use crate::units::Nanos;

const DRAIN: &str = "\
New flows avoid the ISP from the moment on at which this answers, and over restarts, until
`sixways undrain`. The flows that it has stay until they end; with --over those opened from inside
move to other ISPs, evenly over that time: they get another outside address, which TCP does not
survive and QUIC does. Flows opened from outside never move, and all of them go on to be answered.

Where no other ISP will do, a drained one still carries: a drain never cuts anybody off. The count of
flows is up to 16 seconds old. `sixways status` shows how many are left.

Exit status: 0; 1 when it is drained already, there is no such ISP, or no gateway answers.";

const UNDRAIN: &str = "\
Ends `sixways drain`, and the wait of an ISP that is back after an outage with `[site] failback =
\"manual\"`. New flows use it at once; whether flows that have left it come back is up to `failback`. It does not lift a spent `quota`.

Exit status: 0; 1 when nothing keeps flows away from it, there is no such ISP, or no gateway answers.";

const OTHER_VERSION: &str = "this gateway is of another version; use its own `sixways`";

/// Keep new flows away from an ISP, and move those that it has if you say so.
#[derive(Debug, clap::Args)]
#[command(after_help = DRAIN)]
pub struct DrainArgs {
    /// Name of the ISP
    isp: String,
    /// Move the flows that it has, evenly over this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    over: Option<Nanos>,
    #[command(flatten)]
    gateway: Asked,
}

/// Let an ISP have new flows again.
#[derive(Debug, clap::Args)]
#[command(after_help = UNDRAIN)]
pub struct UndrainArgs {
    /// Name of the ISP
    isp: String,
    #[command(flatten)]
    gateway: Asked,
}

/// A time over which flows move, or for which they are away.
pub(super) fn time(text: &str) -> Result<Nanos, String> {
    span::parse(text).filter(|time| MOVING.fits(*time)).ok_or_else(|| format!("write {}", MOVING.limits()))
}

pub fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let over_seconds = args.over.map(|over| over.0 as f64 / 1e9);
    let request = DrainRequest { isp: args.isp.clone(), over_seconds };
    let answer = ask_for(&args.gateway.socket, "drain", arguments(&request)?)?;
    if args.gateway.json {
        print_json(&answer)?;
    } else {
        let drained = serde_json::from_value(answer).context(OTHER_VERSION)?;
        print(&page(&drained))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(drained: &Drained) -> String {
    let Drained { isp, flows, .. } = drained;
    let flows = count(*flows);
    let mut text = match drained.over_seconds {
        Some(seconds) => {
            let over = span::show(Nanos((seconds * 1e9) as u64));
            format!("{isp} is drained: new flows avoid it; {flows} flows left, which move within {over}\n")
        }
        None => format!("{isp} is drained: new flows avoid it; {flows} flows left\n"),
    };
    if !drained.others_are_well {
        text += &format!("no other ISP is well: until one is, {isp} gets new flows all the same\n");
    }
    text
}

pub fn undrain(args: &UndrainArgs) -> anyhow::Result<ExitCode> {
    let request = UndrainRequest { isp: args.isp.clone() };
    let answer = ask_for(&args.gateway.socket, "undrain", arguments(&request)?)?;
    if args.gateway.json {
        print_json(&answer)?;
    } else {
        let Undrained { isp, quota_spent } = serde_json::from_value(answer).context(OTHER_VERSION)?;
        print(&match quota_spent {
            false => format!("{isp} may have new flows again\n"),
            true => format!("{isp} is drained no longer, but its quota of this month is spent: new flows avoid it\n"),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
