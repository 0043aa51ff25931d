//! What a good configuration means.

use std::fmt;

use serde::Serialize;

use super::host::HostReport;
use super::mapping::MappingReport;
use super::metered::MeteredReport;
use super::notify::NotifyReport;
use super::prefixes::SourceReport;
use super::probes::{self, WatchReport};
use super::steering::SteeringReport;
use super::table::Table;
use crate::control::config::{Config, Lan, NextHop, Word};

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    file: String,
    good: bool,
    internal: Vec<String>,
    lans: Vec<String>,
    failback: String,
    all_down: &'static str,
    isps: Vec<IspReport>,
    #[serde(flatten)]
    steering: SteeringReport,
    /// None: nobody is told what happens.
    notify: Option<NotifyReport>,
    /// What is allowed but may surprise.
    warnings: Vec<String>,
    #[serde(flatten)]
    host: HostReport,
}

/// One ISP.
#[derive(Debug, Serialize)]
struct IspReport {
    name: String,
    interface: String,
    next_hop: String,
    /// Octets; none: the interface's.
    mtu: Option<u16>,
    tier: u8,
    weight: u32,
    metered: Option<MeteredReport>,
    mappings: Vec<MappingReport>,
    watch: WatchReport,
    /// Where its prefix is learnt; none: it is written.
    source: Option<SourceReport>,
}

impl Report {
    pub fn new(file: String, config: &Config) -> anyhow::Result<Self> {
        let isps = config.isps.iter().map(|isp| {
            Ok(IspReport {
                name: isp.name.clone(),
                interface: isp.edge_name(),
                next_hop: match isp.next_hop {
                    NextHop::Auto => "auto".to_owned(),
                    NextHop::Address(address) => address.to_string(),
                },
                mtu: isp.mtu,
                tier: isp.tier,
                weight: isp.weight,
                metered: isp.metered.map(MeteredReport::new),
                mappings: isp.mappings.iter().map(MappingReport::new).collect::<anyhow::Result<_>>()?,
                watch: WatchReport::new(isp),
                source: None,
            })
        });
        Ok(Self {
            file,
            good: true,
            internal: config.site.internal.iter().map(ToString::to_string).collect(),
            lans: config.lans.iter().map(Lan::edge_name).collect(),
            failback: config.site.failback.to_string(),
            all_down: config.site.all_down.word(),
            isps: isps.collect::<anyhow::Result<_>>()?,
            steering: SteeringReport::new(config)?,
            notify: NotifyReport::new(config),
            warnings: Vec::new(),
            host: HostReport::default(),
        })
    }

    pub fn add_warnings(&mut self, warnings: Vec<String>) {
        self.warnings.extend(warnings);
    }

    pub fn add_sources(&mut self, sources: impl Iterator<Item = SourceReport>) {
        for source in sources {
            if let Some(isp) = self.isps.iter_mut().find(|isp| isp.name == source.isp) {
                isp.source = Some(source);
            }
        }
    }

    pub fn add_host(&mut self, mut host: HostReport) {
        self.warnings.append(&mut host.warnings);
        self.host = host;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: good\n", self.file)?;
        writeln!(f, "inside   {}", self.internal.join(", "))?;
        writeln!(f, "lan      {}", self.lans.join(", "))?;
        writeln!(f, "failback {}; while all ISPs are down {}\n", self.failback, self.all_down)?;
        write!(f, "{}", self.isps())?;
        for isp in &self.isps {
            writeln!(f)?;
            let source = isp.source.iter().flat_map(SourceReport::lines);
            let pairs = isp.mappings.iter().flat_map(|mapping| mapping.lines());
            for (index, line) in source.chain(pairs).enumerate() {
                let name = if index == 0 { isp.name.as_str() } else { "" };
                writeln!(f, "{name:<8} {line}")?;
            }
        }
        write!(f, "\n{}", probes::page(self.isps.iter().map(|isp| (isp.name.as_str(), &isp.watch))))?;
        for isp in &self.isps {
            if let Some(metered) = &isp.metered {
                writeln!(f, "\nmetered  {}: {}", isp.name, metered.words())?;
            }
        }
        write!(f, "{}", self.steering)?;
        for (index, line) in self.notify.iter().flat_map(NotifyReport::lines).enumerate() {
            writeln!(f, "{}{line}", if index == 0 { "\nnotify   " } else { "         " })?;
        }
        writeln!(f, "\nmemory   {}", self.host.memory)?;
        for line in &self.host.installs {
            writeln!(f, "installs {line}")?;
        }
        for note in &self.host.notes {
            writeln!(f, "host     {note}")?;
        }
        if !self.warnings.is_empty() {
            writeln!(f)?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

impl Report {
    fn isps(&self) -> Table {
        let mut table = Table::new(&["isp", "interface", "next hop", ">mtu", ">tier", ">weight"]);
        for isp in &self.isps {
            table.row(vec![
                isp.name.clone(),
                isp.interface.clone(),
                isp.next_hop.clone(),
                isp.mtu.map_or("auto".to_owned(), |mtu| mtu.to_string()),
                isp.tier.to_string(),
                isp.weight.to_string(),
            ]);
        }
        table
    }
}
