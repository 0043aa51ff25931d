//! Takes gate and guard away: from then on the kernel routes as it likes.

use std::io;

use super::clsact;
use super::pins::Pins;

/// Removes every pin of this network namespace, and with it the programs. Returns the
/// interfaces that had a gate or a guard, each once, those that no longer exist included.
///
/// # Errors
/// When a pin cannot be removed.
pub fn release(pins: Pins) -> io::Result<Vec<String>> {
    let mut interfaces = Vec::new();
    for (kind, interface, path) in pins.list()? {
        match kind.as_str() {
            "guard_counts" => clsact::detach(&interface),
            "guard_qdisc" => clsact::remove_qdisc(&interface)?,
            _ => {}
        }
        std::fs::remove_file(path)?;
        interfaces.push(interface);
    }
    interfaces.sort();
    interfaces.dedup();
    pins.remove()?;
    Ok(interfaces)
}
