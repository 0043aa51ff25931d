//! `[notify]`: tells a program and a web server what happens, each from a thread of its own, so that
//! neither waits for the other and nobody waits for either.

mod hook;
mod rate;
mod webhook;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use crossbeam::channel::{self, Receiver, Sender};

use self::hook::Hook;
use self::rate::Rate;
use self::webhook::Webhook;
use crate::control::config::Notify;
use crate::control::events::{Entry, Event};
use crate::limits::NOTIFY_QUEUE;
use crate::observe::telling::{Delivered, TellingCounters};
use crate::units::Nanos;

/// Messages on their way, for who wants to see them off.
#[derive(Clone, Debug, Default)]
pub(super) struct Undelivered(Arc<AtomicUsize>);

impl Undelivered {
    /// Waits until there is none, for `patience` at most.
    pub(super) fn wait(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.0.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Who is to be told: that of the configuration in force, for the thread that tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Addressees {
    wanted: Arc<ArcSwapOption<Notify>>,
    pub(super) undelivered: Undelivered,
}

impl Addressees {
    /// From the next event on, these are told.
    pub(super) fn set(&self, notify: Option<&Notify>) {
        if self.wanted.load().as_deref() != notify {
            self.wanted.store(notify.cloned().map(Arc::new));
        }
    }

    pub(super) fn get(&self) -> Option<Arc<Notify>> {
        self.wanted.load_full()
    }
}

/// Tells them.
#[derive(Debug)]
pub(super) struct Notifier {
    pub(super) notify: Arc<Notify>,
    rate: Rate,
    /// Events left out since the last one that was told.
    suppressed: u64,
    lanes: Vec<Sender<Entry>>,
    undelivered: Undelivered,
    counters: Arc<TellingCounters>,
}

impl Notifier {
    /// Ready to tell.
    ///
    /// # Errors
    /// When the kernel gives no thread.
    pub(super) fn new(
        notify: Arc<Notify>,
        undelivered: &Undelivered,
        counters: Arc<TellingCounters>,
        now: Nanos,
    ) -> io::Result<Self> {
        let timeout = Duration::from_nanos(notify.timeout.0);
        let mut lanes = Vec::new();
        if let Some(command) = &notify.exec {
            let hook = Hook::new(command.clone(), timeout);
            let lane =
                Lane { name: "notify-exec", delivered: |counters| &counters.exec, counters: Arc::clone(&counters) };
            lanes.push(lane.start(undelivered, move |entry| hook.run(entry))?);
        }
        if let Some(url) = &notify.webhook {
            let webhook = Webhook::new(url.clone(), timeout);
            let lane = Lane {
                name: "notify-webhook",
                delivered: |counters| &counters.webhook,
                counters: Arc::clone(&counters),
            };
            lanes.push(lane.start(undelivered, move |entry| webhook.post(entry))?);
        }
        let rate = Rate::new(notify.rate, now);
        Ok(Self { notify, rate, suppressed: 0, lanes, undelivered: undelivered.clone(), counters })
    }

    /// Tells those of `entries` that are wanted, as far as rate and queues allow. Returns what it has told of its own:
    /// how many were left out, as soon as there is room for that.
    pub(super) fn offer(&mut self, entries: &[Entry], now: Nanos) -> Option<Entry> {
        for entry in entries.iter().filter(|entry| self.notify.events.contains(&entry.event.kind())) {
            if !self.rate.take(now) || !self.send(entry) {
                self.suppressed += 1;
                self.counters.suppressed.add(1);
            }
        }
        if self.suppressed == 0 || !self.rate.take(now) {
            return None;
        }
        let entry = Entry::now(Event::NotificationsSuppressed { count: self.suppressed });
        self.suppressed = if self.send(&entry) { 0 } else { self.suppressed };
        (self.suppressed == 0).then_some(entry)
    }

    /// Whether every lane has room for it; those that have get it in any case.
    fn send(&self, entry: &Entry) -> bool {
        let mut taken = true;
        for lane in &self.lanes {
            self.undelivered.0.fetch_add(1, Ordering::AcqRel);
            if lane.try_send(entry.clone()).is_err() {
                self.undelivered.0.fetch_sub(1, Ordering::AcqRel);
                taken = false;
            }
        }
        taken
    }
}

/// The way to one addressee.
struct Lane {
    /// Of its thread, and in the log.
    name: &'static str,
    counters: Arc<TellingCounters>,
    delivered: fn(&TellingCounters) -> &Delivered,
}

impl Lane {
    /// Delivers by `deliver` what comes out of the queue that it returns, one after the other.
    fn start(
        self,
        undelivered: &Undelivered,
        deliver: impl Fn(&Entry) -> Result<(), String> + Send + 'static,
    ) -> io::Result<Sender<Entry>> {
        let (sender, entries) = channel::bounded(NOTIFY_QUEUE);
        let undelivered = undelivered.clone();
        let thread = thread::Builder::new().name(self.name.to_owned());
        thread.spawn(move || self.serve(&entries, &undelivered, &deliver))?;
        Ok(sender)
    }

    fn serve(
        &self,
        entries: &Receiver<Entry>,
        undelivered: &Undelivered,
        deliver: &dyn Fn(&Entry) -> Result<(), String>,
    ) {
        let delivered = (self.delivered)(&self.counters);
        let mut failing = false;
        for entry in entries {
            let outcome = deliver(&entry);
            undelivered.0.fetch_sub(1, Ordering::AcqRel);
            let former = std::mem::replace(&mut failing, outcome.is_err());
            match outcome {
                Ok(()) => delivered.sent.add(1),
                Err(reason) => {
                    delivered.failed.add(1);
                    tracing::warn!(reason, kind = entry.event.kind(), "{}: an event could not be told", self.name);
                }
            }
            if former && !failing {
                tracing::info!("{}: events are told again", self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
