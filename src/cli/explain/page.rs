//! An [`Explanation`] on a terminal.

use crate::explain::{Explanation, Step};

/// The whole page.
pub fn render(explanation: &Explanation) -> String {
    let told = &explanation.told.steps;
    let mut page = format!("from {}\n\n{}", explanation.from, lines(told));
    if let Some(alternative) = &explanation.alternative {
        let other = &alternative.told.steps;
        let same = told.iter().zip(other).take_while(|(a, b)| a == b).count();
        page += &format!("\nif {} were down\n\n", alternative.down.join(" and "));
        if same == other.len() {
            page += "nothing changes for this packet\n";
        } else {
            // A step of several lines is told whole.
            let begin = (0..=same).rev().find(|at| !other[*at].step.is_empty()).unwrap_or_default();
            page += &lines(&other[begin..]);
        }
    }
    page
}

/// A line for each step: its name, what is found, and why.
fn lines(steps: &[Step]) -> String {
    let width = |cell: fn(&Step) -> &str| steps.iter().map(|step| cell(step).chars().count()).max().unwrap_or_default();
    let (name, finding) = (width(|step| &step.step), width(|step| &step.finding));
    let line = |step: &Step| format!("{:<name$}  {:<finding$}  {}", step.step, step.finding, step.because);
    steps.iter().map(|step| format!("{}\n", line(step).trim_end())).collect()
}
