//! Threads: named, pinned, without privileges, and never silently dead.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::{Channel, Worker};
use crate::port::{Ledger, Port};

/// How a worker's thread ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit {
    /// Control had said stop; where its frames were at the end: all free, or some leaked.
    Stopped(Ledger),
    /// It panicked; the text.
    Panicked(String),
}

/// A running worker.
#[derive(Debug)]
pub struct Thread {
    /// The way to talk to it.
    pub channel: Arc<Channel>,
    handle: JoinHandle<()>,
}

impl Thread {
    /// Tells the worker to stop and waits until it has.
    pub fn stop(self) {
        self.channel.stop();
        // A panic has been reported by `exit` already.
        let _ = self.handle.join();
    }
}

/// The name of the thread of a worker.
pub fn thread_name(index: usize) -> String {
    format!("dp-{index}")
}

/// Starts `worker` as thread `dp-<index>`, pinned to `core` if one is given. `exit` is called on
/// that thread when the worker ends, however it ends.
///
/// # Errors
/// When the kernel gives no thread.
pub fn spawn<P>(
    index: usize,
    core: Option<usize>,
    worker: Worker<P>,
    exit: impl FnOnce(Exit) + Send + 'static,
) -> io::Result<Thread>
where
    P: Port + Send + 'static,
    P::Memory: Send,
{
    let channel = Arc::clone(&worker.channel);
    let handle = Builder::new().name(thread_name(index)).spawn(move || {
        if let Some(core) = core
            && !core_affinity::set_for_current(core_affinity::CoreId { id: core })
        {
            tracing::warn!(worker = index, core, "cannot pin the worker to its core; it floats");
        }
        if let Err(error) =
            caps::clear(None, caps::CapSet::Effective).and_then(|()| caps::clear(None, caps::CapSet::Permitted))
        {
            tracing::warn!(worker = index, %error, "cannot drop the worker's capabilities");
        }
        let channel = Arc::clone(&worker.channel);
        channel.begin();
        let ended = catch_unwind(AssertUnwindSafe(|| worker.run()));
        channel.end();
        exit(match ended {
            Ok(ledger) => Exit::Stopped(ledger),
            Err(payload) => Exit::Panicked(panic_text(payload.as_ref())),
        });
    })?;
    Ok(Thread { channel, handle })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no text".to_owned())
}
