//! From whoever tells to who writes: bounded, and nobody who tells waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam::channel::{self, Receiver, Sender};

use super::{Entry, Event};
use crate::limits::EVENT_QUEUE;

/// What the queue carries.
enum Message {
    Told(Entry),
    /// What is to be told later, as far as it is known.
    Draft(Entry),
    /// Everything before it is written: say so.
    Flush(Sender<()>),
}

/// Where events are told. Clones tell into the same queue.
#[derive(Clone)]
pub struct Events {
    queue: Sender<Message>,
    lost: Arc<AtomicU64>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &self.queue.len()).finish_non_exhaustive()
    }
}

impl Events {
    /// A queue, and its other end.
    pub fn channel() -> (Self, Inbox) {
        let (sender, receiver) = channel::bounded(EVENT_QUEUE);
        let lost = Arc::<AtomicU64>::default();
        (Self { queue: sender, lost: Arc::clone(&lost) }, Inbox { queue: receiver, lost })
    }

    /// Tells that `event` has happened just now. Never waits; an event that finds the queue full
    /// is counted as lost, and the log says so.
    pub fn tell(&self, event: Event) {
        // Without the other end there is nobody to tell.
        if let Err(channel::TrySendError::Full(_)) = self.queue.try_send(Message::Told(Entry::now(event))) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says what will be told later unless the gateway is killed before. Never waits; a draft that finds the queue
    /// full is left out, since another one follows.
    pub fn draft(&self, event: Event) {
        let _ = self.queue.try_send(Message::Draft(Entry::now(event)));
    }

    /// Waits until all that was told before is written, `patience` at most. Returns whether it is.
    pub fn flush(&self, patience: Duration) -> bool {
        let (done, is_done) = channel::bounded(1);
        self.queue.send_timeout(Message::Flush(done), patience).is_ok() && is_done.recv_timeout(patience).is_ok()
    }
}

/// The other end of the queue.
pub struct Inbox {
    queue: Receiver<Message>,
    lost: Arc<AtomicU64>,
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("waiting", &self.queue.len()).finish_non_exhaustive()
    }
}

impl Inbox {
    /// Hands `write` what was told, in order and all that waits at a time, and the latest draft, until every
    /// [`Events`] is gone; nothing at all when nothing was told for `quiet`. What was lost meanwhile is an event of
    /// its own.
    pub fn serve(&self, quiet: Duration, mut write: impl FnMut(Vec<Entry>, Option<Entry>)) {
        loop {
            let first = match self.queue.recv_timeout(quiet) {
                Ok(first) => Some(first),
                Err(channel::RecvTimeoutError::Timeout) => None,
                Err(channel::RecvTimeoutError::Disconnected) => return,
            };
            let (mut entries, mut draft, mut waiting) = (Vec::new(), None, Vec::new());
            for message in first.into_iter().chain(self.queue.try_iter().take(EVENT_QUEUE)) {
                match message {
                    Message::Told(entry) => entries.push(entry),
                    Message::Draft(entry) => draft = Some(entry),
                    Message::Flush(done) => waiting.push(done),
                }
            }
            let count = self.lost.swap(0, Ordering::Relaxed);
            entries.extend((count > 0).then(|| Entry::now(Event::EventsLost { count })));
            write(entries, draft);
            // Who has lost patience does not listen.
            for done in waiting {
                let _ = done.send(());
            }
        }
    }
}
