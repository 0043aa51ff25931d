//! Tables of text.

use std::fmt;

/// Rows under a head, each column as wide as its widest cell.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Whether numbers stand in a column: flush right.
    numbers: Vec<bool>,
}

/// Width of the first column at least: that of the labels around the tables.
const LABEL: usize = 7;

impl Table {
    /// A table with this head. A title that begins with `>` is that of a column of numbers.
    pub fn new(head: &[&str]) -> Self {
        let title = |title: &&str| title.trim_start_matches('>').to_owned();
        Self {
            rows: vec![head.iter().map(title).collect()],
            numbers: head.iter().map(|t| t.starts_with('>')).collect(),
        }
    }

    /// Adds a row of as many cells.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = |column: usize| if column == 0 { LABEL } else { 0 };
        let width = |column: usize| {
            self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(least(column))
        };
        let widths: Vec<usize> = (0..self.numbers.len()).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, width), number) in row.iter().zip(&widths).zip(&self.numbers) {
                line += &if *number { format!("{cell:>width$}  ") } else { format!("{cell:<width$}  ") };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
