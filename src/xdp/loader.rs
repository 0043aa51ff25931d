//! What loads BPF objects.

use aya::EbpfLoader;

/// Loads BPF objects. To make one reads the kernel's type information, which takes longer than to load any
/// object: so one is made for several objects, and may be made ahead.
#[derive(Debug, Default)]
pub struct Loader<'a>(pub(super) EbpfLoader<'a>);
