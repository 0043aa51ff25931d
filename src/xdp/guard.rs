//! The guard of one ISP edge: its program, its map, and how it is attached.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use aya::maps::{LpmTrie, MapData, PerCpuArray};
use aya::programs::links::FdLink;
use aya::programs::tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttachType};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfLoader};

use super::bpf_error::{BpfError, map};
use super::counts::{Counts, is_adoptable};
use super::link::adopt;
use super::pins::{Pins, unpin};
use super::tables::reconcile_trie;
use crate::observe::report::GuardCounts;
use crate::snapshot::{GuardAction, GuardTable};
use crate::units::EdgeId;

static PROGRAM: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/guard.bpf.o"));

const COUNTS: u32 = 4;
/// Priority of the guard's filter where it is attached by clsact.
const PRIORITY: u16 = 1;

/// How guards are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardAttach {
    /// By a tcx link (Linux 6.6), and by clsact below.
    Auto,
    /// By a clsact filter, which stays until it is taken away.
    Clsact,
}

/// The guard of one ISP edge.
pub struct Guard {
    edge: EdgeId,
    program: Ebpf,
    sources: LpmTrie<MapData, [u8; 16], u32>,
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
        let interface = &table.interface;
        let counts_pin = pins.path("guard_counts", interface);
        if !is_adoptable(&counts_pin, COUNTS) {
            unpin(&counts_pin).map_err(|error| BpfError::pin(interface, error))?;
        }
        let mut program = EbpfLoader::new()
            .map_pin_path("counts", counts_pin)
            .load(PROGRAM)
            .map_err(|error| BpfError::load(interface, error))?;
        let mut guard = Self {
            edge: table.edge,
            sources: LpmTrie::try_from(map(&mut program, "sources")?)?,
            counts: Counts::new(PerCpuArray::try_from(map(&mut program, "counts")?)?),
            program,
        };
        guard.apply(table)?;
        guard.classifier().load().map_err(|error| BpfError::program(interface, error))?;
        match attach {
            GuardAttach::Auto if kernel_has_tcx() => guard.by_tcx(pins, table)?,
            _ => guard.by_clsact(table)?,
        }
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
        Ok(reconcile_trie(&mut self.sources, &wanted)?)
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
            drop(self.classifier().take_link(id).map_err(failed)?);
            return Ok(());
        }
        unpin(&pin).map_err(|error| BpfError::pin(interface, error))?;
        let order = TcAttachOptions::TcxOrder(LinkOrder::default());
        let id = self.classifier().attach_with_options(interface, TcAttachType::Egress, order).map_err(failed)?;
        let link: FdLink = self
            .classifier()
            .take_link(id)
            .map_err(failed)?
            .try_into()
            .map_err(|error| BpfError::Link { interface: interface.clone(), error })?;
        link.pin(pin).map_err(|error| BpfError::Pin {
            interface: interface.clone(),
            error: io::Error::other(error.to_string()),
        })?;
        Ok(())
    }

    /// A filter cannot be replaced in place by this interface: the new one comes beside the old,
    /// under the other of two handles, before the old one goes.
    fn by_clsact(&mut self, table: &GuardTable) -> Result<(), BpfError> {
        let interface = &table.interface;
        // It fails when the qdisc is there already, and then the next step says what else is wrong.
        let _ = qdisc_add_clsact(interface);
        let other = match self.add_filter(interface, 1) {
            Ok(()) => 2,
            Err(_) => {
                self.add_filter(interface, 2).map_err(|error| BpfError::program(interface, error))?;
                1
            }
        };
        remove_filter(interface, other);
        Ok(())
    }

    fn add_filter(&mut self, interface: &str, handle: u16) -> Result<(), ProgramError> {
        let handle = TcHandle::new(0, handle);
        let options = NlOptions { priority: PRIORITY, handle, ..NlOptions::default() };
        let id = self.classifier().attach_with_options(
            interface,
            TcAttachType::Egress,
            TcAttachOptions::Netlink(options),
        )?;
        // The filter stays when the link object is forgotten: dropping it would detach.
        std::mem::forget(self.classifier().take_link(id)?);
        Ok(())
    }
}

/// Since Linux 6.6.
fn kernel_has_tcx() -> bool {
    KernelVersion::current().is_ok_and(|version| version.code() >= 6 << 16 | 6 << 8)
}

fn remove_filter(interface: &str, handle: u16) {
    let handle = TcHandle::new(0, handle);
    if let Ok(link) = SchedClassifierLink::attached(interface, TcAttachType::Egress, PRIORITY, handle, None) {
        // Dropping detaches; there may be none.
        drop(link);
    }
}

/// Takes away the filters of [`GuardAttach::Clsact`], if there are any.
pub(super) fn remove_filters(interface: &str) {
    remove_filter(interface, 1);
    remove_filter(interface, 2);
}

const fn code(action: GuardAction) -> u32 {
    match action {
        GuardAction::OwnOnly => 1,
        GuardAction::Forward => 2,
        GuardAction::Deny => 3,
    }
}
