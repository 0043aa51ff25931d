//! `sixways map`: what the gateway makes of an address, by one prefix pair or by a configuration.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::control::config::Config;
use crate::control::prefixes::{History, Record};
use crate::control::state::{DEFAULT_STATE_DIR, read_prefix_history};
use crate::npt::{Mapping, MappingError, Prefix, PrefixError, Unmappable};
use crate::snapshot::{MappingTable, UplinkMapping};
use crate::units::{Direction, MappingId, UplinkId};
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
of prefix pairs is the data plane's own; filters, routes and health are not asked. An ISP whose prefix
is learnt has a pair only with --at.

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
       sixways map [--at TIME [--state DIR]] --config FILE [--json] ADDR…")]
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

    /// The gateway's state directory, where it has its notes
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR, requires = "at")]
    state: PathBuf,

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
            None => Pairs::new(&config),
            Some(at) => {
                let history = read_prefix_history(&args.state).context("no notes of former prefix pairs")?;
                Pairs::at(&config, &history, at)
            }
        };
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

/// Prefix pairs, in the table that the data plane asks.
struct Pairs {
    internal: Vec<Prefix>,
    /// Names of the ISPs.
    isps: Vec<String>,
    table: MappingTable,
    /// What is said of an address that is in none of them.
    neither: Outcome,
}

impl Pairs {
    /// Those of `config`.
    fn new(config: &Config) -> Self {
        let pairs = config.isps.iter().flat_map(|isp| isp.mappings.iter().map(|mapping| (&*isp.name, *mapping, false)));
        Self::of(config, pairs.collect(), Outcome::unmappable(Unmappable::NotInPrefix))
    }

    /// Those that were in force at `at`. Of several for the same hosts the newest was for new flows.
    fn at(config: &Config, history: &History, at: OffsetDateTime) -> Self {
        let mut records: Vec<&Record> = history.at(at).collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.since));
        let former = |index: usize, record: &Record| {
            let mut newer = records[..index].iter();
            newer.any(|newer| newer.isp == record.isp && newer.internal.overlaps(record.internal))
        };
        let pair = |(index, record): (usize, &&'_ Record)| {
            let mapping = Mapping::new(record.internal, record.external).ok()?;
            Some((records[index].isp.as_str(), mapping, former(index, record)))
        };
        let pairs = records.iter().enumerate().filter_map(pair).collect();
        Self::of(config, pairs, Outcome::Unknown("not-recorded"))
    }

    fn of(config: &Config, pairs: Vec<(&str, Mapping, bool)>, neither: Outcome) -> Self {
        let mut isps: Vec<String> = config.isps.iter().map(|isp| isp.name.clone()).collect();
        let mut mappings = Vec::new();
        for (id, (isp, mapping, former)) in (0..=u8::MAX).map(MappingId).zip(pairs) {
            let position = isps.iter().position(|known| known == isp).unwrap_or_else(|| {
                isps.push(isp.to_owned());
                isps.len() - 1
            });
            mappings.push(UplinkMapping { id, uplink: UplinkId(position as u8), mapping, former });
        }
        let table = MappingTable::new(&mappings, isps.len());
        Self { internal: config.site.internal.clone(), isps, table, neither }
    }

    fn line<'a>(&'a self, text: &'a str) -> ConfigLine<'a> {
        let Some(address) = parse(text) else {
            return ConfigLine { address: text, outbound: Vec::new(), inbound: None, neither: Some(NOT_AN_ADDRESS) };
        };
        let mut inside = self.internal.iter().copied().chain(self.table.iter().map(|pair| pair.mapping.internal()));
        let is_inside = self.table.iter().next().is_some() && inside.any(|prefix| prefix.contains(address));
        let outbound = if is_inside { self.outbound(address) } else { Vec::new() };
        let inbound = self.table.inbound(address).map(|pair| OfIsp {
            isp: &self.isps[pair.uplink.index()],
            outcome: Outcome::of(&pair.mapping, Direction::Inbound, address),
        });
        let neither = (!is_inside && inbound.is_none()).then_some(self.neither);
        ConfigLine { address: text, outbound, inbound, neither }
    }

    fn outbound<'a>(&'a self, address: Ipv6Addr) -> Vec<OfIsp<'a>> {
        let of_isp = |(uplink, isp): (UplinkId, &'a String)| {
            let image = self.table.image(uplink, address).map(|(_, image)| image);
            OfIsp { isp, outcome: image.map_or_else(Outcome::unmappable, Outcome::Image) }
        };
        (0u8..).map(UplinkId).zip(&self.isps).map(of_isp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::config::parse as parse_config;
    use time::Duration;

    #[test]
    fn an_address_of_the_past_leads_to_the_host_of_then() {
        let config = |prefix: &str| {
            let text = include_str!("../../configs/minimal.toml").replace("2001:db8:2::/48", prefix);
            parse_config(&text).unwrap_or_else(|errors| panic!("{errors}"))
        };
        let (old, new) = (config("2001:db8:a::/48"), config("2001:db8:b::/48"));
        let start = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let mut history = History::default();
        history.note(&old, start);
        let mut both = new.clone();
        both.isps[1].former = old.isps[1].mappings.clone();
        history.note(&both, start + Duration::hours(1));
        history.note(&new, start + Duration::hours(2));
        let host = "fd12:3456:789a:1::10";
        let image = |config: &Config| config.isps[1].mappings[0].outbound(host.parse().unwrap()).unwrap().to_string();
        let (old_image, new_image) = (image(&old), image(&new));
        let says = |minutes: i64, address: &str| {
            Pairs::at(&new, &history, start + Duration::minutes(minutes)).line(address).to_string()
        };
        let leads_back = |image: &str| format!("{image} inbound cable={host}");
        let unknown = |address: &str| format!("{address} unknown:not-recorded");
        assert_eq!(says(-1, &old_image), unknown(&old_image));
        assert_eq!(says(-1, host), unknown(host));
        assert_eq!((says(30, &old_image), says(30, &new_image)), (leads_back(&old_image), unknown(&new_image)));
        assert_eq!((says(90, &old_image), says(90, &new_image)), (leads_back(&old_image), leads_back(&new_image)));
        assert_eq!((says(150, &old_image), says(150, &new_image)), (unknown(&old_image), leads_back(&new_image)));
        assert!(says(30, host).ends_with(&format!("cable={old_image}")), "{}", says(30, host));
        assert!(says(90, host).ends_with(&format!("cable={new_image}")), "new flows have the newest");
    }
}
