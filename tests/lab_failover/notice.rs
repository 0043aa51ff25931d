//! When the kernel itself tells that a device has lost its carrier: all that a program knows that only listens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Instant;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use crate::lab::Lab;
use crate::streams::inside;

/// `RTMGRP_LINK`, `RTM_NEWLINK` and `IFF_LOWER_UP` of the kernel's headers.
const GROUP: u32 = 1;
const NEW_LINK: u16 = 16;
const LOWER_UP: u32 = 1 << 16;

/// A listener in the gateway's namespace.
pub struct Notice {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Option<Instant>>,
}

impl Notice {
    /// Listens for `device`.
    pub fn listen(lab: &Lab, device: &str) -> Self {
        let index: u32 =
            lab.sh("gw", &format!("cat /sys/class/net/{device}/ifindex")).trim().parse().expect("a number");
        let socket = inside(lab.path("gw"), || {
            let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
            socket.bind(&SocketAddr::new(0, GROUP)).expect("the links' group");
            socket
        });
        let stop = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut first = None;
                while !stop.load(Relaxed) {
                    let (message, _) = socket.recv_from_full().expect("a message about a link");
                    first = first.or((read(&message) == Some((index, false))).then(Instant::now));
                }
                first
            }
        });
        Self { stop, thread }
    }

    /// When the first notice came. Any change of a link must follow: it ends the listener.
    pub fn stop_at_next_change(&self) {
        self.stop.store(true, Relaxed);
    }

    /// See [`Notice::stop_at_next_change`].
    pub fn came(self) -> Option<Instant> {
        self.thread.join().expect("the listener ran")
    }
}

/// A link, and whether it has carrier.
fn read(message: &[u8]) -> Option<(u32, bool)> {
    let word = |at: usize| Some(u32::from_ne_bytes(message.get(at..at + 4)?.try_into().ok()?));
    let kind = u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?);
    // After the netlink header of 16 octets: family and type, index, flags.
    (kind == NEW_LINK).then_some((word(20)?, word(24)? & LOWER_UP != 0))
}
