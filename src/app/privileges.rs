//! The control thread keeps no more privilege than it may need again.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

/// For links, rules, neighbours and attaching (NET_ADMIN), AF_XDP sockets (NET_RAW), maps and
/// programs (BPF; PERFMON, or the kernel slows the programs down with barriers), and packet
/// buffers (IPC_LOCK): all needed again when a device is made anew.
const KEPT: [Capability; 5] = [
    Capability::CAP_NET_ADMIN,
    Capability::CAP_NET_RAW,
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
    Capability::CAP_IPC_LOCK,
];

/// Gives up every other capability of the calling thread, for good. Threads that it starts
/// have no more than it has.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn reduce() -> Result<(), CapsError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = KEPT.into_iter().filter(|capability| permitted.contains(capability)).collect();
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)
}
