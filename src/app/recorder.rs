//! What happens is written down, by a thread that the gateway never waits for.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use time::OffsetDateTime;

use super::notify::{Addressees, Notifier};
use crate::control::events::{self, Entry, Event, EventLog, Events};
use crate::limits::EVENT_LOG_TOUCH_NANOS;
use crate::observe::telling::TellingCounters;
use crate::os::now;

/// Writes events into the event log.
#[derive(Debug)]
pub(super) struct Recorder {
    log: EventLog,
    /// Events that the disk has refused since it took the last one.
    refused: u64,
    /// Whether the disk has refused the latest draft.
    draft_refused: bool,
    addressees: Addressees,
    notifier: Option<Notifier>,
    counters: Arc<TellingCounters>,
}

impl Recorder {
    /// Writes into the log in `directory`, and tells `addressees`.
    pub(super) fn new(directory: &Path, addressees: Addressees, counters: Arc<TellingCounters>) -> Self {
        Self { log: EventLog::new(directory), refused: 0, draft_refused: false, addressees, notifier: None, counters }
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
            if let Err(error) = self.settle_draft() {
                tracing::warn!(%error, "what the ISPs had carried when the gateway was killed is not in the event log");
            }
            inbox.serve(quiet, |mut entries, draft| {
                entries.extend(self.notify(&entries));
                self.record(entries);
                self.keep(draft);
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

    /// Puts into the log what a gateway that was killed had not told yet.
    fn settle_draft(&mut self) -> io::Result<()> {
        let recorded = events::read(self.log.directory()).map_err(|(_, error)| error)?;
        if let Some(entry) = events::unrecorded(self.log.directory(), &recorded)? {
            self.log.append(&[entry])?;
        }
        events::remove_draft(self.log.directory())
    }

    fn keep(&mut self, draft: Option<Entry>) {
        let Some(entry) = draft else { return };
        let kept = events::keep_draft(self.log.directory(), &entry);
        if let (Err(error), false) = (&kept, self.draft_refused) {
            tracing::warn!(%error, "a gateway that is killed now will not have told what the ISPs carried of late");
        }
        self.draft_refused = kept.is_err();
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

    fn traffic(counted_from: u64, received_bytes: u64) -> Event {
        let isp = events::IspTraffic { isp: "fiber".to_owned(), received_bytes, ..Default::default() };
        Event::Traffic { counted_from: Some(counted_from), isps: vec![isp] }
    }

    /// A gateway on `state`, and what the thread of its recorder gets to do.
    fn run(state: &Path, life: impl FnOnce(&Events)) {
        let recorder = Recorder::new(state, Addressees::default(), Arc::default());
        let events = recorder.start().unwrap();
        life(&events);
        assert!(events.flush(Duration::from_secs(60)));
    }

    /// What `sixways history` would sum up, event by event.
    fn carried(state: &Path) -> Vec<u64> {
        let recorded = events::read(state).unwrap();
        let unrecorded = events::unrecorded(state, &recorded).unwrap();
        let isps = recorded.with(unrecorded).entries.into_iter().filter_map(|entry| match entry.event {
            Event::Traffic { isps, .. } => Some(isps),
            _ => None,
        });
        isps.flatten().map(|isp| isp.received_bytes).collect()
    }

    #[test]
    fn what_a_killed_gateway_had_carried_is_told_once_whenever_it_was_killed() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path();
        // Killed amid an hour.
        run(state, |events| {
            events.tell(traffic(10, 1000));
            events.draft(traffic(20, 300));
            events.draft(traffic(20, 500));
        });
        assert_eq!(carried(state), [1000, 500], "before anybody has started again");
        // Killed after the hour was told, and before anything was drafted of the next.
        run(state, |events| {
            events.draft(traffic(30, 70));
            assert!(events.flush(Duration::from_secs(60)));
            assert_eq!(carried(state), [1000, 500, 70], "while it runs");
            events.tell(traffic(30, 80));
        });
        assert_eq!(carried(state), [1000, 500, 80]);
        let in_log = events::read(state).unwrap().entries.len();
        // Stopped, and a third one that tells nothing.
        run(state, |_| {});
        assert_eq!(carried(state), [1000, 500, 80]);
        assert_eq!((events::read(state).unwrap().entries.len(), in_log), (3, 3));
        assert!(!state.join("traffic.json").exists());
    }

    #[test]
    fn a_damaged_draft_is_an_error_and_costs_no_event() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("traffic.json"), "{").unwrap();
        let recorded = events::read(directory.path()).unwrap();
        assert!(events::unrecorded(directory.path(), &recorded).is_err());
        run(directory.path(), |events| events.tell(traffic(10, 7)));
        run(directory.path(), |events| events.draft(traffic(20, 8)));
        assert_eq!(carried(directory.path()), [7, 8]);
    }

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
