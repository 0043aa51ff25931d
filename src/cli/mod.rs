//! The command line: one file per verb.

mod release;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// IPv6 multihoming gateway: one stable prefix inside, NPTv6 (RFC 6296) towards every ISP.
///
/// Write a configuration, prove it with `sixways check FILE`, then `sixways run --config FILE`.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the gateway and forward until a signal ends it
    Run(run::Args),
    /// Take gate, guard and rules away: the kernel routes as it likes
    Release(release::Args),
}

/// Runs the verb; its error is told in one place.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Run(args) => run::run(&args),
        Verb::Release(args) => release::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sixways: {error:#}");
            ExitCode::FAILURE
        }
    }
}
