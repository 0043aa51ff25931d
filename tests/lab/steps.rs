//! Scenarios that share one lab: all of them run, then the failed ones are told together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::Lab;
use super::gateway::Gateway;

/// A row of scenarios. After each one the ISPs must have seen no source that is not theirs, and
/// the gateway's accounts must balance.
pub struct Steps<'lab> {
    lab: &'lab Lab,
    failed: Vec<String>,
}

impl<'lab> Steps<'lab> {
    /// An empty row.
    pub fn new(lab: &'lab Lab) -> Self {
        Self { lab, failed: Vec::new() }
    }

    /// Runs one scenario against `gateway`.
    pub fn step(&mut self, name: &str, gateway: &mut Gateway<'_>, scenario: impl FnOnce(&mut Gateway<'_>)) {
        self.step_alone(name, || {
            scenario(gateway);
            gateway.assert_accounts_balance();
        });
    }

    /// Runs one scenario that ends without a running gateway.
    pub fn step_alone(&mut self, name: &str, scenario: impl FnOnce()) {
        let lab = self.lab;
        self.step_unjudged(name, || {
            scenario();
            assert_nothing_foreign(lab);
        });
    }

    /// Runs one scenario in which the ISPs may see anything.
    pub fn step_unjudged(&mut self, name: &str, scenario: impl FnOnce()) {
        let start = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(scenario));
        let outcome = if done.is_ok() { "ok" } else { "FAILED" };
        println!("{outcome:>6}  {:6.2} s  {name}", start.elapsed().as_secs_f32());
        if done.is_err() {
            self.failed.push(name.to_owned());
        }
    }

    /// The end of the row.
    ///
    /// # Panics
    /// If a scenario failed.
    pub fn finish(self) {
        assert!(self.failed.is_empty(), "failed: {}", self.failed.join(", "));
    }
}

fn assert_nothing_foreign(lab: &Lab) {
    for (isp, counts) in ["A", "B"].iter().zip(lab.isp_counts()) {
        assert_eq!((counts.internal, counts.foreign), (0, 0), "ISP {isp} got sources that are not its own: {counts:?}");
    }
}
