//! `sixways flows`: the flows of a running gateway.

mod page;

use std::process::ExitCode;

use anyhow::Context;

use super::asked::Asked;
use super::{arguments, print, print_json};
use crate::control::ask::ask_for;
use crate::observe::flows::{Listing, Query, Selection};

const EXPLANATIONS: &str = "\
FILTER     a flow must match all of them:
  internal=PREFIX   its host inside, by the inside address; an address stands for itself
  remote=PREFIX     its host outside
  PREFIX            one or the other
  isp=NAME          the ISP that it has
  proto=NAME        tcp, udp, icmpv6, esp, sctp, … or a number
  port=NUMBER       of either end; for ICMPv6 echo the identifier
  state=STATE       established (both sides have sent), unanswered, closing (TCP after FIN or RST),
                    or companion: no flow, but an address pair or an endpoint that goes along with
                    flows, for packets that name none; hidden otherwise

The flows seen last come first. INTERNAL is what the host inside calls itself, OUTSIDE what the
ISP and the host outside see; the port is the same. AGE is since the first packet, IDLE since the
latest one (give or take 4.3 s). OPENED is the way of the first packet. FORMER ISP is the one that
the flow had before it was moved.

A flow stays listed until its time-out is over, not until its last packet.

Examples:
  sixways flows fd12:3456:789a:1::10 state=established
  sixways flows isp=cable remote=2001:db8:ff::/48 proto=tcp port=443
  sixways flows --count

Exit status: 0, also when no flow matches; 1 when a FILTER means nothing or no gateway answers.";

/// List the flows of the running gateway: both ends, outside address, ISP, state and age.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    /// Which flows; all without one
    #[arg(value_name = "FILTER")]
    words: Vec<String>,
    /// Only count them, by ISP and state
    #[arg(long, conflicts_with = "limit")]
    count: bool,
    /// Flows to list at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
    #[command(flatten)]
    gateway: Asked,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    Selection::parse(&args.words)?;
    let query = Query { words: args.words.clone(), limit: if args.count { 0 } else { args.limit } };
    let answer = ask_for(&args.gateway.socket, "flows", arguments(&query)?)?;
    if args.gateway.json {
        print_json(&answer)?;
    } else {
        let listing: Listing = serde_json::from_value(answer)
            .context("this gateway is of another version; use its own `sixways flows`")?;
        print(&page::render(&listing, &query))?;
    }
    Ok(ExitCode::SUCCESS)
}
