//! `sixways release`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use crate::control::{host_rules, ipv4, netlink::Netlink};
use crate::xdp::{Pins, release};

/// Where the pins are.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// BPF file system that the gate is pinned in [default: /sys/fs/bpf]
    #[arg(long, value_name = "DIR")]
    bpffs: Option<PathBuf>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let pins = Pins::open(args.bpffs.as_deref())?;
    let released = release(pins).context("cannot remove the pins")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let netlink = Netlink::open()?;
        host_rules::remove_all(&netlink).await?;
        ipv4::remove(&netlink).await
    })?;
    let mut held = released.interfaces;
    if released.flow_memory {
        held.push("the flow memory".to_owned());
    }
    if held.is_empty() {
        println!("nothing was held; the host's rules are gone, if there were any");
    } else {
        println!("released {}; the kernel routes as it likes", held.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}
