//! Which gateway a verb asks, and how its answer is printed.

use std::path::PathBuf;

use crate::control::ask::DEFAULT_SOCKET;

/// Arguments of every verb that talks to the running gateway.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// Unix socket of the gateway
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}
