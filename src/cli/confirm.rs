//! `sixways confirm`: what was tried stays.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{print, print_json};
use crate::control::ask::{DEFAULT_SOCKET, ask};

const EXPLANATIONS: &str = "\
Exit status: 0; 1 when nothing waits for it (too late, or never tried), or no gateway answers.";

/// Keep what `sixways reload --confirm TIME` has put in force.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    /// Unix socket of the gateway
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ask(&args.socket, "confirm")?;
    if args.json {
        print_json(&serde_json::json!({ "confirmed": true }))?;
    } else {
        print("the configuration in force stays\n")?;
    }
    Ok(ExitCode::SUCCESS)
}
