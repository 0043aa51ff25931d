//! `sixways check`: whether a configuration is good, what it means, and what to think of.

mod cover;
mod host;
mod installs;
mod lints;
mod mapping;
mod metered;
mod notify;
mod prefixes;
mod probes;
mod report;
mod rules;
mod steering;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use self::prefixes::SourceReport;
use crate::cli::learnt::Learnt;
use crate::control::config::{self, ConfigErrors};

const HELP: &str = "\
Reads the file strictly and says everything that is wrong with it, with the line and the remedy. Of a
good file it says what it means: each prefix pair with its proof and with what has no image, whom probes
ask and how soon an outage is found, the exact share of each ISP under each policy, rules and filter in
words, who is told what happens, the memory that flows and packets take, and warnings about what is allowed but surprises, rules
that never apply among them.
A prefix that is learnt is that of --prefix, else what its source shows on this machine now, else what
the gateway here knew last.
Interfaces of the file that exist on this machine are looked at, too. Nothing is changed.

Exit status: 0 the file is good, with or without warnings; 1 it is not, or cannot be read.";

/// What to check.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Args {
    /// The configuration
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    learnt: Learnt,

    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = args.file.display().to_string();
    let config = match config::load(&args.file) {
        Ok(config) => config,
        Err(errors) if args.json => {
            super::print_json(&refusal(&file, &errors))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(errors) => return Err(errors.into()),
    };
    args.learnt.fits(&[&config])?;
    let (config, known) = args.learnt.look(&config)?;
    let mut report = report::Report::new(file, &config)?;
    report.add_sources(known.into_iter().map(SourceReport::new));
    report.add_warnings(lints::lints(&config));
    report.add_warnings(rules::lints(&config));
    report.add_warnings(probes::lints(&config));
    report.add_warnings(notify::lints(&config));
    report.add_warnings(metered::lints(&config));
    report.add_host(host::look(&config)?);
    if args.json {
        super::print_json(&report)?;
    } else {
        super::print(&report.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn refusal(file: &str, errors: &ConfigErrors) -> serde_json::Value {
    let error = |error: &config::ConfigError| {
        serde_json::json!({
            "path": error.path,
            "line": error.position.map(|(line, _)| line),
            "column": error.position.map(|(_, column)| column),
            "value": error.value,
            "problem": error.problem.to_string(),
            "remedy": error.problem.remedy(),
        })
    };
    let errors: Vec<_> = errors.errors().iter().map(error).collect();
    serde_json::json!({ "file": file, "good": false, "errors": errors })
}
