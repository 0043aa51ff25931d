//! `sixways map`: what the gateway makes of an address, by one prefix pair or by a configuration.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::control::config::{Config, Isp};
use crate::npt::{Mapping, MappingError, Prefix, PrefixError, Unmappable};
use crate::snapshot::{MappingTable, UplinkMapping};
use crate::units::{Direction, MappingId, UplinkId};
use crate::verdict::DropReason;
use anyhow::{anyhow, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

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
of prefix pairs is the data plane's own; filters, routes and health are not asked.

Exit status: 0, also where the answer is a drop or a refused pair; 1 when an ADDR is no address, a
prefix is no prefix, or the file cannot be used.

Examples:
  sixways map --internal fd01:203:405::/48 --external 2001:db8:1::/48 \\
      --direction outbound fd01:203:405:1::1234
  sixways map --config configs/lab.toml fd12:3456:789a:1::10 2001:db8:1:7c4a::10";

/// Show what an ISP's prefix makes of addresses, and back: no privileges, no gateway.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(override_usage = "\
sixways map --internal PREFIX --external PREFIX --direction outbound|inbound [--json] ADDR…
       sixways map --config FILE [--json] ADDR…")]
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

    /// Print one JSON array instead of lines
    #[arg(long)]
    json: bool,

    /// IPv6 addresses
    #[arg(value_name = "ADDR", required = true)]
    addresses: Vec<String>,
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
        let pairs = Pairs::new(super::load(file)?);
        show(args.json, &addresses.map(|text| pairs.line(text)).collect::<Vec<_>>())?;
    } else {
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

/// One address by a whole configuration.
#[derive(Serialize)]
struct ConfigLine<'a> {
    address: &'a str,
    /// For an inside address: what each ISP makes of it as a source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outbound: Vec<OfIsp<'a>>,
    /// For an address in an ISP's prefix: what that ISP makes of it as a destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    inbound: Option<OfIsp<'a>>,
    /// For an address that is neither.
    #[serde(flatten)]
    neither: Option<Outcome>,
}

#[derive(Serialize)]
struct OfIsp<'a> {
    isp: &'a str,
    #[serde(flatten)]
    outcome: Outcome,
}

impl fmt::Display for OfIsp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.isp, self.outcome)
    }
}

impl fmt::Display for ConfigLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.address)?;
        if !self.outbound.is_empty() {
            f.write_str(" outbound")?;
        }
        for isp in &self.outbound {
            write!(f, " {isp}")?;
        }
        if let Some(isp) = &self.inbound {
            write!(f, " inbound {isp}")?;
        }
        self.neither.iter().try_for_each(|outcome| write!(f, " {outcome}"))
    }
}

/// The prefix pairs of a configuration, in the table that the data plane asks.
struct Pairs {
    config: Config,
    table: MappingTable,
}

impl Pairs {
    fn new(config: Config) -> Self {
        let owned = (0u8..).map(UplinkId).zip(&config.isps);
        let owned = owned.flat_map(|(uplink, isp)| isp.mappings.iter().map(move |mapping| (uplink, *mapping)));
        let numbered = (0u8..).map(MappingId).zip(owned);
        let mappings: Vec<_> =
            numbered.map(|(id, (uplink, mapping))| UplinkMapping { id, uplink, mapping, former: false }).collect();
        let table = MappingTable::new(&mappings, config.isps.len());
        Self { config, table }
    }

    fn line<'a>(&'a self, text: &'a str) -> ConfigLine<'a> {
        let Some(address) = parse(text) else {
            return ConfigLine { address: text, outbound: Vec::new(), inbound: None, neither: Some(NOT_AN_ADDRESS) };
        };
        let is_inside = self.config.site.internal.iter().any(|prefix| prefix.contains(address));
        let outbound = if is_inside { self.outbound(address) } else { Vec::new() };
        let inbound = self.table.inbound(address).map(|pair| OfIsp {
            isp: &self.config.isps[pair.uplink.index()].name,
            outcome: Outcome::of(&pair.mapping, Direction::Inbound, address),
        });
        let neither = (!is_inside && inbound.is_none()).then_some(Outcome::unmappable(Unmappable::NotInPrefix));
        ConfigLine { address: text, outbound, inbound, neither }
    }

    fn outbound<'a>(&'a self, address: Ipv6Addr) -> Vec<OfIsp<'a>> {
        let of_isp = |(uplink, isp): (UplinkId, &'a Isp)| {
            let image = self.table.image(uplink, address).map(|(_, image)| image);
            let outcome = image.map_or_else(Outcome::unmappable, Outcome::Image);
            OfIsp { isp: &isp.name, outcome }
        };
        (0u8..).map(UplinkId).zip(&self.config.isps).map(of_isp).collect()
    }
}
