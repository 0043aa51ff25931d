//! [`Diff`] on a terminal.

use std::fmt;

use super::capture::{FlowMove, FlowsDiff};
use super::shares::PolicyDiff;
use super::{Diff, MappingsDiff};
use crate::cli::amount::count;
use crate::cli::table::{
    Side::{Left, Right},
    Table,
};

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} -> {}", self.old, self.new)?;
        if self.same {
            return writeln!(f, "both mean the same");
        }
        writeln!(f)?;
        for change in &self.changes {
            let sign = match (&change.old, &change.new) {
                (None, Some(_)) => '+',
                (Some(_), None) => '-',
                _ => '~',
            };
            writeln!(f, "{sign} {change}")?;
        }
        if let Some(needs_restart) = &self.needs_restart {
            writeln!(f, "\n`sixways reload` refuses it: {needs_restart}")?;
        }
        write!(f, "{}", self.mappings)?;
        self.policies.iter().try_for_each(|policy| write!(f, "\n{policy}"))?;
        if self.flows.is_none() && self.rules_differ() {
            writeln!(f, "\nHow many flows the other rules concern, only your traffic can tell: --flows CAPTURE")?;
        }
        self.flows.iter().try_for_each(|flows| write!(f, "\n{flows}"))
    }
}

impl fmt::Display for MappingsDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nPREFIX PAIRS  {} stay", self.kept)?;
        self.removed.iter().try_for_each(|pair| writeln!(f, "- {pair}"))?;
        self.added.iter().try_for_each(|pair| writeln!(f, "+ {pair}"))
    }
}

impl fmt::Display for PolicyDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.hash;
        let hash = if before == after { String::new() } else { format!(", hash {before} -> {after}") };
        let Self { name, moved_percent, .. } = self;
        writeln!(f, "NEW FLOWS of policy {name}{hash}: {moved_percent:.2} % by another ISP")?;
        let mut table = Table::new(&[("ISP", Left), ("BEFORE", Right), ("AFTER", Right), ("", Right)]);
        for isp in &self.isps {
            let change = isp.after - isp.before;
            table.row([
                isp.isp.clone(),
                format!("{:.2} %", isp.before),
                format!("{:.2} %", isp.after),
                if change == 0.0 { String::new() } else { format!("{change:+.2}") },
            ]);
        }
        write!(f, "{table}")?;
        let moves = self.moves.iter().map(|moved| format!("{} -> {} {:.2} %", moved.from, moved.to, moved.percent));
        let moves: Vec<String> = moves.collect();
        if moves.is_empty() { Ok(()) } else { writeln!(f, "{}", moves.join(", ")) }
    }
}

impl fmt::Display for FlowsDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, flows, moved, moves } = self;
        let percent = if *flows == 0 { 0.0 } else { *moved as f64 / *flows as f64 * 100.0 };
        writeln!(f, "FLOWS OF {file}: {} of {} by another ISP ({percent:.2} %)", count(*moved), count(*flows))?;
        for FlowMove { from, to, flows } in moves {
            let name = |isp: &Option<String>| isp.clone().unwrap_or_else(|| "dropped".to_owned());
            writeln!(f, "  {} -> {}  {}", name(from), name(to), count(*flows))?;
        }
        Ok(())
    }
}
