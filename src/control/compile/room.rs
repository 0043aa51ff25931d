//! Whether the kernel's tables have room for a generation.

use super::CompileError;
use crate::limits::{MAX_GATE_ROUTES, MAX_GUARD_SOURCES, MAX_OWN_ADDRESSES};
use crate::snapshot::GateTables;

/// Each of the kernel's tables takes twice as much, since what is new comes before what is old goes.
///
/// # Errors
/// [`CompileError::TooMany`].
pub fn check_room(tables: &GateTables) -> Result<(), CompileError> {
    let fits = |what, interface: &str, count, limit, remedy| {
        let interface = interface.to_owned();
        if count > limit { Err(CompileError::TooMany { what, interface, count, limit, remedy }) } else { Ok(()) }
    };
    for port in &tables.ports {
        let remedy = "fewer routes may lead to a LAN or to a device that is no ISP's, such as a VPN: filter what a \
                      routing daemon learns there, or put one route in place of many";
        fits("routes", &port.interface, port.routes.len(), MAX_GATE_ROUTES, remedy)?;
        fits("own addresses", &port.interface, tables.own.len(), MAX_OWN_ADDRESSES, "take addresses off the host")?;
    }
    for guard in &tables.guards {
        let remedy = "fewer routes may lie inside the ISPs' prefixes, and the ISPs' links may have fewer addresses";
        fits("sources", &guard.interface, guard.sources.len(), MAX_GUARD_SOURCES, remedy)?;
    }
    Ok(())
}
