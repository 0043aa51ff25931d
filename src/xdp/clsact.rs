//! The guard on a kernel without tcx: a filter of the clsact queueing discipline. It stays until
//! it is taken away, whatever becomes of the process.

use std::io;
use std::os::unix::fs::symlink;

use aya::programs::tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcHandle, qdisc_add_clsact};
use aya::programs::{ProgramError, SchedClassifier, TcAttachType};
use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{self, TcMessage};

use super::bpf_error::BpfError;
use super::netdev::{Key, link};
use super::pins::Pins;
use super::rtnetlink::ask;

/// Before everybody else's filters.
const PRIORITY: u16 = 1;
/// Parents of a clsact's filters: ingress and egress.
const HOOKS: [u32; 2] = [0xffff_fff2, 0xffff_fff3];

/// Attaches the loaded guard, in place of an earlier one without a moment in between.
///
/// A filter cannot be replaced in place by aya: the new one comes beside the old, under the
/// other of two handles, before the old one goes.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn attach(guard: &mut SchedClassifier, pins: &Pins, interface: &str) -> Result<(), BpfError> {
    // It fails when there is one already; any other trouble shows in the next step.
    if qdisc_add_clsact(interface).is_ok() {
        match symlink("clsact", pins.path("guard_qdisc", interface)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(BpfError::pin(interface, error)),
            _ => {}
        }
    }
    if add_filter(guard, interface, 1).is_ok() {
        remove_filter(interface, 2);
        return Ok(());
    }
    // Both are there when a process died between coming and going.
    remove_filter(interface, 2);
    add_filter(guard, interface, 2).map_err(|error| BpfError::program(interface, error))?;
    remove_filter(interface, 1);
    Ok(())
}

/// Takes the guard's filters away, if there are any.
pub(super) fn detach(interface: &str) {
    remove_filter(interface, 1);
    remove_filter(interface, 2);
}

/// Takes the queueing discipline away that [`attach`] made, unless somebody else uses it by now.
/// Nothing is left to do where the device is gone.
pub(super) fn remove_qdisc(interface: &str) -> io::Result<()> {
    let Ok(device) = link(Key::Name(interface)) else { return Ok(()) };
    let index = i32::try_from(device.index).map_err(io::Error::other)?;
    for hook in HOOKS {
        let mut all = TcMessage::default();
        all.header.index = index;
        all.header.parent = hook.into();
        // What cannot be read is somebody else's.
        if !ask(RouteNetlinkMessage::GetTrafficFilter(all), NLM_F_DUMP).is_ok_and(|filters| filters.is_empty()) {
            return Ok(());
        }
    }
    let mut clsact = TcMessage::default();
    clsact.header.index = index;
    clsact.header.handle = 0xffff_0000.into();
    clsact.header.parent = tc::TcHandle::CLSACT;
    match ask(RouteNetlinkMessage::DelQueueDiscipline(clsact), 0) {
        // There is none on a device that was made anew.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(()),
        outcome => outcome.map(|_| ()),
    }
}

fn add_filter(guard: &mut SchedClassifier, interface: &str, handle: u16) -> Result<(), ProgramError> {
    let handle = TcHandle::new(0, handle);
    let options = TcAttachOptions::Netlink(NlOptions { priority: PRIORITY, handle, ..NlOptions::default() });
    let id = guard.attach_with_options(interface, TcAttachType::Egress, options)?;
    // Dropping the link object would detach the filter.
    std::mem::forget(guard.take_link(id)?);
    Ok(())
}

fn remove_filter(interface: &str, handle: u16) {
    let handle = TcHandle::new(0, handle);
    if let Ok(link) = SchedClassifierLink::attached(interface, TcAttachType::Egress, PRIORITY, handle, None) {
        // Dropping detaches; there may be none.
        drop(link);
    }
}
