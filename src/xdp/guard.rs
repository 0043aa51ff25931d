//! The guard of one ISP edge: its program, its map, and how it is attached.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use aya::maps::{LpmTrie, PerCpuArray};
use aya::programs::links::FdLink;
use aya::programs::tc::TcAttachOptions;
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType};
use aya::{Ebpf, EbpfLoader};

use super::bpf_error::{BpfError, map};
use super::clsact;
use super::counts::{Counts, is_adoptable};
use super::link::{adopt, is_attached, linux_has};
use super::pins::{Pins, unpin};
use super::tables::{Table, TrieTable};
use crate::observe::report::GuardCounts;
use crate::snapshot::{GuardAction, GuardTable};
use crate::units::EdgeId;

static PROGRAM: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/guard.bpf.o"));

const COUNTS: u32 = 4;
/// What the program is told before the kernel sees it: see [`own_vlan`].
pub(super) const OWN_VLAN: &str = "own_vlan";

/// How guards are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardAttach {
    /// By a tcx link, and by clsact where the kernel has none (before Linux 6.6).
    Auto,
    /// By a clsact filter, as on an older kernel.
    Clsact,
}

/// The guard of one ISP edge.
pub struct Guard {
    edge: EdgeId,
    interface: String,
    ifindex: u32,
    /// Where its link is pinned; `None`: it is no link.
    pin: Option<PathBuf>,
    program: Ebpf,
    sources: TrieTable<16>,
    counts: Counts,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("edge", &self.edge).finish_non_exhaustive()
    }
}

impl Guard {
    /// Loads the guard, fills its table, and puts it in force: in place of an earlier process's
    /// guard without a moment in between, or anew.
    ///
    /// # Errors
    /// When the kernel does not take the program.
    pub fn set(pins: &Pins, table: &GuardTable, attach: GuardAttach) -> Result<Self, BpfError> {
        Self::set_by(&mut EbpfLoader::new(), &own_vlan(table), pins, table, attach)
    }

    /// As [`Guard::set`], by `loader`.
    pub(super) fn set_by<'a>(
        loader: &mut EbpfLoader<'a>,
        own_vlan: &'a u32,
        pins: &Pins,
        table: &GuardTable,
        attach: GuardAttach,
    ) -> Result<Self, BpfError> {
        let interface = &table.interface;
        let counts_pin = pins.path("guard_counts", interface);
        if !is_adoptable(&counts_pin, COUNTS) {
            unpin(&counts_pin).map_err(|error| BpfError::pin(interface, error))?;
        }
        let mut program = loader
            .override_global(OWN_VLAN, own_vlan, true)
            .map_pin_path("counts", counts_pin)
            .load(PROGRAM)
            .map_err(|error| BpfError::load(interface, error))?;
        let mut guard = Self {
            edge: table.edge,
            interface: interface.clone(),
            ifindex: table.ifindex,
            pin: None,
            sources: Table::fresh(LpmTrie::try_from(map(&mut program, "sources")?)?),
            counts: Counts::new(PerCpuArray::try_from(map(&mut program, "counts")?)?),
            program,
        };
        guard.apply(table)?;
        guard.classifier().load().map_err(|error| BpfError::program(interface, error))?;
        match attach {
            GuardAttach::Auto if linux_has(6, 6) => guard.by_tcx(pins, table)?,
            _ => guard.by_clsact(pins, table)?,
        }
        let pin = pins.path("guard_link", interface);
        guard.pin = is_attached(&pin, table.ifindex).then_some(pin);
        Ok(guard)
    }

    /// Puts a new table in place of the old, entry by entry.
    ///
    /// # Errors
    /// When the map is full or the kernel refuses.
    pub fn apply(&mut self, table: &GuardTable) -> Result<(), BpfError> {
        let wanted: BTreeMap<_, _> = table
            .sources
            .iter()
            .map(|(prefix, action)| ((u32::from(prefix.len()), prefix.address().octets()), code(*action)))
            .collect();
        self.sources.set(&wanted).map_err(|error| BpfError::table(&table.interface, "sources", error))
    }

    /// Whether this is the guard of that edge and still on its device. A device that is deleted takes
    /// it along.
    pub fn is_in_force(&self, table: &GuardTable) -> bool {
        let same = (self.edge, self.ifindex) == (table.edge, table.ifindex);
        same && self.pin.as_ref().is_none_or(|pin| is_attached(pin, self.ifindex))
    }

    /// The interface that is guarded.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Takes the guard off its interface, which is no ISP's any more.
    ///
    /// # Errors
    /// When the pin cannot be removed.
    pub fn remove(self) -> io::Result<()> {
        match &self.pin {
            Some(pin) => unpin(pin),
            None => {
                clsact::detach(&self.interface);
                Ok(())
            }
        }
    }

    /// The edge that is guarded.
    pub const fn edge(&self) -> EdgeId {
        self.edge
    }

    /// What was counted since the first guard of this device.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn counts(&self) -> Result<GuardCounts, BpfError> {
        Ok(self.counts.guard()?)
    }

    fn classifier(&mut self) -> &mut SchedClassifier {
        self.program
            .program_mut("guard")
            .and_then(|program| program.try_into().ok())
            .expect("guard.bpf.c has a classifier of this name")
    }

    fn by_tcx(&mut self, pins: &Pins, table: &GuardTable) -> Result<(), BpfError> {
        let interface = &table.interface;
        let failed = |error| BpfError::program(interface, error);
        let pin = pins.path("guard_link", interface);
        if let Some(link) = adopt(&pin, table.ifindex) {
            let link = link.try_into().map_err(|error| BpfError::Link { interface: interface.clone(), error })?;
            let id = self.classifier().attach_to_link(link).map_err(failed)?;
            // The pin keeps it; this process must not end it.
            drop(self.classifier().take_link(id).map_err(failed)?);
            return Ok(());
        }
        unpin(&pin).map_err(|error| BpfError::pin(interface, error))?;
        let link = match self.tcx_link(interface) {
            Ok(link) => link,
            // A kernel built without tcx may still have clsact.
            Err(error) => return self.by_clsact(pins, table).map_err(|_| failed(error)),
        };
        link.pin(pin).map_err(|error| BpfError::pin(interface, io::Error::other(error)))?;
        // Two guards would count twice.
        clsact::detach(interface);
        Ok(())
    }

    /// Attached before the programs of others: one that lets a packet pass ends the turn of those
    /// behind it.
    fn tcx_link(&mut self, interface: &str) -> Result<FdLink, ProgramError> {
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = self.classifier().attach_with_options(interface, TcAttachType::Egress, order)?;
        Ok(self.classifier().take_link(id)?.try_into().expect("what tcx attaches is a BPF link"))
    }

    fn by_clsact(&mut self, pins: &Pins, table: &GuardTable) -> Result<(), BpfError> {
        let interface = &table.interface;
        clsact::attach(self.classifier(), pins, interface)?;
        unpin(&pins.path("guard_link", interface)).map_err(|error| BpfError::pin(interface, error))
    }
}

const fn code(action: GuardAction) -> u32 {
    match action {
        GuardAction::OwnOnly => 1,
        GuardAction::Forward => 2,
        GuardAction::Deny => 3,
    }
}

/// The tag of the edge's own frames; 0: none.
pub(super) fn own_vlan(table: &GuardTable) -> u32 {
    u32::from(table.vlan.unwrap_or(0))
}
