//! What happens is written down, by a thread that the gateway never waits for.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use time::OffsetDateTime;

use super::notify::{Addressees, Notifier};
use crate::control::events::{Entry, Event, EventLog, Events};
use crate::limits::EVENT_LOG_TOUCH_NANOS;
use crate::observe::telling::TellingCounters;
use crate::os::now;

/// Writes events into the event log.
#[derive(Debug)]
pub(super) struct Recorder {
    log: EventLog,
    /// Events that the disk has refused since it took the last one.
    refused: u64,
    addressees: Addressees,
    notifier: Option<Notifier>,
    counters: Arc<TellingCounters>,
}

impl Recorder {
    /// Writes into the log in `directory`, and tells `addressees`.
    pub(super) fn new(directory: &Path, addressees: Addressees, counters: Arc<TellingCounters>) -> Self {
        Self { log: EventLog::new(directory), refused: 0, addressees, notifier: None, counters }
    }

    /// When a gateway last was alive, if one ever was.
    pub(super) fn last_alive(&self) -> Option<OffsetDateTime> {
        self.log.last_alive()
    }

    /// Writes from here on, in a thread that ends with the last of the [`Events`].
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub(super) fn start(mut self) -> io::Result<Events> {
        let (events, inbox) = Events::channel();
        let quiet = Duration::from_nanos(EVENT_LOG_TOUCH_NANOS);
        let write = move || {
            inbox.serve(quiet, |mut entries| {
                entries.extend(self.notify(&entries));
                self.record(entries);
            });
        };
        thread::Builder::new().name("events".to_owned()).spawn(write)?;
        Ok(events)
    }

    /// Tells whom the configuration names. Returns what is to be recorded of that.
    fn notify(&mut self, entries: &[Entry]) -> Option<Entry> {
        let wanted = self.addressees.get();
        if self.notifier.as_ref().map(|notifier| &notifier.notify) != wanted.as_ref() {
            let start = |notify| Notifier::new(notify, &self.addressees.undelivered, Arc::clone(&self.counters), now());
            self.notifier = wanted.map(start).transpose().unwrap_or_else(|error| {
                tracing::error!(%error, "no thread for [notify]: nobody is told");
                None
            });
        }
        self.notifier.as_mut()?.offer(entries, now())
    }

    fn record(&mut self, mut entries: Vec<Entry>) {
        for entry in &entries {
            if let Event::EventsLost { count } = entry.event {
                self.counters.lost.add(count);
            }
        }
        let told = entries.len() as u64;
        if told == 0 {
            // A disk that refuses this refuses the next event as well, and then it is told.
            let _ = self.log.touch();
            return;
        }
        entries.extend((self.refused > 0).then(|| Entry::now(Event::EventsLost { count: self.refused })));
        match self.log.append(&entries) {
            Ok(()) => {
                if self.refused > 0 {
                    tracing::info!(lost = self.refused, "the event log is written again");
                }
                self.refused = 0;
                self.counters.written.add(entries.len() as u64);
            }
            Err(error) => {
                if self.refused == 0 {
                    tracing::error!(%error, "the event log cannot be written; events are lost until it can");
                }
                self.refused += told;
                self.counters.lost.add(told);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::events;

    #[test]
    fn what_the_disk_refuses_is_counted_and_said_later() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let counters = Arc::<TellingCounters>::default();
        let mut recorder = Recorder::new(&state, Addressees::default(), Arc::clone(&counters));
        let entry = |generation| Entry::now(Event::ConfigReloaded { generation });
        recorder.record(vec![entry(1), entry(2)]);
        recorder.record(vec![entry(3)]);
        assert_eq!((counters.written.get(), counters.lost.get()), (0, 3));
        std::fs::create_dir(&state).unwrap();
        recorder.record(vec![]);
        recorder.record(vec![entry(4)]);
        recorder.record(vec![entry(5)]);
        let recorded = events::read(&state).unwrap().entries.into_iter().map(|entry| entry.event);
        let expected = [entry(4).event, Event::EventsLost { count: 3 }, entry(5).event];
        assert!(recorded.eq(expected));
        assert_eq!((counters.written.get(), counters.lost.get()), (3, 3));
    }
}
