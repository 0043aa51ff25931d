//! Takes gate, guard and flow memory away: from then on the kernel routes as it likes.

use std::io;

use super::clsact;
use super::flows;
use super::pins::Pins;

/// What was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// The interfaces that had a gate or a guard, each once, those that no longer exist included.
    pub interfaces: Vec<String>,
    /// Whether flows were remembered.
    pub flow_memory: bool,
}

/// Removes every pin of this network namespace, and with it the programs and the flow memory.
///
/// # Errors
/// When a pin cannot be removed.
pub fn release(pins: Pins) -> io::Result<Released> {
    let mut released = Released::default();
    for (kind, interface, path) in pins.list()? {
        match kind.as_str() {
            "guard_counts" => clsact::detach(&interface),
            "guard_qdisc" => clsact::remove_qdisc(&interface)?,
            _ => {}
        }
        std::fs::remove_file(path)?;
        if kind == flows::PIN_KIND {
            released.flow_memory = true;
        } else {
            released.interfaces.push(interface);
        }
    }
    released.interfaces.sort();
    released.interfaces.dedup();
    pins.remove()?;
    Ok(released)
}
