//! `sixways diff`: what another configuration would change, and for how many flows.

mod capture;
mod page;
mod shares;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use self::capture::FlowsDiff;
use self::shares::PolicyDiff;
use super::learnt::Learnt;
use super::{complain, is_broken_pipe, print, print_json};
use crate::control::config::{Config, ConfigFile};
use crate::control::reload::{Change, Refusal, Reloads, changes};
use crate::os::now;
use crate::replay::Input;

const EXPLANATIONS: &str = "\
Both files are judged as by `sixways check`. Keys are compared as they are written, blocks by their names;
prefix pairs and policies by what they mean.

NEW FLOWS  the part of each policy's table that prefers an ISP, before and after, and the part that changes
           hands. Flows that are remembered keep their ISPs over a reload, while ISP and prefix pair stay.
FLOWS OF   each flow of the capture that a host inside opens, by the packet path itself: rules, filter and
           policies. Without NAME it is a capture of the LAN. The hash key is not your installation's:
           shares are the same, single flows may differ (docs/replay.md).

Prefixes that are learnt are those of --prefix, else what their sources show on this machine now, else what
the gateway here knew last; which of them is said on standard error.

What needs a restart is named: `sixways reload` refuses it.

Example:
  sixways diff /etc/sixways/sixways.toml new.toml --flows lan.pcapng

Exit status: 0 both mean the same; 1 they differ; 2 a file cannot be used.";

/// Show what another configuration would change, and for how many flows.
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLANATIONS)]
pub struct Args {
    /// The configuration to start from
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The one that would take its place
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// A capture (pcap, pcapng) of what came in by a LAN: which of its flows would go by another ISP
    #[arg(long, value_name = "[NAME=]FILE", value_parser = flows)]
    flows: Option<Input>,
    #[command(flatten)]
    learnt: Learnt,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn flows(text: &str) -> Result<Input, String> {
    if text.contains('=') { super::replay::input(text) } else { super::replay::input(&format!("lan={text}")) }
}

/// The whole answer.
#[derive(Debug, Serialize)]
struct Diff {
    old: String,
    new: String,
    /// Whether both mean the same.
    same: bool,
    changes: Vec<Change>,
    /// As `sixways reload` would say it.
    needs_restart: Option<String>,
    mappings: MappingsDiff,
    /// Those of both.
    policies: Vec<PolicyDiff>,
    flows: Option<FlowsDiff>,
}

/// Prefix pairs, each as `ISP: INTERNAL <-> EXTERNAL`.
#[derive(Debug, Serialize)]
struct MappingsDiff {
    kept: usize,
    added: Vec<String>,
    removed: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match compare(args) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::from(1)),
        Err(error) if is_broken_pipe(&error) => Err(error),
        Err(error) => {
            complain(&format!("{error:#}"));
            Ok(ExitCode::from(2))
        }
    }
}

fn compare(args: &Args) -> anyhow::Result<bool> {
    let (old, new) = (ConfigFile::read(&args.old)?, ConfigFile::read(&args.new)?);
    let diff = Diff::of(&old, &new, &args.learnt, args.flows.as_ref())?;
    if args.json {
        print_json(&diff)?;
    } else {
        print(&diff.to_string())?;
    }
    Ok(diff.same)
}

impl Diff {
    fn of(old: &ConfigFile, new: &ConfigFile, learnt: &Learnt, flows: Option<&Input>) -> anyhow::Result<Self> {
        let [before, after] = learnt.learn([&old.config, &new.config])?;
        let refusal = Reloads::new(old.clone()).propose(new, None, now()).err();
        let name = |path: &Path| path.display().to_string();
        Ok(Self {
            old: name(&old.path),
            new: name(&new.path),
            same: old.config == new.config,
            changes: changes(&old.text, &new.text),
            needs_restart: refusal.as_ref().map(Refusal::to_string),
            mappings: MappingsDiff::of(&before, &after),
            policies: shares::policies(&before, &after)?,
            flows: flows.map(|input| FlowsDiff::of(&before, &after, input)).transpose()?,
        })
    }

    /// Whether flows may meet another rule or policy.
    fn rules_differ(&self) -> bool {
        let headers = ["[[rule]]", "[policy."];
        self.changes.iter().any(|change| headers.iter().any(|header| change.path.starts_with(header)))
    }
}

impl MappingsDiff {
    fn of(old: &Config, new: &Config) -> Self {
        let pairs = |config: &Config| -> BTreeSet<String> {
            let of_isp = |isp: &crate::control::config::Isp| {
                let name = isp.name.clone();
                let pairs = isp.mappings.iter();
                pairs
                    .map(move |pair| format!("{name}: {} <-> {}", pair.internal(), pair.external()))
                    .collect::<Vec<_>>()
            };
            config.isps.iter().flat_map(of_isp).collect()
        };
        let (old, new) = (pairs(old), pairs(new));
        Self {
            kept: old.intersection(&new).count(),
            added: new.difference(&old).cloned().collect(),
            removed: old.difference(&new).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests;
