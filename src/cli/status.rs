//! `sixways status`: what a running gateway does.

mod health;
mod page;
mod prefix;
mod quota;

use std::process::ExitCode;

use anyhow::Context;

pub use page::accounting;

use super::asked::Asked;
use super::{print, print_json};
use crate::control::ask::ask;
use crate::observe::status::Status;

const EXPLANATIONS: &str = "\
Rates are of the last second or two, everything else since the start; what gate and guard have
counted goes on over restarts.

ISP        SHARE is the part of the steering table that prefers the ISP, OF PACKETS its part of the
           outbound packets so far: few hosts, or some that send much, draw the two apart.
HEALTH     what each ISP is fit for, since when and why; what one that is down waits for; what its
           router does when it is asked, and the latest packet that came in. See docs/health.md.
PROBE      what is asked for beyond the routers: RTT of the latest answer, LOSS of the latest 20.
PREFIX     prefixes that are learnt: what new flows get, since when, where it is learnt; former ones in their
           grace; why the source shows something else. See docs/prefixes.md.
QUOTA      what metered ISPs have carried in this calendar month (UTC), both ways. See docs/metered.md.
FLOWS      those that are remembered. Companions go along with flows, for packets that name none: an
           address pair, an endpoint. `sixways flows` lists them one by one.
LATENCY    from the gate's stamp on arrival until the packet is with the ring that sends it.
DROPS      every reason that occurred; all reasons with what to do about them: docs/drops.md.
ACCOUNTING what came in is what became of it, or on its way: see docs/drops.md.

Exit status: 0; 1 when no gateway answers.";

/// See ISPs, rates, flows, drops, latency and the accounting of the running gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    #[command(flatten)]
    gateway: Asked,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let answer = ask(&args.gateway.socket, "status")?;
    if args.gateway.json {
        print_json(&answer)?;
    } else {
        let status: Status = serde_json::from_value(answer)
            .context("this gateway is of another version; use its own `sixways status`")?;
        print(&page::render(&status))?;
    }
    Ok(ExitCode::SUCCESS)
}
