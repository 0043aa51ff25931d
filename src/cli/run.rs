//! `sixways run`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use super::complain;
use crate::app::{Gateway, Outcome, Places};
use crate::control::config::ConfigFile;
use crate::os::Closer;

/// Exit status for what another start would not mend: configs/sixways.service names it.
const WRONG_CONFIGURATION: u8 = 2;

/// Where configuration and state are.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; `sixways reload`, SIGHUP and saving it put it in force anew
    #[arg(long, value_name = "FILE", default_value = "/etc/sixways/sixways.toml")]
    config: PathBuf,
    /// Directory of what must outlast a restart: ids, hash key, prefixes, drains, quotas, the event log
    #[arg(long, value_name = "DIR", default_value = "/var/lib/sixways")]
    state: PathBuf,
    /// Unix socket on which the other verbs ask
    #[arg(long, value_name = "PATH", default_value = "/run/sixways/control.sock")]
    socket: PathBuf,
    /// BPF file system that the gate is pinned in [default: /sys/fs/bpf]
    #[arg(long, value_name = "DIR")]
    bpffs: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env("SIXWAYS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let path = std::path::absolute(&args.config).with_context(|| format!("cannot find {}", args.config.display()))?;
    let config = match ConfigFile::read(&path) {
        Ok(config) => config,
        Err(error) => {
            complain(&error.to_string());
            return Ok(ExitCode::from(WRONG_CONFIGURATION));
        }
    };
    let places = Places { bpffs: args.bpffs.clone(), state: args.state.clone(), socket: args.socket.clone() };
    // While there is one thread.
    let closer = Closer::start();
    if let Err(error) = &closer {
        tracing::warn!(%error, "no second process: after a kill the next start takes longer");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let outcome = runtime.block_on(async { Gateway::start(config, &places).await?.run().await })?;
    match outcome {
        Outcome::Blocking => tracing::info!(
            "stopped; gate and guard stay: transit is dropped, nothing leaks; `sixways release` takes them away"
        ),
        Outcome::Released => tracing::info!("stopped; gate, guard and rules are gone: the kernel routes as it likes"),
    }
    Ok(ExitCode::SUCCESS)
}
