//! What loads the BPF objects of a start.

use aya::EbpfLoader;

use super::bpf_error::BpfError;
use super::gate::{Constants, Gate, GateOptions};
use super::guard::{Guard, GuardAttach, OWN_VLAN, own_vlan};
use super::pins::Pins;
use crate::snapshot::GateTables;

/// Loads guards and gates. To make one reads the kernel's type information, which takes longer than to load any
/// object: so one is made for all, and may be made ahead.
#[derive(Debug, Default)]
pub struct Loader<'a>(EbpfLoader<'a>);

impl Loader<'_> {
    /// Sets the guards of `tables` as [`Guard::set`] does, then prepares its gates as [`Gate::prepare`] does.
    ///
    /// # Errors
    /// As theirs. Those before the one that is refused are in force.
    pub fn set(
        self,
        pins: &Pins,
        tables: &GateTables,
        options: &GateOptions,
    ) -> Result<(Vec<Guard>, Vec<Gate>), BpfError> {
        let vlans: Vec<u32> = tables.guards.iter().map(own_vlan).collect();
        let constants: Vec<_> = tables.ports.iter().map(|port| Constants::of(port, options)).collect();
        let Loader(mut loader): Loader<'_> = self;
        let guard = |(table, vlan)| Guard::set_by(&mut loader, vlan, pins, table, GuardAttach::Auto);
        let guards = tables.guards.iter().zip(&vlans).map(guard).collect::<Result<_, _>>()?;
        // It keeps what it was told, and gates have no such constant.
        loader.override_global(OWN_VLAN, &0_u32, false);
        let gate = |(port, constants)| Gate::prepare_by(&mut loader, constants, pins, port, &tables.own, options);
        let gates = tables.ports.iter().zip(&constants).map(gate).collect::<Result<_, _>>()?;
        Ok((guards, gates))
    }
}
