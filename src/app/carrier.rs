//! Whether the ISPs' links have carrier, read every ten milliseconds: the kernel's own notice may come
//! a second late. In a thread of its own, since a question to a driver may wait for others'.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::sync::Notify;

use crate::limits::CARRIER_NANOS;
use crate::xdp::device::Device;
use crate::xdp::ethtool::has_carrier;

const PACE: Duration = Duration::from_nanos(CARRIER_NANOS);

/// What the thread sees. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct Carriers {
    seen: Arc<Seen>,
    thread: Thread,
}

/// By device: whether it had carrier at the latest look; `None`: not looked at yet.
type Links = BTreeMap<String, Option<bool>>;

#[derive(Debug)]
struct Seen {
    links: Mutex<Links>,
    /// Rung when something has changed.
    changed: Arc<Notify>,
}

impl Carriers {
    /// Starts to look; rings `changed` when a link has changed.
    ///
    /// # Errors
    /// Without a descriptor or a thread.
    pub(super) fn start(changed: Arc<Notify>) -> io::Result<Self> {
        let seen = Arc::new(Seen { links: Mutex::default(), changed });
        let (device, watched) = (Device::open()?, Arc::downgrade(&seen));
        let handle = thread::Builder::new().name("carrier".to_owned()).spawn(move || watch(&device, &watched))?;
        Ok(Self { thread: handle.thread().clone(), seen })
    }

    /// Looks at `devices` from now on.
    pub(super) fn follow<'a>(&self, devices: impl Iterator<Item = &'a str>) {
        let mut links = self.seen.links();
        let former = std::mem::take(&mut *links);
        links.extend(devices.map(|name| (name.to_owned(), former.get(name).copied().flatten())));
    }

    /// Whether `device` had carrier at the latest look.
    pub(super) fn has(&self, device: &str) -> Option<bool> {
        self.seen.links().get(device).copied().flatten()
    }

    /// Looks at once: somebody could not send.
    pub(super) fn look(&self) {
        self.thread.unpark();
    }
}

impl Seen {
    fn links(&self) -> std::sync::MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watch(device: &Device, seen: &Weak<Seen>) {
    while let Some(seen) = seen.upgrade() {
        let names: Vec<String> = seen.links().keys().cloned().collect();
        for name in names {
            // A driver that does not tell leaves it to the kernel.
            let now = match has_carrier(device, &name) {
                Ok(carrier) => carrier,
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => device.is_running(&name),
                Err(_) => false,
            };
            if let Some(link) = seen.links().get_mut(&name)
                && link.replace(now) != Some(now)
            {
                seen.changed.notify_one();
            }
        }
        drop(seen);
        thread::park_timeout(PACE);
    }
}
