//! `sixways map`: what the gateway makes of an address, by one prefix pair or by a configuration.

mod pairs;

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use self::pairs::Pairs;
use super::learnt::Learnt;
use crate::control::state::read_prefix_history;
use crate::npt::{Mapping, MappingError, Prefix, PrefixError, Unmappable};
use crate::units::Direction;
use crate::verdict::DropReason;
use anyhow::{Context, anyhow, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const EXAMPLES: &str = "\
One line per ADDR, in their order.

With --internal and --external, the line is one word:
  2001:db8:1:d550::1234   the image, in the form of RFC 5952
  drop:REASON             the address has no image; REASON as in metrics, like drop:subnet-ffff
  config:REASON           the pair is refused: prefix-longer-than-64, prefix-has-host-bits,
                          not-a-prefix
  error:not-an-address    ADDR is no IPv6 address

With --config, the address comes first, then what each ISP makes of it:
  fd12:3456:789a:1::10 outbound fiber=2001:db8:1:7c4a::10 cable=2001:db8:2:7c49::10
  2001:db8:1:ffff::10 inbound fiber=drop:subnet-ffff
An address inside is followed by `outbound` and every ISP in the order of the file; an address in
an ISP's prefix by `inbound` and that ISP; one that is neither by `drop:not-in-prefix`. The table
of prefix pairs is the data plane's own; filters, routes and health are not asked. A prefix that is
learnt is that of --prefix, else what its source shows on this machine now, else what the gateway here
knew last; which of them is said on standard error, and where none is known the ISP is followed by
`unknown:no-prefix`.

With --at, the answer is that of TIME, by the pairs that the gateway noted in its state directory as
they came and went; `unknown:not-recorded` where it noted none for ADDR at that time.

Exit status: 0, also where the answer is a drop or a refused pair; 1 when an ADDR is no address, a
prefix is no prefix, or the file cannot be used.

Examples:
  sixways map --internal fd01:203:405::/48 --external 2001:db8:1::/48 \\
      --direction outbound fd01:203:405:1::1234
  sixways map --config configs/lab.toml fd12:3456:789a:1::10 2001:db8:1:7c4a::10
  sixways map --at 2026-11-24T19:40:00Z --config configs/lab.toml 2001:db8:1:7c4a::10";

/// Show what an ISP's prefix makes of addresses, and back: no privileges, no gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(override_usage = "\
sixways map --internal PREFIX --external PREFIX --direction outbound|inbound [--json] ADDR…
       sixways map --config FILE [--prefix ISP=PREFIX]… [--state DIR] [--json] ADDR…
       sixways map --config FILE --at TIME [--state DIR] [--json] ADDR…")]
pub struct Args {
    /// The prefix that hosts inside use
    #[arg(long, value_name = "PREFIX", required_unless_present = "config", conflicts_with = "config")]
    internal: Option<String>,

    /// The prefix that the ISP delegated
    #[arg(long, value_name = "PREFIX", required_unless_present = "config", conflicts_with = "config")]
    external: Option<String>,

    /// `outbound` translates inside addresses to the ISP's, `inbound` back
    #[arg(long, value_parser = direction(), required_unless_present = "config", conflicts_with = "config")]
    direction: Option<Direction>,

    /// Every prefix pair of this configuration
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// As it was at this time (RFC 3339), by the gateway's notes
    #[arg(long, value_name = "TIME", requires = "config", value_parser = moment)]
    at: Option<OffsetDateTime>,

    #[command(flatten)]
    learnt: Learnt,

    /// Print one JSON array instead of lines
    #[arg(long)]
    json: bool,

    /// IPv6 addresses
    #[arg(value_name = "ADDR", required = true)]
    addresses: Vec<String>,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "write a time like 2026-11-24T19:40:00Z".to_owned())
}

fn direction() -> impl TypedValueParser<Value = Direction> {
    PossibleValuesParser::new(Direction::ALL.map(Direction::label)).map(|word| match word.as_str() {
        "outbound" => Direction::Outbound,
        _ => Direction::Inbound,
    })
}

