//! A load beside the test of which nothing may be lost.

use super::Lab;
use super::gateway::Gateway;
use super::losses::Losses;
use super::traffic::{Burst, Bursts, Helper};

/// Fewer than the shortest queue on the way takes, the 256 of a veth: whatever waits where, nothing overflows.
const WINDOW: u32 = 128;

/// Datagrams that flow until [`Load::all_answered`].
pub struct Load<'lab> {
    lab: &'lab Lab,
    helper: Helper,
    before: Losses,
}

impl<'lab> Load<'lab> {
    /// Starts it: `bursts` as fast as they say, or as this machine can.
    #[track_caller]
    pub fn start(lab: &'lab Lab, gateway: Option<&Gateway<'_>>, bursts: &Bursts<'_>) -> Self {
        let before = Losses::now(lab, gateway);
        let mut command = bursts.command(lab);
        command.args(["--window", &WINDOW.to_string()]);
        Self { lab, helper: Helper::start(&mut command), before }
    }

    /// Ends it.
    ///
    /// # Panics
    /// If one of them was lost, answered wrongly or more than once; it says where what was dropped, and what the
    /// gateway says of itself.
    #[track_caller]
    pub fn all_answered(mut self, when: &str, gateway: Option<&Gateway<'_>>) {
        let burst: Burst = serde_json::from_str(&self.helper.ask("enough")).expect("traffic.py reports");
        let lost = burst.sent - burst.answered;
        println!("        {} datagrams {when}, {lost} lost", burst.sent);
        if (lost, burst.wrong, burst.repeated) != (0, 0, 0) {
            let dropped = Losses::now(self.lab, gateway).since(&self.before);
            let own = gateway.map(|gateway| format!("{}\n{}", gateway.ask(&["status"]), gateway.log()));
            panic!("{when}: {lost} lost; {dropped}\n{burst:?}\n{}", own.unwrap_or_default());
        }
    }
}
