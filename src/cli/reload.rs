//! `sixways reload`: the running gateway reads its configuration anew.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::asked::Asked;
use super::{arguments, print, print_json};
use crate::app::{ReloadRequest, Reloaded};
use crate::control::ask::ask_for;
use crate::control::config::span;
use crate::units::Nanos;

const EXPLANATIONS: &str = "\
The gateway reads the file that it was started with, as `sixways check` does, and puts it in force from
one packet to the next: none is lost, none is translated by a part of one configuration and a part of
the other, and flows keep their ISPs. Where anything is wrong, or needs a restart ([dataplane],
[flows] capacity), nothing changes, and this says why. SIGHUP does the same, and so does saving the
file, unless it says [host] reload_on_save = false; the log has the answer.

--confirm TIME goes back to the former configuration unless `sixways confirm` comes within TIME (90s,
5m): for changes that may cut off whoever makes them. Until then another `sixways reload` is refused,
and one with --confirm takes its place. The file itself is not changed back. What is tried must not be
in force already: set reload_on_save = false.

What would change, and for which share of the flows: `sixways diff OLD NEW`. More: docs/reload.md.

Exit status: 0; 1 when the former configuration stays, or no gateway answers.";

/// Read the configuration anew and put it in force, whole, or say why the former one stays.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    /// Go back to the former configuration unless `sixways confirm` comes within this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    confirm: Option<Nanos>,
    #[command(flatten)]
    gateway: Asked,
}

fn time(text: &str) -> Result<Nanos, String> {
    span::parse(text).filter(|time| time.0 > 0).ok_or_else(|| "write a time like 60s or 5m".to_owned())
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let request = ReloadRequest { confirm_within_seconds: args.confirm.map(|time| time.0 as f64 / 1e9) };
    let answer = ask_for(&args.gateway.socket, "reload", arguments(&request)?)?;
    if args.gateway.json {
        print_json(&answer)?;
    } else {
        let reloaded: Reloaded = serde_json::from_value(answer)
            .context("this gateway is of another version; use its own `sixways reload`")?;
        print(&page(&reloaded))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn page(reloaded: &Reloaded) -> String {
    let Reloaded { file, generation, changes, confirm_within_seconds, .. } = reloaded;
    let mut text = format!("{file} is in force, generation {generation}\n");
    if changes.is_empty() {
        text += "  nothing differs from the former one\n";
    }
    for change in changes {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {change}");
    }
    if let Some(seconds) = confirm_within_seconds {
        let _ = writeln!(text, "the former one returns in {seconds} s unless you say `sixways confirm`");
    }
    text
}
