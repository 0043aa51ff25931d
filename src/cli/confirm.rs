//! `sixways confirm`: what was tried stays.

use std::process::ExitCode;

use super::asked::Asked;
use super::{print, print_json};
use crate::control::ask::ask;

const EXPLANATIONS: &str = "\
Exit status: 0; 1 when nothing waits for it (too late, or never tried), or no gateway answers.";

/// Keep what `sixways reload --confirm TIME` has put in force.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    #[command(flatten)]
    gateway: Asked,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    ask(&args.gateway.socket, "confirm")?;
    if args.gateway.json {
        print_json(&serde_json::json!({ "confirmed": true }))?;
    } else {
        print("the configuration in force stays\n")?;
    }
    Ok(ExitCode::SUCCESS)
}