/// Prints one line per address.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let addresses = args.addresses.iter().map(String::as_str);
    if let Some(file) = &args.config {
        let config = super::load(file)?;
        let pairs = match args.at {
            None => {
                let [config] = args.learnt.learn([&config])?;
                Pairs::new(&config)
            }
            Some(at) => {
                args.learnt.unused_prefix("with --at: the notes tell it")?;
                let history = read_prefix_history(args.learnt.state()).context("no notes of former prefix pairs")?;
                Pairs::at(&config, &history, at)
            }
        };
        show(args.json, &addresses.map(|text| pairs.line(text)).collect::<Vec<_>>())?;
    } else {
        args.learnt.unused("without --config")?;
        let pair = || Some((args.internal.as_deref()?, args.external.as_deref()?, args.direction?));
        let (internal, external, direction) = pair().expect("clap asks for all three where --config is not given");
        let mapping = mapping(internal, external);
        let outcome = |address| match &mapping {
            Ok(mapping) => Outcome::of(mapping, direction, address),
            Err(refusal) => Outcome::Config(refusal.label),
        };
        let line = |text| PairLine { address: text, outcome: parse(text).map_or(NOT_AN_ADDRESS, outcome) };
        show(args.json, &addresses.map(line).collect::<Vec<_>>())?;
        match mapping {
            Err(refusal) if refusal.is_unreadable => return Err(refusal.error),
            Err(refusal) => super::complain(&refusal.error.to_string()),
            Ok(_) => {}
        }
    }
    match args.addresses.iter().filter(|text| parse(text).is_none()).map(|text| format!("`{text}`")).collect::<Vec<_>>()
    {
        wrong if wrong.is_empty() => Ok(ExitCode::SUCCESS),
        wrong => bail!("not an IPv6 address: {}", wrong.join(", ")),
    }
}

fn parse(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok()
}

fn show(json: bool, lines: &[impl Serialize + fmt::Display]) -> anyhow::Result<()> {
    if json {
        return super::print_json(&lines);
    }
    super::print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

/// Why a pair of texts makes no mapping.
struct Refusal {
    label: &'static str,
    /// Whether a text was no prefix at all; otherwise the answer is that the pair is refused.
    is_unreadable: bool,
    error: anyhow::Error,
}

impl Refusal {
    fn of_prefix(option: &str, error: PrefixError) -> Self {
        let (label, is_unreadable) = match &error {
            PrefixError::HostBits { .. } => ("prefix-has-host-bits", false),
            PrefixError::Syntax(_) | PrefixError::Length(_) => ("not-a-prefix", true),
        };
        Self { label, is_unreadable, error: anyhow!("--{option}: {error}") }
    }
}

impl From<MappingError> for Refusal {
    fn from(error: MappingError) -> Self {
        let label = match &error {
            MappingError::LongerThan64(_) => "prefix-longer-than-64",
        };
        Self { label, is_unreadable: false, error: error.into() }
    }
}

fn mapping(internal: &str, external: &str) -> Result<Mapping, Refusal> {
    let prefix = |option, text: &str| text.parse::<Prefix>().map_err(|error| Refusal::of_prefix(option, error));
    Ok(Mapping::new(prefix("internal", internal)?, prefix("external", external)?)?)
}

/// What becomes of one address.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Image(Ipv6Addr),
    Drop(&'static str),
    Config(&'static str),
    Error(&'static str),
    Unknown(&'static str),
}

const NOT_AN_ADDRESS: Outcome = Outcome::Error("not-an-address");

impl Outcome {
    fn of(mapping: &Mapping, direction: Direction, address: Ipv6Addr) -> Self {
        let image = match direction {
            Direction::Outbound => mapping.outbound(address),
            Direction::Inbound => mapping.inbound(address),
        };
        image.map_or_else(Self::unmappable, Self::Image)
    }

    fn unmappable(reason: Unmappable) -> Self {
        Self::Drop(DropReason::from(reason).label())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(address) => address.fmt(f),
            Self::Drop(reason) => write!(f, "drop:{reason}"),
            Self::Config(reason) => write!(f, "config:{reason}"),
            Self::Error(reason) => write!(f, "error:{reason}"),
            Self::Unknown(reason) => write!(f, "unknown:{reason}"),
        }
    }
}

/// One address by one prefix pair.
#[derive(Serialize)]
struct PairLine<'a> {
    address: &'a str,
    #[serde(flatten)]
    outcome: Outcome,
}

impl fmt::Display for PairLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)
    }
}
