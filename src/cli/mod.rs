//! The command line: one file per verb, each with its `Args` and a `run` that does the work.
//!
//! A verb prints its answer with [`print`] and returns an error for what went wrong;
//! [`main`] is the only place that turns errors into messages and exit codes.

mod amount;
mod asked;
mod check;
mod confirm;
mod diff;
mod drain;
mod drill;
mod explain;
mod flows;
mod history;
mod learnt;
mod map;
mod release;
mod reload;
mod replay;
mod run;
mod status;
mod table;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::control::config::{self, Config};

const FIRST_STEPS: &str = "\
Start here: write a configuration and judge it with `sixways check FILE`, see with
`sixways map --config FILE ADDR` what each ISP makes of your hosts' addresses, then
`sixways run --config FILE` as root.

Exit status: 0 good; 1 bad input or failed, with the reason on standard error (`diff`: 1 they differ, 2 failed;
`run`: 2 wrong configuration).";

/// IPv6 multihoming gateway: hosts keep one prefix, and each flow leaves with the prefix of the ISP
/// that it leaves by (NPTv6, RFC 6296).
#[derive(Debug, Parser)]
#[command(name = "sixways", version, after_help = FIRST_STEPS, max_term_width = 100)]
#[command(subcommand_required = true, disable_help_subcommand = true)]
#[command(subcommand_value_name = "VERB", subcommand_help_heading = "Verbs")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

// In the order in which a new user needs them.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Judge a configuration, and prove what it does to addresses
    Check(check::Args),
    /// Show what an ISP's prefix makes of addresses, and back: no privileges, no gateway
    Map(map::Args),
    /// Show what another configuration would change, and for how many flows
    Diff(diff::Args),
    /// Say what happens to a packet, step by step, and what would if an ISP were down
    Explain(explain::Args),
    /// Run captures through the packet path, and get captures and counters: no privileges
    Replay(replay::Args),
    /// Start the gateway and forward until a signal ends it
    Run(run::Args),
    /// Read the configuration anew and put it in force, whole, or say why the former one stays
    Reload(reload::Args),
    /// Keep what `sixways reload --confirm TIME` has put in force
    Confirm(confirm::Args),
    /// Keep new flows away from an ISP, and move those that it has if you say so
    Drain(drain::DrainArgs),
    /// Let an ISP have new flows again
    Undrain(drain::UndrainArgs),
    /// Rehearse the outage of an ISP, and say what came of it
    Drill(drill::Args),
    /// See ISPs, rates, flows, drops, latency and the accounting of the running gateway
    Status(status::Args),
    /// List the flows of the running gateway: both ends, outside address, ISP, state and age
    Flows(flows::Args),
    /// Tell outages, availability and bytes of each ISP from the event log: no gateway needed
    History(history::Args),
    /// Take gate, guard and rules away: the kernel routes as it likes
    Release(release::Args),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => finish(run(cli.verb)),
        Err(help) if !help.use_stderr() => finish(help.print().map(|()| ExitCode::SUCCESS).map_err(Into::into)),
        Err(usage) => {
            let text = usage.render().to_string();
            complain(text.strip_prefix("error: ").unwrap_or(&text));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Check(args) => check::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Map(args) => map::run(&args),
        Verb::Explain(args) => explain::run(&args),
        Verb::Replay(args) => replay::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Reload(args) => reload::run(&args),
        Verb::Confirm(args) => confirm::run(&args),
        Verb::Drain(args) => drain::drain(&args),
        Verb::Undrain(args) => drain::undrain(&args),
        Verb::Drill(args) => drill::run(&args),
        Verb::Status(args) => status::run(&args),
        Verb::Flows(args) => flows::run(&args),
        Verb::History(args) => history::run(&args),
        Verb::Release(args) => release::run(&args),
    }
}

fn finish(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        // The reader of our output has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Says something on standard error, under the program's name. When nobody can hear it, there is
/// nowhere left to say so.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "sixways: {}", text.trim_end());
}

/// Writes an answer to standard output.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// What a verb of the control socket takes.
fn arguments(request: &impl serde::Serialize) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    Ok(serde_json::from_value(serde_json::to_value(request)?)?)
}

/// Writes an answer to standard output as one JSON document.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// The configuration in the file at `path`; the error shows every mistake with its place and remedy.
fn load(path: &Path) -> anyhow::Result<Config> {
    Ok(config::load(path)?)
}
