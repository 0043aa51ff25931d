//! Takes gate and guard away: from then on the kernel routes as it likes.

use std::io;

use super::guard::remove_filters;
use super::pins::Pins;

/// Removes every pin of this network namespace, and with it the programs. Returns the
/// interfaces that had a gate or a guard, each once, those that no longer exist included.
///
/// # Errors
/// When a pin cannot be removed.
pub fn release(pins: Pins) -> io::Result<Vec<String>> {
    let mut interfaces = Vec::new();
    for (kind, interface, path) in pins.list()? {
        if kind == "guard_counts" {
            remove_filters(&interface);
        }
        std::fs::remove_file(path)?;
        interfaces.push(interface);
    }
    interfaces.sort();
    interfaces.dedup();
    pins.remove()?;
    Ok(interfaces)
}
