//! `sixways explain`: what happens to this packet?

mod page;

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use super::learnt::Learnt;
use super::{load, print, print_json};
use crate::control::ask::{DEFAULT_SOCKET, ask_for};
use crate::control::config::traffic;
use crate::explain::{Asked, Explanation, Fields, Question, World, explain};
use crate::flow::FlowStore;
use crate::replay::world::neighbour_mac;
use crate::replay::{Input, Rehearsal};
use crate::snapshot::NeighbourState;

const EXPLANATIONS: &str = "\
Takes one packet through the steps of the packet path and says what each finds: the gate's entry,
the flow, filter or rule, hash, bucket and its ranking of the ISPs, the image of the address, MTU
and next hop, and what becomes of the packet. Nothing is sent, and nothing that the gateway
remembers changes.

The packet is one of:
  --source, --destination, --proto   the first packet of a flow: a TCP SYN, an echo request,
                                     otherwise one without payload; hop limit 64
  --hex                              any frame, or any packet from its IPv6 header on
  --in, --frame                      one of a capture: those before it are replayed first, so that
                                     flows are known if the capture has their beginning

Without --config the running gateway is asked, with its flows, usable ISPs and neighbours. With
--config it need not run, and the world is made up as for `sixways replay`: the ISP of a single flow
may differ from the installation's, whose hash key is its own. A prefix that is learnt is that of
--prefix, else what its source shows on this machine now, else what the gateway here knew last; which
of them is said on standard error.

Examples:
  sixways explain --from lan --source fd12:3456:789a:1::10 --destination 2001:db8:f::53 \\
      --proto tcp --sport 40000 --dport 443 --if-down fiber
  sixways explain --config sixways.toml --in fiber=wan0.pcap --frame 1207

Exit status: 0 whatever becomes of the packet; 1 when the question means nothing, a file cannot be
used, or no gateway answers.";

/// Say what happens to a packet, step by step, and what would if an ISP were down.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
#[command(override_usage = "\
sixways explain [--config FILE] --from NAME --source ADDR --destination ADDR --proto NAME
               [--sport N] [--dport N] [--dscp NAME] [--if-down ISP]… [--json]
       sixways explain [--config FILE] --from NAME --hex OCTETS [--if-down ISP]… [--json]
       sixways explain --config FILE --in NAME=FILE --frame N [--if-down ISP]… [--json]")]
pub struct Args {
    /// A configuration; without one the running gateway is asked
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Unix socket of the running gateway
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET, conflicts_with = "config")]
    socket: PathBuf,
    /// Where the packet comes in: an ISP's name, a LAN's interface, or `lan` where there is one LAN
    #[arg(long, value_name = "NAME", required_unless_present = "input", conflicts_with = "input")]
    from: Option<String>,
    /// Source address
    #[arg(long, value_name = "ADDR", requires_all = ["destination", "proto"], required_unless_present_any = ["hex", "input"])]
    source: Option<Ipv6Addr>,
    /// Destination address
    #[arg(long, value_name = "ADDR", requires = "source")]
    destination: Option<Ipv6Addr>,
    /// tcp, udp, icmpv6, esp, sctp, … or a number
    #[arg(long, value_name = "NAME", requires = "source", value_parser = protocol)]
    proto: Option<u8>,
    /// Source port
    #[arg(long, value_name = "N", requires = "source")]
    sport: Option<u16>,
    /// Destination port
    #[arg(long, value_name = "N", requires = "source")]
    dport: Option<u16>,
    /// Code point: ef, af21, cs3, … or a number
    #[arg(long, value_name = "NAME", requires = "source", value_parser = code_point)]
    dscp: Option<u8>,
    /// The frame, or the packet from its IPv6 header on, in hexadecimal
    #[arg(long, value_name = "OCTETS", conflicts_with_all = ["source", "input"])]
    hex: Option<String>,
    /// A capture of what came in by this LAN or ISP
    #[arg(long = "in", id = "input", value_name = "NAME=FILE", requires_all = ["frame", "config"], conflicts_with = "source", value_parser = super::replay::input)]
    input: Option<Input>,
    /// Number of the packet in the capture, from 1
    #[arg(long, value_name = "N", requires = "input")]
    frame: Option<u64>,
    /// Also say what would happen if this ISP were down; several are down together
    #[arg(long, value_name = "ISP")]
    if_down: Vec<String>,
    #[command(flatten)]
    learnt: Learnt,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn protocol(text: &str) -> Result<u8, String> {
    let number = traffic::protocol(text).or_else(|| text.parse().ok());
    match number {
        Some(number) if traffic::is_extension_header(number) => {
            Err("an extension header is no protocol; give the packet with --hex".to_owned())
        }
        Some(number) => Ok(number),
        None => {
            let known: Vec<&str> = traffic::PROTOCOLS.iter().map(|(name, _)| *name).collect();
            Err(format!("there are {} and the numbers to 255", known.join(", ")))
        }
    }
}

fn code_point(text: &str) -> Result<u8, String> {
    let number = traffic::code_point(text).or_else(|| text.parse().ok()).filter(|point| *point < 64);
    number.ok_or_else(|| "write a name such as ef, af21 or cs3, or a number below 64".to_owned())
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let explanation = match &args.config {
        Some(config) => by_file(args, config)?,
        None => {
            args.learnt.unused("without --config: the gateway knows its prefixes")?;
            by_gateway(args)?
        }
    };
    if args.json {
        print_json(&explanation)?;
    } else {
        print(&page::render(&explanation))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The question, if it is not about a capture.
fn question(args: &Args) -> Option<Question> {
    let packet = match (&args.hex, args.source, args.destination, args.proto) {
        (Some(hex), ..) => Asked::Hex(hex.clone()),
        (None, Some(source), Some(destination), Some(protocol)) => Asked::Fields(Fields {
            source,
            destination,
            protocol,
            source_port: args.sport,
            destination_port: args.dport,
            dscp: args.dscp.unwrap_or_default(),
        }),
        _ => return None,
    };
    Some(Question { from: args.from.clone()?, packet, if_down: args.if_down.clone() })
}

fn by_file(args: &Args, config: &Path) -> anyhow::Result<Explanation> {
    let [config] = args.learnt.learn([&load(config)?])?;
    let mut rehearsal = Rehearsal::open(&config, args.input.as_slice())?;
    let question = match args.frame {
        None => question(args).ok_or_else(|| anyhow!("no packet is given"))?,
        Some(number) => {
            let (edge, frame) = rehearsal.up_to(number)?;
            let packet = Asked::Hex(frame.iter().map(|octet| format!("{octet:02x}")).collect());
            let from = rehearsal.engine().snapshot().name_of(edge).to_owned();
            Question { from, packet, if_down: args.if_down.clone() }
        }
    };
    let engine = rehearsal.engine();
    let world = World {
        snapshot: engine.snapshot(),
        gate: &engine.generation().gate,
        neighbour: &|edge, address| NeighbourState::Resolved(neighbour_mac(edge, address)),
        flows: engine.stand().flows.flows(),
        fragments: &engine.stand().fragments,
        now: engine.now(),
        max_frame: engine.max_frame(),
    };
    Ok(explain(&world, &question)?)
}

fn by_gateway(args: &Args) -> anyhow::Result<Explanation> {
    let question = question(args).ok_or_else(|| anyhow!("no packet is given"))?;
    let Value::Object(arguments) = serde_json::to_value(&question)? else { bail!("a question is an object") };
    let answer = ask_for(&args.socket, "explain", arguments)?;
    serde_json::from_value(answer).context("this gateway is of another version; use its own `sixways explain`")
}
