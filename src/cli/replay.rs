//! `sixways replay`: captures in, captures and counters out.

mod page;

use std::path::PathBuf;
use std::process::ExitCode;

use super::learnt::Learnt;
use super::{load, print, print_json};
use crate::replay::{Input, Options, replay};

const EXPLANATIONS: &str = "\
Runs captures through the gate's rules and the very packet path of the gateway: no privileges, no
interface, no gateway. Packets of all captures are taken in the order of their time-stamps, and the
path's clock is theirs: time-outs, rate limits and delayed answers happen when they would.

NAME       an ISP's name, a LAN's interface, or `lan` where there is one LAN
FILE       pcap or pcapng, of whole Ethernet frames, with time-stamps of any resolution; an edge may
           have several. Of what the capture's side sent to the gateway: other frames in it go past
           the gateway, as on the wire
DIR        gets one capture for each edge, named like it (fiber.pcapng), of the frames that leave
           by it, each with the time of the packet that caused it

What the gateway reads from the kernel is made up: neighbours all answer, and have MACs that begin
with 06; every link is up; a LAN has all of the inside; the gateway's own MAC is the one to which
the capture sends. The hash key is not your installation's: shares are the same, single flows may
differ. A prefix that is learnt is that of --prefix, else what its source shows on this machine now,
else what the gateway here knew last; which of them is said on standard error. See docs/replay.md.

Example:
  sixways replay --config sixways.toml --in lan=lan.pcapng --in fiber=wan0.pcap --out-dir out

Exit status: 0 when every packet is accounted for; 1 when not, or a file cannot be used.";

/// Run captures through the packet path, and get captures and counters: no privileges.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A capture of what came in by this LAN or ISP
    #[arg(long = "in", value_name = "NAME=FILE", required = true, value_parser = input)]
    inputs: Vec<Input>,
    /// Directory for the captures of what leaves; without it only counters are printed
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    #[command(flatten)]
    learnt: Learnt,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// `NAME=FILE`.
pub fn input(text: &str) -> Result<Input, String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok(Input { name: name.to_owned(), path: path.into() })
        }
        _ => Err("write NAME=FILE, as in lan=lan.pcapng".to_owned()),
    }
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let [config] = args.learnt.learn([&load(&args.config)?])?;
    let report = replay(&config, &Options { inputs: args.inputs.clone(), out: args.out_dir.clone() })?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&page::render(&report))?;
    }
    Ok(if report.adds_up { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
