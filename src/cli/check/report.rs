//! What a good configuration means.

use std::fmt;

use serde::Serialize;

use super::host::HostReport;
use super::mapping::MappingReport;
use crate::control::config::{Config, NextHop};
use crate::limits::BUCKETS;
use crate::snapshot::{Buckets, Claim};
use crate::units::UplinkId;

/// The whole answer.
#[derive(Debug, Serialize)]
pub struct Report {
    file: String,
    good: bool,
    internal: Vec<String>,
    lans: Vec<String>,
    isps: Vec<IspReport>,
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
    weight: u32,
    /// Its part of all weights, in percent.
    weight_percent: f64,
    /// Its part of the bucket table, in percent.
    share_percent: f64,
    /// Buckets that prefer it.
    buckets: u32,
    mappings: Vec<MappingReport>,
}

impl Report {
    pub fn new(file: String, config: &Config) -> anyhow::Result<Self> {
        let claims: Vec<Claim<'_>> = (0..)
            .zip(&config.isps)
            .map(|(id, isp)| Claim { uplink: UplinkId(id), name: &isp.name, weight: isp.weight, tier: 1 })
            .collect();
        let counts = Buckets::build(&claims)?.first_choices();
        let weights: f64 = config.isps.iter().map(|isp| f64::from(isp.weight)).sum();
        let isps = config.isps.iter().zip(counts).map(|(isp, buckets)| {
            Ok(IspReport {
                name: isp.name.clone(),
                interface: isp.interface.clone(),
                next_hop: match isp.next_hop {
                    NextHop::Auto => "auto".to_owned(),
                    NextHop::Address(address) => address.to_string(),
                },
                mtu: isp.mtu,
                weight: isp.weight,
                weight_percent: f64::from(isp.weight) / weights * 100.0,
                share_percent: f64::from(buckets) / BUCKETS as f64 * 100.0,
                buckets,
                mappings: isp.mappings.iter().map(MappingReport::new).collect::<anyhow::Result<_>>()?,
            })
        });
        Ok(Self {
            file,
            good: true,
            internal: config.site.internal.iter().map(ToString::to_string).collect(),
            lans: config.lans.iter().map(|lan| lan.interface.clone()).collect(),
            isps: isps.collect::<anyhow::Result<_>>()?,
            warnings: Vec::new(),
            host: HostReport::default(),
        })
    }

    pub fn add_warnings(&mut self, warnings: Vec<String>) {
        self.warnings.extend(warnings);
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
        writeln!(f, "lan      {}\n", self.lans.join(", "))?;
        self.table(f)?;
        for isp in &self.isps {
            writeln!(f)?;
            for (index, line) in isp.mappings.iter().flat_map(|mapping| mapping.lines()).enumerate() {
                let name = if index == 0 { isp.name.as_str() } else { "" };
                writeln!(f, "{name:<8} {line}")?;
            }
        }
        writeln!(f, "\nmemory   {}", self.host.memory)?;
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
    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head =
            ["isp", "interface", "next hop", "mtu", "weight", "by weight", "share", "buckets"].map(str::to_owned);
        let row = |isp: &IspReport| {
            [
                isp.name.clone(),
                isp.interface.clone(),
                isp.next_hop.clone(),
                isp.mtu.map_or("auto".to_owned(), |mtu| mtu.to_string()),
                isp.weight.to_string(),
                format!("{:.3} %", isp.weight_percent),
                format!("{:.3} %", isp.share_percent),
                format!("{}/{BUCKETS}", isp.buckets),
            ]
        };
        let rows: Vec<_> = std::iter::once(head).chain(self.isps.iter().map(row)).collect();
        let widths: [usize; 8] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
        for row in &rows {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                // Words to the left, numbers to the right; the first column as wide as the others' labels.
                line += &match column {
                    0 => format!("{cell:<width$}  ", width = width.max(7)),
                    1 | 2 => format!("{cell:<width$}  "),
                    _ => format!("{cell:>width$}  "),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
